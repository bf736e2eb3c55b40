"""Records of people are complete and true, a killed drawing goes on byte for byte, and the loader reads them as any others."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import ml_collections
import numpy as np
import pytest
import stand_in

from cnerf_jax import camera as camera_lib
from data_pipeline import loader
from data_pipeline import stored_records
from data_pipeline.people import builder
from data_pipeline.people import installed
from data_pipeline.people import records
from data_pipeline.people import viewpoints

ROOT = pathlib.Path(__file__).parents[3]
SIZES = dict(record_size=16, num_train=12, num_validation=3, num_test_identities=1)


def data_config(directory, **changes):
  config = dict(name='people', dir=str(directory), class_set='ffhq12', dilation='overlap', flip=True, **SIZES)
  return ml_collections.ConfigDict(config | changes)


def digests(folder):
  """SHA-256 of every shard below a folder."""
  return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob('*array_record*'))}


def records_folder(directory):
  return next(directory.glob('people/*/[0-9]*'))


def test_the_loader_reads_splits_and_batches(ellipses, tmp_path):
  """Protects --config.data.name=people: sizes before and after drawing, splits, ten views of a test person, and training batches."""
  config = data_config(tmp_path)
  data = loader.open(config)
  assert (data.num_train, data.num_validation, data.record_size, data.has_viewpoints) == (12, 3, 16, True)
  data.prepare()
  data = loader.open(config)
  assert data.splits == ('train', 'validation', 'test')
  train = data.load_split('train', image_size=16, dilate=False)
  assert train['image'].shape == (12, 16, 16, 3) and train['semantic_mask'].shape == (12, 16, 16, 12)
  np.testing.assert_allclose(train['semantic_mask'].sum(-1), 1, rtol=1e-6)
  test = data.load_split('test', image_size=8)
  np.testing.assert_allclose(test['viewpoint'][:, 0], camera_lib.multi_view_azimuths(), atol=1e-6)
  assert (test['identity'] == test['identity'][:1]).all() and test['depth'].shape == (10, 8, 8)
  batch = next(data.training_iterator(image_size=8, batch_size=4, seed=0))
  assert {name: value.shape for name, value in batch.items()} == dict(image=(4, 8, 8, 3), semantic_mask=(4, 8, 8, 12), viewpoint=(4, 2))
  assert not list(tmp_path.glob('.people'))


def test_records_name_their_vocabulary_and_hold_the_truth(ellipses, tmp_path):
  """Protects every field: what is stored is what was drawn."""
  loader.open(data_config(tmp_path)).prepare()
  stored = stored_records.StoredRecords(records_folder(tmp_path), 'validation', with_all=True)
  assert stored.vocabulary.name == 'celebamask-hq'
  record = stored[1]
  index = 1_000_000_001
  person = stand_in.draw(0, index)
  np.testing.assert_array_equal(record['viewpoint'], viewpoints.draw(0, index))
  picture = stand_in.render(person, record['viewpoint'], image_size=16)
  for name in ('image', 'label', 'landmarks'):
    np.testing.assert_array_equal(record[name], getattr(picture, name))
  np.testing.assert_array_equal(record['identity'], np.float32(person))
  assert record['identity_index'] == index
  np.testing.assert_allclose(records.decode_normals(record['normal']), picture.normal, atol=0.006)
  assert record['normal'].dtype == np.uint8 and record['depth'].dtype == np.uint16


def test_large_records_store_png(ellipses, tmp_path):
  """Protects the disk: above 128 pixels images are compressed, without loss."""
  config = data_config(tmp_path, record_size=136, num_train=1, num_validation=1)
  loader.open(config).prepare()
  stored = stored_records.StoredRecords(records_folder(tmp_path), 'train')[0]
  expected = stand_in.render(stand_in.draw(0, 0), viewpoints.draw(0, 0), image_size=136)
  np.testing.assert_array_equal(stored['image'], expected.image)


def test_normals_survive_their_bytes():
  """Protects geometry: half a degree at most, and nothing stays nothing."""
  normals = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
  normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
  decoded = records.decode_normals(records.encode_normals(normals))
  assert np.degrees(np.arccos(np.clip((decoded * normals).sum(-1), -1, 1))).max() < 0.5
  np.testing.assert_array_equal(records.decode_normals(records.encode_normals(np.zeros((2, 3), np.float32))), 0)


def test_an_interrupted_drawing_goes_on(ellipses, tmp_path, monkeypatch):
  """Protects minutes of work: whole shards are kept, others drawn again, and the files are those of a drawing that was left alone."""
  monkeypatch.setattr(builder, '_RECORDS_A_SHARD', 4)
  loader.open(data_config(tmp_path / 'whole')).prepare()
  draw, drawn = records.draw, []

  def interrupted(task):
    drawn.extend(task.views)
    if len(drawn) > 8:
      raise KeyboardInterrupt
    return draw(task)

  monkeypatch.setattr(records, 'draw', interrupted)
  config = data_config(tmp_path / 'cut')
  with pytest.raises(KeyboardInterrupt):
    loader.open(config).prepare()
  with pytest.raises(FileNotFoundError):
    loader.open(config).load_split('train', image_size=8)
  drawn.clear()
  monkeypatch.setattr(records, 'draw', lambda task: drawn.extend(task.views) or draw(task))
  loader.open(config).prepare()
  assert drawn[0][0] == 8 and len(drawn) == 12 + 3 + 10 - 8
  assert digests(records_folder(tmp_path / 'cut')) == digests(records_folder(tmp_path / 'whole'))


def test_a_killed_drawing_goes_on_byte_for_byte(people_assets, tmp_path, monkeypatch):
  """Protects the same against kill -9, with the real people, whatever the number of processes."""
  program = """
