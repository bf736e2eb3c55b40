"""Where the face is in a picture, and the crop that FFHQ would take of it, from a label map alone.

FFHQ's crop (Karras et al. 2019): with e the vector between the eyes and m the one from between the eyes to the mouth, the square's
horizontal axis is the direction of e and of m turned by 90 degrees, added; its side is the larger of 4 |e| and 3.6 |m|; its centre lies
a tenth of m below the eyes. So eyes come to rest a little above the middle, and the mouth three quarters down.
"""

import dataclasses
import math

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from data_pipeline.prepare import anatomy
from data_pipeline.prepare import faults
from data_pipeline.prepare import label_orders

# An image counts as aligned if its crop would be nearly the image itself.
MAX_SHIFT = 0.08  # of the side
MAX_SCALE = 1.3  # and at least its inverse
MAX_ROLL_RADIANS = math.radians(10)
MIN_SIDE = 8  # pixels
_LARGEST_OUTSIDE = 0.35  # of the crop's area, filled by reflection
_TWO_EYES_APART = 0.35  # of the distance to the mouth; halves of one eye alone are nearer
_EYES = tuple(label_orders.LABELS.index(name) for name in ('l_eye', 'r_eye'))
_GLASSES = label_orders.LABELS.index('eye_g')


@dataclasses.dataclass(frozen=True)
class Landmarks:
  """Points (x, y) in pixels: the eye on the left of the picture, the one on the right, the mouth."""

  left_eye: Float[np.ndarray, '2']
  right_eye: Float[np.ndarray, '2']
  mouth: Float[np.ndarray, '2']


@dataclasses.dataclass(frozen=True)
class Square:
  """A square in a picture: centre (x, y) and side in pixels, roll in radians (positive: its right side hangs lower)."""

  center: Float[np.ndarray, '2']
  side: float
  roll: float


def landmarks(labels: UInt8[np.ndarray, 'height width']) -> Landmarks | None:
  """Middles of eyes and mouth from a map of the 19 labels; None where there are none.

  Where both eyes are one label, or behind glasses, they are the middles of the two halves.
  """
  one = anatomy.moments(labels)
  height, width = labels.shape
  scale = np.array([width, height])
  fraction, *mouth, _ = one.merge(('mouth', 'u_lip', 'l_lip'))
  if not fraction:
    return None
  mouth = np.array(mouth) * scale
  eyes = np.array([(one.x[label], one.y[label]) for label in _EYES]) * scale
  if np.isnan(eyes).any():
    halves = (_halves(labels, label, one.x[label], mouth) for label in (*_EYES, _GLASSES))
    eyes = next((found for found in halves if found is not None), None)
  return None if eyes is None else Landmarks(*_by_side(eyes), mouth)


def ffhq_square(points: Landmarks) -> Square:
  """The square that FFHQ's alignment would cut out."""
  eyes = points.right_eye - points.left_eye
  middle = (points.left_eye + points.right_eye) / 2
  down = points.mouth - middle
  across = eyes + np.array([down[1], -down[0]])
  side = max(4 * np.hypot(*eyes), 3.6 * np.hypot(*down))
  return Square(center=middle + 0.1 * down, side=float(side), roll=math.atan2(across[1], across[0]))


def offsets(square: Square, height: int, width: int) -> tuple[float, float, float, float]:
  """(shift right, shift down, scale, roll) of an image against its aligned crop: (0, 0, 1, 0) if it is aligned.

  Shifts are in sides of the image, the scale says how many times larger the crop would be, the roll is in radians.
  """
  image_side = min(height, width)
  shift = (square.center - np.array([width, height]) / 2) / image_side
  return float(shift[0]), float(shift[1]), square.side / image_side, square.roll


def is_aligned(offset: tuple[float, float, float, float]) -> bool:
  right, down, scale, roll = offset
  return (max(abs(right), abs(down)) <= MAX_SHIFT and 1 / MAX_SCALE <= scale <= MAX_SCALE and abs(roll) <= MAX_ROLL_RADIANS)


