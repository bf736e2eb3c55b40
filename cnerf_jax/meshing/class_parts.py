"""The solid cut by semantic class: without the background, or one closed shell for each class.

A point in space takes the masks of the surface points nearest to it, so that a class reaches straight down from its patch of the surface. Where
its mask is less than another's is the outside of its part, and so parts are closed surfaces as the whole is: marching cubes of the greatest
of several functions, each of which is negative on one side.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from cnerf_jax.meshing import distance_grid
from cnerf_jax.meshing import extras
from cnerf_jax.meshing import triangles as triangles_lib

_NEIGHBOURS = 4  # surface points whose masks a point averages, nearer ones more
_CELLS_PER_MASK = 4.0  # what a difference of masks of 1 counts, in cells: only its sign matters, away from edges


def lead(semantic_mask: Float[np.ndarray, 'points classes'], semantic_class: int) -> Float[np.ndarray, 'points']:
  """How far a class's mask leads the greatest of the others: positive where it is the majority."""
  others = np.delete(semantic_mask, semantic_class, axis=-1)
  return semantic_mask[:, semantic_class] - (others.max(axis=-1) if others.shape[-1] else 0.0)


class MaskedGrid:
  """A solid's signed distances on a grid, with masks wherever parts of it may be cut.

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

  def without_class(self, semantic_class: int) -> Float[np.ndarray, 'x y z']:
    """Distances of the solid without all that lies under one class's patch."""
    (values,) = self._cut(self._values <= 2 * self._cell, [lambda mask: lead(mask, semantic_class)])
    return values

  def shells(self, classes: list[int], thickness: float) -> list[Float[np.ndarray, 'x y z']]:
    """Distances of a shell for each class, so thick inwards from the surface, world units."""
    shell = np.maximum(self._values, -thickness - self._values)
    leads = [lambda mask, k=k: -lead(mask, k) for k in classes]
    return self._cut(shell <= 2 * self._cell, leads, of=shell)

  def _cut(self, near, functions, of=None):
    """The greater of the distances and each function of masks, at the points that are near."""
    of = self._values if of is None else of
    index = np.flatnonzero(near)
    results = [of.copy() for _ in functions]
    axes = self._box.axes(of.shape)
    for part in np.array_split(index, max(1, len(index) // 2**18)):  # in parts: masks of all points would outweigh the grid
      x, y, z = np.unravel_index(part, of.shape)
      mask = self._masks(np.stack([axes[0][x], axes[1][y], axes[2][z]], axis=-1))
      for result, function in zip(results, functions):
        result[x, y, z] = np.maximum(of[x, y, z], self._cell * _CELLS_PER_MASK * function(mask))
    return results

  def _masks(self, points):
    neighbours = min(_NEIGHBOURS, len(self._vertices))
    distances, nearest = self._tree.query(points, k=neighbours, workers=-1)
    distances, nearest = distances.reshape(len(points), neighbours), nearest.reshape(len(points), neighbours)
    weights = 1 / np.maximum(distances, 1e-3 * self._cell)**2
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum('pn,pnk->pk', weights, self._semantic_mask[nearest])


def surface_of(values: Float[np.ndarray, 'x y z'], box: distance_grid.Box, smallest: float) -> triangles_lib.Triangles:
  """Closed surface of the distances, without its specks."""
  return triangles_lib.without_specks(triangles_lib.marching_cubes(values, box), smallest=smallest)
