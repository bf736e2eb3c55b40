"""From a record (8-bit image and label map) to training arrays: one-hot, area downsampling, dilation of thin classes.

Images become floats in [-1, 1], masks become floats in [0, 1] that sum to one over the classes until thin classes are
dilated: a class whose pixels vanish at training resolution is widened over its neighbours, as in the paper's data preparation.
"""

import functools

import numpy as np
from jaxtyping import Float, UInt8

from cnerf_jax import semantics

DILATIONS = ('none', 'overlap', 'exclusive')

# Side of the square dilation window in pixels of a 256-pixel image, as in the published data code. Classes without an entry use 3.
_WINDOW_AT_256 = {'brows': 4, 'brow': 4, 'ears': 5, 'ear': 5}
_SMALLEST_WINDOW = 3  # one pixel to every side: less would dilate nothing


def one_hot(labels: UInt8[np.ndarray, '*shape'], num_classes: int) -> Float[np.ndarray, '*shape classes']:
  """Label maps as masks, float32."""
  return np.eye(num_classes, dtype=np.float32)[labels]


def training_mask(
    labels: UInt8[np.ndarray, '*batch height width'], class_set: semantics.ClassSet, image_size: int, dilation: str,
) -> Float[np.ndarray, '*batch image_size image_size classes']:
  """What the discriminators see of a label map: averaged down, then dilated as the config says (one of DILATIONS)."""
  if labels.shape[-1] == image_size and dilation != 'none':
    return _dilated_sets(labels, class_set, dilation)
  mask = area_one_hot(labels, class_set.num_classes, image_size)
  if dilation != 'none':
    mask = dilate_thin_classes(mask, class_set)
  return make_exclusive(mask, class_set) if dilation == 'exclusive' else mask


def area_one_hot(
    labels: UInt8[np.ndarray, '*batch height width'], num_classes: int, image_size: int,
) -> Float[np.ndarray, '*batch image_size image_size classes']:
  """`area_downsample(one_hot(labels))`, to the last bit: pixels are counted as integers, which is four times less to move."""
  record_size = labels.shape[-1]
  check_divides(image_size, record_size)
  block = record_size // image_size
  if block == 1:
    return one_hot(labels, num_classes)
  rows = np.eye(num_classes, dtype=np.uint8 if block**2 < 256 else np.uint32)
  count = sum(rows[labels[..., row::block, column::block]] for row in range(block) for column in range(block))
  return count.astype(np.float32) * np.float32(1 / block**2)


def normalise_image(image: UInt8[np.ndarray, '*shape 3']) -> Float[np.ndarray, '*shape 3']:
  """8-bit colours in [0, 255] as float32 in [-1, 1]."""
  return image.astype(np.float32) * np.float32(2 / 255) - np.float32(1)


def area_downsample(
    values: Float[np.ndarray, '*batch height width channels'], image_size: int,
) -> Float[np.ndarray, '*batch image_size image_size channels']:
  """Means over equal square blocks; for a soft mask, the fraction of each class in the block."""
  record_size = values.shape[-2]
  check_divides(image_size, record_size)
  block = record_size // image_size
  total = sum(values[..., row::block, column::block, :] for row in range(block) for column in range(block))
  return total * np.float32(1 / block**2)


def check_divides(image_size: int, record_size: int) -> None:
  """ValueError, with the sizes that do, unless blocks of whole pixels make images of `image_size`."""
  if image_size < 1 or record_size % image_size:
    divisors = [size for size in range(8, record_size + 1) if record_size % size == 0]
    raise ValueError(f'image_size {image_size} does not divide record_size {record_size}; use one of '
                     f'{", ".join(map(str, divisors))}, or a data.record_size that is a multiple of {image_size}')


