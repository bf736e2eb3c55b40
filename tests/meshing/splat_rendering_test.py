"""Splats from a camera: where, how large and how bright a Gaussian appears, nearer ones in front, and a file that keeps them."""

import numpy as np
import pytest

from cnerf_jax import camera as camera_lib
from cnerf_jax.meshing import rasterizing
from cnerf_jax.meshing import splat_rendering
from cnerf_jax.meshing import splats as splats_lib

SIZE = 32


def some(positions, colors, width, opacity=0.9):
  """Round, thin splats that face +z."""
  count = len(positions)
  normals = np.tile([0.0, 0.0, 1.0], (count, 1))
  return splats_lib.Splats(
      positions=np.array(positions, float), normals=normals, colors=np.array(colors, float),
      scales=np.tile([width, width, width / 5], (count, 1)), rotations=splats_lib.rotations_to(normals), opacity=opacity)


@pytest.mark.parametrize('azimuth', [0.0, 0.9])
def test_a_splat_has_its_place_and_its_area(azimuth):
  """Oracle: the centre of what is drawn is its projection, its sum opacity times 2 pi times the two widths in pixels."""
  camera = camera_lib.orbit(np.float32(azimuth), np.float32(0.1))
  one = some([[0.01, 0.02, 0.0]], [[1, 1, 1]], width=0.006)
  opacity = splat_rendering.render(one, camera, image_size=SIZE)[..., 3]
  column, row, depth = rasterizing.project(one.positions, camera, image_size=SIZE)[0]
  y, x = np.mgrid[:SIZE, :SIZE] + 0.5
  assert (opacity * x).sum() / opacity.sum() == pytest.approx(column, abs=0.05)
  assert (opacity * y).sum() / opacity.sum() == pytest.approx(row, abs=0.05)
  pixels = SIZE * float(camera.focal) / depth * 0.006
  if azimuth == 0:
    assert opacity.sum() == pytest.approx(0.9 * 2 * np.pi * pixels**2, rel=0.03)
  else:
    spread = lambda along, middle: np.sqrt((opacity * (along - middle)**2).sum() / opacity.sum())
    assert spread(x, column) < 0.8 * spread(y, row)


def test_the_nearer_splat_is_in_front():
  """Protects compositing: red before blue from the front, blue before red from behind, whatever their order in the file."""
  both = some([[0, 0, -0.02], [0, 0, 0.02]], [[0, 0, 1], [1, 0, 0]], width=0.01)
  for azimuth, front in ((0.0, 0), (np.pi, 2)):
    middle = splat_rendering.render(both, camera_lib.orbit(np.float32(azimuth), np.float32(0)), image_size=SIZE)[15, 15]
    assert middle[front] > 0.7 and middle[2 - front] < 0.2 and middle[3] <= 1


def test_splats_are_kept_by_their_file(tmp_path):
  """Plumbing: what is written is read; another .ply is refused."""
  positions = np.random.default_rng(0).normal(size=(7, 3))
  one = some(positions, np.abs(np.sin(positions)), width=0.01)
  splats_lib.write(tmp_path / 'splats.ply', one)
  again = splats_lib.read(tmp_path / 'splats.ply')
  for name in ('positions', 'normals', 'colors', 'scales', 'rotations', 'opacity'):
    np.testing.assert_allclose(getattr(again, name), getattr(one, name), atol=1e-5)
  (tmp_path / 'other.ply').write_bytes(b'ply\nend_header\n')
  with pytest.raises(ValueError, match='holds no splats'):
    splats_lib.read(tmp_path / 'other.ply')


def test_quaternions_turn_z_into_normals():
  """Oracle: the rotation matrix of each quaternion maps the z axis onto the normal, the opposite one as well."""
  normals = np.random.default_rng(1).normal(size=(20, 3))
  normals = np.concatenate([normals / np.linalg.norm(normals, axis=-1, keepdims=True), [[0, 0, -1], [0, 0, 1]]])
  w, x, y, z = splats_lib.rotations_to(normals).T
  turned = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], axis=-1)
  np.testing.assert_allclose(turned, normals, atol=1e-6)
