import math

import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import rays

CAMERA = camera_lib.orbit(jnp.array([0.4, -0.3]), jnp.array([0.1, -0.2]))


def test_rays_go_through_pixel_centres():
  """Protects the picture's orientation: row major, top row first, left column first, half a pixel from the border."""
  frontal = rays.cast_rays(camera_lib.orbit(0.0, 0.0), image_size=4)
  tangent = math.tan(math.radians(6))
  directions = np.asarray(frontal.directions).reshape(4, 4, 3)
  np.testing.assert_allclose(directions[0, 0], [-0.75 * tangent, 0.75 * tangent, -1], rtol=1e-5)
  np.testing.assert_allclose(directions[0, 3], [0.75 * tangent, 0.75 * tangent, -1], rtol=1e-5)
  np.testing.assert_allclose(directions[3, 1], [-0.25 * tangent, -0.75 * tangent, -1], rtol=1e-5)
  np.testing.assert_allclose(directions.mean(axis=(0, 1)), [0, 0, -1], atol=1e-6)


def test_directions_have_depth_one_and_viewdirs_length_one():
  """Protects distances as depths: camera-frame z is -1 for every ray of every camera; viewdirs are the unit vectors."""
  cast = rays.cast_rays(CAMERA, image_size=4)
  assert cast.origins.shape == cast.directions.shape == cast.viewdirs.shape == (2, 16, 3)
  in_camera = jnp.einsum('bji,brj->bri', CAMERA.cam_to_world[..., :3], cast.directions)
  np.testing.assert_allclose(in_camera[..., 2], -1, atol=1e-6)
  np.testing.assert_allclose(jnp.linalg.norm(cast.viewdirs, axis=-1), 1, atol=1e-6)
  np.testing.assert_allclose(jnp.cross(cast.viewdirs, cast.directions), 0, atol=1e-6)
  np.testing.assert_allclose(cast.origins, jnp.broadcast_to(CAMERA.cam_to_world[:, None, :, 3], (2, 16, 3)))


def test_offset_distances_share_one_jitter():
  """Protects offset sampling: near + (far - near)(j + jitter)/S, evenly spaced, within [near, far)."""
  jitter = jnp.array([[0.0, 0.25], [0.5, 0.999]])
  distances = np.asarray(rays.offset_distances(CAMERA.near, CAMERA.far, jitter, num_samples=6))
  expected = 0.88 + 0.24 * (np.arange(6) + np.asarray(jitter)[..., None]) / 6
  np.testing.assert_allclose(distances, expected, rtol=1e-6)
  assert (distances >= 0.88 - 1e-6).all() and (distances < 1.12).all()


def test_stratified_distances_stay_in_their_strata():
  """Protects sphere initialisation's points: one in each stratum, between the neighbours' middles, increasing."""
  draw = np.random.default_rng(0)
  grid = 0.88 + 0.24 * np.arange(6) / 6
  middles = (grid[1:] + grid[:-1]) / 2
  distances = np.asarray(rays.stratified_distances(
      CAMERA.near, CAMERA.far, jnp.asarray(draw.uniform(size=(2, 16, 6)), jnp.float32)))
  lower, upper = np.append(grid[0], middles), np.append(middles, grid[-1])
  assert (distances >= lower - 1e-6).all() and (distances <= upper + 1e-6).all()
  ends = [rays.stratified_distances(CAMERA.near, CAMERA.far, jnp.full((2, 16, 6), u)) for u in (0.0, 1.0)]
  np.testing.assert_allclose(ends[0], np.broadcast_to(lower, (2, 16, 6)), rtol=1e-6)
  np.testing.assert_allclose(ends[1], np.broadcast_to(upper, (2, 16, 6)), rtol=1e-6)


def test_rays_of_some_pixels_are_those_of_the_image():
  """Protects strips of large pictures: rays of single pixels are bitwise those of the whole image."""
  camera = camera_lib.orbit(jnp.array([0.3, -0.2]), 0.1)
  pixels = jnp.array([0, 7, 8, 30, 63, 63])
  whole = rays.cast_rays(camera, image_size=8)
  some = rays.cast_pixel_rays(camera, pixels, image_size=8)
  jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b[:, pixels]), some, whole)
