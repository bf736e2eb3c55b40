"""Damaged data sets end in one line that names the file and the remedy; a single damaged record costs that record alone."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from array_record.python import array_record_module
import ml_collections
import numpy as np
import pytest

import quick

from data_pipeline import loader
from data_pipeline import stored_records

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import real_records_test  # noqa: E402

ROOT = pathlib.Path(__file__).parents[2]
KINDS = ('portraits', 'photographs')
REMEDY = {'portraits': 'delete .*, and the portraits are made again', 'photographs': 'put back a copy of it, or prepare the photographs again'}
SIZE, BATCH = real_records_test.SIZE, 8
AMID = 20_000  # a byte within the records; the files' end is an index


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  """A sound data set of each kind: its config but for the folder, and the folder."""
  portraits = tmp_path_factory.mktemp('portraits')
  config = dict(name='portraits', class_set='ffhq12', dilation='none', record_size=SIZE, num_train=40, num_validation=2, num_test_identities=1)
  loader.open(ml_collections.ConfigDict(config | dict(dir=str(portraits)))).prepare()
  photographs = real_records_test.write(tmp_path_factory.mktemp('photographs'))
  return dict(portraits=(config, portraits), photographs=(real_records_test.data_config('').to_dict(), photographs))


@pytest.fixture(params=KINDS)
def copy(request, whole, tmp_path):
  """A data set that may be damaged: its kind, its config, and the file of its train split."""
  config, folder = whole[request.param]
  shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
  shard = next(path for path in tmp_path.rglob('*-train.array_record-*'))
  return request.param, ml_collections.ConfigDict(config | dict(dir=str(tmp_path))), shard


@pytest.fixture
def warnings(monkeypatch):
  told = []
  monkeypatch.setattr(stored_records.logging, 'warning', lambda line, *values: told.append(line % values))
  return told


def flip(path, at=AMID):
  data = bytearray(path.read_bytes())
  data[at] ^= 1
  path.write_bytes(data)


def read_all(path):
  """Each record's bytes, None where the checksum fails."""
  reader = array_record_module.ArrayRecordReader(str(path))
  found = []
  for index in range(reader.num_records()):
    try:
      found.append(reader.read([index])[0])
    except RuntimeError:
      found.append(None)
  return found


def rewrite(path, serialized):
  writer = array_record_module.ArrayRecordWriter(str(path), 'group_size:1')
  for record in serialized:
    writer.write(record)
  writer.close()


def iterate(config, count=10):
  iterator = loader.open(config).training_iterator(image_size=SIZE, batch_size=BATCH, seed=5)
  return [next(iterator) for _ in range(count)], iterator


def one_line(raised, kind, shard):
  text = str(raised.value)
  assert '\n' not in text and str(shard) in text
  raised.match(REMEDY[kind])


