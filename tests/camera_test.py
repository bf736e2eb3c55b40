import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import camera
from cnerf_jax import rays
from cnerf_jax.models import base_sdf
from cnerf_jax.models import compositional_field
from cnerf_jax.rendering import volume_rendering


def test_camera_faces_the_origin_from_the_front():
  """Protects the frame: at (0, 0) the camera stands at +z, x to the right, y up, looking along -z."""
  view = camera.orbit(0.0, 0.0)
  np.testing.assert_allclose(view.cam_to_world, [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1]], atol=1e-7)
  np.testing.assert_allclose(view.focal, 0.5 / math.tan(math.radians(6)), rtol=1e-6)
  np.testing.assert_allclose([view.near, view.far], [0.88, 1.12], rtol=1e-6)


@pytest.mark.parametrize('azimuth, elevation', [(0.3, 0.0), (-0.5, 0.4), (2.0, -1.2)])
def test_camera_is_rigid_and_looks_at_the_origin(azimuth, elevation):
  """Protects every view: a right-handed rotation, on the unit sphere, level, at the angles asked for."""
  rotation, position = np.split(np.asarray(camera.orbit(azimuth, elevation).cam_to_world), [3], axis=-1)
  position = position[:, 0]
  np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-6)
  np.testing.assert_allclose(np.linalg.det(rotation), 1, atol=1e-6)
  np.testing.assert_allclose(rotation @ [0, 0, 1], position, atol=1e-6)
  np.testing.assert_allclose(rotation[1, 0], 0, atol=1e-6)
  np.testing.assert_allclose(math.atan2(position[0], position[2]), azimuth, atol=1e-6)
  np.testing.assert_allclose(math.asin(position[1]), elevation, atol=1e-6)


def test_angles_broadcast():
  """Protects views of one portrait by many azimuths at one elevation."""
  view = camera.orbit(jnp.zeros((4, 1)), jnp.zeros(3))
  assert view.cam_to_world.shape == (4, 3, 3, 4) and view.focal.shape == view.near.shape == view.far.shape == (4, 3)


@pytest.mark.parametrize('settings, message', [
    (dict(near=1.2), r'near 1.2 and far 1.12 must satisfy 0 < near < far'),
    (dict(near=-0.1), r'near -0.1 and far 1.12 must satisfy 0 < near < far'),
    (dict(near=1.0, far=1.0), r'must satisfy 0 < near < far')])
def test_impossible_camera_is_refused(settings, message):
  """Protects against silent nonsense: the value and the rule in one line."""
  with pytest.raises(ValueError, match=message):
    camera.orbit(0.0, 0.0, **settings)


def blocks_of_four(image):
  """[64, 64, ...] → [32, 32, ...], the mean of each 2x2 block."""
  image = np.asarray(image)
  return image.reshape(32, 2, 32, 2, *image.shape[2:]).mean(axis=(1, 3))


def test_field_of_view_does_not_depend_on_the_image_size():
  """Protects drawing at any size with one camera: the borders of the image, half a pixel beyond the corner rays, stay where they are."""
  view = camera.orbit(0.3, -0.1)
  directions = {n: np.asarray(rays.cast_rays(view, image_size=n).directions).reshape(n, n, 3) for n in (32, 64)}
  for n, d in directions.items():
    rotation = np.asarray(view.cam_to_world)[:, :3]
    corner = (d[0, 0] - (d[1, 1] - d[0, 0]) / 2) @ rotation
    np.testing.assert_allclose(corner, [-math.tan(math.radians(6)), math.tan(math.radians(6)), -1], atol=1e-6, err_msg=str(n))
  np.testing.assert_allclose(blocks_of_four(directions[64]), directions[32], atol=1e-6)


class SmoothSphere:
  """A soft sphere whose colours and masks are slow waves in space."""

  density_beta = jnp.float32(0.03)

  def query(self, points, viewdirs):
    del viewdirs
    sdf = base_sdf.sphere_sdf(points)
    color = 0.5 + 0.4 * jnp.sin(points * 15)
    return compositional_field.FieldSample(sdf, jnp.zeros_like(sdf), color, jnp.stack([color[..., 0], 1 - color[..., 0]], -1))


def test_one_camera_draws_the_same_picture_at_any_size():
  """Protects renderings larger than those of training: blocks of a picture at 64 pixels are the pixels of one at 32."""
  view = camera.orbit(jnp.array([0.3]), jnp.array([-0.1]))
  pictures = {}
  for n in (32, 64):
    drawn = volume_rendering.render_rays(
        SmoothSphere(), *rays.sample_rays(view, jnp.zeros((1, n**2)), image_size=n, num_samples=24))
    pictures[n] = {name: getattr(drawn, name).reshape(n, n, -1) for name in ('rgb', 'semantic_mask', 'depth')}
  for name, small in pictures[32].items():
    large = blocks_of_four(pictures[64][name])
    np.testing.assert_allclose(large, small, atol=0.02 * np.ptp(small), err_msg=name)


def test_drawn_viewpoints_have_the_published_spread():
  """Protects the distribution of cameras: azimuth 0.3 and elevation 0.15 radians, centred, the same key the same draw."""
  views = np.asarray(camera.draw_viewpoints(jax.random.key(0), 20_000))
  np.testing.assert_allclose(views.std(axis=0), [0.3, 0.15], rtol=0.03)
  np.testing.assert_allclose(views.mean(axis=0), 0, atol=0.01)
  np.testing.assert_array_equal(views, camera.draw_viewpoints(jax.random.key(0), 20_000))
  wider = np.asarray(camera.draw_viewpoints(jax.random.key(0), 20_000, azimuth_std=0.6, elevation_std=0.1))
  np.testing.assert_allclose(wider.std(axis=0), [0.6, 0.1], rtol=0.03)


def test_multi_view_azimuths_are_symmetric():
  """Protects the sheets: ten views from -0.45 to 0.45 radians."""
  azimuths = np.asarray(camera.multi_view_azimuths())
  assert azimuths.shape == (10,)
  np.testing.assert_allclose(azimuths[[0, -1]], [-0.45, 0.45], rtol=1e-6)
  np.testing.assert_allclose(azimuths, -azimuths[::-1], atol=1e-7)
