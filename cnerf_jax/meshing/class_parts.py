"""The solid cut: by any function that is positive outside, or into one closed shell for each semantic class.

For shells a point in space takes the masks of the surface points nearest to it, so that a class reaches straight down from its patch of the
surface. Where its mask is less than another's is the outside of its part, and so parts are closed surfaces as the whole is: marching cubes
of the greatest of several functions, each of which is positive outside.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from cnerf_jax.meshing import distance_grid
from cnerf_jax.meshing import extras
from cnerf_jax.meshing import triangles as triangles_lib

_NEIGHBOURS = 4  # surface points whose masks a point averages, nearer ones more
_CELLS_PER_UNIT = 4.0  # what a function of 1 counts, in cells: only its sign matters, away from edges
_POINTS_AT_ONCE = 2**18  # masks of all points would outweigh the grid


def lead(semantic_mask: Float[np.ndarray, 'points classes'], semantic_class: int) -> Float[np.ndarray, 'points']:
  """How far a class's mask leads the greatest of the others: positive where it is the majority."""
  others = np.delete(semantic_mask, semantic_class, axis=-1)
  return semantic_mask[:, semantic_class] - (others.max(axis=-1) if others.shape[-1] else 0.0)


class MaskedGrid:
  """A solid's signed distances on a grid, and the masks of its surface.

  Args:
    values: signed distances on the grid, 0 on the surface.
    box: of the grid.
    vertices: of the surface.
    semantic_mask: of the vertices.
  """

  def __init__(
      self, values: Float[np.ndarray, 'x y z'], box: distance_grid.Box, vertices: Float[np.ndarray, 'vertices 3'],
      semantic_mask: Float[np.ndarray, 'vertices classes']):
    self._values, self._box = values, box
    self._vertices, self._semantic_mask = vertices, semantic_mask
    self._cell = float(box.spacing(values.shape).mean())
    self._tree = extras.load('scipy.spatial', 'scikit-image').cKDTree(vertices)

  def shells(self, classes: list[int], thickness: float) -> Iterator[Float[np.ndarray, 'x y z']]:
    """Yields the shell of each class as signed distances: what lies within `thickness` inwards of the surface; world units."""
    shell = np.maximum(self._values, -thickness - self._values)

    def outside(points):
      mask = self._masks(points)
      return np.stack([-lead(mask, k) for k in classes])

    return cut(shell, self._box, outside, len(classes))

  def _masks(self, points):
    neighbours = min(_NEIGHBOURS, len(self._vertices))
    distances, nearest = self._tree.query(points, k=neighbours, workers=-1)
    distances, nearest = distances.reshape(len(points), neighbours), nearest.reshape(len(points), neighbours)
    weights = 1 / np.maximum(distances, 1e-3 * self._cell)**2
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum('pn,pnk->pk', weights, self._semantic_mask[nearest])


def cut(
    values: Float[np.ndarray, 'x y z'], box: distance_grid.Box, outside, count: int = 1,
) -> Iterator[Float[np.ndarray, 'x y z']]:
  """The solid cut in `count` ways, one after another: what functions of points call outside isn't there any more.

  Args:
    values: signed distances on the grid.
    box: of the grid.
    outside: points [points, 3] → [count, points], positive outside; of order 1.
    count: how many functions it is.
  """
  cell = float(box.spacing(values.shape).mean())
  axes = box.axes(values.shape)
  index = np.flatnonzero(values <= 2 * cell)  # further outside nothing can be cut
  answers = np.empty((count, len(index)), values.dtype)  # of the points that matter: whole grids of all classes would take gigabytes
  for first in range(0, len(index), _POINTS_AT_ONCE):
    x, y, z = np.unravel_index(index[first:first + _POINTS_AT_ONCE], values.shape)
    points = np.stack([axes[0][x], axes[1][y], axes[2][z]], axis=-1)
    answers[:, first:first + _POINTS_AT_ONCE] = cell * _CELLS_PER_UNIT * outside(points)
  for answer in answers:
    result = values.copy()
    flat = result.reshape(-1)
    flat[index] = np.maximum(flat[index], answer)
    yield result


def surface_of(values: Float[np.ndarray, 'x y z'], box: distance_grid.Box, smallest: float) -> triangles_lib.Triangles:
  """Closed surface of the distances, without its specks."""
  return triangles_lib.without_specks(triangles_lib.marching_cubes(values, box), smallest=smallest)
