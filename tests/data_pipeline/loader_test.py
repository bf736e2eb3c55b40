"""Records are complete and true, need no TensorFlow, and are read in an order that can be resumed exactly."""

import json
import pathlib
import subprocess
import sys

import ml_collections
import numpy as np
import pytest

from cnerf_jax import camera as camera_lib
from cnerf_jax import semantics
from data_pipeline import depth_codec
from data_pipeline import loader
from data_pipeline.portraits import builder
from data_pipeline.portraits import identity
from data_pipeline.portraits import rendering

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SIZES = dict(record_size=16, num_train=36, num_validation=5, num_test_identities=2)


def data_config(directory, **changes):
  config = dict(name='portraits', dir=str(directory), class_set='ffhq12', dilation='overlap', **SIZES)
  return ml_collections.ConfigDict(config | changes)


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  """A tiny data set, made by another process that ends without TensorFlow loaded."""
  directory = tmp_path_factory.mktemp('data')
  program = """
import json, sys
import ml_collections
from data_pipeline import depth_codec
from data_pipeline import loader
loader.open(ml_collections.ConfigDict(json.loads(sys.argv[1]))).prepare()
assert 'tensorflow' not in sys.modules
"""
  config = json.dumps(data_config(directory).to_dict())
  subprocess.run([sys.executable, '-c', program, config], cwd=REPOSITORY, check=True)
  return directory


def test_splits_hold_what_the_builder_promises(prepared):
  """Sizes, shapes, ranges, and the ten views of each test person."""
  config = data_config(prepared)
  train = loader.open(config).load_split('train', image_size=16, dilate=False)
  assert train['image'].shape == (36, 16, 16, 3) and train['semantic_mask'].shape == (36, 16, 16, 12)
  assert train['image'].min() >= -1 and train['image'].max() <= 1
  np.testing.assert_allclose(train['semantic_mask'].sum(-1), 1, rtol=1e-6)
  assert len(loader.open(config).load_split('validation', image_size=16)['image']) == 5 == loader.open(config).num_validation
  test = loader.open(config).load_split('test', image_size=8)
  views = test['viewpoint'].reshape(2, 10, 2)
  np.testing.assert_allclose(views[..., 0], np.tile(camera_lib.multi_view_azimuths(), (2, 1)), atol=1e-6)
  assert not views[..., 1].any()
  people = test['identity'].reshape(2, 10, -1)
  assert (people == people[:, :1]).all() and (people[0] != people[1]).any()
  assert test['depth'].shape == (20, 8, 8)


def test_records_can_be_drawn_again_from_their_parameters(prepared):
  """The identity vector and the viewpoint in a record are the whole truth about its picture."""
  train = loader.open(data_config(prepared)).load_split('train', image_size=16, max_examples=16, dilate=False)
  again = rendering.render(train['identity'], train['viewpoint'], image_size=16)
  np.testing.assert_allclose(train['image'], np.asarray(again.image) * (2 / 255) - 1, atol=1e-6)
  np.testing.assert_array_equal(train['semantic_mask'].argmax(-1), again.label)
  np.testing.assert_allclose(train['depth'], again.depth, atol=3e-6)


def test_images_can_be_read_by_number(prepared, monkeypatch):
  """Protects comparisons with single portraits: the very images of the split, in the order asked for, some at a time, more than once."""
  monkeypatch.setattr(loader, '_RECORDS_AT_ONCE', 3)
  data = loader.open(data_config(prepared))
  whole, chosen = data.load_split('train', image_size=8)['image'], [35, 0, 7, 7]
  parts = list(data.image_parts('train', chosen, image_size=8))
  assert [len(part) for part in parts] == [3, 1]
  np.testing.assert_array_equal(np.concatenate(parts), whole[chosen])
  assert not list(data.image_parts('train', [], image_size=8))


def test_no_person_is_in_two_splits(prepared):
  """Validation and test people are held out."""
  vectors = [loader.open(data_config(prepared)).load_split(split, image_size=16)['identity']
             for split in ('train', 'validation', 'test')]
  assert len(np.unique(np.concatenate(vectors), axis=0)) == 36 + 5 + 2


def test_training_resumes_bitwise(prepared):
  """State taken in the middle of the second epoch continues with the very batches that would have come."""
  make = lambda: loader.open(data_config(prepared)).training_iterator(image_size=8, batch_size=4, seed=7)
  iterator = make()
  for _ in range(13):
    next(iterator)
  state = json.loads(json.dumps(iterator.get_state()))
  expected = [next(iterator) for _ in range(20)]
  resumed = make()
  resumed.set_state(state)
  for batch in expected:
    again = next(resumed)
    assert set(again) == {'image', 'semantic_mask', 'viewpoint'}
    for name, value in batch.items():
      np.testing.assert_array_equal(again[name], value)


def test_training_order_depends_on_the_seed_and_shuffles_each_epoch(prepared):
  """The same seed repeats a run, another one does not, and every example comes once an epoch."""
  def views(seed):
    iterator = loader.open(data_config(prepared)).training_iterator(image_size=8, batch_size=36, seed=seed)
    return next(iterator)['viewpoint'], next(iterator)['viewpoint']
  first, second = views(0)
  np.testing.assert_array_equal(first, views(0)[0])
  assert (first != second).any() and (first != views(1)[0]).any()
  np.testing.assert_array_equal(np.sort(first[:, 0]), np.sort(second[:, 0]))
  assert len(np.unique(first[:, 0])) == 36


