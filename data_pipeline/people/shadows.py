"""Shadow maps: for each direction of light, how far it reaches into the scene; looked up with a soft border.

A map is a z-buffer seen from the light, orthographic, around a sphere that holds head and shoulders.
"""

import dataclasses

import numba
import numpy as np

from data_pipeline.people import rasterizer
from data_pipeline.people import surfaces

CENTRE = np.array([0.0, 6.85, 0.35], np.float32)
RADIUS = 2.3  # decimetres
_FAR = 100.0
_KEY, _FILL = 2, 6  # of how many strands a map sees one
_WIDER = {_KEY: 1.6, _FILL: 3.0}  # factor on their radius
_FINE = 3_000  # a mesh of more vertices has triangles that are smaller than a sample of a fill's map
_ANGLES = np.arange(4)[:, None] * (np.pi / 8) + np.arange(4) * (np.pi / 2)
_TAPS = (np.array([0.55, 0.85, 0.7, 1.0])[:, None, None] * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=-1)).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class ShadowMaps:
  """Of all lights; index 0 is the key light.

  Attributes:
    axes: [lights, 3, 3] rows: right, up and towards the light.
    key: [size, size] of the first light: distance below a plane above the sphere, decimetres.
    fills: [lights - 1, size, size] of the others.
  """

  axes: np.ndarray
  key: np.ndarray
  fills: np.ndarray


def cast(
    directions: np.ndarray, meshes: list[surfaces.Mesh], strands: list[surfaces.Strands], *, key_size: int, fill_size: int,
) -> ShadowMaps:
  """Shadow maps of lights from `directions` [lights, 3]; the key sees every second strand, fills every sixth, wider instead."""
  axes = np.stack([_axes(direction) for direction in directions])
  key = _cast_one(axes[0], meshes, strands, key_size, _KEY)
  fills = [_cast_one(one, meshes, strands, fill_size, _FILL) for one in axes[1:]]
  return ShadowMaps(axes.astype(np.float32), key, np.stack(fills) if fills else np.zeros((0, 1, 1), np.float32))


def _axes(direction: np.ndarray) -> np.ndarray:
  towards = direction / np.linalg.norm(direction)
  right = np.cross([0.0, 1.0, 0.0] if abs(towards[1]) < 0.95 else [0.0, 0.0, 1.0], towards)
  right /= np.linalg.norm(right)
  return np.stack([right, np.cross(towards, right), towards]).astype(np.float32)


def _cast_one(axes: np.ndarray, meshes, strands, size: int, every: int) -> np.ndarray:
  depth = rasterizer.empty_depth(size)
  for mesh in meshes:
    if every == _FILL and len(mesh.vertices) > _FINE:
      _mark(mesh.vertices, axes, depth)
    else:
      rasterizer.draw_triangles(_project(mesh.vertices, axes, size), mesh.triangles, 0, depth, None, None, True)
  opaque = depth.copy()
  for lock in strands:
    points = lock.points[::every]
    radius = lock.radius[::every] * np.float32(size / (2 * RADIUS) * _WIDER[every])
    rasterizer.draw_strands(_project(points, axes, size), radius, 0, depth, None, None, 0.5, opaque)
  return np.minimum(depth, np.float32(_FAR)).astype(np.float32)


@numba.njit(cache=True, nogil=True, inline='always')
def _place(axes, size, px, py, pz):
  """Column, row and depth of a point in a map."""
  x, y, z = px - CENTRE[0], py - CENTRE[1], pz - CENTRE[2]
  scale = size / (2 * RADIUS)
  u = size / 2 + (axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z) * scale - 0.5
  v = size / 2 - (axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z) * scale - 0.5
  return u, v, RADIUS + 1 - (axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z)


@numba.njit(cache=True, nogil=True)
def _mark(vertices, axes, depth):
  """Marks the vertices alone, of a mesh whose triangles are smaller than a sample of the map."""
  size = depth.shape[0]
  for v in range(vertices.shape[0]):
    column, row, below = _place(axes, size, vertices[v, 0], vertices[v, 1], vertices[v, 2])
    x, y = int(np.floor(column + 0.5)), int(np.floor(row + 0.5))
    if 0 <= x < size and 0 <= y < size and below < depth[y, x]:
      depth[y, x] = below


def _project(points: np.ndarray, axes: np.ndarray, size: int) -> np.ndarray:
  local = (points - CENTRE) @ axes.T
  scale = np.float32(size / (2 * RADIUS))
  out = np.empty_like(local)
  out[..., 0] = size / 2 + local[..., 0] * scale
  out[..., 1] = size / 2 - local[..., 1] * scale
  out[..., 2] = RADIUS + 1 - local[..., 2]
  return out


@numba.njit(cache=True, nogil=True, inline='always')
def lit(depths, axes, px, py, pz, softness, bias):
  """Fraction of light that reaches a point: four taps; what lies `softness` decimetres behind what shades it is dark."""
  size = depths.shape[0]
  u, v, depth = _place(axes, size, px, py, pz)
  depth -= bias
  column, row = int(np.floor(u)), int(np.floor(v))
  if column < 0 or row < 0 or column >= size - 1 or row >= size - 1:
    return 1.0
  fu, fv = u - column, v - row
  inverse = 1.0 / softness
  a = min(max(1.0 - (depth - depths[row, column]) * inverse, 0.0), 1.0)
  b = min(max(1.0 - (depth - depths[row, column + 1]) * inverse, 0.0), 1.0)
  c = min(max(1.0 - (depth - depths[row + 1, column]) * inverse, 0.0), 1.0)
  d = min(max(1.0 - (depth - depths[row + 1, column + 1]) * inverse, 0.0), 1.0)
  return (a * (1 - fu) + b * fu) * (1 - fv) + (c * (1 - fu) + d * fu) * fv


@numba.njit(cache=True, nogil=True, inline='always')
def lit_by_area(depths, axes, px, py, pz, softness, bias, penumbra, phase):
  """The same of a light that has a size: five taps over a disc of `penumbra` decimetres, turned by `phase` (0 to 3) from one to the next."""
  size = depths.shape[0]
  u, v, depth = _place(axes, size, px, py, pz)
  if u < 0 or v < 0 or u >= size - 1 or v >= size - 1:
    return 1.0
  depth -= bias + 0.5 * penumbra
  radius = penumbra * size / (2 * RADIUS)
  inverse = 1.0 / softness
  total = 0.0
  for tap in range(5):
    du = radius * (_TAPS[phase, tap, 0] if tap < 4 else 0.0)
    dv = radius * (_TAPS[phase, tap, 1] if tap < 4 else 0.0)
    column, row = min(max(int(u + du + 0.5), 0), size - 1), min(max(int(v + dv + 0.5), 0), size - 1)
    total += min(max(1.0 - (depth - depths[row, column]) * inverse, 0.0), 1.0)
  return total * 0.2
