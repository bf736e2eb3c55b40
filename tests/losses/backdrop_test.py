"""The backdrop loss: numbers, and what it does to a ray that meets nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import camera
from cnerf_jax import rays as rays_lib
from cnerf_jax.losses import backdrop
from cnerf_jax.models import compositional_field
from cnerf_jax.rendering import volume_rendering


class Wall:
  """A wall of one class at z = 0 that stops rays where it is thick, before a backdrop of given mask."""

  density_beta = jnp.array(0.01)

  def __init__(self, inside, backdrop_mask):
    self._inside, self._mask = inside, jnp.asarray(backdrop_mask)

  def query(self, points, viewdirs):
    del viewdirs
    z = points[..., 2]
    sdf = jnp.where(jnp.abs(z) < 0.05, -self._inside, 0.1)
    mask = jnp.where((z < -0.05)[..., None], self._mask, jnp.array([0.0, 0.0, 1.0]))
    return compositional_field.FieldSample(sdf, sdf, jnp.ones(points.shape) / 2, mask)


def render(inside, backdrop_mask):
  cameras = camera.orbit(jnp.zeros(1), jnp.zeros(1))
  rays, distances = rays_lib.sample_rays(cameras, jnp.full((1, 16), 0.5), image_size=4, num_samples=24)
  return volume_rendering.render_rays(Wall(inside, backdrop_mask), rays, distances)


def loss_behind(inside, backdrop_mask):
  return backdrop.backdrop_loss(render(inside, backdrop_mask).unstopped_mask, background=0)


def test_is_what_the_last_sample_shows_of_other_classes_than_the_background():
  unstopped = jnp.array([[0.5, 0.1, 0.2], [0.0, 0.0, 0.0], [0.0, 0.6, 0.0]])
  np.testing.assert_allclose(backdrop.backdrop_loss(unstopped, background=0), (0.3 + 0 + 0.6) / 3, rtol=1e-6)


@pytest.mark.parametrize('inside, backdrop_mask, expected', [
    (-0.2, [1.0, 0.0, 0.0], 0.0),  # nothing before the background
    (-0.2, [0.0, 1.0, 0.0], 1.0),  # hair that is painted on the backdrop
    (-0.2, [0.25, 0.5, 0.25], 0.75),
    (0.2, [0.0, 1.0, 0.0], 0.0)])  # behind a wall nobody sees it
def test_only_what_no_surface_stops_counts(inside, backdrop_mask, expected):
  np.testing.assert_allclose(loss_behind(inside, backdrop_mask), expected, atol=1e-3)


def test_a_rendering_says_what_no_surface_stopped():
  """Protects what the loss is of: the last sample's part of the mask, of a half transparent wall."""
  rendering = render(-0.01, [0.25, 0.5, 0.25])
  assert 0.01 < rendering.last_weight.min() < 0.9
  np.testing.assert_allclose(rendering.unstopped_mask, rendering.last_weight[..., None] * jnp.array([0.25, 0.5, 0.25]), rtol=1e-5)
  np.testing.assert_allclose(rendering.semantic_mask[..., 0], rendering.unstopped_mask[..., 0], atol=1e-3)


def test_pulls_towards_a_surface():
  """Protects the point of it: the gradient makes the wall in front of painted hair denser, and leaves one before the background alone."""
  assert jax.grad(lambda inside: loss_behind(inside, [0.0, 1.0, 0.0]))(0.0) < -1e-3
  assert jax.grad(lambda inside: loss_behind(inside, [1.0, 0.0, 0.0]))(0.0) == 0
