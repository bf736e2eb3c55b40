"""The figures of benchmarks/meshes.py, on a sphere whose pictures are known."""

import dataclasses
import types

import numpy as np
import pytest

from benchmarks import meshes
from cnerf_jax import camera as camera_lib
from cnerf_jax.meshing import distance_grid
from cnerf_jax.meshing import portrait_mesh
from cnerf_jax.meshing import rasterizing
from cnerf_jax.meshing import splats as splats_lib
from cnerf_jax.meshing import texture_atlas
from cnerf_jax.meshing import triangles

pytest.importorskip('skimage')


def sphere(radius):
  box = distance_grid.Box((-0.12,) * 3, (0.12,) * 3)
  found = triangles.marching_cubes(distance_grid.sample(lambda p: np.linalg.norm(p, axis=-1) - radius, box, 64), box)
  normals = triangles.vertex_normals(found)
  return portrait_mesh.ColoredMesh(found, normals, (normals + 1) / 2, np.zeros(len(normals), int))


def picture(mesh, camera):
  """A rendering made of a mesh's own raster."""
  raster = rasterizing.rasterize(mesh.triangles, camera, image_size=meshes.IMAGE_SIZE)
  inside = raster.silhouette[..., None]
  return types.SimpleNamespace(
      semantic_mask=np.where(inside, 0.0, 1.0), depth=np.where(inside[..., 0], raster.depth, 1.1),
      rgb=2 * raster.interpolate(mesh.triangles, mesh.colors) - 1)


def test_a_mesh_against_its_own_pictures_and_against_a_smaller_one():
  """Protects the figures: perfect against itself, splats near it; against a sphere of .9 of its size each is off by what geometry says."""
  cameras = [camera_lib.orbit(np.float32(azimuth), np.float32(0)) for azimuth in (-0.4, 0.0, 0.4)]
  large, small = sphere(0.07), sphere(0.063)
  pictures = [picture(large, camera) for camera in cameras]
  found = {}
  for name, mesh in (('large', large), ('small', small)):
    found[name] = meshes.compare(mesh, splats_lib.from_mesh(mesh, count=20_000), cameras, pictures, 0)
  assert found['large']['silhouette_iou'] == 1 and found['large']['depth_error'] == 0 and found['large']['warped_error'] < 2e-3
  assert found['large']['splats_psnr'] > 25
  assert found['small']['silhouette_iou'] == pytest.approx(0.81, abs=0.02)
  assert found['small']['depth_error'] == pytest.approx(0.0085, abs=0.002)


def test_a_texture_is_compared_where_there_is_one():
  """Protects texture_psnr: a texture of the picture's own colours is near it, none leaves the figure out."""
  pytest.importorskip('xatlas', reason="no xatlas; pip install '.[test]'")
  mesh = sphere(0.07)
  texture = texture_atlas.bake(mesh.triangles, mesh.normals, lambda points, normals: (normals + 1) / 2, 256)
  cameras = [camera_lib.orbit(np.float32(azimuth), np.float32(0)) for azimuth in (0.0, 0.4)]
  pictures = [picture(mesh, camera) for camera in cameras]
  splats = splats_lib.from_mesh(mesh, count=5_000)
  found = meshes.compare(dataclasses.replace(mesh, texture=texture), splats, cameras, pictures, 0)
  assert found['texture_psnr'] > 40 and 'texture_psnr' not in meshes.compare(mesh, splats, cameras, pictures, 0)
