"""The splits of a data set that is drawn: how many people each has, how large they are drawn, and which numbers people have."""

import dataclasses
from typing import TypeVar

import tensorflow_datasets as tfds

# Numbers of people: each split has its own range, so that no person is in two splits.
FIRST_PERSON = {'train': 0, 'validation': 1_000_000_000, 'test': 2_000_000_000}
SPLITS = tuple(FIRST_PERSON)


@dataclasses.dataclass
class DrawnConfig(tfds.core.BuilderConfig):
  """How many people, how large, and the seed of it all."""

  record_size: int = 64
  num_train: int = 10_000
  num_validation: int = 1_000
  num_test_identities: int = 100
  seed: int = 0


Config = TypeVar('Config', bound=DrawnConfig)


def make_config(
    kind: type[Config], record_size: int, num_train: int, *, num_validation: int = 1_000, num_test_identities: int = 100, seed: int = 0,
    least_record_size: int = 1,
) -> Config:
  """A configuration whose name tells all that sets its contents, so that several live in one folder; ValueError for too small a number."""
  sizes = dict(record_size=record_size, num_train=num_train, num_validation=num_validation, num_test_identities=num_test_identities)
  for name, value in sizes.items():
    least = least_record_size if name == 'record_size' else 1
    if value < least:
      raise ValueError(f'data.{name} {value} must be at least {least}')
  name = f'size{record_size}_train{num_train}_validation{num_validation}_test{num_test_identities}_seed{seed}'
  return kind(name=name, description=f'{num_train} people, {record_size} pixels', **sizes, seed=seed)
