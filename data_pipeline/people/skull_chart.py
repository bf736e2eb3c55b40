"""A chart of the skull: (azimuth, elevation) about a point inside the head -> the scalp, for what sits on it.

The chart's frame is pitched back, so that elevation 0 runs from the forehead over the ears to the back of the head, as a hat's rim
does. Azimuth is 0 in front and pi / 2 on the person's left.
"""

from jaxtyping import Float
from jaxtyping import Float32
import numpy as np
import scipy.sparse
import scipy.spatial

from data_pipeline.people import head as head_lib
from data_pipeline.people import head_model as head_model_lib

CENTRE = np.array([0, 7.5, 0.45], np.float32)
_PITCH = 0.3
# Rows: the frame's x (the person's left), y (up) and z (front) in model space.
FRAME = np.array([[1, 0, 0], [0, np.cos(_PITCH), -np.sin(_PITCH)], [0, np.sin(_PITCH), np.cos(_PITCH)]], np.float32)
_LOWEST = np.radians(-20)
_ROWS, _COLUMNS = 30, 72
_matrices: dict[int, tuple[head_model_lib.HeadModel, scipy.sparse.csr_matrix]] = {}  # by the model's id; the model is kept with it


class SkullChart:
  """This skull; `points` [rows, columns, 3] are in the chart's frame about `CENTRE`, rows from the pole down."""

  def __init__(self, points: Float32[np.ndarray, 'rows columns 3']):
    self.points = points

  def at(self, azimuth: Float[np.ndarray, '*grid'], elevation: Float[np.ndarray, '*grid']) -> Float32[np.ndarray, '*grid 3']:
    """Points of the scalp in the chart's frame, bilinear."""
    azimuth, elevation = np.broadcast_arrays(azimuth, elevation)
    column = (np.asarray(azimuth) / (2 * np.pi) + 0.5) * _COLUMNS
    row = np.clip((np.pi / 2 - elevation) / (np.pi / 2 - _LOWEST), 0, 1) * (_ROWS - 1)
    left, top = np.floor(column).astype(np.int32), np.minimum(row.astype(np.int32), _ROWS - 2)
    x, y = (column - left)[..., None].astype(np.float32), (row - top)[..., None].astype(np.float32)
    left, right = left % _COLUMNS, (left + 1) % _COLUMNS
    points = self.points
    return ((points[top, left] * (1 - x) + points[top, right] * x) * (1 - y)
            + (points[top + 1, left] * (1 - x) + points[top + 1, right] * x) * y)


def of(head: head_lib.Head) -> SkullChart:
  """The chart of this head, a little smoothed."""
  if id(head.model) not in _matrices:
    _matrices[id(head.model)] = (head.model, _matrix(head.model))
  points = (_matrices[id(head.model)][1] @ head.vertices).reshape(_ROWS, _COLUMNS, 3)
  points = (points - CENTRE) @ FRAME.T
  for _ in range(2):
    points = 0.5 * points + 0.25 * (np.roll(points, 1, axis=1) + np.roll(points, -1, axis=1))
  points[0] = points[0].mean(axis=0)
  return SkullChart(points.astype(np.float32))


def to_model(points: Float[np.ndarray, '*grid 3']) -> Float32[np.ndarray, '*grid 3']:
  """From the chart's frame to model space."""
  return np.asarray(points, np.float32) @ FRAME + CENTRE


def _matrix(model: head_model_lib.HeadModel) -> scipy.sparse.csr_matrix:
  """[rows * columns, vertices of the skin]; the chart is flattened with the pole in its middle, so that nothing wraps."""
  local = (model.template.astype(np.float64) - CENTRE) @ FRAME.T
  ears = (model.scores[:, head_model_lib.LEFT_EAR] > -0.45) | (model.scores[:, head_model_lib.RIGHT_EAR] > -0.45)
  elevation = np.arctan2(local[:, 1], np.hypot(local[:, 0], local[:, 2]))
  outer = np.linalg.norm(local, axis=1) > 0.65
  numbers = np.flatnonzero((elevation > _LOWEST - 0.25) & ~ears & outer)
  flat = lambda azimuth, elevation: (np.pi / 2 - elevation)[..., None] * np.stack([np.sin(azimuth), np.cos(azimuth)], axis=-1)
  mesh = scipy.spatial.Delaunay(flat(np.arctan2(local[:, 0], local[:, 2])[numbers], elevation[numbers]))
  azimuth = -np.pi + 2 * np.pi * np.arange(_COLUMNS) / _COLUMNS
  points = flat(*np.meshgrid(azimuth, np.linspace(np.pi / 2 - 1e-3, _LOWEST, _ROWS))).reshape(-1, 2)
  simplex = mesh.find_simplex(points)
  transform = mesh.transform[simplex]
  weight = np.einsum('nij,nj->ni', transform[:, :2], points - transform[:, 2])
  weight = np.concatenate([weight, 1 - weight.sum(axis=1, keepdims=True)], axis=1).astype(np.float32)
  return scipy.sparse.csr_matrix((weight.ravel(), (np.repeat(np.arange(len(points)), 3), numbers[mesh.simplices[simplex]].ravel())),
                                 shape=(len(points), len(model.template)))
