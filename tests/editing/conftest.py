import jax
import numpy as np
import pytest
import tiny

from cnerf_jax import pretrained
from cnerf_jax.models import regional_mapping


@pytest.fixture(scope='session')
def model():
  """A model of three classes (background, skin, nose) with random fields and masks that differ, seen at 8x8 pixels."""
  generator = tiny.make_generator(base='sphere', mask_fusion='softmax', mask_sharpness=10.0, color_gain=5.0, gamma_offset=15.0)
  params = tiny.make_params(generator)
  bank = params['params']['field']['bank']
  bank |= {'mask_kernel': 8 * bank['mask_kernel'], 'mask_bias': 0 * bank['mask_bias']}
  return pretrained.Model(generator, params, image_size=8, num_samples=4, w_mean=jax.numpy.full(8, 0.1))


@pytest.fixture(scope='session')
def regional_model():
  """As `model`, with regional latents that depend on each other: half of all people have a nose, all have the rest."""
  generator = tiny.make_generator(
      base='sphere', mask_fusion='softmax', mask_sharpness=10.0, color_gain=5.0, gamma_offset=15.0, region_dim=2, residual_fusion='masked',
      view_dependence='none')
  params = tiny.make_params(generator)
  draw = np.random.default_rng(1)
  mixing = np.eye(generator.latent_dim) + 0.2 * draw.standard_normal((generator.latent_dim, generator.latent_dim))
  params['params']['mapping'] = regional_mapping.with_prior(
      params['params']['mapping'], draw.standard_normal(generator.latent_dim).astype(np.float32) * (np.arange(generator.latent_dim) > 2),
      (mixing @ mixing.T).astype(np.float32), np.float32([-10, -10, 0]))
  return pretrained.Model(generator, params, image_size=8, num_samples=4)


@pytest.fixture(scope='session')
def styles():
  """Six people, every row of styles its own."""
  return jax.random.normal(jax.random.key(2), (6, tiny.NUM_CLASSES, 2, 8))
