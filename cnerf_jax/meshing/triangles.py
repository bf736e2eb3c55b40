"""Triangles of a solid: marching cubes on a grid of signed distances, closed where the box cuts it, without specks and hollows.

Faces are counter-clockwise seen from outside: their normals point out of the solid.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from cnerf_jax.meshing import distance_grid
from cnerf_jax.meshing import extras

SMOOTHING_STEPS = 6
SMALLEST_PIECE = 0.01  # of the volume of the largest: earrings stay, specks that no camera of training saw go


@dataclasses.dataclass(frozen=True, eq=False)
class Triangles:
  """A triangulated surface.

  Attributes:
    vertices: world.
    faces: indices of vertices, counter-clockwise seen from outside.
  """

  vertices: Float[np.ndarray, 'vertices 3']
  faces: Int[np.ndarray, 'faces 3']

  @property
  def volume(self) -> float:
    """Volume of a closed surface, world units cubed; negative if its faces look inwards."""
    a, b, c = (self.vertices[self.faces[:, i]].astype(np.float64) for i in range(3))
    return float(np.einsum('ij,ij->', a, np.cross(b, c)) / 6)


def marching_cubes(values: Float[np.ndarray, 'x y z'], box: distance_grid.Box, *, level: float = 0.0) -> Triangles:
  """The surface where values on a grid equal `level`, closed on the box's faces: a solid is where they are less.

  Args:
    values: of `distance_grid.sample`, of the level's signed distance or any function with its sign.
    box: of the grid.
    level: of the surface.

  Returns:
    Closed triangles, none if nothing is inside.

  Raises:
    ValueError: if scikit-image is missing.
  """
  skimage_measure = extras.load('skimage.measure', 'scikit-image')
  spacing = box.spacing(values.shape)
  # a layer outside of the box, as far outside of the solid as half a cell: closes what the box cuts
  padded = np.pad(values, 1, constant_values=np.float32(level + spacing.mean() / 2))
  if not (padded < level).any():
    return Triangles(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int64))
  vertices, faces, _, _ = skimage_measure.marching_cubes(
      padded, level=level, spacing=tuple(spacing), gradient_direction='descent', allow_degenerate=False)
  vertices = vertices - spacing + np.array(box.lower)
  return Triangles(vertices.astype(np.float32), faces.astype(np.int64))


def pieces(triangles: Triangles) -> list[Triangles]:
  """The connected surfaces, in the order of their first vertex."""
  sparse = extras.load('scipy.sparse', 'scikit-image')
  graph = extras.load('scipy.sparse.csgraph', 'scikit-image')
  a, b = triangles.faces[:, :2].reshape(-1), triangles.faces[:, 1:].reshape(-1)
  count = len(triangles.vertices)
  adjacency = sparse.coo_matrix((np.ones(len(a), bool), (a, b)), shape=(count, count))
  number, labels = graph.connected_components(adjacency, directed=False)
  return [select_faces(triangles, labels[triangles.faces[:, 0]] == i) for i in range(number)]


def select_faces(triangles: Triangles, wanted: Bool[np.ndarray, 'faces']) -> Triangles:
  """Some of the faces, and the vertices that they use."""
  used, faces = np.unique(triangles.faces[wanted], return_inverse=True)
  return Triangles(triangles.vertices[used], faces.reshape(-1, 3))


def join(parts: list[Triangles]) -> Triangles:
  """Several surfaces as one; no vertices are merged."""
  offsets = np.cumsum([0] + [len(part.vertices) for part in parts])[:-1]
  return Triangles(
      np.concatenate([np.zeros((0, 3), np.float32)] + [part.vertices for part in parts]),
      np.concatenate([np.zeros((0, 3), np.int64)] + [part.faces + offset for part, offset in zip(parts, offsets)]))


def without_specks(triangles: Triangles, *, smallest: float = SMALLEST_PIECE) -> Triangles:
  """Only the pieces with at least a fraction of the largest one's volume. Hollows, which no camera sees, go too: they look inwards.

  Raises:
    ValueError: if `smallest` is not in [0, 1].
  """
  if not 0 <= smallest <= 1:
    raise ValueError(f'smallest piece {smallest} must be a fraction of the largest, in [0, 1]')
  parts = pieces(triangles)
  if not parts:
    return triangles
  volumes = [part.volume for part in parts]
  return join([part for part, volume in zip(parts, volumes) if volume > 0 and volume >= smallest * max(volumes)])


def vertex_normals(triangles: Triangles) -> Float[np.ndarray, 'vertices 3']:
  """Unit normals out of the solid: those of the faces around a vertex, weighted by their areas."""
  corners = triangles.vertices[triangles.faces].astype(np.float64)
  areas = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
  normals = np.zeros(triangles.vertices.shape)
  for i in range(3):
    np.add.at(normals, triangles.faces[:, i], areas)
  return (normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-30)).astype(np.float32)


def smoothed(surface: Triangles, steps: int = SMOOTHING_STEPS) -> Triangles:
  """The surface without what is as small as its triangles (Taubin 1995): each step shrinks it, and grows it again."""
  trimesh = extras.load('trimesh', 'trimesh')
  whole = trimesh.Trimesh(surface.vertices, surface.faces, process=False)
  trimesh.smoothing.filter_taubin(whole, iterations=2 * steps)
  return dataclasses.replace(surface, vertices=np.asarray(whole.vertices, np.float32))