def crop(
    image: UInt8[np.ndarray, 'height width 3'], labels: UInt8[np.ndarray, 'height width'], square: Square, max_side: int,
) -> tuple[UInt8[np.ndarray, 'side side 3'], UInt8[np.ndarray, 'side side']]:
  """Image and labels of a square, upright, at about the picture's own resolution; beyond the border the picture is reflected.

  Args:
    image: the picture.
    labels: its label map, of the same size.
    square: what to cut out.
    max_side: the crop has at most so many pixels a side (it is made smaller by blocks of whole pixels).

  Raises:
    faults.Refused: OUT_OF_FRAME, if too much of the square lies outside.
  """
  height, width = labels.shape
  if square.side < MIN_SIDE:
    raise faults.Refused(faults.Fault.NO_FACE, 'eyes and mouth are in one place')
  outside = _fraction_outside(square, height, width)
  if outside > _LARGEST_OUTSIDE:
    raise faults.Refused(faults.Fault.OUT_OF_FRAME, f'{outside:.0%} of the crop is outside')
  shrink = max(1, math.floor(square.side / max_side))
  if shrink > 1:  # first by whole blocks, so that sampling between pixels skips none
    image = np.asarray(Image.fromarray(image).reduce(shrink))
    labels = labels[shrink // 2::shrink, shrink // 2::shrink]
    image = image[:labels.shape[0], :labels.shape[1]]
    square = Square(square.center / shrink, square.side / shrink, square.roll)
  margin = math.ceil(max(0, *_overhang(square, *labels.shape))) + 2
  image = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), 'symmetric')
  labels = np.pad(labels, margin, 'symmetric')
  side = max(MIN_SIDE, round(square.side))
  unit = square.side / side
  right = unit * np.array([math.cos(square.roll), math.sin(square.roll)])
  down = unit * np.array([-math.sin(square.roll), math.cos(square.roll)])
  corner = square.center + margin - (right + down) * side / 2
  affine = (right[0], down[0], corner[0], right[1], down[1], corner[1])
  cut = lambda array, filter_: np.asarray(
      Image.fromarray(array).transform((side, side), Image.Transform.AFFINE, affine, filter_))
  return cut(image, Image.Resampling.BICUBIC), cut(labels, Image.Resampling.NEAREST)


def _by_side(eyes: Float[np.ndarray, '2 2']) -> tuple[np.ndarray, np.ndarray]:
  """The eye on the left of the picture first, whichever is called l_eye."""
  return (eyes[0], eyes[1]) if eyes[0, 0] <= eyes[1, 0] else (eyes[1], eyes[0])


def _halves(labels: np.ndarray, label: int, middle: float, mouth: Float[np.ndarray, '2']) -> Float[np.ndarray, '2 2'] | None:
  """Middles (x, y) in pixels of what lies left and right of a label's middle; None if they are too near for two eyes."""
  rows, columns = np.nonzero(labels == label)
  left = columns + 0.5 < middle * labels.shape[1]
  if left.all() or not left.any():
    return None
  points = np.array([((columns[side] + 0.5).mean(), (rows[side] + 0.5).mean()) for side in (left, ~left)])
  apart, down = np.hypot(*(points[1] - points[0])), np.hypot(*(mouth - points.mean(0)))
  return points if apart > _TWO_EYES_APART * down else None


def _corners(square: Square) -> Float[np.ndarray, '4 2']:
  right = np.array([math.cos(square.roll), math.sin(square.roll)])
  down = np.array([-right[1], right[0]])
  return np.array([square.center + square.side / 2 * (a * right + b * down) for a in (-1, 1) for b in (-1, 1)])


def _overhang(square: Square, height: int, width: int) -> tuple[float, ...]:
  """By how many pixels the square's corners reach beyond each border."""
  corners = _corners(square)
  return (-corners[:, 0].min(), -corners[:, 1].min(), corners[:, 0].max() - width, corners[:, 1].max() - height)


def _fraction_outside(square: Square, height: int, width: int) -> float:
  """Fraction of a grid of points in the square that lies outside the picture."""
  steps = (np.arange(32) + 0.5) / 32 - 0.5
  a, b = np.meshgrid(steps, steps)
  right = np.array([math.cos(square.roll), math.sin(square.roll)])
  points = square.center + square.side * (a[..., None] * right + b[..., None] * np.array([-right[1], right[0]]))
  inside = (points >= 0).all(-1) & (points < np.array([width, height])).all(-1)
  return float(1 - inside.mean())
