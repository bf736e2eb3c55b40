"""The chart that hair grows in: directions from the middle of the skull of the neutral head, and how a head moves them.

Azimuth is the angle around the vertical through `CENTRE` (0 is the front, positive the person's left), elevation the angle above
the horizontal. Hair is grown over the neutral head, where the hairline and the skull are known once and for all, and carried to a
person's head by the displacement of the skin in its direction. So the same hair on another head is the same hair.
"""

import dataclasses
import functools

from jaxtyping import Float
import numba
import numpy as np
import scipy.ndimage
import scipy.sparse

from data_pipeline.people import head as head_lib
from data_pipeline.people import head_model as head_model_lib

CENTRE = np.array([0.0, 7.45, 0.55], np.float32)
COLUMNS, ROWS = 96, 48  # of the chart: azimuth -pi to pi, elevation -pi / 2 to pi / 2
BODY_COLUMNS, BODY_ROWS = 40, 24
BODY_LEFT, BODY_CELL = -2.0, 0.1  # x of the first column of the map of the body; side of its cells
BODY_BOTTOM = 4.2
_SAMPLES = 400_000
HEAD_BOTTOM = 6.55  # below it the body's rotation moves the skin
_EAR_SCORE = -0.35  # the label's score from which skin counts as ear
_EMPTY_BACK = 3.0

# The hairline: height on the neutral head by azimuth in degrees; the temples, the sideburn, the ear, the nape.
_AZIMUTHS = (0, 18, 34, 44, 51, 57, 62, 66, 74, 80, 98, 104, 120, 150, 180)
_HEIGHTS = (8.05, 8.06, 8.03, 7.95, 7.76, 7.52, 7.30, 7.16, 7.14, 7.36, 7.34, 7.02, 6.82, 6.74, 6.72)


@dataclasses.dataclass(frozen=True)
class Scalp:
  """What hair needs to know of the neutral head.

  Attributes:
    skull: [rows, columns] distance from `CENTRE` to the skin without ears.
    covered: [rows, columns] the same with ears.
    front, back: [body rows, body columns] largest and smallest z of the body by height and x; front < back where there is none.
    displacement: [rows * columns, vertices] the mean over each cell of values at the skin's vertices.
    heights: [rows, columns] y of the skin.
  """

  skull: np.ndarray
  covered: np.ndarray
  front: np.ndarray
  back: np.ndarray
  displacement: scipy.sparse.csr_matrix
  heights: np.ndarray


@functools.lru_cache(maxsize=2)
def of(model: head_model_lib.HeadModel) -> Scalp:
  """The chart of a head model, made once."""
  return _build(model)


def warp(scalp: Scalp, head: head_lib.Head) -> np.ndarray:
  """[3, rows, columns] how far the skin in each direction lies from the neutral head's."""
  moved = scalp.displacement @ (head.vertices - head.model.template)
  return np.ascontiguousarray(moved.T.reshape(3, ROWS, COLUMNS), np.float32)


def cell_angles() -> tuple[np.ndarray, np.ndarray]:
  """Azimuths [columns] and elevations [rows] of the middles of the chart's cells."""
  return ((np.arange(COLUMNS) + 0.5) / COLUMNS - 0.5) * 2 * np.pi, ((np.arange(ROWS) + 0.5) / ROWS - 0.5) * np.pi


