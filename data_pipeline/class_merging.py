"""Label maps of one vocabulary merged into another: 19 CelebAMask-HQ labels -> 12 classes (`ffhq12`) or 9 (`ffhq9`).

A merge is a lookup table: `table[label]` is the channel that the label becomes. The tables themselves belong to
`semantics.ClassSet.celebamask_hq`; here they are applied and, for records that already have twelve classes, composed.
"""

import numpy as np
from jaxtyping import Int, UInt8

from cnerf_jax import semantics


def merge_celebamask_hq(
    labels: Int[np.ndarray, '*shape'], class_set: semantics.ClassSet) -> UInt8[np.ndarray, '*shape']:
  """The channel of `class_set` for each CelebAMask-HQ label (0 to 18)."""
  return _look_up(labels, np.array(class_set.celebamask_hq, np.uint8), 'CelebAMask-HQ labels')


def merge_ffhq12(labels: Int[np.ndarray, '*shape'], class_set: semantics.ClassSet) -> UInt8[np.ndarray, '*shape']:
  """The channel of `class_set` for each of the twelve `semantics.SemanticClass` values."""
  return _look_up(labels, ffhq12_table(class_set), 'ffhq12 classes')


def ffhq12_table(class_set: semantics.ClassSet) -> UInt8[np.ndarray, '12']:
  """For each ffhq12 class its channel in `class_set`, read off the CelebAMask-HQ labels that both merge.

  Raises:
    ValueError: if `class_set` splits a class of ffhq12, so that no table exists.
  """
  table = []
  for channel, name in enumerate(semantics.FFHQ12.classes):
    merged = {
        target for source, target in zip(semantics.FFHQ12.celebamask_hq, class_set.celebamask_hq) if source == channel}
    if len(merged) != 1:
      raise ValueError(f'{class_set.name} splits class {name!r} of ffhq12; merge it from CelebAMask-HQ labels instead')
    table.append(merged.pop())
  return np.array(table, np.uint8)


def _look_up(labels: np.ndarray, table: np.ndarray, vocabulary: str) -> np.ndarray:
  if labels.size and (labels.min() < 0 or labels.max() >= len(table)):
    raise ValueError(f'label {max(labels.max(), labels.min(), key=abs)} is none of the {len(table)} {vocabulary}; '
                     f'use label maps with values 0 to {len(table) - 1}')
  return table[labels]