@pytest.mark.parametrize('damage, message', [
    (lambda shard: shard.unlink(), 'is missing'),
    (lambda shard: shard.write_bytes(shard.read_bytes()[:shard.stat().st_size // 2]), '0 of its 40 records can be found'),
    (lambda shard: shard.write_bytes(b''), '0 of its 40 records can be found'),
    (lambda shard: rewrite(shard, read_all(shard)[:39]), '39 of its 40 records can be found')], ids=['missing', 'half', 'empty', 'short'])
def test_shards_that_are_not_whole_are_named_at_once(copy, damage, message):
  """Protects from a traceback hours later: opening the data set names the file and the remedy."""
  kind, config, shard = copy
  damage(shard)
  with pytest.raises(ValueError, match=message) as raised:
    loader.open(config)
  one_line(raised, kind, shard)


def test_every_split_is_checked_at_once(copy):
  """Protects long runs from a validation split that turns out missing at the first evaluation."""
  kind, config, shard = copy
  if kind == 'photographs':
    pytest.skip('these have one split')
  other = next(shard.parent.glob('*-test.array_record-*'))
  other.unlink()
  with pytest.raises(ValueError, match='is missing') as raised:
    loader.open(config)
  one_line(raised, kind, other)


def test_deleted_portraits_are_made_again(copy):
  """Protects the remedy: what the message asks for helps."""
  kind, config, shard = copy
  if kind == 'photographs':
    pytest.skip('data_pipeline/prepare/preparation_test.py has their remedy')
  shard.write_bytes(b'')
  shutil.rmtree(shard.parent)
  loader.open(config).prepare()
  assert len(loader.open(config).load_split('train', image_size=SIZE)['image']) == 40


def test_a_flipped_byte_costs_one_record(copy, whole, warnings):
  """Protects evaluation: the damaged record is named once, the next one takes its place, all others are as they were."""
  kind, config, shard = copy
  flip(shard)
  damaged = read_all(shard).index(None)
  sound = loader.open(ml_collections.ConfigDict(whole[kind][0] | dict(dir=str(whole[kind][1])))).load_split('train', image_size=SIZE)
  found = loader.open(config).load_split('train', image_size=SIZE)
  taken = np.where(np.arange(40) == damaged, damaged + 1, np.arange(40))
  assert found.keys() == sound.keys()
  for name, values in found.items():
    np.testing.assert_array_equal(values, sound[name][taken])
  assert len(warnings) == 1 and f'record {damaged} of {shard}' in warnings[0] and 'hash mismatch' in warnings[0]
  assert f'record {damaged + 1} of the split takes its place' in warnings[0]


def test_training_skips_a_damaged_record_and_resumes_the_same(copy, warnings):
  """Protects resumed runs: batches keep their size, the run repeats itself and goes on with the very batches, with one warning."""
  _, config, shard = copy
  flip(shard)
  first, iterator = iterate(config, 7)
  assert len(warnings) == 1 and f'of {shard}' in warnings[0]
  assert all(batch['image'].shape == (BATCH, SIZE, SIZE, 3) for batch in first)
  state = json.loads(json.dumps(iterator.get_state()))
  expected = [next(iterator) for _ in range(6)]
  again, _ = iterate(config, 7)
  resumed = loader.open(config).training_iterator(image_size=SIZE, batch_size=BATCH, seed=5)
  resumed.set_state(state)
  for batch, other in zip(first + expected, again + [next(resumed) for _ in range(6)], strict=True):
    for name, values in batch.items():
      np.testing.assert_array_equal(other[name], values)


def test_the_first_record_takes_the_place_of_the_last(copy, warnings):
  """Protects the end of a split: after the last record comes the first."""
  _, config, shard = copy
  rewrite(shard, [*read_all(shard)[:-1], b'nonsense'])
  stored = loader.open(config).open_split('train')
  np.testing.assert_array_equal(stored[39]['image'], stored[0]['image'])
  # a thread that reads ahead for another test may still be warning of another folder
  assert len([line for line in warnings if str(shard) in line]) == 1
  with pytest.raises(IndexError, match='no record 40 of 40'):
    stored[40]


@pytest.mark.parametrize('read', [iterate, lambda config: loader.open(config).load_split('train', image_size=SIZE)], ids=['training', 'split'])
def test_too_many_damaged_records_are_refused(copy, read, warnings):
  """Protects from training on a rest: above the fraction it is one line, out of grain's threads too."""
  kind, config, shard = copy
  flip(shard)
  flip(shard, AMID // 2)
  with pytest.raises(ValueError, match='at least 2 of the 40 records .* damaged, more than 1%') as raised:
    read(config)
  one_line(raised, kind, shard)


def test_no_sound_record_at_all_ends(copy, monkeypatch):
  """Protects from an endless search."""
  kind, config, shard = copy
  rewrite(shard, [b'nonsense'] * 40)
  monkeypatch.setattr(stored_records, 'MAX_DAMAGED_FRACTION', 1)
  with pytest.raises(ValueError, match='no sound record'):
    loader.open(config).open_split('train')[3]


def changed(serialized, change):
  example = stored_records.tf_example_pb2.Example.FromString(serialized)
  change(example.features.feature)
  return example.SerializeToString()


def set_bytes(name, value):
  def change(feature):
    feature[name].bytes_list.value[0] = value(feature[name].bytes_list.value[0])
  return change


def remove(name):
  return lambda feature: feature.pop(name)


@pytest.mark.parametrize('with_all', [False, True], ids=['needed', 'all'])
@pytest.mark.parametrize('change', [
    set_bytes('image', lambda old: old[:len(old) // 2]), set_bytes('label', lambda old: old[:len(old) // 2]),
    set_bytes('image', lambda old: b''), set_bytes('label', lambda old: b'\0' * 50), remove('image'), remove('label'), remove('viewpoint'),
    lambda feature: feature['viewpoint'].float_list.value.append(0), None,
], ids=['image cut', 'label cut', 'empty image', 'label zeros', 'no image', 'no label', 'no viewpoint', 'three angles', 'no protobuf'])
def test_records_that_decode_to_nonsense_are_skipped(copy, change, with_all, warnings):
  """Protects from damage that a checksum can't see, as of a file written wrong: whatever a library raises, it is one skipped record."""
  _, config, shard = copy
  serialized = read_all(shard)
  serialized[5] = changed(serialized[5], change) if change else b'nonsense'
  rewrite(shard, serialized)
  stored = loader.open(config).open_split('train', with_all=with_all)
  np.testing.assert_array_equal(stored[5]['image'], stored[6]['image'])
  np.testing.assert_array_equal(stored[5]['viewpoint'], stored[6]['viewpoint'])
  assert len(warnings) == 1 and f'record 5 of {shard}' in warnings[0] and '\n' not in warnings[0]


@pytest.mark.parametrize('name', ['dataset_info.json', 'features.json'])
@pytest.mark.parametrize('content', [b'', b'{', b'[]', b'{}', b'\xff', None], ids=['empty', 'cut', 'list', 'nothing', 'no text', 'missing'])
def test_damaged_descriptions_are_named(copy, name, content):
  """Protects from tracebacks of JSON: a damaged description is one line with its file (a missing dataset_info.json means no data set)."""
  kind, config, shard = copy
  path = shard.parent / name
  if content is None:
    path.unlink()
  else:
    path.write_bytes(content)
  if (name, content) == ('dataset_info.json', None):
    if kind == 'photographs':
      with pytest.raises(FileNotFoundError, match='no data set'):
        loader.open(config)
    return
  with pytest.raises(ValueError, match='put back a copy of it, or delete') as raised:
    loader.open(config)
  assert str(path) in str(raised.value) and '\n' not in str(raised.value)


@pytest.mark.parametrize('content', [None, b'{}', b'{"vocab'])
def test_photographs_without_their_vocabulary_are_refused(whole, tmp_path, content):
  """Protects from reading the 19 labels as the twelve classes, which would train without an error."""
  config, folder = whole['photographs']
  shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
  path = next(tmp_path.rglob('metadata.json'))
  if content is None:
    path.unlink()
  else:
    path.write_bytes(content)
  with pytest.raises(ValueError, match='metadata.json .*; put back a copy of it') as raised:
    loader.open(ml_collections.ConfigDict(config | dict(dir=str(tmp_path))))
  assert '\n' not in str(raised.value)


def test_training_on_damaged_data_ends_in_one_line(whole, tmp_path):
  """Protects a user of `main.py`: the file and the remedy, no traceback, and no run begun."""
  config, folder = whole['portraits']
  shutil.copytree(folder, tmp_path / 'data')
  shard = next((tmp_path / 'data').rglob('*-train.array_record-*'))
  shard.write_bytes(shard.read_bytes()[:shard.stat().st_size // 2])
  options = dict(config, dir=tmp_path / 'data')
  done = subprocess.run(
      [sys.executable, 'main.py', f'--workdir={tmp_path}/run', '--config=configs/smoke.py', f'--compilation_cache={tmp_path}/xla',
       *(f'--config.data.{name}={value}' for name, value in options.items())],
      capture_output=True, text=True, timeout=300, check=False, cwd=ROOT, env=os.environ | quick.environment())
  assert done.returncode == 1 and 'Traceback' not in done.stderr, done.stderr[-3000:]
  errors = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
  assert len(errors) == 1 and f'shard {shard} is damaged' in errors[0] and 'the portraits are made again' in errors[0], done.stderr[-3000:]
  assert not (tmp_path / 'run').exists()
