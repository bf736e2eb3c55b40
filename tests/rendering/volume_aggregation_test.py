import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax.rendering import density as density_lib
from cnerf_jax.rendering import volume_aggregation

DRAW = np.random.default_rng(0)


def weights_by_hand(density, deltas):
  """One ray at a time, one sample at a time, in double precision."""
  weights = np.zeros(density.shape)
  for ray in np.ndindex(density.shape[:-1]):
    transmittance = 1.0
    for j in range(density.shape[-1]):
      is_last = j == density.shape[-1] - 1
      alpha = 1.0 if is_last else 1 - math.exp(-float(density[ray + (j,)]) * float(deltas[ray + (j,)]))
      weights[ray + (j,)] = transmittance * alpha
      transmittance *= 1 - alpha
  return weights


def make_rays(leading=(2, 5), samples=6):
  density = DRAW.uniform(0, 60, leading + (samples,)).astype(np.float32)
  distances = np.sort(DRAW.uniform(0.88, 1.12, leading + (samples,)), axis=-1).astype(np.float32)
  directions = DRAW.standard_normal(leading + (3,)).astype(np.float32)
  return density, distances, directions


@pytest.mark.parametrize('leading', [(), (5,), (2, 5)])
def test_weights_equal_the_loop(leading):
  """Protects the rendering equation, for any leading axes."""
  density, distances, directions = make_rays(leading)
  deltas = np.asarray(volume_aggregation.interval_lengths(jnp.asarray(distances), jnp.asarray(directions)))
  weights = volume_aggregation.aggregation_weights(jnp.asarray(density), jnp.asarray(deltas))
  np.testing.assert_allclose(weights, weights_by_hand(density, deltas), atol=1e-6)


def test_intervals_are_world_lengths():
  """Protects the unit of density: gaps times the direction's norm, of all intervals but the last, which is endless."""
  _, distances, directions = make_rays(())
  deltas = np.asarray(volume_aggregation.interval_lengths(jnp.asarray(distances), jnp.asarray(directions)))
  norm = math.sqrt(sum(x * x for x in directions.tolist()))
  np.testing.assert_allclose(deltas, np.diff(distances) * norm, rtol=1e-5)


def test_weights_are_shares():
  """Protects compositing: weights in [0, 1] that sum to 1, whatever is hit: what nothing stops stays at the last sample."""
  density, distances, directions = make_rays((50,), samples=24)
  deltas = volume_aggregation.interval_lengths(jnp.asarray(distances), jnp.asarray(directions))
  for scale in (0.0, 1e-30, 1e-12, 1e-3, 1.0, 1e3, 1e12):
    weights = np.asarray(volume_aggregation.aggregation_weights(jnp.asarray(density) * scale, deltas))
    assert (weights >= 0).all() and (weights <= 1).all()
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    if scale <= 1e-12:
      np.testing.assert_allclose(weights[..., -1], 1, atol=1e-6)


@pytest.mark.parametrize('betas_away', [1, 10, 30, 100, 1000])
def test_no_ray_leaks_however_sharp_the_surface(betas_away):
  """Protects background and opacity of sharp models: of a ray that passes every surface by many density_beta nothing is lost."""
  sdf, beta = 0.1, 0.1 / betas_away
  density = density_lib.density_from_sdf(jnp.full(12, sdf), jnp.float32(beta))
  weights = volume_aggregation.aggregation_weights(density, jnp.full(11, 0.02))
  np.testing.assert_allclose(weights.sum(), 1, atol=1e-6)
  if betas_away >= 30:
    np.testing.assert_allclose(weights[-1], 1, atol=1e-6)


@pytest.mark.parametrize('exponent', range(-10, 11, 2))
def test_values_and_gradients_are_finite(exponent):
  """Protects training at extreme densities, from 1e-10 to 1e10, alone and beside each other."""
  _, distances, directions = make_rays((4,))
  deltas = volume_aggregation.interval_lengths(jnp.asarray(distances), jnp.asarray(directions))
  uniform = jnp.full(distances.shape, 10.0**exponent, jnp.float32)
  for density in (uniform, uniform.at[..., ::2].set(1e-10), uniform.at[..., 1::2].set(1e10)):
    moment = lambda d: jnp.sum(volume_aggregation.aggregation_weights(d, deltas) * jnp.arange(6.0))
    value, gradient = jax.value_and_grad(moment)(density)
    assert np.isfinite(value) and np.isfinite(np.asarray(gradient)).all()


def test_opaque_wall_takes_it_all():
  """Protects occlusion: a wall hides what is behind it, and nothing in front takes its place."""
  density = jnp.array([0.0, 0.0, 1e8, 5.0, 1e8])
  weights = volume_aggregation.aggregation_weights(density, jnp.full(4, 0.04))
  np.testing.assert_allclose(weights, [0, 0, 1, 0, 0], atol=1e-7)


def test_accumulate_is_the_weighted_sum():
  """Protects the axes of the sum along the ray."""
  weights, values = DRAW.uniform(size=(2, 5, 6)), DRAW.standard_normal((2, 5, 6, 3))
  actual = volume_aggregation.accumulate(jnp.asarray(weights), jnp.asarray(values))
  np.testing.assert_allclose(actual, (weights[..., None] * values).sum(-2), rtol=1e-5, atol=1e-6)
