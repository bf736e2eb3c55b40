"""Where on the skin's chart the cheeks, the lids, the beard and so on lie: soft masks in [0, 1], and the grooves of wrinkles.

They are told on the neutral head, whose outermost points are rasterised into the chart once for a model and a resolution.
Distances are decimetres.
"""

import dataclasses
import functools

from jaxtyping import Float32
import numpy as np
import scipy.ndimage

from data_pipeline.people import head_model as head_model_lib
from data_pipeline.people import rasterizer

NAMES = ('cheeks', 'nose_tip', 'under_eyes', 'lids', 'liner', 'beard', 'freckled', 'oily', 'ears', 'lips', 'lip_line', 'blush',
         'folds', 'forehead_lines', 'eye_lines', 'mouth_lines', 'face')
(CHEEKS, NOSE_TIP, UNDER_EYES, LIDS, LINER, BEARD, FRECKLED, OILY, EARS, LIPS, LIP_LINE, BLUSH, FOLDS, FOREHEAD_LINES, EYE_LINES,
 MOUTH_LINES, FACE) = range(len(NAMES))
_EYE = (0.315, 7.285)
_EYE_OUTER, _EYE_INNER = (0.445, 7.288), (0.187, 7.274)
_FAR = 100.0  # of the chart's axis: so far that weights are linear on the chart
# The upper border of a beard, by distance from the middle of the face.
_BEARD_X, _BEARD_Y = (0, 0.1, 0.22, 0.3, 0.42, 0.56, 0.68, 0.74), (6.83, 6.83, 6.82, 6.73, 6.66, 6.72, 6.95, 7.15)


@dataclasses.dataclass(frozen=True)
class Regions:
  """The neutral head in its chart.

  Attributes:
    positions: of the outermost point, on the neutral head.
    masks: by row in the order of `NAMES`, in [0, 1]; of lines: how deep the groove is.
  """

  positions: Float32[np.ndarray, 'rows columns 3']
  masks: Float32[np.ndarray, 'rows regions columns']


@functools.lru_cache(maxsize=4)
def regions(model: head_model_lib.HeadModel, rows: int, columns: int) -> Regions:
  """The regions of a model at a resolution; kept."""
  positions, scores = _rasterise(model, rows, columns)
  x, y, z = np.moveaxis(positions, -1, 0)
  texel = (head_model_lib.CHART_TOP - head_model_lib.CHART_BOTTOM) / rows
  masks = np.zeros((len(NAMES), rows, columns))
  front = _step(z, 0.75, 1.05)
  side = np.abs(x)
  _blemishes(masks, side, y, front)
  _make_up(masks, side, y, z, texel)
  masks[BEARD] = _beard(side, y, z, scores)
  lips = np.maximum(scores[..., head_model_lib.UPPER_LIP], scores[..., head_model_lib.LOWER_LIP])
  closed = scipy.ndimage.binary_closing(lips > 0, np.ones((5, 1)))  # over the line between the lips
  masks[LIPS] = scipy.ndimage.gaussian_filter(closed.astype(np.float64), 0.9 * columns / 640)
  masks[LIP_LINE] = np.clip(4 * masks[LIPS] * (1 - masks[LIPS]), 0, 1)
  ear = np.maximum(scores[..., head_model_lib.LEFT_EAR], scores[..., head_model_lib.RIGHT_EAR]) > 0
  masks[EARS] = scipy.ndimage.gaussian_filter(ear.astype(np.float64), 2.5 * columns / 640)
  masks[FACE] = front * (1 - _step(-scores[..., head_model_lib.NECK], 0.1, -0.05))
  _lines(masks, x, y, front)
  return Regions(positions.astype(np.float32), np.ascontiguousarray(masks.transpose(1, 0, 2), np.float32))


