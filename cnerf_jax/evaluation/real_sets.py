"""The real people that fakes are compared with, and the others whose distance from them is the floor.

Fakes are compared with people the generator was not trained on, those of the validation split; a generator that has learnt the training
people by heart gains nothing then. The floor is the distance of as many other real people, which may come from training, for both splits
are draws from one distribution. Sliced Wasserstein distances depend on the size of the sets, so all sets are equally large. Where the
validation split is missing or too small, both sets come from training, and scores say so.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

import numpy as np

from cnerf_jax.evaluation import diversity

SMALLEST_VALIDATION = 64  # a smaller validation split is used only if as many samples are not asked for
_NUM_FRONTAL = 64  # examples whose spread is the diversity
_SEED = 0  # which real examples are compared: the same ones at every evaluation
_NAMES = ('image', 'semantic_mask', 'viewpoint', 'depth')

Examples = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class RealSets:
  """Real examples, each set a dict of `image`, `semantic_mask` and, where they are known, `viewpoint` and `depth`.

  Attributes:
    split: what fakes are compared with is from it.
    examples: all of that split that were read: areas and presence of classes are theirs.
    reference: those of them that distances are measured from.
    other: as many real examples, none of them in `reference`; their distance is the floor.
    frontal: those of `examples` nearest to the frontal view, for the diversity; random ones where cameras are unknown.
  """

  split: str
  examples: Examples
  reference: Examples
  other: Examples
  frontal: Examples

  @property
  def num_samples(self) -> int:
    return len(self.reference['image'])


def choose_split(num_images: int, *, num_train: int, num_validation: int) -> tuple[str, int]:
  """Which split fakes are compared with, and how many of them with how many real people.

  Args:
    num_images: samples asked for.
    num_train: people in the train split.
    num_validation: people in the validation split; 0 if there is none.

  Returns:
    `validation`, and the samples asked for or as many as there are people; or, with fewer than 64 people for more samples, `train` and
    the samples asked for, for which it needs twice as many people.
  """
  people = min(num_train, num_validation)
  if people >= min(num_images, SMALLEST_VALIDATION):
    return 'validation', min(num_images, people)
  return 'train', num_images


def num_to_read(num_samples: int) -> int:
  """People of the split compared with that are worth reading: more than the samples, for classes and frontal views."""
  return max(2 * num_samples, 512)


def real_sets(split: str, examples: Examples, num_samples: int, others: Examples | None = None) -> RealSets:
  """Chooses the sets, always the same.

  Args:
    split: that `examples` are from.
    examples: at least `num_samples` of them, or twice as many without `others`.
    num_samples: size of the sets whose distances are measured.
    others: at least `num_samples` examples of another split, for the floor.
  """
  count, needed = len(examples['image']), num_samples if others is not None else 2 * num_samples
  if count < needed:
    raise ValueError(f'{count} real examples are too few to compare {num_samples} samples; '
                     f'give at least {needed}, or lower num_samples to {count * num_samples // needed}')
  if others is not None and len(others['image']) < num_samples:
    raise ValueError(f'{len(others["image"])} other real examples are too few to compare {num_samples} samples; give as many')
  order = np.random.default_rng(_SEED).permutation(count)
  num_frontal = min(_NUM_FRONTAL, num_samples)
  frontal = _frontal(examples, num_frontal) if 'viewpoint' in examples else order[:num_frontal]
  return RealSets(
      split, examples, reference=_take(examples, order[:num_samples]), frontal=_take(examples, frontal),
      other=_take(examples, order[num_samples:2 * num_samples]) if others is None else _take(others, slice(num_samples)))


def _frontal(examples: Examples, count: int) -> np.ndarray:
  """Indices of the examples nearest to the frontal view; those whose camera is not known come last."""
  viewpoint = np.array(examples['viewpoint'], np.float32)
  if 'viewpoint_confidence' in examples:
    viewpoint[np.asarray(examples['viewpoint_confidence']) == 0] = np.pi
  return diversity.frontal_examples(viewpoint, count)


def _take(examples, chosen):
  return {name: np.asarray(examples[name])[chosen] for name in _NAMES if name in examples}
