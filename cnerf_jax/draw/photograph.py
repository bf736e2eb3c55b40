"""Photographs and label maps from files, at the size that a model sees."""

from __future__ import annotations

from jaxtyping import Float
import numpy as np
from PIL import Image

from cnerf_jax import semantics
from cnerf_jax.persistence import atomic_files

UNKNOWN = 255  # a label of no class


def read_image(path: str, *, image_size: int) -> Float[np.ndarray, 'size size 3']:
  """A photograph, square, in [-1, 1]; ValueError or OSError in one line if it is none."""
  return values_of(_open(path, 'photograph'), image_size=image_size)


def values_of(image: Image.Image, *, image_size: int) -> Float[np.ndarray, 'size size 3']:
  """A square picture at another size, in [-1, 1]."""
  image = image.convert('RGB')
  way = Image.Resampling.BOX if image.width >= image_size else Image.Resampling.BICUBIC  # averages of areas, as the loader's
  return np.asarray(image.resize((image_size, image_size), way), np.float32) / 127.5 - 1


def read_masks(
    path: str, class_set: semantics.ClassSet, *, image_size: int, order: str = 'classes',
) -> Float[np.ndarray, 'size size classes']:
  """Masks of a label map: the part of each pixel that each class has; unknown pixels have none.

  Args:
    path: an image of whole numbers, grey or with a palette, square.
    class_set: of the masks.
    image_size: side of the masks, pixels.
    order: what the numbers are: `classes` in the order of the class set, or the 19 labels of `celebamask_hq`; UNKNOWN is no class.

  Raises:
    ValueError: in one line, if it is no label map; OSError: if there is none.
  """
  return masks_of(_open(path, 'label map'), class_set, image_size=image_size, order=order, name=path)


def masks_of(
    image: Image.Image, class_set: semantics.ClassSet, *, image_size: int, order: str, name: str,
) -> Float[np.ndarray, 'size size classes']:
  """Masks of a square picture of numbers, as `read_masks`; errors call it `name`."""
  if image.mode not in ('P', 'L', 'I', 'I;16', '1'):
    raise ValueError(f'{name} is no label map but a picture in colours ({image.mode}); give one whose pixels are numbers of classes')
  labels = np.asarray(image).astype(int)
  channels = np.arange(class_set.num_classes) if order == 'classes' else np.array(class_set.celebamask_hq)
  wrong = np.setdiff1d(labels, [*range(len(channels)), UNKNOWN])
  if len(wrong):
    remedy = '; the 19 labels of CelebAMask-HQ are label_order celebamask_hq' if order == 'classes' and wrong.max() < 19 else ''
    raise ValueError(f'{name} has labels {", ".join(map(str, wrong[:5]))}; use 0..{len(channels) - 1}, or {UNKNOWN} where unknown{remedy}')
  of_label = np.append(channels, class_set.num_classes)  # a channel more for what is unknown
  masks = np.eye(class_set.num_classes + 1, dtype=np.float32)[of_label[np.where(labels == UNKNOWN, len(channels), labels)]]
  return np.stack([
      np.asarray(Image.fromarray(masks[..., k]).resize((image_size, image_size), Image.Resampling.BOX))
      for k in range(class_set.num_classes)], axis=-1).clip(0, 1)


def _open(path: str, what: str) -> Image.Image:
  try:
    with Image.open(path) as image:
      image.load()
  except FileNotFoundError:
    raise FileNotFoundError(f'no {what} {path}; give a file of one') from None
  except (OSError, ValueError) as error:
    raise ValueError(f'{path} is no {what} that can be read ({atomic_files.one_line(error)}); give a PNG or JPEG') from error
  if image.width != image.height:
    raise ValueError(f'{path} is {image.width} x {image.height} pixels; crop it to a square, framed as in docs/data.md')
  return image