def _rasterise(model: head_model_lib.HeadModel, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
  """([rows, columns, 3] outermost points of the neutral head, their scores); gaps are filled with what is nearest."""
  radius = np.hypot(model.template[:, 0], model.template[:, 2] - head_model_lib.CHART_AXIS_Z)
  corners = np.concatenate([model.chart * [columns, rows], _FAR - radius[:, None]], axis=1)
  triangles = model.skin.triangles
  across = np.ptp(corners[triangles][..., 0], axis=1) > columns / 2  # the seam at the back runs through it
  depth, primitive, weights = rasterizer.buffers(columns)
  rasterizer.draw_triangles(corners.astype(np.float32), triangles[~across], 0, depth, primitive, weights, True)
  primitive, weights = primitive[:rows], weights[:rows]
  nearest = scipy.ndimage.distance_transform_edt(primitive < 0, return_distances=False, return_indices=True)
  primitive, weights = primitive[tuple(nearest)], weights[tuple(nearest)]
  corner = triangles[~across][primitive]
  weights = np.concatenate([weights, 1 - weights.sum(axis=-1, keepdims=True)], axis=-1)[..., None]
  return (model.template[corner] * weights).sum(axis=2), (model.scores[corner] * weights).sum(axis=2)


def _step(value, start, end):
  """Smooth from 0 at `start` to 1 at `end`."""
  t = np.clip((value - start) / (end - start), 0, 1)
  return t * t * (3 - 2 * t)


def _blob(side, y, centre, width, height, tilt=0.0):
  """A Gaussian; `tilt` is by how much its height rises outwards."""
  across = side - centre[0]
  return np.exp(-0.5 * (np.square(across / width) + np.square((y - centre[1] - tilt * across) / height)))


def _blemishes(masks, side, y, front):
  masks[CHEEKS] = front * np.maximum(_blob(side, y, (0.4, 6.98), 0.16, 0.13), 0.45 * _blob(side, y, (0.0, 6.27), 0.13, 0.08))
  masks[NOSE_TIP] = front * np.maximum(_blob(side, y, (0.0, 6.93), 0.1, 0.09), 0.8 * _blob(side, y, (0.15, 6.88), 0.05, 0.06))
  masks[UNDER_EYES] = front * (_blob(side, y, (0.27, 7.185), 0.085, 0.03, 0.12) + 0.55 * _blob(side, y, (0.18, 7.235), 0.03, 0.05))
  masks[FRECKLED] = np.clip(front * (_blob(side, y, (0.0, 7.05), 0.13, 0.14) + _blob(side, y, (0.36, 7.05), 0.2, 0.13)
                                     + 0.35 * _blob(side, y, (0.0, 7.75), 0.5, 0.3)), 0, 1)
  masks[OILY] = np.clip(front * (_blob(side, y, (0.0, 7.75), 0.3, 0.15) + _blob(side, y, (0.0, 7.05), 0.07, 0.22)
                                 + 0.6 * _blob(side, y, (0.0, 6.3), 0.12, 0.08) + 0.6 * _blob(side, y, (0.45, 7.12), 0.1, 0.07)), 0, 1)
  masks[FOLDS] = front * (_blob(side, y, (0.185, 6.87), 0.02, 0.05) + 0.8 * _blob(side, y, (0.275, 6.6), 0.02, 0.025))


def _make_up(masks, side, y, z, texel):
  """Distances to the opening of the eyes: the socket's points lie far behind their surroundings."""
  near_eye = _blob(side, y, _EYE, 0.2, 0.15) > 0.35
  depth = scipy.ndimage.gaussian_filter(z, 14 / 0.00725 * texel)
  opening = scipy.ndimage.binary_fill_holes(near_eye & (z < depth - 0.1))
  away = scipy.ndimage.distance_transform_edt(~opening) * texel
  above = _step(y - np.interp(side, (_EYE_INNER[0], _EYE_OUTER[0]), (_EYE_INNER[1], _EYE_OUTER[1])), -0.005, 0.02)
  front = (z > 1.0) & near_eye
  masks[LINER] = front * np.exp(-np.square(away / 0.012)) * (0.35 + 0.65 * above)
  crease = np.exp(-np.square((away - 0.03) / 0.045))
  masks[LIDS] = front * above * crease * _step(side, 0.15, 0.25) + 0.25 * front * (1 - above) * np.exp(-np.square(away / 0.02))
  masks[BLUSH] = (z > 0.7) * _blob(side, y, (0.5, 7.0), 0.13, 0.075, 0.55)


def _beard(side, y, z, scores):
  neck = np.interp(z, (0.3, 0.8, 1.1, 1.5), (6.65, 6.3, 6.1, 6.0))  # under the jaw
  border = np.interp(side, _BEARD_X, _BEARD_Y)
  inside = _step(border - y, -0.02, 0.07) * _step(y - neck, -0.12, 0.08)
  inside *= _step(z, 0.45, 0.62) * (1 - 0.5 * _blob(side, y, (0.16, 6.45), 0.05, 0.04))
  lips = np.maximum(scores[..., head_model_lib.UPPER_LIP], scores[..., head_model_lib.LOWER_LIP])
  return np.clip(inside, 0, 1) * (1 - _step(lips, -0.3, 0.05)) * (y < 7.3)


def _lines(masks, x, y, front):
  """Grooves: across the forehead, between the brows, from the eyes' outer corners, under the eyes, around the mouth."""
  side = np.abs(x)
  forehead = np.zeros_like(x)
  for i, height in enumerate((7.62, 7.71, 7.8, 7.9)):
    line = height + 0.02 * np.cos(5 * x + i) + 0.012 * np.sin(17 * x + 2.3 * i) - 0.1 * np.square(x)
    forehead += (0.9 - 0.12 * i) * np.exp(-np.square((y - line) / 0.013)) * (1 - _step(side, 0.25, 0.48))
  frown = np.exp(-np.square((side - 0.055 - 0.1 * (y - 7.5)) / 0.011)) * _blob(0 * x, y, (0, 7.5), 1, 0.05)
  masks[FOREHEAD_LINES] = front * (forehead + 0.9 * frown)
  across, up = side - _EYE_OUTER[0], y - _EYE_OUTER[1]
  distance, angle = np.hypot(across, up), np.arctan2(up, across)
  fan = np.square(np.cos(4.2 * (angle + 0.08))) ** 4 * _step(distance, 0.03, 0.06) * (1 - _step(distance, 0.1, 0.2))
  masks[EYE_LINES] = front * fan * (np.abs(angle) < 0.95)
  for drop, strength in ((0.085, 0.8), (0.13, 0.5)):
    line = _EYE[1] - drop + 1.3 * np.square(side - 0.33)
    masks[EYE_LINES] += front * strength * np.exp(-np.square((y - line) / 0.012)) * _blob(side, 0 * y, (0.3, 0), 0.075, 1)
  fold = np.interp(y, (6.5, 6.6, 6.72, 6.84, 6.92), (0.36, 0.355, 0.32, 0.235, 0.2))
  masks[MOUTH_LINES] = front * np.exp(-np.square((side - fold) / 0.016)) * _step(y, 6.5, 6.68) * (1 - _step(y, 6.86, 6.95))
  marionette = np.exp(-np.square((side - np.interp(y, (6.35, 6.6), (0.3, 0.262))) / 0.014))
  masks[MOUTH_LINES] += 0.7 * front * marionette * _step(y, 6.38, 6.48) * (1 - _step(y, 6.54, 6.6))
  above_lip = np.square(np.cos(x * 45)) ** 3 * _blob(side, y, (0.1, 6.745), 0.09, 0.022)
  masks[MOUTH_LINES] += 0.3 * front * above_lip
