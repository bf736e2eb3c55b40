"""What a detector and a face parser leave of a true picture: a crop that is not quite aligned, borders that are not quite right.

Real portraits are cropped by landmarks that a detector found, saved as JPEG, and labelled by a network. So a crop is shifted, zoomed and
rolled a little; borders between labels wander by a pixel or two and lose single strands of hair; now and then a small part is
missing altogether, and what is around it closes over it. All of it depends on (seed, picture) alone.
"""

import dataclasses
import math

import numba
import numpy as np
from jaxtyping import Float, UInt8

from data_pipeline import vocabularies
from data_pipeline.people import rendering

MOST_SHIFT = 0.05  # of the image's side, to each side
MOST_ZOOM = 0.06
MOST_ROLL_RADIANS = math.radians(4)
QUALITIES = (75, 95)  # of JPEG files, lowest and highest
_STREAM = 1_001  # of random numbers; see viewpoints.py
_EXACT_QUALITY = 95
_WANDERS = 0.004  # standard deviation of a border's way, in sides of the image
_WAVES = 16  # cells of the image, along a side, that a border wanders in
_JITTERS = 0.35 / 256  # standard deviation of each pixel's own way, likewise
# How often a parser misses a part that is there.
_LOST = dict(eye_g=.04, l_eye=.01, r_eye=.01, l_brow=.03, r_brow=.03, l_ear=.06, r_ear=.06, mouth=.10, ear_r=.25, neck_l=.20)
# Parts whose strands and corners a parser does not follow; the others are smaller than what it would smooth away.
_LARGE = ('background', 'skin', 'hair', 'hat', 'neck', 'cloth')


@dataclasses.dataclass(frozen=True)
class Imperfections:
  """Of one picture.

  Attributes:
    framing: shift, zoom and roll of the crop.
    jpeg_quality: of the image's file.
    lost: labels that the parser misses.
    border_seed: of the borders; None where they are exact.
  """

  framing: rendering.Framing
  jpeg_quality: int
  lost: tuple[int, ...]
  border_seed: int | None


EXACT = Imperfections(rendering.Framing(), _EXACT_QUALITY, (), None)


def draw(seed: int, index: int) -> Imperfections:
  """The imperfections of picture `index`."""
  random = np.random.default_rng((seed, index, _STREAM))
  shift_x, shift_y, zoom, roll = np.clip(random.normal(size=4) / 2.5, -1, 1).tolist()
  framing = rendering.Framing(
      shift_x=MOST_SHIFT * shift_x, shift_y=MOST_SHIFT * shift_y, zoom=1 + MOST_ZOOM * zoom, roll_radians=MOST_ROLL_RADIANS * roll)
  quality = int(random.integers(QUALITIES[0], QUALITIES[1] + 1))
  missed = random.uniform(size=len(_LOST)) < list(_LOST.values())
  lost = tuple(vocabularies.CELEBAMASK_HQ.labels.index(name) for name, is_missed in zip(_LOST, missed) if is_missed)
  return Imperfections(framing, quality, lost, int(random.integers(2**31)))


def parse(label: UInt8[np.ndarray, 'size size'], found: Imperfections) -> UInt8[np.ndarray, 'size size']:
  """The label map as a parser would give it."""
  if found.border_seed is None:
    return label
  for lost in found.lost:
    label = close_over(label, lost)
  label = _without_strands(label, _is_large(), max(1, round(label.shape[0] / 128)))
  return _frayed(label, np.random.default_rng(found.border_seed))


def close_over(label: UInt8[np.ndarray, 'height width'], lost: int) -> UInt8[np.ndarray, 'height width']:
  """The label map without one label: what is around its pixels grows over them, ring by ring."""
  missing = label == lost
  if missing.all() or not missing.any():
    return label
  label = label.copy()
  while missing.any():
    filled, still = label.copy(), missing.copy()
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
      beside, known = _shifted(label, axis, step), ~_shifted(missing, axis, step)
      here = still & known
      filled[here] = beside[here]
      still &= ~here
    label, missing = filled, still
  return label


def _shifted(values: np.ndarray, axis: int, step: int) -> np.ndarray:
  """The neighbours in one direction; at the edge, the pixels themselves."""
  size = values.shape[axis]
  return values.take(np.clip(np.arange(size) + step, 0, size - 1), axis=axis)


def _frayed(label: UInt8[np.ndarray, 'size size'], random: np.random.Generator) -> UInt8[np.ndarray, 'size size']:
  """Each pixel's label from a pixel near it: neighbours from about the same direction, so that borders move rather than dissolve."""
  size = label.shape[0]
  wander = _WANDERS * size * np.stack([_waves(size, random) for _ in range(2)])
  way = wander + _JITTERS * size * random.normal(size=(2, size, size)).astype(np.float32)
  rows, columns = np.mgrid[:size, :size]
  nearest = lambda position: np.clip(np.rint(position), 0, size - 1).astype(np.intp)
  return label[nearest(rows + way[0]), nearest(columns + way[1])]


def _waves(size: int, random: np.random.Generator) -> Float[np.ndarray, 'size size']:
  """Smooth noise of unit standard deviation: random numbers at the corners of a grid, interpolated linearly."""
  corners = random.normal(size=(_WAVES + 1, _WAVES + 1)).astype(np.float32)
  place = np.arange(size) * (_WAVES / size)
  cell = place.astype(np.intp)
  part = (place - cell).astype(np.float32)
  along = lambda values: values[cell] + (values[cell + 1] - values[cell]) * part[:, None]
  return along(along(corners).T).T * 1.5  # interpolation takes a third of the deviation


def _is_large() -> np.ndarray:
  return np.isin(vocabularies.CELEBAMASK_HQ.labels, _LARGE)


@numba.njit(cache=True, nogil=True)
def _without_strands(label, is_large, radius):
  """Each pixel of a large part gets the large part that most pixels around it are of, itself where there is a tie."""
  height, width = label.shape
  smooth = label.copy()
  for row in range(height):
    for column in range(width):
      own = label[row, column]
      if not is_large[own]:
        continue
      votes = np.zeros(is_large.size, np.int64)
      for y in range(max(row - radius, 0), min(row + radius + 1, height)):
        for x in range(max(column - radius, 0), min(column + radius + 1, width)):
          if is_large[label[y, x]]:
            votes[label[y, x]] += 1
      best = own
      for other in range(is_large.size):
        if votes[other] > votes[best]:
          best = other
      smooth[row, column] = best
  return smooth
