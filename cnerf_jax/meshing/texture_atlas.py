"""A mesh's colours as a picture: cut into charts by xatlas, each texel coloured by what is seen of the portrait at its place on the surface.

Vertices hold a colour for each cell of the grid; a texture holds as many as it has texels, on a mesh as coarse as one likes. Texels between
charts take the colour of the nearest one that lies on the mesh, so that no filter and no smaller copy of the picture shows a seam.

Coordinates (u, v) are in [0, 1], u to the right and v up: (0, 0) is the lower left corner of the picture.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

from jaxtyping import Float, Int
import numpy as np

from cnerf_jax.meshing import extras
from cnerf_jax.meshing import rasterizing
from cnerf_jax.meshing import triangles as triangles_lib

SIZES = (64, 4096)  # texels of a side
_PADDING = 2  # texels between charts
_AT_ONCE = 2**17  # texels that are coloured together, which bounds memory whatever the size


@dataclasses.dataclass(frozen=True, eq=False)
class Texture:
  """A picture and where each corner of a mesh lies in it.

  Attributes:
    image: [size, size, 3] 8-bit colours as displayed (sRGB), top row first.
    source: vertex of the mesh that each corner is; a vertex on a seam is several corners.
    faces: of the mesh, in its order, as corners.
    uv: of the corners.
  """

  image: Int[np.ndarray, 'size size 3']
  source: Int[np.ndarray, 'corners']
  faces: Int[np.ndarray, 'faces 3']
  uv: Float[np.ndarray, 'corners 2']


def check_size(size: int) -> None:
  """ValueError unless a texture may have so many texels a side, or if xatlas is missing."""
  if type(size) is not int or not SIZES[0] <= size <= SIZES[1]:
    raise ValueError(f'texture {size} must be a whole number of {SIZES[0]} to {SIZES[1]} texels of a side; 1024 is usual')
  extras.load('xatlas', 'xatlas')


def bake(
    triangles: triangles_lib.Triangles, normals: Float[np.ndarray, 'vertices 3'],
    paint: Callable[[np.ndarray, np.ndarray], np.ndarray], size: int,
) -> Texture:
  """The texture of a mesh.

  Args:
    triangles: the mesh, with at least one face.
    normals: of its vertices, unit, out of the solid.
    paint: (points, normals) → colours in [0, 1], for any number of points.
    size: texels of a side.

  Raises:
    ValueError: as `check_size`.
  """
  check_size(size)
  source, faces, uv = _unwrap(triangles, normals, size)
  corners = np.concatenate([uv * [1, -1] + [0, 1], np.ones((len(uv), 1)) / size], axis=-1) * size  # column, row, depth 1
  raster = rasterizing.rasterize_projected(corners[faces], image_size=size)
  image, covered = np.zeros((size, size, 3), np.uint8), raster.silhouette
  at_once = _AT_ONCE // size
  for start in range(0, size, at_once):
    rows = slice(start, start + at_once)
    here = covered[rows]
    if here.any():
      corner_of = triangles.faces[raster.face[rows][here]]
      between = lambda values: np.einsum('pi,pic->pc', raster.barycentric[rows][here], values[corner_of])
      normal = between(normals)
      normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
      image[rows][here] = np.round(255 * np.clip(paint(between(triangles.vertices), normal), 0, 1))
  return Texture(_filled(image, covered), source, faces, uv)


def sample(texture: Texture, raster: rasterizing.Raster) -> Float[np.ndarray, 'height width 3']:
  """Colours in [0, 1] of what pixels see of a textured mesh, between the four nearest texels; 0 where there is no face.

  Args:
    texture: of the mesh.
    raster: of the mesh seen by a camera.
  """
  ndimage = extras.load('scipy.ndimage', 'scikit-image')
  size = len(texture.image)
  uv = np.einsum('hwi,hwic->hwc', raster.barycentric, texture.uv[texture.faces[np.maximum(raster.face, 0)]])
  where = [(1 - uv[..., 1]) * size - 0.5, uv[..., 0] * size - 0.5]
  channels = [ndimage.map_coordinates(texture.image[..., i].astype(np.float32), where, order=1, mode='nearest') for i in range(3)]
  return np.where(raster.silhouette[..., None], np.stack(channels, axis=-1) / 255, 0.0)


def _unwrap(triangles, normals, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """(vertex of each corner, faces as corners, (u, v) of the corners), all in one picture."""
  xatlas = extras.load('xatlas', 'xatlas')
  atlas, options = xatlas.Atlas(), xatlas.PackOptions()
  options.resolution, options.padding = size, _PADDING
  charts = xatlas.ChartOptions()
  charts.max_iterations = 1  # more make rounder charts in several times the time
  atlas.add_mesh(
      triangles.vertices.astype(np.float32), triangles.faces.astype(np.uint32), np.ascontiguousarray(normals, dtype=np.float32))
  atlas.generate(charts, options)
  source, faces, uv = atlas[0]
  longest = max(atlas.width, atlas.height)  # charts rarely fill a square
  return source.astype(np.int64), faces.astype(np.int64), uv.astype(np.float64) * (atlas.width / longest, atlas.height / longest)


def _filled(image: np.ndarray, covered: np.ndarray) -> np.ndarray:
  """Texels that lie on no face with the colour of the nearest that does."""
  ndimage = extras.load('scipy.ndimage', 'scikit-image')
  row, column = ndimage.distance_transform_edt(~covered, return_distances=False, return_indices=True)
  return image[row, column]
