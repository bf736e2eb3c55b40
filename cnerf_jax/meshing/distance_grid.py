"""Values of a function on a regular grid in a box, exact near its surface: first every `STRIDE`th point, then the blocks that may hold it.

A grid of n points a side has n**3 of them, the surface about n**2. So the function is asked at every fourth point of each axis, and then at all
points of those blocks where it may change its sign: it does at a corner, or a corner is nearer to 0 than the function could move within the
block, given the steepest slope seen between corners. The other points get the value of a corner: of the right sign, and of no other use.

Axes: [x, y, z], points at the corners of cells; world units.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

import numpy as np
from jaxtyping import Float

STRIDE = 4  # points of a block's side
SAFETY = 1.5  # factor on the steepest slope seen: between corners it may be steeper
DENSE_BELOW = 32  # grids of fewer points a side are evaluated whole


@dataclasses.dataclass(frozen=True)
class Box:
  """An axis-aligned box, world units.

  Attributes:
    lower: its corner of the smallest x, y, z.
    upper: the opposite one.

  Raises:
    ValueError: if it is empty.
  """

  lower: tuple[float, float, float]
  upper: tuple[float, float, float]

  def __post_init__(self):
    if not all(a < b for a, b in zip(self.lower, self.upper)):
      raise ValueError(f'box from {self.lower} to {self.upper} is empty; each lower bound must be below its upper one')

  def axes(self, shape: tuple[int, int, int]) -> list[np.ndarray]:
    """The coordinates of the grid's points along x, y and z: from face to face."""
    return [np.linspace(a, b, n, dtype=np.float32) for a, b, n in zip(self.lower, self.upper, shape)]

  def shape(self, resolution: int) -> tuple[int, int, int]:
    """Points along x, y and z: `resolution` along the longest side, cells as near to cubes as whole numbers allow."""
    sides = np.subtract(self.upper, self.lower)
    return tuple(int(n) for n in np.maximum(2, np.round((resolution - 1) * sides / sides.max()).astype(int) + 1))

  def spacing(self, shape: tuple[int, int, int]) -> np.ndarray:
    """Sides of a cell along x, y and z, world units."""
    return np.subtract(self.upper, self.lower) / (np.array(shape) - 1)


def sample(
    function: Callable[[np.ndarray], np.ndarray], box: Box, resolution: int, *, stride: int = STRIDE,
) -> Float[np.ndarray, 'x y z']:
  """A function on the grid of a box: exact wherever cells may hold its zero set, of the right sign everywhere else.

  Args:
    function: [points, 3] → [points], as from `in_chunks`, for any number of points. World units in; near 0 a distance, or at least smooth.
    box: where.
    resolution: points along the box's longest side.
    stride: of the coarse grid; 1 evaluates every point.

  Returns:
    float32 values; memory is that of this array and of the blocks near the surface.
  """
  shape = box.shape(resolution)
  axes = box.axes(shape)
  if stride == 1 or max(shape) < DENSE_BELOW:
    return _on_product(function, axes)
  corners = [np.unique(np.append(np.arange(0, n, stride), n - 1)) for n in shape]
  coarse = _on_product(function, [axis[index] for axis, index in zip(axes, corners)])
  near = _blocks_near_zero(coarse, [axis[index] for axis, index in zip(axes, corners)])
  # a point on the border of two blocks belongs to both; it takes its coarse value from the upper one
  upper, lower = (
      [np.clip(np.searchsorted(index, np.arange(n), side=side) - 1, 0, len(index) - 2) for index, n in zip(corners, shape)]
      for side in ('right', 'left'))
  values = coarse[:-1, :-1, :-1][np.ix_(*upper)]
  for i in range(shape[0]):  # by slices, so that nothing but `values` has the size of the grid
    of_slice = near[upper[0][i]] | near[lower[0][i]]
    y, z = np.nonzero(np.any([of_slice[np.ix_(a, b)] for a in (upper[1], lower[1]) for b in (upper[2], lower[2])], axis=0))
    if len(y):
      points = np.stack([np.full(len(y), axes[0][i], np.float32), axes[1][y], axes[2][z]], axis=-1)
      values[i, y, z] = function(points)
  return values


def in_chunks(function: Callable, size: int) -> Callable[[np.ndarray], np.ndarray | tuple]:
  """A function of [size, 3] points (one compiled program) as one of any number: the last chunk is filled up.

  Args:
    function: [size, *] → an array or a tuple of arrays with `size` rows.
    size: of a chunk.
  """
  def apply(points):
    parts = []
    for start in range(0, max(len(points), 1), size):
      chunk = points[start:start + size]
      filled = np.concatenate([chunk, np.zeros((size - len(chunk),) + chunk.shape[1:], chunk.dtype)])
      answer = function(filled)
      one = isinstance(answer, tuple)
      parts.append(tuple(np.asarray(x)[:len(chunk)] for x in answer) if one else np.asarray(answer)[:len(chunk)])
    if isinstance(parts[0], tuple):
      return tuple(np.concatenate(column) for column in zip(*parts))
    return np.concatenate(parts)

  return apply


def _on_product(function, axes) -> np.ndarray:
  """The function on all points of a product of axes, a slice of x at a time."""
  y, z = (grid.reshape(-1) for grid in np.meshgrid(*axes[1:], indexing='ij'))
  batch = max(1, 2**18 // len(y))  # slices together, so that chunks of the function are full
  parts = []
  for start in range(0, len(axes[0]), batch):
    x = axes[0][start:start + batch]
    points = np.stack([np.repeat(x, len(y)), np.tile(y, len(x)), np.tile(z, len(x))], axis=-1).astype(np.float32)
    parts.append(np.asarray(function(points), np.float32).reshape(len(x), len(axes[1]), len(axes[2])))
  return np.concatenate(parts)


def _blocks_near_zero(coarse, axes) -> np.ndarray:
  """Which blocks between corners may hold a sign change."""
  steepest = max(
      np.abs(np.diff(coarse, axis=i) / np.diff(axes[i]).reshape([-1 if j == i else 1 for j in range(3)])).max() for i in range(3))
  half_diagonal = np.linalg.norm([np.diff(axis).max() for axis in axes]) / 2  # no point of a block is further from its nearest corner
  corners = np.stack([coarse[_from(i):_to(i), _from(j):_to(j), _from(k):_to(k)] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
  changes = (corners.min(axis=0) < 0) & (corners.max(axis=0) >= 0)
  return changes | (np.abs(corners).min(axis=0) <= SAFETY * steepest * half_diagonal)


def _from(i):
  return 1 if i else None


def _to(i):
  return None if i else -1