def directions(azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
  """[..., 3] unit vectors."""
  across = np.cos(elevation)
  return np.stack([across * np.sin(azimuth), np.sin(elevation), across * np.cos(azimuth)], axis=-1).astype(np.float32)


def hairline_height(azimuth: Float[np.ndarray, '*n'], recession: float, lift: float = 0.0) -> np.ndarray:
  """Height on the neutral head at which hair begins.

  Args:
    azimuth: radians.
    recession: 1: the temples and the forehead go back; negative: a rounder hairline.
    lift: decimetres added in front.
  """
  degrees = np.abs(np.rad2deg(azimuth))
  height = np.interp(degrees, _AZIMUTHS, _HEIGHTS)
  temples = np.exp(-np.square((degrees - 38) / 13))
  front = np.clip((58 - degrees) / 15, 0, 1)
  return height + recession * 0.22 * temples + 0.1 * max(recession, 0) * front + lift * front


def elevation_of_height(scalp: Scalp, azimuth: np.ndarray, height: np.ndarray) -> np.ndarray:
  """[n] elevation at which the skin reaches a height, above the horizontal through the jaw."""
  _, elevations = cell_angles()
  column = (azimuth / (2 * np.pi) + 0.5) * COLUMNS - 0.5
  low = np.floor(column).astype(int)
  part = (column - low)[:, None]
  heights = scalp.heights.T
  profile = heights[low % COLUMNS] * (1 - part) + heights[(low + 1) % COLUMNS] * part
  profile = np.maximum.accumulate(profile, axis=1)
  return np.array([np.interp(y, row, elevations) for y, row in zip(height, profile)])


@numba.njit(cache=True, nogil=True, inline='always')
def _angle(y, x):
  """arctan2 to 1e-4 radians, a few times as fast."""
  ax, ay = abs(x), abs(y)
  ratio = min(ax, ay) / (max(ax, ay) + 1e-12)
  square = ratio * ratio
  angle = ((-0.0464964749 * square + 0.15931422) * square - 0.327622764) * square * ratio + ratio
  if ay > ax:
    angle = 0.5 * np.pi - angle
  if x < 0:
    angle = np.pi - angle
  return -angle if y < 0 else angle


@numba.njit(cache=True, nogil=True, inline='always')
def cell(x, y, z):
  """(row, column, fractions of the next ones, distance) of a point in the chart."""
  across = x * x + z * z
  r = np.sqrt(across + y * y) + 1e-9
  row = (_angle(y, np.sqrt(across)) / np.pi + 0.5) * ROWS - 0.5
  column = (_angle(x, z) / (2 * np.pi) + 0.5) * COLUMNS - 0.5
  row = min(max(row, 0.0), ROWS - 1.001)
  column = column + COLUMNS if column < 0 else column
  i, j = int(row), int(column)
  return i, (j if j < COLUMNS else j - COLUMNS), row - i, column - j, r


@numba.njit(cache=True, nogil=True, inline='always')
def look_up(chart, i, j, u, v):
  """Bilinear in a chart [rows, columns]."""
  k = j + 1 if j + 1 < COLUMNS else 0
  return (1 - u) * ((1 - v) * chart[i, j] + v * chart[i, k]) + u * ((1 - v) * chart[i + 1, j] + v * chart[i + 1, k])


def _build(model: head_model_lib.HeadModel) -> Scalp:
  rng = np.random.Generator(np.random.PCG64(7))
  triangles = model.skin.triangles
  corner = model.template[triangles]
  area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
  triangle = np.searchsorted(np.cumsum(area) / area.sum(), rng.random(_SAMPLES)).clip(0, len(area) - 1)
  u, v = rng.random((2, _SAMPLES))
  u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
  weight = np.stack([1 - u - v, u, v], axis=1)
  points = (corner[triangle] * weight[..., None]).sum(axis=1)
  ears = model.scores[:, [head_model_lib.LEFT_EAR, head_model_lib.RIGHT_EAR]].max(axis=1)
  ear = (ears[triangles[triangle]] * weight).sum(axis=1) > _EAR_SCORE
  offset = points - CENTRE
  radius = np.linalg.norm(offset, axis=1)
  azimuth, elevation = np.arctan2(offset[:, 0], offset[:, 2]), np.arcsin(offset[:, 1] / radius)
  cell = (np.clip((elevation / np.pi + 0.5) * ROWS, 0, ROWS - 1).astype(int) * COLUMNS
          + np.clip((azimuth / (2 * np.pi) + 0.5) * COLUMNS, 0, COLUMNS - 1).astype(int))
  on_head = points[:, 1] > HEAD_BOTTOM - 0.5
  covered = _outermost(cell[on_head], radius[on_head])
  bare = on_head & ~ear
  skull = _outermost(cell[bare], radius[bare])
  outer = (points[:, 1] > HEAD_BOTTOM) & ~ear & (radius > skull.ravel()[cell] - 0.06)
  smooth = scipy.ndimage.gaussian_filter(np.pad(skull, ((0, 0), (4, 4)), mode='wrap'), 0.7, mode='nearest')[:, 4:-4]
  _, elevations = cell_angles()
  front, back = _body_maps(points)
  return Scalp(
      skull=smooth.astype(np.float32), covered=(smooth + _ear_hood(covered - smooth)).astype(np.float32), front=front, back=back,
      displacement=_mean_matrix(cell[outer], triangles[triangle[outer]], weight[outer], len(model.template)),
      heights=(CENTRE[1] + smooth * np.sin(elevations)[:, None]).astype(np.float32))


def _outermost(cell: np.ndarray, radius: np.ndarray) -> np.ndarray:
  """[rows, columns] largest radius in each cell, empty ones like the nearest other."""
  largest = np.zeros(ROWS * COLUMNS)
  np.maximum.at(largest, cell, radius)
  return largest[_nearest_full(largest > 0)].reshape(ROWS, COLUMNS)


def _ear_hood(above: np.ndarray) -> np.ndarray:
  """[rows, columns] how far hair that covers ears is held off: more than these ears stand off, since others' stand off more."""
  wide = np.pad(np.maximum(above, 0), ((0, 0), (4, 4)), mode='wrap')
  wide = scipy.ndimage.grey_dilation(wide, size=(5, 3))
  return 1.5 * scipy.ndimage.gaussian_filter(wide, 0.8)[:, 4:-4]


def _nearest_full(full: np.ndarray) -> np.ndarray:
  """[cells] number of the nearest cell that isn't empty, over the seam too."""
  wide = np.tile(full.reshape(ROWS, COLUMNS), (1, 3))
  _, (row, column) = scipy.ndimage.distance_transform_edt(~wide, return_indices=True)
  return (row * COLUMNS + column % COLUMNS)[:, COLUMNS:2 * COLUMNS].ravel()


def _mean_matrix(cell: np.ndarray, corners: np.ndarray, weight: np.ndarray, num_vertices: int) -> scipy.sparse.csr_matrix:
  """[cells, vertices] mean over the samples of a cell, then over the cells around it."""
  shape = (ROWS * COLUMNS, num_vertices)
  matrix = scipy.sparse.csr_matrix((weight.ravel(), (np.repeat(cell, 3), corners.ravel())), shape)
  count = np.bincount(cell, minlength=shape[0])
  matrix = scipy.sparse.diags(1 / np.maximum(count, 1)) @ matrix
  matrix = matrix[_nearest_full(count > 0)]
  row, column = np.divmod(np.arange(shape[0]), COLUMNS)
  around = [np.clip(row + i, 0, ROWS - 1) * COLUMNS + (column + j) % COLUMNS for i in (-1, 0, 1) for j in (-1, 0, 1)]
  blur = scipy.sparse.csr_matrix((np.full(9 * shape[0], 1 / 9), (np.tile(np.arange(shape[0]), 9), np.concatenate(around))),
                                 (shape[0], shape[0]))
  return (blur @ matrix).tocsr().astype(np.float32)


def _body_maps(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Largest and smallest z by height and x of what lies below the chin."""
  body = points[points[:, 1] < 6.35]
  column = np.clip(((body[:, 0] - BODY_LEFT) / BODY_CELL).astype(int), 0, BODY_COLUMNS - 1)
  row = np.clip(((body[:, 1] - BODY_BOTTOM) / BODY_CELL).astype(int), 0, BODY_ROWS - 1)
  front = np.full((BODY_ROWS, BODY_COLUMNS), -_EMPTY_BACK, np.float32)
  back = np.full((BODY_ROWS, BODY_COLUMNS), _EMPTY_BACK, np.float32)
  np.maximum.at(front, (row, column), body[:, 2])
  np.minimum.at(back, (row, column), body[:, 2])
  return front, back
