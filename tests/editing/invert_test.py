import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import camera
from cnerf_jax.editing import invert
from cnerf_jax.editing import matching
from cnerf_jax.editing import pivotal_tuning
from cnerf_jax.models import portrait_encoder

pytestmark = pytest.mark.usefixtures('quick_compilation')
VIEWPOINT = jnp.array([0.25, 0.1])
SETTINGS = invert.Settings(latent_steps=80, style_steps=40)


@pytest.fixture(scope='module')
def z():
  return jax.random.normal(jax.random.key(3), (8,))


@pytest.fixture(scope='module')
def portrait(model, z):
  """A person of the model's own: image and masks."""
  rendering = matching.draw(model, model.map_latents(z), camera.orbit(*VIEWPOINT))
  return np.asarray(rendering.rgb), np.asarray(rendering.semantic_mask)


@pytest.fixture(scope='module')
def inversion(model, portrait):
  return invert.invert(model, portrait[0], label_map=portrait[1], settings=SETTINGS)


def test_a_rendering_is_recovered(inversion):
  """Protects the purpose: image, masks and camera of a person of the model's own are found, from nothing."""
  assert inversion.psnr > 30 and inversion.mean_iou > 0.8
  np.testing.assert_allclose(inversion.viewpoint, VIEWPOINT, atol=0.08)
  assert inversion.losses[-1] < 0.3 * inversion.losses[0] and len(inversion.losses) == 120
  np.testing.assert_array_equal(inversion.camera.cam_to_world, camera.orbit(*inversion.viewpoint).cam_to_world)


def test_a_given_viewpoint_stays(model, portrait):
  """Protects a known camera: the viewpoint that was given comes back, bitwise; without label map there is no IoU."""
  found = invert.invert(model, portrait[0], viewpoint=(0.25, 0.1), settings=dataclasses.replace(SETTINGS, latent_steps=2, style_steps=2))
  np.testing.assert_array_equal(found.viewpoint, VIEWPOINT)
  assert found.mean_iou is None


def test_an_encoder_is_where_it_begins(model, portrait, z):
  """Protects the encoder's guess: one step after a perfect one, the portrait is there."""
  def encoder(image, semantic_mask):
    np.testing.assert_array_equal(semantic_mask[0], portrait[1])
    assert image.shape == (1, 8, 8, 3)
    return portrait_encoder.LatentGaussian(mean=z[None], log_variance=jnp.zeros((1, 8))), VIEWPOINT[None]

  settings = dataclasses.replace(SETTINGS, latent_steps=1, style_steps=0)
  found = invert.invert(model, portrait[0], label_map=portrait[1], encoder=encoder, settings=settings)
  assert found.psnr > 60
  with pytest.raises(ValueError, match='an encoder reads image and label map together'):
    invert.invert(model, portrait[0], encoder=encoder)


def test_tuned_parameters_draw_the_portrait_better(model, portrait, inversion):
  """Protects pivotal tuning: the error falls, the pivot stays, only the field is tuned, and the model that was given is as it was."""
  before = jax.tree.map(np.array, model.params)
  image = np.clip(portrait[0] + 0.3 * np.eye(8)[..., None], -1, 1)
  pivot = invert.report(model, image, None, inversion.styles, inversion.viewpoint)
  tuned, better = pivotal_tuning.tune(model, pivot, image, settings=pivotal_tuning.Settings(steps=30, learning_rate=5e-4))
  assert better.psnr > pivot.psnr + 0.3
  np.testing.assert_array_equal(better.styles, pivot.styles)
  same = jax.tree.map(lambda a, b: bool(np.array_equal(a, b)), tuned.params['params'], before['params'])
  assert all(jax.tree.leaves(same['mapping'])) and not all(jax.tree.leaves(same['field']))
  jax.tree.map(np.testing.assert_array_equal, model.params, before)


@pytest.mark.parametrize('changes, message', [
    ({'image': np.zeros((8, 7, 3))}, r'image has shape \(8, 7, 3\)'),
    ({'image': np.full((8, 8, 3), 200.0)}, r'image reaches from 200.0 to 200.0 \(float64\)'),
    ({'image': np.zeros((8, 8, 3), np.uint8)}, r'give numbers in \[-1, 1\]'),
    ({'label_map': np.zeros((4, 4), int)}, 'the label map has side 4, the image 8'),
    ({'label_map': np.full((8, 8), -1)}, 'the label map is empty'),
    ({'label_map': np.full((8, 8), 7)}, r'the label map has labels \[7\]'),
    ({'viewpoint': (0.1,)}, 'must be two finite numbers'),
])
def test_wrong_input_is_one_line(changes, message, model):
  """Protects the user: the value, the rule, the remedy, before any work."""
  with pytest.raises(ValueError, match=message) as error:
    invert.invert(model, **({'image': np.zeros((8, 8, 3))} | changes))
  assert '\n' not in str(error.value)
