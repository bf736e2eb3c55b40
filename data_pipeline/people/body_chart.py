"""A chart of neck, shoulders and chest: (angle, fall) -> the point of this body's skin, so that clothes and chains follow any curve.

Angle: about a vertical axis through the neck, radians, 0 in front, pi / 2 on the person's left. Fall: decimetres along the neutral
body's skin, downwards, from the plane where the neck meets the shoulders; negative up the neck.
"""

import dataclasses

from jaxtyping import Float
from jaxtyping import Float32
import numba
import numpy as np
import scipy.sparse
import scipy.spatial

from data_pipeline.people import head as head_lib
from data_pipeline.people import head_model as head_model_lib

AXIS_Z = 0.1
HIGHEST, LOWEST = -0.5, 2.0  # of the fall
_EYE_HEIGHT = 5.2  # rays from (0, this, AXIS_Z) meet the skin's upper body once
_ROWS, _COLUMNS, _FINE_ROWS = 80, 128, 500
_SMOOTHING = 5  # rounds


@dataclasses.dataclass(frozen=True)
class BodyChart:
  """This body over the chart.

  Attributes:
    values: [rows, columns, 7] position, unit normal outwards, and how far a taut cloth over the body would stand off it, decimetres;
      rows of equal fall from `HIGHEST` to `LOWEST`, columns of equal angle from -pi.
  """

  values: np.ndarray

  def at(
      self, angle: Float[np.ndarray, '*grid'], fall: Float[np.ndarray, '*grid'], lift: float | np.ndarray = 0.0,
  ) -> Float32[np.ndarray, '*grid 3']:
    """Points of the skin, `lift` decimetres off it."""
    values = self.sampled(angle, fall)
    return values[..., :3] + np.asarray(lift, np.float32)[..., None] * values[..., 3:6]

  def sampled(self, angle: Float[np.ndarray, '*grid'], fall: Float[np.ndarray, '*grid']) -> Float32[np.ndarray, '*grid 7']:
    """Bilinear samples of `values`; angles wrap, falls are cut at the chart's ends, normals are unit again."""
    angle, fall = np.broadcast_arrays(np.asarray(angle, np.float32), np.asarray(fall, np.float32))
    return _sampled(self.values, angle.ravel(), fall.ravel()).reshape(*angle.shape, 7)


_matrices: dict[int, tuple[head_model_lib.HeadModel, scipy.sparse.csr_matrix]] = {}  # by the model's id; the model is kept with it


def of(head: head_lib.Head) -> BodyChart:
  """The chart of this head's body."""
  if id(head.model) not in _matrices:
    _matrices[id(head.model)] = (head.model, _matrix(head.model))
  both = _matrices[id(head.model)][1] @ np.concatenate([head.vertices, head.normals], axis=1)
  values = np.empty((_ROWS, _COLUMNS, 7), np.float32)
  values[..., :6] = both.reshape(_ROWS, _COLUMNS, 6)
  taut = values[::2, ::2, :3]
  for _ in range(_SMOOTHING):
    taut = 0.5 * taut + 0.25 * (np.roll(taut, 1, axis=1) + np.roll(taut, -1, axis=1))
    taut[1:-1] = 0.5 * taut[1:-1] + 0.25 * (taut[2:] + taut[:-2])
  hollow = np.maximum(((taut - values[::2, ::2, :3]) * values[::2, ::2, 3:6]).sum(axis=-1), 0)
  values[..., 6] = np.repeat(np.repeat(hollow, 2, axis=0), 2, axis=1)
  values[1:-1:2, :, 6] = 0.5 * (values[:-2:2, :, 6] + values[2::2, :, 6])
  values[:, 1::2, 6] = 0.5 * (values[:, ::2, 6] + np.roll(values[:, ::2, 6], -1, axis=1))
  return BodyChart(values)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _sampled(values, angle, fall):
  result = np.empty((angle.shape[0], 7), np.float32)
  rows, columns = values.shape[0], values.shape[1]
  for i in range(angle.shape[0]):
    column = (angle[i] * np.float32(1 / (2 * np.pi)) + np.float32(0.5)) * columns
    row = (min(max(fall[i], np.float32(HIGHEST)), np.float32(LOWEST)) - np.float32(HIGHEST)) * np.float32((rows - 1) / (LOWEST - HIGHEST))
    left, top = int(np.floor(column)), min(int(row), rows - 2)
    x, y = column - left, row - top
    left %= columns
    right = (left + 1) % columns
    for k in range(7):
      upper = values[top, left, k] * (1 - x) + values[top, right, k] * x
      lower = values[top + 1, left, k] * (1 - x) + values[top + 1, right, k] * x
      result[i, k] = upper * (1 - y) + lower * y
    length = np.sqrt(result[i, 3] ** 2 + result[i, 4] ** 2 + result[i, 5] ** 2)
    for k in range(3, 6):
      result[i, k] /= length
  return result


