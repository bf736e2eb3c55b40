"""Made things as grids of points: tubes swept along curves, surfaces of revolution, sheets; normals by differences.

A grid [rows, columns, 3] becomes two triangles a cell, counter-clockwise seen from where (next row) x (next column) points.
"""

import functools

from jaxtyping import Float
from jaxtyping import Float32
import numba
import numpy as np

from data_pipeline.people import surfaces


def grid_mesh(
    points: Float[np.ndarray, 'rows columns 3'], colours: np.ndarray, label: int, *, wrap_rows: bool = False, wrap_columns: bool = False,
    specular: float = 0.04, shininess: float = 20.0, opacity: float = 1.0,
) -> surfaces.Mesh:
  """A grid as a mesh.

  Args:
    points: positions.
    colours: linear albedo, broadcast to the grid's shape.
    label: of all triangles.
    wrap_rows: whether the last row is joined to the first.
    wrap_columns: whether the last column is joined to the first.
    specular, shininess, opacity: as `surfaces.Mesh` has them.
  """
  rows, columns = points.shape[:2]
  triangles = _grid_triangles(rows, columns, wrap_rows, wrap_columns)
  return surfaces.Mesh(
      vertices=np.ascontiguousarray(points.reshape(-1, 3), np.float32), triangles=triangles,
      normals=grid_normals(points, wrap_rows=wrap_rows, wrap_columns=wrap_columns).reshape(-1, 3),
      colours=np.ascontiguousarray(np.broadcast_to(np.asarray(colours, np.float32), points.shape).reshape(-1, 3)),
      label=np.full(len(triangles), label, np.uint8), specular=specular, shininess=shininess, opacity=opacity)


def grid_normals(
    points: Float[np.ndarray, 'rows columns 3'], *, wrap_rows: bool, wrap_columns: bool,
) -> Float32[np.ndarray, 'rows columns 3']:
  """Unit normals from central differences; where a row is one point, those of the next row's mean."""
  normal = _normals(np.ascontiguousarray(points, np.float32), wrap_rows, wrap_columns)
  for end, inner in ((0, 1), (-1, -2)):
    if np.abs(points[end] - points[end, :1]).max() < 1e-6:  # a pole
      mean = normal[inner].mean(axis=0)
      if np.linalg.norm(mean) > 1e-3:
        normal[end] = mean / np.linalg.norm(mean)
  return normal


@numba.njit(cache=True, nogil=True, fastmath=True)
def _normals(points, wrap_rows, wrap_columns):
  rows, columns = points.shape[0], points.shape[1]
  result = np.zeros((rows, columns, 3), np.float32)
  for i in range(rows):
    above, below = (i - 1 if i else (rows - 1 if wrap_rows else 0)), (i + 1 if i + 1 < rows else (0 if wrap_rows else i))
    for j in range(columns):
      left, right = (j - 1 if j else (columns - 1 if wrap_columns else 0)), (j + 1 if j + 1 < columns else (0 if wrap_columns else j))
      ax, bx = points[below, j, 0] - points[above, j, 0], points[i, right, 0] - points[i, left, 0]
      ay, by = points[below, j, 1] - points[above, j, 1], points[i, right, 1] - points[i, left, 1]
      az, bz = points[below, j, 2] - points[above, j, 2], points[i, right, 2] - points[i, left, 2]
      x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
      length = np.sqrt(x * x + y * y + z * z)
      if length > 1e-10:
        result[i, j, 0], result[i, j, 1], result[i, j, 2] = x / length, y / length, z / length
  for i in range(rows):  # where the grid has no extent a neighbour's is taken
    for j in range(columns):
      if result[i, j, 0] == 0 and result[i, j, 1] == 0 and result[i, j, 2] == 0:
        for step in range(1, 4):
          for row, column in ((i - step, j), (i + step, j), (i, j - step), (i, j + step)):
            if 0 <= row < rows and 0 <= column < columns and np.abs(result[row, column]).max() > 0 and np.abs(result[i, j]).max() == 0:
              result[i, j] = result[row, column]
  return result


