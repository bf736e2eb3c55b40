"""Label maps of photographs that need not be framed as portraits: as they are where they look framed, else of the face found in them."""

from __future__ import annotations

from collections.abc import Sequence
import math

from jaxtyping import UInt8
import numpy as np

from data_pipeline.face_parser import face_search
from data_pipeline.face_parser import framing
from data_pipeline.face_parser import parsing
from data_pipeline.prepare import alignment
from data_pipeline.prepare import anatomy
from data_pipeline.prepare import framings

_VERSION = 1  # of the search: raise it when what is found changes
_BEYOND = 0.15  # labels at the frame's border are drawn out by so many sides, so that a crop that is a little off shows them


class FaceFinder:
  """Reads label maps as `parsing.FaceParser` does, and looks for the face where a photograph is not framed as a portrait.

  Attributes:
    batch_size: photographs at once.
    fingerprint: hash of all that label maps depend on.
  """

  def __init__(self, parser: parsing.FaceParser):
    self._parser = parser
    self.batch_size = parser.batch_size
    self.fingerprint = f'{parser.fingerprint}-found{_VERSION}'

  def read(self, squares: UInt8[np.ndarray, 'images size size 3'], photographs: Sequence[np.ndarray]) -> list[framings.Reading]:
    """What photographs show.

    Args:
      squares: each stretched to a square, as `parsing.FaceParser.parse` takes them.
      photographs: the same, uint8 [height, width, 3], as they are or smaller.
    """
    maps, seen, small = self._parser.parse_and_see(squares)
    readings = []
    for k, image in enumerate(photographs):
      evidence = framing.one_of(seen, k)
      framed = not framing.doubt(evidence, small[k])
      readings.append(framings.Reading(maps[k]) if framed else self._searched(image, maps[k], _is_portrait(evidence, small[k])))
    return readings

  def _searched(self, image: np.ndarray, whole: np.ndarray, is_portrait: bool) -> framings.Reading:
    """Of a photograph that does not look framed, given its map as a whole, and whether that may be a portrait's all the same."""
    found = face_search.find(image, self._parser.see)
    if found.doubt:
      return framings.Reading(whole) if is_portrait else framings.Reading(None, refusal=found.doubt)
    return framings.Reading(whole) if framing.is_whole(found.square, *image.shape[:2]) else self._cropped(image, found)

  def _cropped(self, image: np.ndarray, found: face_search.Found) -> framings.Reading:
    labels = self._parser.parse(face_search.cut(face_search.photograph(image), found.square)[None])[0]
    shorter = min(image.shape[:2])
    frame = alignment.Square(found.square.center / shorter, found.square.side / shorter, found.square.roll)
    return framings.Reading(spread(labels, found.square, *image.shape[:2]), frame)


def _is_portrait(seen: framing.Evidence, labels: UInt8[np.ndarray, 'size size']) -> bool:
  """Whether what is doubted is a portrait if no other face is found: seen surely, eyes and mouth in place, a hand before its nose."""
  return (float(seen.certainty) >= framing.LEAST_CERTAINTY and framing.is_whole(framing.square(labels), 1, 1)
          and anatomy.fit(anatomy.moments(labels)) >= framing.LEAST_FIT)


def spread(labels: UInt8[np.ndarray, 'size size'], square: alignment.Square, height: int, width: int) -> UInt8[np.ndarray, 'rows columns']:
  """The label map of a photograph of which a square has been read: beyond it there is background.

  It has the photograph's proportions, and at most so many pixels that the square has as many as its labels.
  """
  scale = min(1.0, len(labels) / square.side)
  rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
  x, y = np.meshgrid((np.arange(columns) + 0.5) * width / columns, (np.arange(rows) + 0.5) * height / rows)
  x, y = x - square.center[0], y - square.center[1]
  across = (math.cos(square.roll) * x + math.sin(square.roll) * y) / square.side
  along = (-math.sin(square.roll) * x + math.cos(square.roll) * y) / square.side
  nearest = lambda place: np.clip(((place + 0.5) * len(labels)).astype(int), 0, len(labels) - 1)
  inside = np.maximum(abs(across), abs(along)) < 0.5 + _BEYOND
  return np.where(inside, labels[nearest(along), nearest(across)], 0).astype(np.uint8)
