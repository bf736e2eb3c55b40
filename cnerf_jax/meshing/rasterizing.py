"""Triangles seen by a camera: nearest depth, which face, by the centres of pixels. Small and exact, for checks and pictures, not for speed.

All faces at once, one pixel of their bounding boxes after another: quick for many small triangles, slow for large ones.
"""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from cnerf_jax import camera as camera_lib
from cnerf_jax.meshing import triangles as triangles_lib


@dataclasses.dataclass(frozen=True, eq=False)
class Raster:
  """What each pixel sees of a surface.

  Attributes:
    face: index of the nearest face, -1 where there is none.
    depth: along the camera's axis, world units; infinite where there is no face.
    barycentric: of the point that is seen, weights of the face's corners in the world; 0 where there is no face.
  """

  face: Int[np.ndarray, 'height width']
  depth: Float[np.ndarray, 'height width']
  barycentric: Float[np.ndarray, 'height width 3']

  @property
  def silhouette(self) -> Bool[np.ndarray, 'height width']:
    return self.face >= 0

  def interpolate(self, triangles: triangles_lib.Triangles, values: Float[np.ndarray, 'vertices channels']) -> np.ndarray:
    """Values of vertices at what each pixel sees: [height, width, channels], 0 where there is no face."""
    corners = values[triangles.faces[np.maximum(self.face, 0)]]
    return np.einsum('hwi,hwic->hwc', self.barycentric, corners)


def project(points: Float[np.ndarray, 'points 3'], camera: camera_lib.Camera, *, image_size: int) -> Float[np.ndarray, 'points 3']:
  """World points to (column, row, depth): pixels, centres of the first ones at .5, and world units along the camera's axis."""
  cam_to_world = np.asarray(camera.cam_to_world, np.float64)
  in_camera = (np.asarray(points, np.float64) - cam_to_world[:, 3]) @ cam_to_world[:, :3]
  depth = -in_camera[:, 2]
  focal = image_size * float(camera.focal)
  return np.stack([
      image_size / 2 + focal * in_camera[:, 0] / depth, image_size / 2 - focal * in_camera[:, 1] / depth, depth], axis=-1)


def rasterize(triangles: triangles_lib.Triangles, camera: camera_lib.Camera, *, image_size: int) -> Raster:
  """What one camera sees of triangles, from both of their sides; those that reach behind the camera are left out.

  Raises:
    ValueError: if it is more than one camera.
  """
  if np.ndim(camera.focal):
    raise ValueError(f'cameras of shape {np.shape(camera.focal)}; rasterize one at a time, camera_at(cameras, i)')
  return rasterize_projected(project(triangles.vertices, camera, image_size=image_size)[triangles.faces], image_size=image_size)


def rasterize_projected(corners: Float[np.ndarray, 'faces 3 3'], *, image_size: int) -> Raster:
  """What pixels see of triangles whose corners are given as (column, row, depth), as `project` does; depths of 0 or less are not seen."""
  first = np.ceil(corners[..., :2].min(axis=1) - 0.5).clip(0).astype(int)
  last = np.floor(corners[..., :2].max(axis=1) - 0.5).clip(max=image_size - 1).astype(int)
  visible = (corners[..., 2] > 0).all(axis=1) & (last >= first).all(axis=1)
  index, corners, first, last = (x[visible] for x in (np.arange(len(corners)), corners, first, last))
  depth = np.full(image_size**2, np.inf)
  face = np.full(image_size**2, -1)
  barycentric = np.zeros((image_size**2, 3))
  extent = (last - first).max(axis=0, initial=-1) + 1
  for right in range(extent[0]):
    some = np.flatnonzero(first[:, 0] + right <= last[:, 0])
    for down in range(extent[1]):
      faces = some[first[some, 1] + down <= last[some, 1]]
      pixel = first[faces] + (right, down)
      weights, inside = _barycentric(corners[faces], pixel + 0.5)
      faces, pixel, weights = faces[inside], pixel[inside], weights[inside]
      inverse_depth = weights / corners[faces][..., 2]  # perspective: 1 / depth is linear in the image
      here = 1 / inverse_depth.sum(axis=-1)
      at = pixel[:, 1] * image_size + pixel[:, 0]
      order = np.lexsort((here, at))
      at, order = at[order], order
      nearest = order[np.r_[True, at[1:] != at[:-1]]] if len(at) else order
      where = pixel[nearest, 1] * image_size + pixel[nearest, 0]
      nearer = here[nearest] < depth[where]
      nearest, where = nearest[nearer], where[nearer]
      depth[where], face[where] = here[nearest], index[faces[nearest]]
      barycentric[where] = inverse_depth[nearest] * here[nearest, None]
  square = (image_size, image_size)
  return Raster(face.reshape(square), depth.reshape(square), barycentric.reshape(square + (3,)))


def camera_at(cameras: camera_lib.Camera, i: int) -> camera_lib.Camera:
  """One camera of several."""
  return jax.tree.map(lambda x: np.asarray(x)[i], cameras)


def _barycentric(corners, points) -> tuple[np.ndarray, np.ndarray]:
  """(weights of the corners in the image, whether the point is inside); a triangle seen edge on holds no point."""
  a, b, c = (corners[:, i, :2] for i in range(3))
  area = _cross(b - a, c - a)
  safe = np.where(area == 0, 1.0, area)
  weights = np.stack([_cross(b - points, c - points), _cross(c - points, a - points), _cross(a - points, b - points)], axis=-1) / safe[:, None]
  return weights, (weights >= 0).all(axis=-1) & (area != 0)


def _cross(a, b):
  return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
