"""Importance sampling: further samples lie where a ray sees something, and bring the picture closer to that of many samples."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import camera as camera_lib
from cnerf_jax import rays as rays_lib
from cnerf_jax.models import base_sdf
from cnerf_jax.models import compositional_field
from cnerf_jax.rendering import importance_sampling
from cnerf_jax.rendering import volume_rendering


pytestmark = pytest.mark.usefixtures('quick_compilation')

DRAW = np.random.default_rng(0)
FAR = jnp.full(2, camera_lib.FAR)


def slow_quantiles(masses, edges, count):
  """The same by walking along each ray."""
  found = []
  for j in range(count):
    left, interval = (j + 0.5) / count, 0
    while interval < len(masses) - 1 and left >= masses[interval]:
      left -= masses[interval]
      interval += 1
    found.append(edges[interval] + (edges[interval + 1] - edges[interval]) * left / masses[interval])
  return found


def test_quantiles_equal_a_walk_along_the_ray():
  """Protects the inversion of the distribution: the slow way gives the same distances."""
  masses = DRAW.dirichlet(np.full(6, 0.5), (2, 3))
  edges = np.sort(DRAW.uniform(0.9, 1.1, (2, 3, 7)))
  found = importance_sampling.quantile_distances(jnp.asarray(masses), jnp.asarray(edges), num_quantiles=5)
  expected = [[slow_quantiles(masses[i, j], edges[i, j], 5) for j in range(3)] for i in range(2)]
  np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize('weights, interval', [
    ([0, 0, 0.9, 0.1, 0, 0], (1, 3)),  # the surface lies before the first sample with weight; the rest of it behind
    ([1, 0, 0, 0, 0, 0], (0, 1))], ids=['between samples', 'at the first sample'])
def test_samples_lie_around_the_surface(weights, interval):
  """Protects what importance is for: nearly all further samples lie in the intervals that touch a heavy sample."""
  distances = jnp.linspace(0.9, 1.1, 6)
  found = np.asarray(importance_sampling.importance_distances(
      jnp.asarray(weights, jnp.float32), distances, jnp.float32(1.14), num_importance=101))
  assert found[-1] == np.float32(1.14), 'the last one is the end of the ray'
  found = found[:-1]
  first, last = (float(distances[i]) for i in interval)
  assert ((found >= first - 1e-6) & (found <= last + 1e-6)).mean() > 0.85
  assert (np.diff(found) >= 0).all() and distances[0] <= found[0] and found[-1] <= distances[-1]


@pytest.mark.parametrize('weights', [[0., 0., 0., 1.], [0., 0., 0., 0.]], ids=['nothing but the end', 'no weight at all'])
def test_an_empty_ray_is_sampled_evenly(weights):
  """Protects backgrounds, and from nan: where nothing is met, further samples spread over the ray and stay finite."""
  distances = jnp.array([0.9, 0.95, 1.0, 1.05])
  found = importance_sampling.importance_distances(jnp.array(weights), distances, jnp.float32(1.1), num_importance=7)
  np.testing.assert_allclose(found, np.append(0.9 + 0.15 * (np.arange(6) + 0.5) / 6, 1.1), atol=1e-5)


def test_one_further_sample_is_the_end_of_the_ray():
  """Protects the smallest number: no quantiles are left, and nothing breaks."""
  found = importance_sampling.importance_distances(jnp.array([0.2, 0.5, 0.3]), jnp.array([0.9, 1.0, 1.1]), jnp.float32(1.12), num_importance=1)
  np.testing.assert_allclose(found, [1.12])


@flax.struct.dataclass
class Ball:
  """A ball whose colour changes with the point."""

  density_beta: Any

  def query(self, points, viewdirs):
    sdf = base_sdf.sphere_sdf(points)
    return compositional_field.FieldSample(
        sdf=sdf, residual_sdf=jnp.zeros_like(sdf), color=jax.nn.sigmoid(20 * points), mask_scores=jax.nn.softmax(20 * points, axis=-1))


@pytest.fixture(name='view', scope='module')
def _view():
  camera = camera_lib.orbit(jnp.array([0.3, -0.2]), jnp.array([0.1, 0.2]))
  return lambda samples: rays_lib.sample_rays(camera, jnp.zeros((2, 64)), image_size=8, num_samples=samples)


@pytest.fixture(name='ball', scope='module')
def _ball():
  return Ball(jnp.float32(0.005))


def test_both_passes_are_one_rendering(ball, view):
  """Protects the merge: the samples of both passes, asked for at once at the distances that came out, give the same rendering."""
  rays, distances = view(6)
  found = jax.jit(lambda ball: volume_rendering.render_rays_by_importance(ball, rays, distances, FAR, num_importance=5))(ball)
  assert found.distances.shape == (2, 64, 11) and (np.diff(found.distances, axis=-1) >= 0).all()
  for distance in np.moveaxis(np.asarray(distances), -1, 0):
    assert (np.abs(found.distances - distance[..., None]).min(-1) == 0).all(), 'an even sample is lost'
  again = jax.jit(volume_rendering.render_rays)(ball, rays, found.distances)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, again)


def test_importance_beats_as_many_even_samples(ball, view):
  """Protects the gain: against 512 samples, 8 + 8 are closer than 16 even ones, in colour and depth."""
  draw = jax.jit(volume_rendering.render_rays)
  exact, even = draw(ball, *view(512)), draw(ball, *view(16))
  found = jax.jit(lambda *scene: volume_rendering.render_rays_by_importance(*scene, FAR, num_importance=8))(ball, *view(8))
  met = np.asarray(exact.last_weight) < 0.01
  assert 0.2 < met.mean() < 0.8
  for pixels in (met, ~met):  # what the ball stops, and what is seen at the end of the ray
    for name in ('rgb', 'depth'):
      error = lambda x: np.abs(np.asarray(getattr(x, name) - getattr(exact, name)))[pixels].mean()
      assert error(found) < 0.6 * error(even), name


def test_gradients_do_not_move_samples(view):
  """Protects editing through such a picture: gradients are finite, and those of a rendering whose distances are given."""
  rays, distances = view(6)

  def loss(beta, distances_of):
    return jnp.sum(distances_of(Ball(beta)).rgb**2)

  by_importance = lambda ball: volume_rendering.render_rays_by_importance(ball, rays, distances, FAR, num_importance=4)
  beta = jnp.float32(0.01)
  fixed = jax.jit(by_importance)(Ball(beta)).distances
  slope = lambda distances_of: jax.jit(jax.grad(loss), static_argnums=1)(beta, distances_of)
  actual = slope(by_importance)
  expected = slope(lambda ball: volume_rendering.render_rays(ball, rays, fixed))
  assert np.isfinite(actual) and abs(float(actual)) > 1e-3
  np.testing.assert_allclose(actual, expected, rtol=1e-4)


@pytest.mark.parametrize('num_rays, activations, expected', [
    (64, 2**20 // 8, (8, 64)),  # a divisor fits
    (509**2, 3072, (760, 760 * 341)),  # a prime: 509 would fit no chunk, one ray at a time would crawl
    (9, 2**21, (9, 9))], ids=['divides', 'prime', 'one ray is too much'])
def test_chunks_of_any_size(num_rays, activations, expected):
  """Protects odd sizes from chunks of one ray: rays are padded where divisors are few, by less than a chunk."""
  num_chunks, padded = volume_rendering.plan_chunks(num_rays, activations)
  assert (num_chunks, padded) == expected
  assert padded % num_chunks == 0 and padded - num_rays < padded // num_chunks + num_chunks