def test_hosts_read_disjoint_shards(prepared):
  """Two hosts together read each example once an epoch."""
  shards = [
      next(loader.open(data_config(prepared)).training_iterator(
            image_size=8, batch_size=18, seed=0, shard_index=shard, shard_count=2))['viewpoint']
      for shard in range(2)]
  assert len(np.unique(np.concatenate(shards)[:, 0])) == 36


def test_nine_classes_and_dilation(prepared):
  """The config's class set decides the channels; dilation only ever adds to thin classes."""
  config = data_config(prepared, class_set='ffhq9')
  dilated = loader.open(config).load_split('test', image_size=16)['semantic_mask']
  plain = loader.open(config).load_split('test', image_size=16, dilate=False)['semantic_mask']
  assert plain.shape[-1] == 9
  eye, face = semantics.FFHQ9.index('eye'), semantics.FFHQ9.index('face')
  assert dilated[..., eye].mean() > 1.3 * plain[..., eye].mean()
  np.testing.assert_array_equal(dilated[..., face], plain[..., face])
  off = loader.open(data_config(prepared, class_set='ffhq9', dilation='none')).load_split('test', image_size=16)
  np.testing.assert_array_equal(off['semantic_mask'], plain)


def test_any_prepared_folder_is_read_by_its_name(prepared):
  """Other data sets of the record format need no code: the folder with dataset_info.json is enough."""
  version = next(prepared.glob('portraits/*/1.0.0'))
  config = data_config(version, name='my_photos')
  loader.open(config).prepare()
  assert loader.open(config).load_split('validation', image_size=8)['image'].shape == (5, 8, 8, 3)


@pytest.mark.parametrize('changes, error, message', [
    (dict(name='ffhq'), FileNotFoundError, "no data set 'ffhq' in data.dir .*; prepare it there"),
    (dict(num_train=37), FileNotFoundError, "no data set 'portraits' .*; make it with"),
    (dict(class_set='ffhq7'), ValueError, 'unknown class set .* use one of ffhq12, ffhq9')])
def test_what_is_missing_is_named_with_its_remedy(prepared, changes, error, message):
  """One line: the value, the rule, the remedy."""
  with pytest.raises(error, match=message) as raised:
    next(loader.open(data_config(prepared, **changes)).training_iterator(image_size=8, batch_size=2, seed=0))
  assert '\n' not in str(raised.value)


@pytest.mark.parametrize('options, message', [
    (dict(image_size=12, batch_size=2), 'image_size 12 does not divide record_size 16; use one of 8, 16'),
    (dict(image_size=8, batch_size=0), 'batch_size 0'),
    (dict(image_size=8, batch_size=2, shard_index=2, shard_count=2), 'shard 2 of 2')])
def test_sizes_that_do_not_fit_are_refused_at_once(prepared, options, message):
  """Before the first batch, not after a compilation."""
  with pytest.raises(ValueError, match=message):
    loader.open(data_config(prepared)).training_iterator(seed=0, **options)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
  """A data.dir below a file can never be made."""
  (tmp_path / 'file').write_text('')
  with pytest.raises(OSError, match='cannot write portraits to data.dir .*file/data .*; set --config.data.dir'):
    loader.open(data_config(tmp_path / 'file' / 'data')).prepare()


def test_interrupted_generation_leaves_nothing_that_looks_complete(tmp_path, monkeypatch):
  """After an interruption the data set is absent, and the next call makes it whole."""
  config = data_config(tmp_path, num_train=20)
  whole = builder._records
  calls = []

  def interrupted(views, builder_config):
    calls.append(views)
    if len(calls) == 2:
      raise KeyboardInterrupt
    return whole(views, builder_config)

  monkeypatch.setattr(builder, '_records', interrupted)
  with pytest.raises(KeyboardInterrupt):
    loader.open(config).prepare()
  with pytest.raises(FileNotFoundError):
    loader.open(config).load_split('train', image_size=8)
  monkeypatch.setattr(builder, '_records', whole)
  loader.open(config).prepare()
  assert len(loader.open(config).load_split('train', image_size=8)['image']) == 20


def test_depth_survives_its_16_bits():
  """Encoding loses less than 2e-6 world units."""
  depth = np.linspace(camera_lib.NEAR, camera_lib.FAR, 1001, dtype=np.float32)
  np.testing.assert_allclose(depth_codec.decode(depth_codec.encode(depth)), depth, atol=2e-6)


def test_configurations_have_their_own_folders():
  """Data sets of different contents live side by side."""
  names = {builder.data_set_config(size, count, seed=seed).name
           for size in (32, 64) for count in (10, 20) for seed in (0, 1)}
  assert len(names) == 8
  with pytest.raises(ValueError, match='data.num_train 0 must be at least 1'):
    builder.data_set_config(32, 0)
  assert identity.VECTOR_SIZE == builder.record_features(8)['identity'].shape[0]
