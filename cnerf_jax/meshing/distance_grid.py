"""Values of a function on a regular grid in a box, exact near its surface: coarse points first, then those of the blocks that may hold it.

A grid of n points a side has n**3 of them, the surface about n**2. So the function is asked at every eighth point of each axis, then at
every fourth within the blocks where it may change its sign, then at every second and at all. It may change where it does at corners, or
where a corner is nearer to 0 than the function can move within the block, given the steepest slope between corners around there. The other
points get the value of a corner: of the right sign, and of no other use.

Axes: [x, y, z], points at the corners of cells; world units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses

import numpy as np
from jaxtyping import Float

from cnerf_jax.meshing import extras

STRIDE = 8  # points of a block's side at first, a power of 2
SAFETY = 1.5  # factor on the steepest slope seen: between corners it may be steeper
POINTS_AT_ONCE = 2**18  # of one call of the function: its chunks are full, and memory is bounded
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
    function: Callable[[np.ndarray], np.ndarray], box: Box, resolution: int, *, stride: int = STRIDE, levels: Sequence[float] = (0.0,),
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> Float[np.ndarray, 'x y z']:
  """A function on the grid of a box: exact wherever cells may hold one of its level sets, on the right side of them everywhere else.

  Args:
    function: [points, 3] → [points], as from `point_chunks.make`, for any number of points. World units in; near 0 a distance, or at least
      smooth.
    box: where.
    resolution: points along the box's longest side.
    stride: of the coarsest grid, a power of 2; 1 evaluates every point.
    levels: values whose surfaces are wanted.
    on_progress: told the fraction that is done, in [0, 1].

  Returns:
    float32 values; memory is that of this array, half as much again, and of `POINTS_AT_ONCE` points.
  """
  shape = box.shape(resolution)
  axes = box.axes(shape)
  if stride == 1 or max(shape) < DENSE_BELOW:
    return _on_product(function, axes)
  corners = _corners(shape, stride)
  values = _on_product(function, [axis[index] for axis, index in zip(axes, corners)])
  active = np.ones(np.subtract(values.shape, 1), bool)
  while stride > 1:
    on_progress(1 / stride)
    near = active & _blocks_near_levels(values, [axis[index] for axis, index in zip(axes, corners)], levels)
    stride //= 2
    finer = _corners(shape, stride)
    values, active = _refine(function, axes, values, near, corners, finer)
    corners = finer
  on_progress(1.0)
  return values


def _corners(shape, stride: int) -> list[np.ndarray]:
  """Indices of a coarse grid's points along each axis: every `stride`th, and the last."""
  return [np.unique(np.append(np.arange(0, n, stride), n - 1)) for n in shape]


def _refine(function, axes, coarse, near, corners, finer) -> tuple[np.ndarray, np.ndarray]:
  """(values on the finer grid, which of its blocks lie in near ones): the function is asked at new points of near blocks alone."""
  # a point on the border of two blocks belongs to both; it takes its coarse value from the upper one
  upper, lower = (
      [np.clip(np.searchsorted(index, fine, side=side) - 1, 0, len(index) - 2) for index, fine in zip(corners, finer)]
      for side in ('right', 'left'))
  values = coarse[np.ix_(*upper)]
  known = [np.isin(fine, index) for index, fine in zip(corners, finer)]
  values[np.ix_(*known)] = coarse
  waiting = []

  def ask():
    index = np.concatenate(waiting, axis=1)
    waiting.clear()
    values[tuple(index)] = function(np.stack([axis[fine[i]] for axis, fine, i in zip(axes, finer, index)], axis=-1))

  for i in range(len(finer[0])):  # by slices, so that nothing but `values` has the size of the grid
    of_slice = near[upper[0][i]] | near[lower[0][i]]
    new = np.any([of_slice[np.ix_(a, b)] for a in (upper[1], lower[1]) for b in (upper[2], lower[2])], axis=0)
    if known[0][i]:
      new &= ~(known[1][:, None] & known[2])
    y, z = np.nonzero(new)
    waiting.append(np.stack([np.full(len(y), i), y, z]))
    if sum(index.shape[1] for index in waiting) >= POINTS_AT_ONCE:
      ask()
  if waiting:
    ask()
  return values, near[np.ix_(*(index[:-1] for index in upper))]


def _on_product(function, axes) -> np.ndarray:
  """The function on all points of a product of axes, a slice of x at a time."""
  y, z = (grid.reshape(-1) for grid in np.meshgrid(*axes[1:], indexing='ij'))
  batch = max(1, POINTS_AT_ONCE // len(y))  # slices together, so that chunks of the function are full
  parts = []
  for start in range(0, len(axes[0]), batch):
    x = axes[0][start:start + batch]
    points = np.stack([np.repeat(x, len(y)), np.tile(y, len(x)), np.tile(z, len(x))], axis=-1).astype(np.float32)
    parts.append(np.asarray(function(points), np.float32).reshape(len(x), len(axes[1]), len(axes[2])))
  return np.concatenate(parts)


def _blocks_near_levels(coarse, axes, levels) -> np.ndarray:
  """Which blocks between corners may hold a point of a level set."""
  ndimage = extras.load('scipy.ndimage', 'scikit-image')
  slope = np.zeros(np.subtract(coarse.shape, 1), np.float32)
  for i in range(3):
    along = np.abs(np.diff(coarse, axis=i) / np.diff(axes[i]).reshape([-1 if j == i else 1 for j in range(3)]))
    for a in (0, 1):
      for b in (0, 1):
        cut = [(_from(a), _to(a)), (_from(b), _to(b))]
        cut.insert(i, (None, None))
        slope = np.maximum(slope, along[tuple(slice(*ends) for ends in cut)])
  slope = ndimage.maximum_filter(slope, size=3, mode='nearest')
  half_diagonal = np.linalg.norm([np.diff(axis).max() for axis in axes]) / 2  # no point of a block is further from its nearest corner
  corners = np.stack([coarse[_from(i):_to(i), _from(j):_to(j), _from(k):_to(k)] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
  least, most = corners.min(axis=0), corners.max(axis=0)
  reach = SAFETY * half_diagonal * slope
  return np.any([(least <= level + reach) & (most >= level - reach) for level in levels], axis=0)


def _from(i):
  return 1 if i else None


def _to(i):
  return None if i else -1
