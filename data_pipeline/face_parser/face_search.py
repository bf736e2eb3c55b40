"""Where is the face in a photograph, and how large? Found with the parser itself, which knows faces of one size and place alone.

Windows of many sizes and places are parsed (a pyramid), and scored by how much they look like an aligned crop (`framing.likeness`). From
the best of them on: parse, align on eyes and mouth, parse again, until the frame no longer moves. What comes to rest is a face if it keeps
all rules of `framing` and moves with the picture.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import math

from jaxtyping import UInt8
import numpy as np
from PIL import Image

from data_pipeline.face_parser import framing
from data_pipeline.prepare import alignment

SIDE = 256  # of windows, pixels: twice what the network sees
SCALES = tuple(1.25 / 1.33**k for k in range(6))  # sides of windows, in shorter sides of the photograph
_STRIDE = 0.3  # between windows, in their sides
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


@dataclasses.dataclass(frozen=True)
class Found:
  """The best that was found.

  Attributes:
    square: the frame, in pixels of the photograph; None where nothing looked like a face at all.
    likeness: of an aligned crop of a face, in [0, 1].
    doubt: what speaks against it, in one line; empty for a face.
  """

  square: alignment.Square | None
  likeness: float
  doubt: str


def find(image: UInt8[np.ndarray, 'height width 3'], see: See) -> Found:
  """The face of a photograph; of several the one that looks most like an aligned crop.

  Args:
    image: the photograph; 1,024 pixels along its shorter side are enough.
    see: windows and whether to see their mirror images too → evidence and label maps of them.
  """
  source = photograph(image)
  squares = windows(source.height, source.width)
  seen, _ = see(np.stack([cut(source, one) for one in squares]), False)
  best = Found(None, 0.0, 'no part of it looks like a face')
  rested = refine(source, _starts(squares, framing.likeness(seen)), see)
  rested.sort(key=lambda one: -one[1])
  for square, likeness, doubt in rested:
    doubt = doubt or framing.doubt_of_moves(square, _moved(source, square, see))
    if not doubt:
      return Found(square, likeness, '')
    if best.square is None:
      best = Found(square, likeness, doubt)
  return best


def refine(source: Photograph, squares: list[alignment.Square], see: See) -> list[tuple[alignment.Square, float, str]]:
  """(frame, likeness, doubt) of those of some frames that come to rest when they are aligned on what is seen in them, each once."""
  rested = []
  for _ in range(_STEPS):
    if not squares:
      break
    seen, maps = see(np.stack([cut(source, one) for one in squares]), True)
    likeness, moving = framing.likeness(seen), []
    for k, square in enumerate(squares):
      inner = framing.square(maps[k])
      if inner is None:
        continue
      after = framing.within(square, inner)
      if all(moved < most for moved, most in zip(framing.distance(after, square), _AT_REST)):
        if not any(_same(square, other) for other, *_ in rested):
          rested.append((square, float(likeness[k]), framing.doubt(framing.one_of(seen, k), maps[k])))
      elif _is_possible(after, source) and not any(_same(after, other, 0.3) for other in moving):
        moving.append(after)
    squares = moving
  return rested


def _starts(squares: list[alignment.Square], likeness: np.ndarray) -> list[alignment.Square]:
  """The likeliest windows, none near a likelier one."""
  chosen = []
  for k in np.argsort(-likeness):
    if likeness[k] < _LEAST_LIKENESS or len(chosen) == _STARTS:
      break
    if not any(_same(squares[k], other) for other in chosen):
      chosen.append(squares[k])
  return chosen


def _same(one: alignment.Square, other: alignment.Square, most: float = 1.0) -> bool:
  apart, larger, turned = framing.distance(one, other)
  return apart < _APART * most and larger < _APART * most and turned < _APART * most


def _is_possible(square: alignment.Square, source: Photograph) -> bool:
  """Whether a frame may be looked at: its middle in the photograph, neither tiny nor wider than the margins allow."""
  shorter = min(source.height, source.width)
  inside = (square.center >= 0).all() and (square.center <= (source.width, source.height)).all()
  return bool(inside and SCALES[-1] / 1.3 * shorter <= square.side <= 1.5 * shorter and abs(square.roll) < math.radians(50))


def _moved(source: Photograph, square: alignment.Square, see: See) -> list[alignment.Square | None]:
  """The frame as it is read from windows that are moved a little."""
  starts = [framing.within(square, alignment.Square(np.array([0.5 + right, 0.5 + down]), side, roll)) for right, down, side, roll in MOVES]
  _, maps = see(np.stack([cut(source, one) for one in starts]), True)
  inner = [framing.square(labels) for labels in maps]
  return [None if one is None else framing.within(start, one) for start, one in zip(starts, inner)]


MOVES = (  # right and down in sides, times the side, roll in radians
    (0.06, 0.06, 1.0, 0.1), (-0.06, 0.06, 1.0, -0.1), (0.06, -0.06, 1.0, -0.1), (-0.06, -0.06, 1.0, 0.1),
    (0.0, 0.0, 1.15, 0.0), (0.0, 0.0, 0.88, 0.0))
