"""What a page asks a server: JSON texts, checked before anything is done.

  {kind: 'person', id, seed, step}                        → the styles of a seed's person
  {kind: 'draw', id, styles, view, size, priority, step}  → a picture; styles are float32 numbers as base64
  {kind: 'checkpoint', id, step}                          → the mean styles of a checkpoint, which then is in memory
  {kind: 'paint', id, styles, view, labels, step}         → the person as painted; labels are bytes as base64, 255 where nothing is painted
  {kind: 'invert', id, photograph, labels, step}          → the person of a photograph; both are keys of what was uploaded, labels may be null
  {kind: 'mesh', id, styles, step}                        → a file
  {kind: 'cancel', id}                                    → what waits or goes on under that number need not

`step` chooses a checkpoint; null, or left out, is the newest. The last three are jobs: their answers are told with a place in the queue first,
and with what there is so far.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import math
import re

import numpy as np

SIZES = ('coarse', 'plain', 'middle', 'fine')
JOBS = ('paint', 'invert', 'mesh')
KINDS = ('person', 'draw', 'checkpoint', *JOBS, 'cancel')
LARGEST_ID = 2**53 - 1  # of the integers that JavaScript tells apart
LARGEST_SEED = 2**31 - 1
LARGEST_STEP = 2**40
LARGEST_STYLE = 1e3
LARGEST_PRIORITY = 4
UNPAINTED = 255
_KEY = re.compile('[A-Za-z0-9_-]{16,64}')
# radians, radians, times the camera of training
_BOUNDS = {'azimuth': (-1.6, 1.6), 'elevation': (-0.9, 0.9), 'zoom': (0.5, 6.0)}


@dataclasses.dataclass(frozen=True)
class Shapes:
  """What arrays must fit.

  Attributes:
    styles: [classes, 2, style_dim].
    image_size: of label maps, pixels.
  """

  styles: tuple[int, int, int]
  image_size: int


@dataclasses.dataclass(frozen=True)
class Request:
  """What is asked, by one page.

  Attributes:
    kind: one of `KINDS`.
    number: the page's own, in the answer too.
    priority: of what waits of one page, the largest is answered first.
    seed: of a person.
    styles: [classes, 2, style_dim].
    view: azimuth, elevation (radians), zoom.
    size: one of `SIZES`.
    step: of the checkpoint; None for the newest.
    labels: [image_size, image_size] painted classes, -1 where nothing is painted.
    photograph: key of an upload.
    label_map: key of an upload, or None.
  """

  kind: str
  number: int
  priority: int = LARGEST_PRIORITY
  seed: int = 0
  styles: np.ndarray | None = None
  view: tuple[float, float, float] | None = None
  size: str = SIZES[0]
  step: int | None = None
  labels: np.ndarray | None = None
  photograph: str | None = None
  label_map: str | None = None


def parse(text: str, shapes: Shapes) -> Request:
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
  if not isinstance(kind, str) or kind not in KINDS:
    raise ValueError(f'kind must be one of {", ".join(KINDS)}')
  if kind == 'cancel':
    return Request(kind, number)
  step = said.get('step')
  of_step = {'step': None if step is None and kind != 'checkpoint' else _whole(step, 'step', LARGEST_STEP)}
  if kind == 'checkpoint':
    return Request(kind, number, **of_step)
  if kind == 'person':
    return Request(kind, number, seed=_whole(said.get('seed'), 'seed', LARGEST_SEED), **of_step)
  if kind == 'invert':
    labels = said.get('labels')
    return Request(
        kind, number, photograph=_key(said.get('photograph'), 'photograph'), label_map=None if labels is None else _key(labels, 'labels'),
        **of_step)
  styles = _styles(said.get('styles'), shapes.styles)
  if kind == 'mesh':
    return Request(kind, number, styles=styles, **of_step)
  if kind == 'paint':
    return Request(kind, number, styles=styles, view=_view(said.get('view')), labels=_labels(said.get('labels'), shapes), **of_step)
  if said.get('size') not in SIZES:
    raise ValueError(f'size must be one of {", ".join(SIZES)}')
  return Request(
      kind, number, priority=_whole(said.get('priority'), 'priority', LARGEST_PRIORITY), styles=styles, view=_view(said.get('view')),
      size=said['size'], **of_step)


def number_of(text: str) -> int | None:
  """The number of a request that was refused, if it has one."""
  try:
    number = json.loads(text).get('id')
  except (ValueError, AttributeError, RecursionError):
    return None
  return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= LARGEST_ID else None


def _whole(value, name: str, largest: int) -> int:
  if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
    raise ValueError(f'{name} must be a whole number from 0 to {largest}')
  return value


def _number(value, name: str, low: float, high: float) -> float:
  # compared before it is made a float: a whole number may be too large for one
  if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
    raise ValueError(f'{name} must be a number from {low} to {high}')
  return float(value)


def _view(value) -> tuple[float, float, float]:
  if not isinstance(value, dict):
    raise ValueError(f'view must have {", ".join(_BOUNDS)}')
  return tuple(_number(value.get(name), name, *bounds) for name, bounds in _BOUNDS.items())


def _key(value, name: str) -> str:
  if not isinstance(value, str) or not _KEY.fullmatch(value):
    raise ValueError(f'{name} must be the key of something that was uploaded')
  return value


def _bytes(value, count: int, wanted: str) -> bytes:
  if not isinstance(value, str) or len(value) > 2 * count + 8:
    raise ValueError(wanted)
  try:
    data = base64.b64decode(value, validate=True)
  except (binascii.Error, ValueError):
    raise ValueError(wanted) from None
  if len(data) != count:
    raise ValueError(wanted)
  return data


def _styles(value, shape: tuple[int, ...]) -> np.ndarray:
  wanted = f'styles must be {math.prod(shape)} float32 numbers of at most {LARGEST_STYLE:g} as base64'
  styles = np.frombuffer(_bytes(value, 4 * math.prod(shape), wanted), '<f4')
  if not (np.abs(styles) <= LARGEST_STYLE).all():  # false for what is no number
    raise ValueError(wanted)
  return styles.reshape(shape)


def _labels(value, shapes: Shapes) -> np.ndarray:
  size, num_classes = shapes.image_size, shapes.styles[0]
  wanted = f'labels must be {size**2} bytes as base64, each a class from 0 to {num_classes - 1} or {UNPAINTED} where nothing is painted'
  labels = np.frombuffer(_bytes(value, size**2, wanted), np.uint8).astype(int).reshape(size, size)
  if not ((labels < num_classes) | (labels == UNPAINTED)).all():
    raise ValueError(wanted)
  return np.where(labels == UNPAINTED, -1, labels)
