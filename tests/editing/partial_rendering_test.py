import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import camera
from cnerf_jax.editing import partial_rendering
from cnerf_jax.rendering import volume_rendering

CAMERA = camera.orbit(0.1, 0.0)
PIXELS = jnp.array([3, 60, 17, 17, 28, 35])


@pytest.mark.parametrize('kind', ['model', 'regional_model'])
@pytest.mark.parametrize('budget', [None, 200])
def test_a_few_classes_moved_are_the_whole_drawn_anew(kind, budget, request, styles, monkeypatch):
  """Protects the terms that are kept: pixels drawn with two classes moved are those of a rendering of all, in one chunk or in several."""
  model = request.getfixturevalue(kind)
  if budget:
    monkeypatch.setattr(volume_rendering, '_activation_budget', lambda: budget)
  edited = styles[0].at[1:].set(styles[1, 1:])
  scene = jax.jit(lambda styles: partial_rendering.prepare(
      model.generator, model.params, styles, CAMERA, PIXELS, jnp.array([2, 1]), image_size=8, num_samples=4))(styles[0])
  found = jax.jit(lambda styles: partial_rendering.render(model.generator, model.params, styles, scene))(edited)
  whole = jax.jit(lambda styles: model.render(styles, CAMERA))(edited)
  for name in ('rgb', 'semantic_mask', 'depth', 'sdf'):
    expected = np.asarray(getattr(whole, name)).reshape(64, *getattr(found, name).shape[1:])[PIXELS]
    np.testing.assert_allclose(getattr(found, name), expected, atol=2e-5, err_msg=name)


def test_classes_that_stay_are_not_asked(model, styles):
  """Protects the point of it: styles of classes that stay change nothing, and have no gradient."""
  scene = partial_rendering.prepare(
      model.generator, model.params, styles[0], CAMERA, PIXELS, jnp.array([2]), image_size=8, num_samples=4)
  loss = lambda styles: jnp.sum(partial_rendering.render(model.generator, model.params, styles, scene).rgb**2)
  slope = jax.jit(jax.grad(loss))(styles[0])
  assert np.any(slope[2]) and not np.any(slope[:2])