import sys
from data_pipeline.people import builder
builder._RECORDS_A_SHARD = 4
builder.make(sys.argv[1], builder.data_set_config(16, 24, num_validation=2, num_test_identities=1))
"""
  cut, whole = tmp_path / 'cut', tmp_path / 'whole'
  cut.mkdir()
  whole.mkdir()
  process = subprocess.Popen([sys.executable, '-c', program, str(cut)], cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
  while process.poll() is None and len(list(cut.glob('.people/*/*.array_record'))) < 2:
    time.sleep(0.02)
  os.kill(process.pid, signal.SIGKILL)
  process.wait()
  assert not list(cut.glob('people/*/*/dataset_info.json'))
  monkeypatch.setattr(builder, '_RECORDS_A_SHARD', 4)
  config = builder.data_set_config(16, 24, num_validation=2, num_test_identities=1)
  builder.make(str(cut), config, processes=1)
  builder.make(str(whole), config, processes=0)
  assert digests(cut) == digests(whole) and len(digests(cut)) == 6 + 1 + 3


def test_a_data_folder_that_cannot_be_written_is_named(ellipses, tmp_path):
  """Protects the first use: one line, with the remedy."""
  (tmp_path / 'file').write_text('')
  with pytest.raises(OSError, match='cannot write people to data.dir .*file/data .*; set --config.data.dir'):
    loader.open(data_config(tmp_path / 'file' / 'data')).prepare()


def test_a_full_disk_says_what_is_kept(ellipses, tmp_path, monkeypatch):
  """Protects a long drawing from being thrown away: one line, with how to go on."""
  def full(task):
    raise OSError(28, 'No space left on device')
  monkeypatch.setattr(records, 'draw', full)
  with pytest.raises(OSError, match='no space left on the disk; 0 finished shards are kept, and the same command goes on') as raised:
    loader.open(data_config(tmp_path)).prepare()
  assert '\n' not in str(raised.value)


def test_two_drawings_of_the_same_people_are_refused(ellipses, tmp_path, monkeypatch):
  """Protects shards from two writers."""
  draw = records.draw

  def twice(task):
    with pytest.raises(ValueError, match='another process is drawing these people'):
      loader.open(data_config(tmp_path)).prepare()
    monkeypatch.setattr(records, 'draw', draw)
    return draw(task)

  monkeypatch.setattr(records, 'draw', twice)
  loader.open(data_config(tmp_path)).prepare()


def test_without_the_extra_one_line_says_how_to_get_it(tmp_path, monkeypatch):
  """Protects those who have not installed it: told before any work."""
  monkeypatch.setattr(installed.importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(ValueError, match=r"^data.name people needs the extra `people`: pip install -r requirements.txt -e '.\[people\]'$"):
    loader.open(data_config(tmp_path))


def test_portraits_need_nothing_of_it():
  """Protects the quick start: neither the loader nor another data set imports numba."""
  program = """
import sys, json, ml_collections
from data_pipeline import loader
loader.open(ml_collections.ConfigDict(json.loads(sys.argv[1])))
assert not {'numba', 'data_pipeline.people.rendering', 'data_pipeline.people.person'} & set(sys.modules)
"""
  config = data_config('/nowhere', name='portraits').to_dict()
  subprocess.run([sys.executable, '-c', program, json.dumps(config)], cwd=ROOT, check=True)


@pytest.mark.parametrize('name, value', [('num_train', 0), ('record_size', 7), ('num_test_identities', 0)])
def test_sizes_that_can_not_be_are_refused(name, value):
  """Protects from empty data sets: the value and the rule."""
  with pytest.raises(ValueError, match=f'data.{name} {value} must be at least'):
    builder.data_set_config(**(SIZES | {name: value}))


def test_cameras_have_the_spread_that_was_asked_for():
  """Protects the viewpoints: the usual distributions by default, another where one is given, a function of seed and number."""
  views = np.stack([viewpoints.draw(0, index) for index in range(4_000)])
  np.testing.assert_allclose(views.std(0), [0.3, 0.15], rtol=0.05)
  np.testing.assert_allclose(views.mean(0), 0, atol=0.02)
  other = np.stack([viewpoints.draw(0, index, viewpoints.Spread(0.1, 0.05, 0.2)) for index in range(1_000)])
  np.testing.assert_allclose([other[:, 0].std(), other[:, 1].std(), other[:, 1].mean()], [0.1, 0.05, 0.2], rtol=0.1)
  with pytest.raises(ValueError, match='azimuth-std nan must be in 0..1 radians'):
    viewpoints.Spread(azimuth_std=float('nan'))
