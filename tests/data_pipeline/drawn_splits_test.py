import pytest

from data_pipeline import drawn_splits
from data_pipeline.people import builder as people_builder
from data_pipeline.portraits import builder as portraits_builder


@pytest.mark.parametrize('builder, kind', [
    (portraits_builder, portraits_builder.PortraitsConfig), (people_builder, people_builder.PeopleConfig)], ids=['portraits', 'people'])
def test_names_tell_contents(builder, kind):
  """Protects data sets that were drawn before: folders keep their names, and another number, or another seed, is another folder."""
  config = builder.data_set_config(64, 10_000)
  assert type(config) is kind and config.name == 'size64_train10000_validation1000_test100_seed0'
  assert config.description == '10000 people, 64 pixels'
  assert (config.record_size, config.num_train, config.num_validation, config.num_test_identities, config.seed) == (64, 10_000, 1_000, 100, 0)
  other = builder.data_set_config(32, 5, num_validation=4, num_test_identities=3, seed=2)
  assert other.name == 'size32_train5_validation4_test3_seed2'
  assert (other.record_size, other.num_train, other.num_validation, other.num_test_identities, other.seed) == (32, 5, 4, 3, 2)


def test_too_few_is_one_line():
  """Protects from an empty data set: the number, and the least."""
  with pytest.raises(ValueError, match='^data.num_validation 0 must be at least 1$'):
    portraits_builder.data_set_config(8, 1, num_validation=0)
  with pytest.raises(ValueError, match='^data.record_size 7 must be at least 8$'):
    people_builder.data_set_config(7, 1)
  assert portraits_builder.data_set_config(1, 1).record_size == 1


def test_splits_are_apart():
  """Protects held-out people: a billion numbers for each split, in the order that splits are drawn."""
  assert drawn_splits.SPLITS == ('train', 'validation', 'test')
  assert [drawn_splits.FIRST_PERSON[split] for split in drawn_splits.SPLITS] == [0, 10**9, 2 * 10**9]
