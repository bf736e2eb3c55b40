"""Photographs and label maps that pages upload: bounded in bytes and pixels, read one at a time, and kept at the model's own size alone.

What is kept is known by a key that nobody can guess, and forgotten when newer ones come.
"""

from __future__ import annotations

import asyncio
import collections
import io
import secrets

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
Crop = tuple[float, float, float, float]
_LABEL_ORDERS = ('classes', 'celebamask_hq')


class Busy(Exception):
  """Too many uploads at once."""


class Uploads:
  """What was uploaded last."""

  def __init__(self):
    self._kept: collections.OrderedDict[str, tuple[str, np.ndarray]] = collections.OrderedDict()
    self._reading = asyncio.Lock()  # before a thread is taken, of which others need some
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
      crop = parse_crop(request.query_params.get('crop'))
      data = await asyncio.wait_for(_body(request), SECONDS)
      async with self._reading:
        return await asyncio.to_thread(self._keep, kind, data, model, request.query_params.get('order', 'classes'), crop)
    except TimeoutError:
      raise ValueError(f'the file did not come within {SECONDS:.0f} seconds; give a smaller one') from None
    finally:
      self._receiving -= 1

  def _keep(self, kind: str, data: bytes, model: pretrained.Model, order: str, crop: Crop | None = None) -> str:
    if kind == 'photograph':
      said, array = 'photograph', read_photograph(data, model.image_size, crop)
    else:
      said, array = 'label map', read_labels(data, model, order, crop)
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


def parse_crop(text: str | None) -> Crop | None:
  """left,top,right,bottom as fractions of the sides; ValueError in one line if a text says nothing such."""
  if text is None:
    return None
  try:
    left, top, right, bottom = crop = tuple(map(float, text[:100].split(',')))
  except ValueError:
    crop = ()
  if not crop or not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
    raise ValueError('crop must be left,top,right,bottom: fractions of the sides, 0 to 1')
  return crop


def read_photograph(data: bytes, image_size: int, crop: Crop | None = None) -> Float[np.ndarray, 'size size 3']:
  """What a crop leaves of a picture, or the largest square in its middle, in [-1, 1]; ValueError in one line if it is none."""
  from PIL import ImageOps  # pylint: disable=g-import-not-at-top
  from cnerf_jax.draw import photograph  # pylint: disable=g-import-not-at-top
  smallest = 1.0 if crop is None else min(crop[2] - crop[0], crop[3] - crop[1])
  image = _open(data, 'photograph', least=round(2 * image_size / smallest))
  return photograph.values_of(_square(ImageOps.exif_transpose(image), crop), image_size=image_size)


def read_labels(data: bytes, model: pretrained.Model, order: str, crop: Crop | None = None) -> Float[np.ndarray, 'size size classes']:
  """Masks of a label map, cut likewise; ValueError in one line if it is none."""
  from PIL import Image  # pylint: disable=g-import-not-at-top
  from cnerf_jax.draw import photograph  # pylint: disable=g-import-not-at-top
  if order not in _LABEL_ORDERS:
    raise ValueError(f'order must be one of {", ".join(_LABEL_ORDERS)}')
  if model.class_set is None:
    raise ValueError('this model does not say what its classes are, so that no label map can be read; give the photograph alone')
  image = _square(_open(data, 'label map'), crop)
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


def _square(image, crop: Crop | None):
  """The square around the middle of a crop, as large as its shorter side."""
  left, top, right, bottom = (x * side for x, side in zip(crop or (0, 0, 1, 1), 2 * image.size))
  side = max(1, round(min(right - left, bottom - top)))
  left, top = (min(max(0, round((low + high - side) / 2)), size - side) for low, high, size in zip((left, top), (right, bottom), image.size))
  return image.crop((left, top, left + side, top + side))