def _matrix(model: head_model_lib.HeadModel) -> scipy.sparse.csr_matrix:
  """[rows * columns, vertices of the skin] weights of the corners of the triangle around each point of the chart."""
  template = model.template.astype(np.float64)
  x, y, z = template.T
  neck_top = np.interp(z, (-0.15, 0.65), (6.5, 6.06))
  among = np.flatnonzero((y > 4.3) & (y < neck_top) & (model.scores[:, head_model_lib.NECK] > -0.1) & ((np.abs(x) < 2.2) | (y > 4.9)))
  radius = np.hypot(x, z - AXIS_Z)[among]
  place = np.stack([np.arctan2(x, z - AXIS_Z)[among], np.arctan2(y[among] - _EYE_HEIGHT, radius)], axis=-1)
  copies = np.concatenate([place + [turn, 0] for turn in (-2 * np.pi, 0, 2 * np.pi)])
  keep = np.abs(copies[:, 0]) < np.pi + 0.5
  place, number = copies[keep], np.tile(among, 3)[keep]
  mesh = scipy.spatial.Delaunay(place)

  def corners(angle, elevation):
    points = np.stack([angle, elevation], axis=-1).reshape(-1, 2)
    simplex = mesh.find_simplex(points)
    transform = mesh.transform[simplex]
    weight = np.einsum('nij,nj->ni', transform[:, :2], points - transform[:, 2])
    weight = np.concatenate([weight, 1 - weight.sum(axis=1, keepdims=True)], axis=1)
    return number[mesh.simplices[simplex]], np.where(simplex[:, None] >= 0, weight, np.nan)

  angle = -np.pi + 2 * np.pi * np.arange(_COLUMNS) / _COLUMNS
  elevation = np.linspace(np.radians(80), np.radians(-50), _FINE_ROWS)
  vertex, weight = corners(*np.meshgrid(angle, elevation))
  fine = (template[vertex] * weight[..., None]).sum(axis=1).reshape(_FINE_ROWS, _COLUMNS, 3)
  wanted = np.empty((_ROWS, _COLUMNS))
  for column in range(_COLUMNS):
    inside = np.flatnonzero(~np.isnan(fine[:, column, 0]))
    points = fine[inside, column]
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    below = points[:, 1] < 5.72 + 0.18 * (0.6 - points[:, 2])
    zero = arc[np.argmax(below)]
    wanted[:, column] = np.interp(np.linspace(HIGHEST, LOWEST, _ROWS), arc - zero, elevation[inside])
  vertex, weight = corners(np.broadcast_to(angle, wanted.shape), wanted)
  count = _ROWS * _COLUMNS
  return scipy.sparse.csr_matrix((np.nan_to_num(weight).ravel().astype(np.float32), (np.repeat(np.arange(count), 3), vertex.ravel())),
                                 shape=(count, len(template)))