def dilate_thin_classes(
    semantic_mask: Float[np.ndarray, '*batch height width classes'], class_set: semantics.ClassSet,
) -> Float[np.ndarray, '*batch height width classes']:
  """The mask with its thin classes widened by a max filter; other channels stay, so sums may exceed one."""
  dilated = semantic_mask.copy()
  for window, channels in _windows(class_set, semantic_mask.shape[-2]).items():
    dilated[..., channels] = _widen(semantic_mask[..., channels], window, np.maximum, (-3, -2))
  return dilated


def make_exclusive(
    semantic_mask: Float[np.ndarray, '*batch height width classes'], class_set: semantics.ClassSet,
) -> Float[np.ndarray, '*batch height width classes']:
  """Masks that sum to one again after dilation: thin classes keep what they took, the classes beneath give way.

  Generators whose masks are a softmax can't draw overlaps, and their discriminators would know them by the sum alone.
  """
  is_thin = np.isin(np.array(class_set.classes), class_set.thin_classes)
  thin, beneath = semantic_mask * is_thin, semantic_mask * ~is_thin
  taken = thin.sum(-1, keepdims=True)
  thin = thin / np.maximum(taken, 1)
  left = beneath.sum(-1, keepdims=True)
  return thin + beneath * (np.maximum(1 - taken, 0) / np.maximum(left, 1e-6))


def dilation_window(name: str, image_size: int) -> int:
  """Side in pixels of the dilation window of class `name`: in proportion to the resolution, and at least 3."""
  return max(_SMALLEST_WINDOW, round(_WINDOW_AT_256.get(name, 3) * image_size / 256))


def nearest_in_blocks(
    depth: Float[np.ndarray, '*batch height width'], image_size: int,
) -> Float[np.ndarray, '*batch image_size image_size']:
  """The smallest depth of each block: an average over an edge would lie on neither surface."""
  block = depth.shape[-1] // image_size
  return depth.reshape(*depth.shape[:-2], image_size, block, image_size, block).min(axis=(-3, -1))


def _widen(values: np.ndarray, window: int, combine: np.ufunc, axes: tuple[int, int]) -> np.ndarray:
  """Maximum, or union, over a square window around each pixel (one more pixel below and right if `window` is even)."""
  for axis in axes:
    along = np.moveaxis(values, axis, 0)
    widest = along.copy()
    for step in range(1, window // 2 + 1):
      combine(widest[:-step], along[step:], out=widest[:-step])
      if step <= (window - 1) // 2:
        combine(widest[step:], along[:-step], out=widest[step:])
    values = np.moveaxis(widest, 0, axis)
  return values


def _windows(class_set: semantics.ClassSet, image_size: int) -> dict[int, list[int]]:
  """Channels of the thin classes by their dilation window."""
  found = {}
  for name in class_set.thin_classes:
    found.setdefault(dilation_window(name, image_size), []).append(class_set.index(name))
  return found


def _dilated_sets(
    labels: UInt8[np.ndarray, '*batch size size'], class_set: semantics.ClassSet, dilation: str,
) -> Float[np.ndarray, '*batch size size classes']:
  """Dilated masks of labels at training resolution. A pixel belongs to a set of classes, one bit each: sets are dilated, and looked up."""
  bit = (1 << np.arange(class_set.num_classes)).astype(np.uint16)
  sets = bit[labels]
  dilated = sets.copy()
  for window, channels in _windows(class_set, labels.shape[-1]).items():
    dilated |= _widen(sets & np.bitwise_or.reduce(bit[channels]), window, np.bitwise_or, (-2, -1))
  return np.take(_masks_of_sets(class_set, dilation), dilated, axis=0, mode='clip')


@functools.lru_cache
def _masks_of_sets(class_set: semantics.ClassSet, dilation: str) -> Float[np.ndarray, 'sets classes']:
  """For each set of classes that can meet in a pixel its mask."""
  sets = np.arange(2**class_set.num_classes)
  masks = (sets[:, None] >> np.arange(class_set.num_classes) & 1).astype(np.float32)
  return make_exclusive(masks[None], class_set)[0] if dilation == 'exclusive' else masks
