"""Sharpening after pretraining: borders get steeper, surfaces thinner, and nothing else changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

from cnerf_jax import sampler
from cnerf_jax.models import compositional_field
from cnerf_jax.rendering import density
from cnerf_jax.training import sharpening


@pytest.fixture(scope='module')
def generator():
  return tiny.make_generator(mask_fusion='softmax', base='sphere')


@pytest.fixture(scope='module')
def params(generator):
  return tiny.make_params(generator, seed=3)


def answers(generator, params):
  """What each class says of some points, and the field that fuses it."""
  styles = sampler.map_latents(generator, params, jax.random.normal(jax.random.key(0), (2, generator.latent_dim)))
  field = sampler.radiance_field(generator, params, styles)
  points = 0.1 * jax.random.normal(jax.random.key(1), (2, 5, 3, 3))
  viewdirs = jnp.broadcast_to(jnp.array([0.0, 0.0, -1.0]), (2, 5, 3))
  assert isinstance(field, compositional_field.RadianceField)
  return field, field.local_queries(points, viewdirs)


def test_masks_are_the_softmax_of_multiplied_scores(generator, params):
  """Protects the formula: m = softmax(a s_k), of scores, colours and distances that are each class's own as before."""
  field, before = answers(generator, params)
  sharper, after = answers(generator, sharpening.sharpen_masks(params, 2.5))
  np.testing.assert_array_equal(after.color_logit, before.color_logit)
  np.testing.assert_array_equal(after.residual_sdf, before.residual_sdf)
  scores = np.asarray(field.mask_sharpness * before.mask_score, np.float64)
  expected = np.exp(2.5 * scores)
  expected /= expected.sum(axis=0)
  np.testing.assert_allclose(sharper.fuse_masks(after.mask_score), expected, rtol=1e-4, atol=1e-6)
  assert np.abs(expected - field.fuse_masks(before.mask_score)).max() > 0.01, 'these scores can tell'
  assert sharper.density_beta == field.density_beta


def test_only_mask_heads_change(params):
  """Protects everything else: colours, distances, styles and the width of the surface."""
  sharper = sharpening.sharpen_masks(params, 2.0)
  changed = [
      path[-1].key for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(sharper))
      if not np.array_equal(a, b)]
  assert sorted(changed) == ['mask_bias', 'mask_kernel']


def test_a_factor_of_one_changes_nothing(params):
  """Protects runs that don't ask for it."""
  assert sharpening.sharpen_masks(params, 1.0) is params


@pytest.mark.parametrize('factor', [0.0, -1.0, float('nan')])
def test_bad_factors(params, factor):
  """Protects from masks that are the same everywhere."""
  with pytest.raises(ValueError, match=f'factor {factor} on mask scores must be above 0'):
    sharpening.sharpen_masks(params, factor)


def test_surfaces_are_thinner_by_the_factor(generator, params):
  """Protects the formula: beta / b, of distances, scores and colours that are as before; never below what a density can be made of."""
  field, before = answers(generator, params)
  thinner, after = answers(generator, sharpening.thin_surfaces(params, 1.4))
  np.testing.assert_allclose(thinner.density_beta, field.density_beta / 1.4, rtol=1e-6)
  jax.tree.map(np.testing.assert_array_equal, after, before)
  assert sharpening.thin_surfaces(params, 1e9)['params']['field']['density_beta'] == np.float32(density.SMALLEST_BETA)
  assert sharpening.thin_surfaces(params, 1.0) is params


@pytest.mark.parametrize('factor', [0.0, -1.0, float('nan')])
def test_bad_factors_of_thinness(params, factor):
  """Protects from surfaces that are nowhere."""
  with pytest.raises(ValueError, match=f'factor {factor} on the thinness of surfaces must be above 0'):
    sharpening.thin_surfaces(params, factor)
