"""One label per pixel from a semantic mask, real or rendered.

Real masks overlap: a thin class (an eye) is dilated over the class it lies on (skin), and both are 1 there. A
rendered mask shares its pixel among the classes and does not overlap. One rule reads both: a thin class that covers
half of a pixel takes it, the one listed last in `ClassSet.thin_classes` first; every other pixel goes to the largest
mask.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from cnerf_jax import semantics

COVERS = 0.5  # where masks sum to at most 1, what has half of a pixel is its argmax anyway


def label_map(
    semantic_mask: Float[np.ndarray, '*batch height width classes'], class_set: semantics.ClassSet,
) -> Int[np.ndarray, '*batch height width']:
  """Class index per pixel. Where masks sum to at most 1 it is the argmax; where they overlap, thin classes win."""
  semantic_mask = np.asarray(semantic_mask)
  if semantic_mask.shape[-1] != class_set.num_classes:
    raise ValueError(f'a mask of {semantic_mask.shape[-1]} channels is not of {class_set.name}; '
                     f'give {class_set.num_classes} channels, channels last')
  labels = semantic_mask.argmax(axis=-1).astype(np.int32)
  for name in class_set.thin_classes:
    thin = class_set.index(name)
    labels[semantic_mask[..., thin] >= COVERS] = thin
  return labels
