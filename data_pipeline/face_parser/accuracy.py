"""How well label maps are read: intersection over union of the twelve classes."""

from __future__ import annotations

from jaxtyping import UInt8
import numpy as np

from cnerf_jax import semantics
from data_pipeline import class_merging

CLASSES = semantics.FFHQ12


def intersection_over_union(
    found: UInt8[np.ndarray, 'maps height width'], known: UInt8[np.ndarray, 'maps height width'],
) -> dict[str, float]:
  """Of each class that either shows, over all maps of the 19 labels together."""
  found, known = (class_merging.merge_celebamask_hq(labels, CLASSES) for labels in (found, known))
  rows = {}
  for k, name in enumerate(CLASSES.classes):
    either = np.count_nonzero((found == k) | (known == k))
    if either:
      rows[name] = np.count_nonzero((found == k) & (known == k)) / either
  return rows
