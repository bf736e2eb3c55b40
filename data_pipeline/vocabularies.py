"""Vocabularies of stored label maps: what each integer means, what it becomes in a mirror, and which class it merges into.

Records of real portraits have the 19 CelebAMask-HQ labels, procedural ones the twelve classes of `ffhq12`. A data set names its
vocabulary in its metadata; a config names the class set it trains on; here the two meet, or are refused.
"""

import dataclasses

import numpy as np
from jaxtyping import UInt8

from cnerf_jax import semantics
from data_pipeline import class_merging


@dataclasses.dataclass(frozen=True)
class Vocabulary:
  """The meaning of the integers of a label map.

  Attributes:
    name: as data sets carry it in their metadata.
    labels: name of each integer, in order.
  """

  name: str
  labels: tuple[str, ...]

  def mirrored(self) -> UInt8[np.ndarray, 'labels']:
    """For each label the one that it becomes in a mirror: `l_eye` and `r_eye` change places (`l_lip` is the lower lip, and stays)."""
    other_side = {'l_': 'r_', 'r_': 'l_'}
    partner = lambda name: other_side.get(name[:2], name[:2]) + name[2:]
    return np.array([self.labels.index(partner(name) if partner(name) in self.labels else name) for name in self.labels], np.uint8)

  def table(self, class_set: semantics.ClassSet) -> UInt8[np.ndarray, 'labels']:
    """For each label its channel in `class_set`.

    Raises:
      ValueError: if labels of this vocabulary can't be merged into that class set.
    """
    if self.name == CELEBAMASK_HQ.name:
      return np.array(class_set.celebamask_hq, np.uint8)
    if self.name == class_set.name:
      return np.arange(class_set.num_classes, dtype=np.uint8)
    if self.name == semantics.FFHQ12.name:
      return class_merging.ffhq12_table(class_set)
    raise ValueError(f'labels of vocabulary {self.name!r} do not merge into class set {class_set.name!r}; use records of '
                     f'{CELEBAMASK_HQ.name} labels (python -m data_pipeline.prepare writes them), or data.class_set {self.name}')


CELEBAMASK_HQ = Vocabulary('celebamask-hq', (
    'background', 'skin', 'nose', 'eye_g', 'l_eye', 'r_eye', 'l_brow', 'r_brow', 'l_ear', 'r_ear', 'mouth', 'u_lip', 'l_lip', 'hair',
    'hat', 'ear_r', 'neck_l', 'neck', 'cloth'))
VOCABULARIES = {
    vocabulary.name: vocabulary
    for vocabulary in (CELEBAMASK_HQ, *(Vocabulary(name, one.classes) for name, one in semantics.CLASS_SETS.items()))}


def vocabulary(name: str) -> Vocabulary:
  """The vocabulary called `name`; ValueError that lists the known ones otherwise."""
  if name not in VOCABULARIES:
    raise ValueError(f'unknown label vocabulary {name!r}; use one of {", ".join(VOCABULARIES)}')
  return VOCABULARIES[name]
