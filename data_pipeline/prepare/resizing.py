"""Squares of a record's size from pictures of any size: images by an antialiased filter, label maps by the largest area."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def center_square(array: np.ndarray) -> np.ndarray:
  """The middle square of [height, width, ...]."""
  height, width = array.shape[:2]
  side = min(height, width)
  top, left = (height - side) // 2, (width - side) // 2
  return array[top:top + side, left:left + side]


def resize_image(image: UInt8[np.ndarray, 'side side 3'], size: int) -> UInt8[np.ndarray, 'size size 3']:
  """Lanczos, whose support grows as the picture shrinks, so that nothing aliases."""
  if image.shape[0] == size:
    return image
  return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS))


def resize_labels(labels: UInt8[np.ndarray, 'side side'], size: int) -> UInt8[np.ndarray, 'size size']:
  """For each pixel the label that covers most of it; where two cover as much, the one that is rarer in the picture."""
  if labels.shape[0] == size:
    return labels
  counts = np.bincount(labels.ravel())
  present = sorted(np.flatnonzero(counts), key=lambda label: counts[label])
  if size >= labels.shape[0]:
    return np.asarray(Image.fromarray(labels).resize((size, size), Image.Resampling.NEAREST))
  best, found = np.zeros((size, size), np.uint8), np.full((size, size), present[0], np.uint8)
  for label in present:
    area = np.asarray(Image.fromarray((labels == label) * np.uint8(255)).resize((size, size), Image.Resampling.BOX))
    larger = area > best
    best[larger], found[larger] = area[larger], label
  return found


def match_labels(labels: np.ndarray, height: int, width: int) -> np.ndarray:
  """A label map of other size and the same proportions, at the image's size: the nearest value."""
  rows = ((np.arange(height) + 0.5) * labels.shape[0] / height).astype(int)
  columns = ((np.arange(width) + 0.5) * labels.shape[1] / width).astype(int)
  return labels[rows[:, None], columns]


def same_proportions(labels: tuple[int, int], image: tuple[int, int]) -> bool:
  """Whether a label map could be its image's at another size: to one pixel of the smaller of the two."""
  scale = max(labels[0] / image[0], labels[1] / image[1])
  slack = max(1.0, scale)
  return abs(labels[0] - image[0] * scale) <= slack and abs(labels[1] - image[1] * scale) <= slack
