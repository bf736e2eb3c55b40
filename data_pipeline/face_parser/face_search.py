"""Where is the face in a photograph, and how large? Found with the parser itself, which knows faces of one size and place alone.

Windows of many sizes and places are parsed (a pyramid), and scored by how much they look like an aligned crop (`framing.likeness`). From the best
of them on: parse, align on eyes and mouth, parse again, until the frame no longer moves. What comes to rest is a face if it keeps all rules of
`framing` and moves with the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import math

from jaxtyping import UInt8
import numpy as np
from PIL import Image

from data_pipeline.face_parser import framing
from data_pipeline.prepare import alignment

SIDE = 256  # of windows, pixels: twice what the network sees
SCALES = tuple(1.25 / 1.25**k for k in range(8))  # sides of windows, in shorter sides of the photograph
_STRIDE = 0.25  # between windows, in their sides
_OVERHANG = 0.2  # of a window's side may be beyond the photograph's border
_STARTS = 8  # windows that are refined
_LEAST_LIKENESS = 0.03  # of a window that is refined
_APART = 0.25  # starts are so many sides apart, or of another scale
_STEPS = 8
_AT_REST = (0.015, 0.03, math.radians(2))  # centre, logarithm of the side, roll
_PADDING = 0.6  # of the shorter side, by reflection

See = Callable[[UInt8[np.ndarray, 'windows side side 3'], bool], tuple[framing.Evidence, UInt8[np.ndarray, 'windows size size']]]


@dataclasses.dataclass(frozen=True)
class Photograph:
  """A photograph at several resolutions, with a margin of reflections.

  Attributes:
    levels: with half the side each, padded.
    margin: of the first, pixels.
    height, width: without margins, pixels.
  """

  levels: tuple[Image.Image, ...]
  margin: int
  height: int
  width: int


def photograph(image: UInt8[np.ndarray, 'height width 3']) -> Photograph:
  """Of pixels."""
  height, width = image.shape[:2]
  margin = math.ceil(_PADDING * min(height, width))
  padded = Image.fromarray(np.pad(image, ((margin, margin), (margin, margin), (0, 0)), 'symmetric'))
  levels = [padded]
  while min(levels[-1].size) > 2 * SIDE:
    levels.append(levels[-1].reduce(2))
  return Photograph(tuple(levels), margin, height, width)


def cut(source: Photograph, square: alignment.Square) -> UInt8[np.ndarray, 'side side 3']:
  """What a square shows, upright."""
  level = min(max(0, math.floor(math.log2(max(square.side, 1) / SIDE))), len(source.levels) - 1)
  shrink = 2**level
  unit = square.side / SIDE / shrink
  right = unit * np.array([math.cos(square.roll), math.sin(square.roll)])
  down = np.array([-right[1], right[0]])
  corner = (square.center + source.margin) / shrink - (right + down) * SIDE / 2
  affine = (right[0], down[0], corner[0], right[1], down[1], corner[1])
  return np.asarray(source.levels[level].transform((SIDE, SIDE), Image.Transform.AFFINE, affine, Image.Resampling.BILINEAR))


def windows(height: int, width: int) -> list[alignment.Square]:
  """Squares of all scales and places."""
  found = []
  for scale in SCALES:
    side = scale * min(height, width)
    middles = lambda length: _spread(length, side)
    found += [alignment.Square(np.array([x, y]), side, 0.0) for y in middles(height) for x in middles(width)]
  return found


def _spread(length: float, side: float) -> np.ndarray:
  """Middles of windows along one axis, both borders included."""
  reach = length - (1 - 2 * _OVERHANG) * side
  if reach <= 0:
    return np.array([length / 2])
  count = math.ceil(reach / (_STRIDE * side)) + 1
  return np.linspace((0.5 - _OVERHANG) * side, length - (0.5 - _OVERHANG) * side, count)
