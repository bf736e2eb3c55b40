"""What a parser says of one photograph: its label map, and where in it the face is, or why there is none. Kept beside the label map.

A label map of a photograph that is framed already is a PNG alone. Where the face had to be looked for, NAME.json beside it has the frame; where
none was found, it has the reason, and there is no PNG.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib

from jaxtyping import UInt8
import numpy as np

from cnerf_jax.persistence import atomic_files
from data_pipeline.prepare import alignment


@dataclasses.dataclass(frozen=True)
class Reading:
  """Of one photograph.

  Attributes:
    labels: label map, of any size, stretched over the photograph; None where there is no face.
    frame: of the face that had to be looked for, in sides of the photograph's shorter side; None where it was framed already.
    refusal: why there is no label map, in one line; empty where there is.
  """

  labels: UInt8[np.ndarray, 'height width'] | None
  frame: alignment.Square | None = None
  refusal: str = ''


def is_read(label_map: str) -> bool:
  """Whether a photograph has been read, with or without a result."""
  return pathlib.Path(label_map).exists() or bool(of(label_map).refusal)


def write(label_map: str, reading: Reading) -> None:
  """Writes what is beside a label map; to be called before that is written."""
  if reading.refusal:
    atomic_files.write_text(_beside(label_map), json.dumps(dict(refusal=reading.refusal)) + '\n')
  elif reading.frame is not None:
    frame = dict(center=reading.frame.center.tolist(), side=reading.frame.side, roll=reading.frame.roll)
    atomic_files.write_text(_beside(label_map), json.dumps(dict(frame=frame)) + '\n')


def of(label_map: str) -> Reading:
  """What is written beside a label map, without the map."""
  try:
    stored = json.loads(_beside(label_map).read_text())
  except (OSError, ValueError):
    return Reading(None)
  frame = stored.get('frame')
  square = alignment.Square(np.array(frame['center']), frame['side'], frame['roll']) if frame else None
  return Reading(None, square, stored.get('refusal', ''))


def _beside(label_map: str) -> pathlib.Path:
  return pathlib.Path(label_map).with_suffix('.json')
