"""Textures: closer to the colours of a surface than its vertices are, without seams, in files that open again."""

import sys

import numpy as np
from PIL import Image
import pytest

from cnerf_jax import camera as camera_lib
from cnerf_jax.meshing import distance_grid
from cnerf_jax.meshing import mesh_files
from cnerf_jax.meshing import portrait_mesh
from cnerf_jax.meshing import rasterizing
from cnerf_jax.meshing import texture_atlas
from cnerf_jax.meshing import triangles

trimesh = pytest.importorskip('trimesh')
pytest.importorskip('skimage')
pytest.importorskip('xatlas', reason="no xatlas; pip install '.[test]'")


def paint(points, normals):
  """Waves of a tenth of the ball, and the normal."""
  return np.concatenate([0.5 + 0.5 * np.sin(500 * points[:, :2]), 0.5 + 0.5 * normals[:, 2:]], axis=-1)


@pytest.fixture(name='ball', scope='module')
def _ball():
  """A coarse ball with colours of vertices and a texture."""
  box = distance_grid.Box((-0.1,) * 3, (0.1,) * 3)
  surface = triangles.marching_cubes(distance_grid.sample(lambda points: np.linalg.norm(points, axis=-1) - 0.06, box, 24), box)
  normals = triangles.vertex_normals(surface)
  return portrait_mesh.ColoredMesh(
      surface, normals, paint(surface.vertices, normals), np.zeros(len(surface.vertices), int),
      texture_atlas.bake(surface, normals, paint, 256))


@pytest.mark.parametrize('azimuth', [0.0, 1.5, 3.0])
def test_a_texture_is_closer_to_the_surface_than_colours_of_vertices(ball, azimuth):
  """Protects what textures are for, from every side: a quarter of the error of vertices at most, and no pixel far off, as at a seam."""
  raster = rasterizing.rasterize(ball.triangles, camera_lib.orbit(np.float32(azimuth), np.float32(0.3)), image_size=96)
  seen = raster.silhouette
  exact = paint(raster.interpolate(ball.triangles, ball.triangles.vertices)[seen], raster.interpolate(ball.triangles, ball.normals)[seen])
  textured = texture_atlas.sample(ball.texture, raster)[seen]
  of_vertices = raster.interpolate(ball.triangles, ball.colors)[seen]
  assert np.abs(textured - exact).mean() < np.abs(of_vertices - exact).mean() / 4
  assert np.abs(textured - exact).max() < 0.35


def test_corners_are_the_mesh_and_charts_do_not_overlap(ball):
  """Protects the unwrapping: the same triangles, coordinates within the picture, no texel of two faces, no texel without a colour."""
  texture = ball.texture
  np.testing.assert_array_equal(texture.source[texture.faces], ball.triangles.faces)
  assert texture.uv.min() >= 0 and texture.uv.max() <= 1 and texture.image.shape == (256, 256, 3)
  corners = texture.uv[texture.faces]
  a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
  areas = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]) / 2
  flat = np.concatenate([corners * [256, -256] + [0, 256], np.ones(corners.shape[:2] + (1,))], axis=-1)
  covered = rasterizing.rasterize_projected(flat, image_size=256).silhouette
  assert areas.sum() == pytest.approx(covered.mean(), rel=0.05) and covered.mean() > 0.3
  assert (texture.image.max(axis=-1) > 0).all()


def test_files_hold_the_texture(ball, tmp_path):
  """Protects viewers: GLB has the picture inside, OBJ beside it through its material; each corner lies where it did."""
  portrait = portrait_mesh.PortraitMesh(whole=ball, parts={}, class_names=())
  for name in ('head.glb', 'head.obj'):
    mesh_files.write(tmp_path / name, portrait)
    opened = trimesh.load(tmp_path / name, force='mesh', process=False)
    assert isinstance(opened.visual, trimesh.visual.TextureVisuals) and len(opened.faces) == len(ball.triangles.faces)
    found = np.asarray(opened.visual.uv)[opened.faces]
    np.testing.assert_allclose(np.sort(found.reshape(-1)), np.sort(ball.texture.uv[ball.texture.faces].reshape(-1)), atol=1e-5)
    material = opened.visual.material
    picture = material.baseColorTexture if name == 'head.glb' else material.image
    np.testing.assert_array_equal(np.asarray(picture.convert('RGB')), ball.texture.image)
  (png,) = tmp_path.glob('texture_*.png')
  np.testing.assert_array_equal(np.asarray(Image.open(png)), ball.texture.image)
  assert png.with_suffix('.mtl').name in (tmp_path / 'head.obj').read_text()
  with pytest.raises(ValueError, match=r'\.ply holds no texture; use \.glb or \.obj'):
    mesh_files.write(tmp_path / 'head.ply', portrait)


def test_wrong_sizes_and_a_missing_package_are_one_line(monkeypatch):
  """Protects against minutes of work for nothing."""
  with pytest.raises(ValueError, match='texture 32 must be a whole number of 64 to 4096 texels'):
    texture_atlas.check_size(32)
  monkeypatch.setitem(sys.modules, 'xatlas', None)
  with pytest.raises(ValueError, match=r"meshes need xatlas, which is not installed; pip install '\.\[mesh\]'"):
    texture_atlas.check_size(256)
