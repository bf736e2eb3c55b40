import discs
import numpy as np
import pytest

from cnerf_jax.evaluation import real_sets


@pytest.mark.parametrize('num_images, num_train, num_validation, expected', [
    (512, 10_000, 1_000, ('validation', 512)),
    (2_048, 10_000, 1_000, ('validation', 1_000)),
    (2_048, 10_000, 64, ('validation', 64)),
    (2_048, 10_000, 63, ('train', 2_048)),
    (2_048, 10_000, 0, ('train', 2_048)),
    (32, 96, 32, ('validation', 32)),
    (32, 96, 31, ('train', 32)),
    (512, 100, 1_000, ('validation', 100)),
    (512, 10, 1_000, ('train', 512)),
])
def test_people_not_trained_on_where_there_are_enough(num_images, num_train, num_validation, expected):
  """Protects honest scores: the validation split is compared with, with fewer samples if need be; train only where it is too small."""
  assert real_sets.choose_split(num_images, num_train=num_train, num_validation=num_validation) == expected


def number(first, second):
  """How many examples are in both sets."""
  return len({image.tobytes() for image in first['image']} & {image.tobytes() for image in second['image']})


def test_reference_is_of_the_split_and_the_floor_of_others():
  """Protects the floor: two equally large sets with no one in common, the reference of the split that is compared with."""
  validation, train = discs.examples(120, seed=1), discs.examples(90, seed=2)
  sets = real_sets.real_sets('validation', validation, 80, train)
  assert sets.num_samples == 80 == number(sets.reference, validation) == number(sets.other, train)
  assert (sets.split, number(sets.frontal, validation), number(sets.reference, sets.other)) == ('validation', 64, 0)
  assert sets.examples is validation


def test_one_split_gives_two_disjoint_sets_always_the_same():
  """Protects scores without a validation split, and that those of all steps are against the same people."""
  train = discs.examples(120, seed=1)
  sets, again = real_sets.real_sets('train', train, 60), real_sets.real_sets('train', train, 60)
  assert number(sets.reference, train) == number(sets.other, train) == 60 and number(sets.reference, sets.other) == 0
  np.testing.assert_array_equal(sets.reference['image'], again.reference['image'])


def test_frontal_examples_are_of_all_that_were_read():
  """Protects diversity: the most frontal people, whether they are in the reference or not; any, where cameras are unknown."""
  people = discs.examples(120, seed=1)
  sets = real_sets.real_sets('train', people, 10)
  assert np.abs(sets.frontal['viewpoint']).mean() < 0.5 * np.abs(people['viewpoint']).mean()
  blind = real_sets.real_sets('train', {name: people[name] for name in ('image', 'semantic_mask')}, 10)
  assert len(blind.frontal['image']) == 10 and 'viewpoint' not in blind.frontal


@pytest.mark.parametrize('num_others, message', [(None, '20 real examples are too few to compare 15 samples; give at least 30.*to 10'),
                                                (5, '5 other real examples are too few')])
def test_too_few_real_examples_are_refused(num_others, message):
  """The floor needs two disjoint sets."""
  others = discs.examples(num_others, seed=2) if num_others else None
  with pytest.raises(ValueError, match=message):
    real_sets.real_sets('train', discs.examples(20, seed=1), 15, others)