def tube(
    path: Float[np.ndarray, 'points 3'], radius: float | np.ndarray, up: np.ndarray, *, sides: int = 8, closed: bool = False,
    flatness: float | np.ndarray = 1.0, squareness: float = 1.0,
) -> Float32[np.ndarray, 'points sides 3']:
  """A grid around a path, wrapped in columns (and in rows where the path is closed); open ends are capped.

  Args:
    path: the middle.
    radius: half the width across `up`, one or one a point.
    up: [3] or [points, 3] which way the section's height points; not along the path.
    sides: points around.
    closed: whether the last point is joined to the first.
    flatness: height of the section in widths.
    squareness: 1 is an ellipse, towards 0 the section becomes a rectangle with rounded corners.
  """
  path = np.asarray(path, np.float32)
  along = _unit(_difference(path[:, None], 0, closed)[:, 0])
  height = np.broadcast_to(np.asarray(up, np.float32), path.shape)
  height = _unit(height - (height * along).sum(axis=1, keepdims=True) * along)
  width = _cross(height, along)
  angle = np.linspace(0, 2 * np.pi, sides, endpoint=False) + np.pi / sides
  bend = lambda value: np.sign(value) * np.abs(value) ** squareness
  half_width = np.broadcast_to(np.asarray(radius, np.float32), len(path))[:, None, None]
  half_height = half_width * np.broadcast_to(np.asarray(flatness, np.float32), len(path))[:, None, None]
  upwards, sideways = bend(np.cos(angle))[None, :, None], bend(np.sin(angle))[None, :, None]
  rings = path[:, None] + half_height * upwards * height[:, None] + half_width * sideways * width[:, None]
  if not closed:
    caps = [np.broadcast_to(path[end], (1, sides, 3)) for end in (0, -1)]
    rims = [0.5 * (rings[end] + path[end])[None] for end in (0, -1)]
    rings = np.concatenate([caps[0], rims[0], rings, rims[1], caps[1]])
  return rings.astype(np.float32)


def revolved(profile: Float[np.ndarray, 'points 2'], *, sides: int) -> Float32[np.ndarray, 'points sides 3']:
  """(radius, height) pairs, from the top down, turned about the y axis; wrapped in columns."""
  angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
  radius, height = np.asarray(profile, np.float32).T
  return np.stack([radius[:, None] * np.sin(angle), np.broadcast_to(height[:, None], (len(radius), sides)), radius[:, None] * np.cos(angle)],
                  axis=-1).astype(np.float32)


@functools.lru_cache(maxsize=16)
def _unit_sphere(rings: int, sides: int) -> np.ndarray:
  angle = np.linspace(0, np.pi, rings)
  return revolved(np.stack([np.sin(angle), np.cos(angle)], axis=-1), sides=sides)


def spheres(
    centres: Float[np.ndarray, 'spheres 3'], radii: float | np.ndarray, colours: np.ndarray, label: int, *, rings: int = 7, sides: int = 10,
    stretch: tuple[float, float, float] = (1, 1, 1), **material,
) -> surfaces.Mesh:
  """Beads: as many spheres as centres in one mesh; `colours` [3] or [spheres, 3]."""
  centres = np.asarray(centres, np.float32).reshape(-1, 3)
  unit = _unit_sphere(rings, sides).reshape(-1, 3)
  number = len(centres)
  radii = np.broadcast_to(np.asarray(radii, np.float32), number)
  stretch_ = np.asarray(stretch, np.float32)
  vertices = (centres[:, None] + radii[:, None, None] * (unit * stretch_)[None]).reshape(-1, 3)
  triangles = _grid_triangles(rings, sides, False, True)
  triangles = (triangles[None] + (np.arange(number, dtype=np.int32) * len(unit))[:, None, None]).reshape(-1, 3)
  colours = np.broadcast_to(np.broadcast_to(np.asarray(colours, np.float32), (number, 3))[:, None], (number, len(unit), 3)).reshape(-1, 3)
  return surfaces.Mesh(
      vertices=vertices.astype(np.float32), triangles=np.ascontiguousarray(triangles), normals=np.tile(_unit(unit / stretch_), (number, 1)),
      colours=np.ascontiguousarray(colours), label=np.full(len(triangles), label, np.uint8), **material)


