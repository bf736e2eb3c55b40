"""Photographs and label maps that pages upload: bounded in bytes and pixels, read one at a time, and kept at the model's own size alone.

What is kept is known by a key that nobody can guess, and forgotten when newer ones come.
"""

from __future__ import annotations

import asyncio
import collections
import io
import secrets
import threading

from jaxtyping import Float
import numpy as np
from starlette import requests as starlette_requests

from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax.persistence import atomic_files

LARGEST_BYTES = 8_000_000
LARGEST_PIXELS = 36_000_000  # of a file: 144 MB while it is read
MOST_KEPT = 64
MOST_AT_ONCE = 4  # that are being received
SECONDS = 60.0  # to send one
FORMATS = ('PNG', 'JPEG', 'WEBP')
KINDS = ('photograph', 'labels')
_LABELS_A_PIXEL = 8  # along a side: of larger label maps some are taken
_LABEL_ORDERS = ('classes', 'celebamask_hq')


class Busy(Exception):
  """Too many uploads at once."""


class Uploads:
  """What was uploaded last."""

  def __init__(self):
    self._kept: collections.OrderedDict[str, tuple[str, np.ndarray]] = collections.OrderedDict()
    self._lock = threading.Lock()
    self._receiving = 0

  def get(self, key: str, what: str) -> np.ndarray:
    """The array of a key; ValueError in one line if it is not there, or is something else than `what`."""
    kind, array = self._kept.get(key, (None, None))
    if array is None:
      raise ValueError(f'the {what} is not here any more; choose it again')
    if kind != what:
      raise ValueError(f'a {kind} was given as the {what}; choose both again')
    return array

  async def take(self, request: starlette_requests.Request, model: pretrained.Model) -> str:
    """Reads the body of a request and keeps what is in it; its key.

    Raises:
      ValueError: in one line, if it is too large, or no picture of the kind that the query names; Busy: if too many come at once.
    """
    kind = request.query_params.get('kind')
    if kind not in KINDS:
      raise ValueError(f'kind must be one of {", ".join(KINDS)}')
    if self._receiving >= MOST_AT_ONCE:
      raise Busy(f'{MOST_AT_ONCE} files are being received; try again in a moment')
    self._receiving += 1
    try:
      data = await asyncio.wait_for(_body(request), SECONDS)
      return await asyncio.to_thread(self._keep, kind, data, model, request.query_params.get('order', 'classes'))
    except TimeoutError:
      raise ValueError(f'the file did not come within {SECONDS:.0f} seconds; give a smaller one') from None
    finally:
      self._receiving -= 1

  def _keep(self, kind: str, data: bytes, model: pretrained.Model, order: str) -> str:
    with self._lock:
      if kind == 'photograph':
        said, array = 'photograph', read_photograph(data, model.image_size)
      else:
        said, array = 'label map', read_labels(data, model, order)
      key = secrets.token_urlsafe(16)
      self._kept[key] = said, array
      while len(self._kept) > MOST_KEPT:
        self._kept.popitem(last=False)
      return key


async def _body(request: starlette_requests.Request) -> bytes:
  too_large = ValueError(f'a file may have at most {LARGEST_BYTES / 1e6:.0f} MB; give a smaller one')
  length = request.headers.get('content-length', '0')
  if not length.isdigit() or int(length[:12]) > LARGEST_BYTES:
    raise too_large
  parts, received = [], 0
  async for part in request.stream():
    received += len(part)
    if received > LARGEST_BYTES:
      raise too_large
    parts.append(part)
  return b''.join(parts)


def read_photograph(data: bytes, image_size: int) -> Float[np.ndarray, 'size size 3']:
  """The largest square in the middle of a picture, in [-1, 1]; ValueError in one line if it is none."""
  from PIL import ImageOps  # pylint: disable=g-import-not-at-top
  from cnerf_jax.draw import photograph  # pylint: disable=g-import-not-at-top
  image = _open(data, 'photograph', least=2 * image_size)
  return photograph.values_of(_square(ImageOps.exif_transpose(image)), image_size=image_size)


def read_labels(data: bytes, model: pretrained.Model, order: str) -> Float[np.ndarray, 'size size classes']:
  """Masks of a label map, of its largest square in the middle; ValueError in one line if it is none."""
  from PIL import Image  # pylint: disable=g-import-not-at-top
  from cnerf_jax.draw import photograph  # pylint: disable=g-import-not-at-top
  if order not in _LABEL_ORDERS:
    raise ValueError(f'order must be one of {", ".join(_LABEL_ORDERS)}')
  if model.class_set is None:
    raise ValueError('this model does not say what its classes are, so that no label map can be read; give the photograph alone')
  image = _square(_open(data, 'label map'))
  if image.width > _LABELS_A_PIXEL * model.image_size:
    image = image.resize((_LABELS_A_PIXEL * model.image_size,) * 2, Image.Resampling.NEAREST)  # masks at full size would fill the memory
  if image.mode in ('RGB', 'RGBA'):  # a grey picture that a program saved in colours
    red, green, blue = image.convert('RGB').split()
    if red.tobytes() == green.tobytes() == blue.tobytes():
      image = red
  return photograph.masks_of(image, semantics.class_set(model.class_set), image_size=model.image_size, order=order, name='the file')


def _open(data: bytes, what: str, least: int | None = None):
  """A picture in memory: its sides are looked at before its pixels are read; of a JPEG no more than `least` pixels a side are."""
  from PIL import Image  # pylint: disable=g-import-not-at-top
  try:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
      if image.width * image.height > LARGEST_PIXELS:
        raise ValueError(f'{image.width} x {image.height} pixels, of at most {LARGEST_PIXELS / 1e6:.0f} million')
      if least and image.format == 'JPEG':
        image.draft('RGB', (least, least))
      image.load()
      return image
  except Exception as error:  # pylint: disable=broad-except; a file that is damaged raises this and that
    raise ValueError(f'the file is no {what} that can be read ({atomic_files.one_line(error)}); give a PNG, JPEG or WebP') from error


def _square(image):
  side = min(image.size)
  left, top = (image.width - side) // 2, (image.height - side) // 2
  return image.crop((left, top, left + side, top + side))
