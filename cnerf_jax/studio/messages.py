"""What a page asks a server: JSON texts, checked before anything is drawn.

  {kind: 'person', id, seed}                              → the styles of a seed's person
  {kind: 'draw', id, styles, view, size, priority}        → a picture; styles are float32 numbers as base64
  {kind: 'cancel', id}                                    → what waits under that number need not be drawn
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import math

import numpy as np

SIZES = ('coarse', 'plain', 'middle', 'fine')
LARGEST_ID = 2**53 - 1  # of the integers that JavaScript tells apart
LARGEST_SEED = 2**31 - 1
LARGEST_STYLE = 1e3
LARGEST_PRIORITY = 4
# radians, radians, times the camera of training
_BOUNDS = {'azimuth': (-1.6, 1.6), 'elevation': (-0.9, 0.9), 'zoom': (0.5, 6.0)}


@dataclasses.dataclass(frozen=True)
class Request:
  """What is asked, by one page.

  Attributes:
    kind: 'person', 'draw' or 'cancel'.
    number: the page's own, in the answer too.
    priority: of what waits of one page, the largest is answered first.
    seed: of a person.
    styles: [classes, 2, style_dim] to draw.
    view: azimuth, elevation (radians), zoom.
    size: one of `SIZES`.
  """

  kind: str
  number: int
  priority: int = LARGEST_PRIORITY
  seed: int = 0
  styles: np.ndarray | None = None
  view: tuple[float, float, float] | None = None
  size: str = SIZES[0]


def parse(text: str, styles_shape: tuple[int, ...]) -> Request:
  """The request of a text.

  Raises:
    ValueError: in one line, if it is none.
  """
  try:
    said = json.loads(text)
  except (ValueError, RecursionError):
    raise ValueError('a message must be JSON') from None
  if not isinstance(said, dict):
    raise ValueError('a message must be a JSON object')
  kind, number = said.get('kind'), _whole(said.get('id'), 'id', LARGEST_ID)
  if kind == 'cancel':
    return Request('cancel', number)
  if kind == 'person':
    return Request('person', number, seed=_whole(said.get('seed'), 'seed', LARGEST_SEED))
  if kind != 'draw':
    raise ValueError("kind must be 'person', 'draw' or 'cancel'")
  if said.get('size') not in SIZES:
    raise ValueError(f'size must be one of {", ".join(SIZES)}')
  view = said.get('view')
  if not isinstance(view, dict):
    raise ValueError(f'view must have {", ".join(_BOUNDS)}')
  return Request(
      'draw', number, priority=_whole(said.get('priority'), 'priority', LARGEST_PRIORITY), styles=_styles(said.get('styles'), styles_shape),
      view=tuple(_number(view.get(name), name, *bounds) for name, bounds in _BOUNDS.items()), size=said['size'])


def _whole(value, name: str, largest: int) -> int:
  if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
    raise ValueError(f'{name} must be a whole number from 0 to {largest}')
  return value


def _number(value, name: str, low: float, high: float) -> float:
  if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or not low <= value <= high:
    raise ValueError(f'{name} must be a number from {low} to {high}')
  return float(value)


def _styles(value, shape: tuple[int, ...]) -> np.ndarray:
  wanted = f'styles must be {math.prod(shape)} float32 numbers of at most {LARGEST_STYLE:g} as base64'
  if not isinstance(value, str) or len(value) > 8 * math.prod(shape):
    raise ValueError(wanted)
  try:
    data = base64.b64decode(value, validate=True)
  except (binascii.Error, ValueError):
    raise ValueError(wanted) from None
  if len(data) != 4 * math.prod(shape):
    raise ValueError(wanted)
  styles = np.frombuffer(data, '<f4')
  if not (np.abs(styles) <= LARGEST_STYLE).all():  # false for what is no number
    raise ValueError(wanted)
  return styles.reshape(shape)