def joined_by_material(meshes: list[surfaces.Mesh]) -> list[surfaces.Mesh]:
  """As few meshes as there are materials, in the order of their first pieces."""
  groups: dict[tuple[float, float, float], list[surfaces.Mesh]] = {}
  for mesh in meshes:
    groups.setdefault((mesh.specular, mesh.shininess, mesh.opacity), []).append(mesh)
  return [surfaces.joined(group) if len(group) > 1 else group[0] for group in groups.values()]


def waves(rng: np.random.Generator, coordinates: Float[np.ndarray, '*grid axes'], frequencies: np.ndarray, count: int) -> np.ndarray:
  """Smooth noise about 0 with a standard deviation of about 1: a sum of cosines.

  Args:
    rng: draws directions and phases.
    coordinates: where.
    frequencies: [axes] standard deviations of the waves' angular frequencies, radians a unit of each axis.
    count: of waves.
  """
  k = (rng.standard_normal((len(frequencies), count)) * np.asarray(frequencies)[:, None]).astype(np.float32)
  phase = rng.uniform(0, 2 * np.pi, count).astype(np.float32)
  shape = np.shape(coordinates)
  return _cosines(np.ascontiguousarray(coordinates, np.float32).reshape(-1, shape[-1]), k, phase).reshape(shape[:-1])


@numba.njit(cache=True, nogil=True, fastmath=True)
def _cosines(coordinates, k, phase):
  result = np.empty(coordinates.shape[0], np.float32)
  for i in range(coordinates.shape[0]):
    total = np.float32(0)
    for j in range(k.shape[1]):
      argument = phase[j]
      for axis in range(k.shape[0]):
        argument += coordinates[i, axis] * k[axis, j]
      # The nearest half turn taken off, then a polynomial: good to 0.001, and several times faster than cos.
      turn = argument * np.float32(1 / (2 * np.pi))
      turn = abs(turn - np.floor(turn + np.float32(0.5)))
      angle = (np.float32(0.25) - turn) * np.float32(2 * np.pi)
      square = angle * angle
      total += angle * (np.float32(0.99997) + square * (np.float32(-0.16664) + square * (np.float32(0.0083) - square * np.float32(0.00018))))
    result[i] = total * np.float32(np.sqrt(2 / k.shape[1]))
  return result


@functools.lru_cache(maxsize=64)
def _grid_triangles(rows: int, columns: int, wrap_rows: bool, wrap_columns: bool) -> np.ndarray:
  index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
  if wrap_rows:
    index = np.concatenate([index, index[:1]])
  if wrap_columns:
    index = np.concatenate([index, index[:, :1]], axis=1)
  a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
  triangles = np.concatenate([np.stack([a, b, c], axis=-1).reshape(-1, 3), np.stack([a, c, d], axis=-1).reshape(-1, 3)])
  triangles.setflags(write=False)
  return triangles


def _difference(points: np.ndarray, axis: int, wrap: bool) -> np.ndarray:
  """Central differences along an axis; one-sided at ends."""
  points = np.moveaxis(points, axis, 0)
  difference = np.empty_like(points)
  difference[1:-1] = points[2:] - points[:-2]
  difference[0] = points[1] - (points[-1] if wrap else points[0])
  difference[-1] = (points[0] if wrap else points[-1]) - points[-2]
  return np.moveaxis(difference, 0, axis)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  """np.cross of [..., 3], without its overhead."""
  result = np.empty(np.broadcast_shapes(a.shape, b.shape), np.float32)
  for i in range(3):
    j, k = (i + 1) % 3, (i + 2) % 3
    result[..., i] = a[..., j] * b[..., k] - a[..., k] * b[..., j]
  return result


def _unit(vectors: np.ndarray) -> np.ndarray:
  return (vectors / np.maximum(np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True)), 1e-9)).astype(np.float32)
