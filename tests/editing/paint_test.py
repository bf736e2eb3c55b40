import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import camera
from cnerf_jax import latents
from cnerf_jax.editing import matching
from cnerf_jax.editing import paint
from cnerf_jax.editing import targets
from cnerf_jax.semantics import SemanticClass

pytestmark = pytest.mark.usefixtures('quick_compilation')
CAMERA = camera.orbit(0.1, 0.0)
SETTINGS = paint.Settings(steps=60, learning_rate=0.3, prior=1e-3)


@pytest.fixture(scope='module')
def person(model):
  return model.draw_styles(jax.random.key(1), 2)[0]


@pytest.fixture(scope='module')
def drawn_on(model, person):
  """Its label map, and the same with a square of nose."""
  labels = paint.labels(model, person, CAMERA)
  drawn = labels.copy()
  drawn[2:5, 2:5] = SemanticClass.NOSE
  assert (drawn != labels).sum() > 3
  return labels, drawn


@pytest.fixture(scope='module')
def painting(model, person, drawn_on):
  return paint.paint(model, person, CAMERA, drawn_on[1], classes=SemanticClass.NOSE, settings=SETTINGS)


def test_painting_reaches_for_the_target(model, person, drawn_on, painting):
  """Protects the purpose: the target's IoU rises, the loss falls, and the rest of the image changes less than the painted part."""
  labels, drawn = drawn_on
  assert painting.iou_after > painting.iou_before + 0.3
  assert painting.losses[-1] < 0.8 * painting.losses[0] and np.isfinite(painting.losses).all()
  now = paint.labels(model, painting.styles, CAMERA)
  changed = drawn != labels
  assert np.mean(now[changed] == drawn[changed]) > 0.6 and np.mean(now[~changed] == drawn[~changed]) > 0.85
  assert 0 < painting.outside_change < 0.3


def test_painting_moves_the_touched_classes_shape_alone(person, painting):
  """Protects everybody else: all rows but the shape of the classes that were freed are the same, bitwise."""
  changed = np.any(np.asarray(painting.styles != person), axis=-1)
  expected = np.zeros((3, 2), bool)
  expected[SemanticClass.NOSE, latents.SHAPE] = True
  np.testing.assert_array_equal(changed, expected)
  assert painting.classes == (SemanticClass.NOSE,)


def test_styles_that_match_less_are_not_returned(model, person, drawn_on):
  """Protects the person: a descent that goes wild gives back the styles that it was given, and says that nothing was gained."""
  wild = paint.paint(
      model, person, CAMERA, drawn_on[1], classes=SemanticClass.SKIN, settings=dataclasses.replace(SETTINGS, keep=0.0, learning_rate=50.0))
  assert wild.iou_after >= wild.iou_before
  if wild.iou_after == wild.iou_before:
    np.testing.assert_array_equal(wild.styles, person)
    assert wild.outside_change == 0


def test_gradients_equal_finite_differences(model, person):
  """Protects the descent: the slope of the loss through the rendering, with respect to styles."""
  before = matching.draw(model, person, CAMERA)
  target = targets.merge(before, np.where(np.arange(64).reshape(8, 8) < 40, 2, paint.UNPAINTED), paint.labels(model, person, CAMERA))
  loss = jax.jit(lambda styles: paint.loss(model.render(styles, CAMERA), target, keep=1.0))
  direction = jax.random.normal(jax.random.key(0), person.shape)
  slope = jnp.vdot(jax.jit(jax.grad(loss))(person), direction)
  difference = (loss(person + 1e-3 * direction) - loss(person - 1e-3 * direction)) / 2e-3
  np.testing.assert_allclose(slope, difference, rtol=0.02, atol=0.02)


@pytest.mark.parametrize('target, message', [
    (np.full((8, 8), paint.UNPAINTED), 'the label map is empty'),
    (np.full((8, 8), 3), r'the label map has labels \[3\]; use 0..2'),
    (np.full((8, 7), 1), r'the target has shape \(8, 7\)'),
    (np.full((8, 8), 1.0), r'the target has shape \(8, 8\) and type float64; give a label map'),
    (np.full((8, 8, 2), 1.0), r'the target has shape \(8, 8, 2\)'),
    (np.full((8, 8, 3), 255.0), 'target masks reach from 255.0 to 255.0'),
])
def test_wrong_targets_are_one_line(target, message, model, person):
  """Protects the user: the value, the rule, the remedy, before anything is compiled for the descent."""
  with pytest.raises(ValueError, match=message) as error:
    paint.paint(model, person, CAMERA, target)
  assert '\n' not in str(error.value)


def test_several_people_and_unknown_sizes_are_refused(model, person):
  """Protects the user from a batch where one person is meant, and from weights that don't say their samples."""
  with pytest.raises(ValueError, match='paint one person'):
    paint.paint(model, person[None], CAMERA, np.full((8, 8), 1))
  with pytest.raises(ValueError, match='do not say their num_samples'):
    paint.labels(dataclasses.replace(model, num_samples=None), person, CAMERA)


def test_divergence_and_psnr_by_hand():
  """Protects the terms from sums that anyone can check."""
  divergence = matching.mask_divergence(jnp.array([0.5, 0.25, 0.25]), jnp.array([1.0, 0.0, 0.0]))
  assert divergence == pytest.approx(np.log(2), abs=3e-3)
  assert matching.psnr(jnp.zeros((4, 4, 3)), jnp.full((4, 4, 3), 0.2)) == pytest.approx(20, abs=1e-3)
