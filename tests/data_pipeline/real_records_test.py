"""Prepared photographs are read in pairs of image and mask, mirrored together, merged as the config says, or refused."""

import json
import pathlib
import sys

import ml_collections
import numpy as np
import pytest
import tensorflow_datasets as tfds

from cnerf_jax import semantics
from data_pipeline import loader
from data_pipeline import shard_files
from data_pipeline import vocabularies
from data_pipeline.prepare import records

sys.path.insert(0, str(pathlib.Path(__file__).parent / 'prepare'))
import faces  # noqa: E402

COUNT, SIZE = 40, 16
CAMERAS = dict(azimuth_std=0.23, elevation_std=0.02, elevation_mean=0.04)
# an eye patch on one side, so that a mirror image is another picture
PARTS = (*faces.PARTS, ('eye_g', .375, .474, .08, .06), ('ear_r', .24, .62, .05, .05))


def write(folder, *, has_viewpoints=True, sizes=(SIZE,)):
  for size in sizes:
    path = str(folder / f'part{size}.array_record')
    writer = records.ShardWriter(path, size, has_viewpoints)
    for i in range(COUNT):
      writer.write(*faces.face(i, size, PARTS), str(i), (0.01 * (i + 1), 0.002 * i) if has_viewpoints else None)
    writer.close()
    records.assemble(str(folder), records.RealPortraitsConfig(
        name=f'size{size}', record_size=size, has_viewpoints=has_viewpoints, parts={'train': [(path, COUNT, writer.num_bytes)]},
        fingerprint=str(size), cameras=CAMERAS if has_viewpoints else None))
  return folder


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  return write(tmp_path_factory.mktemp('real'), sizes=(SIZE, 32))


def data_config(folder, **changes):
  return ml_collections.ConfigDict(
      dict(name='ffhq', dir=str(folder), class_set='ffhq12', dilation='none', record_size=SIZE, flip=True) | changes)


def batches(config, count, seed=3, batch_size=8):
  iterator = loader.open(config).training_iterator(image_size=SIZE, batch_size=batch_size, seed=seed)
  return [next(iterator) for _ in range(count)], iterator


def test_about_half_are_mirrored_image_mask_and_azimuth_together(prepared):
  """Protects the pairs: each example is a record or its whole mirror image, never half of one."""
  whole = loader.open(data_config(prepared)).load_split('train', image_size=SIZE)
  found, _ = batches(data_config(prepared), 20)
  mirrored = 0
  for batch in found:
    for image, mask, view in zip(batch['image'], batch['semantic_mask'], batch['viewpoint']):
      index = round(abs(float(view[0])) * 100) - 1
      turn = slice(None, None, -1 if view[0] < 0 else 1)
      np.testing.assert_array_equal(image[:, turn], whole['image'][index])
      np.testing.assert_array_equal(mask[:, turn], whole['semantic_mask'][index])
      np.testing.assert_array_equal(view[1], whole['viewpoint'][index, 1])
      mirrored += view[0] < 0
  assert 55 < mirrored < 105


def test_left_and_right_change_places_before_merging():
  """Protects vocabularies that tell sides: l_ and r_ parts swap, the lower lip (l_lip) does not, twice is as before."""
  table = vocabularies.CELEBAMASK_HQ.mirrored()
  name = lambda label: vocabularies.CELEBAMASK_HQ.labels[table[vocabularies.CELEBAMASK_HQ.labels.index(label)]]
  assert [name(label) for label in ('l_eye', 'r_eye', 'l_brow', 'r_ear')] == ['r_eye', 'l_eye', 'r_brow', 'l_ear']
  assert name('l_lip') == 'l_lip' and name('neck_l') == 'neck_l' and name('ear_r') == 'ear_r'
  np.testing.assert_array_equal(table[table], np.arange(19))
  np.testing.assert_array_equal(vocabularies.VOCABULARIES['ffhq12'].mirrored(), np.arange(12))
  one = dict(image=np.zeros((2, 1, 2, 3), np.uint8), label=np.array([[[4, 1]], [[4, 1]]], np.uint8))
  np.testing.assert_array_equal(loader.mirror(one, np.array([True, False]), vocabularies.CELEBAMASK_HQ)['label'], [[[1, 5]], [[4, 1]]])


def test_mirroring_resumes_bitwise_and_depends_on_the_seed(prepared):
  """Protects resumed runs: position and mirrors come back; another seed gives others; without the option nothing is mirrored."""
  first, iterator = batches(data_config(prepared), 7)
  state = json.loads(json.dumps(iterator.get_state()))
  expected = [next(iterator) for _ in range(6)]
  resumed = loader.open(data_config(prepared)).training_iterator(image_size=SIZE, batch_size=8, seed=3)
  resumed.set_state(state)
  for batch in expected:
    again = next(resumed)
    for name, value in batch.items():
      np.testing.assert_array_equal(again[name], value)
  views = lambda found: np.concatenate([batch['viewpoint'] for batch in found])
  np.testing.assert_array_equal(views(batches(data_config(prepared), 7)[0]), views(first))
  assert (views(batches(data_config(prepared), 7, seed=4)[0]) != views(first)).any()
  assert (views(batches(data_config(prepared, flip=False), 7)[0])[:, 0] > 0).all()


@pytest.mark.parametrize('class_set', [semantics.FFHQ12, semantics.FFHQ9], ids=lambda one: one.name)
def test_labels_merge_from_the_19(prepared, class_set):
  """Protects the classes: the config decides at read time, by the tables of CelebAMask-HQ."""
  split = loader.open(data_config(prepared, class_set=class_set.name)).load_split('train', image_size=SIZE)
  for i in range(COUNT):
    labels = faces.face(i, SIZE, PARTS)[1]
    np.testing.assert_array_equal(split['semantic_mask'][i].argmax(-1), np.array(class_set.celebamask_hq)[labels])


def test_record_sizes_live_side_by_side(prepared):
  """Protects data for both stages in one folder, and names the sizes there are."""
  assert loader.open(data_config(prepared, record_size=32)).load_split('train', image_size=32, max_examples=2)['image'].shape == (2, 32, 32, 3)
  with pytest.raises(FileNotFoundError, match='there are records of 16, 32 pixels: set --config.data.record_size') as error:
    loader.open(data_config(prepared, record_size=64)).prepare()
  assert '\n' not in str(error.value)


def test_records_of_before_confidences_are_read_as_they_were(tmp_path, monkeypatch):
  """Protects data sets of earlier versions: viewpoints, all of them known, and no word of how sure they are."""
  features, write_record = records.features, shard_files.ShardFile.write

  def without(record_size, has_viewpoints):
    kept = dict(features(record_size, has_viewpoints))
    kept.pop('viewpoint_confidence')
    return tfds.features.FeaturesDict(kept)

  monkeypatch.setattr(records, 'features', without)
  monkeypatch.setattr(shard_files.ShardFile, 'write', lambda self, example: write_record(
      self, {name: value for name, value in example.items() if name != 'viewpoint_confidence'}))
  monkeypatch.setattr(sys.modules[__name__], 'CAMERAS', None)
  folder = write(tmp_path)
  data = loader.open(data_config(folder))
  assert data.has_viewpoints and data.viewpoint_moments is None
  assert set(batches(data_config(folder), 1)[0][0]) == {'image', 'semantic_mask', 'viewpoint'}


def test_records_without_viewpoints_say_so(tmp_path):
  """Protects photographs: no camera is made up for them."""
  folder = write(tmp_path, has_viewpoints=False)
  data = loader.open(data_config(folder))
  assert (data.num_train, data.num_validation, data.has_viewpoints) == (COUNT, 0, False)
  assert set(batches(data_config(folder), 1)[0][0]) == {'image', 'semantic_mask'}
  assert set(loader.open(data_config(folder)).load_split('train', image_size=8)) == {'image', 'semantic_mask'}


def test_given_cameras_are_sure(prepared):
  """Protects the weight of cameras: those that were given count fully, in batches and whole splits, mirrored or not."""
  batch = batches(data_config(prepared), 1)[0][0]
  np.testing.assert_array_equal(batch['viewpoint_confidence'], np.ones(8, np.float32))
  np.testing.assert_array_equal(loader.open(data_config(prepared)).load_split('train', image_size=8)['viewpoint_confidence'], np.ones(COUNT))


@pytest.mark.parametrize('cameras', [{}, [0.1], {'elevation_mean': 'up', 'azimuth_std': 0.1, 'elevation_std': 0.1}])
def test_damaged_spread_of_cameras_is_one_line(tmp_path, cameras):
  """Protects from a traceback where metadata.json was changed by hand."""
  folder = write(tmp_path)
  metadata = next(folder.glob('real_portraits/*/1.0.0/metadata.json'))
  metadata.write_text(json.dumps(json.loads(metadata.read_text()) | dict(cameras=cameras)))
  with pytest.raises(ValueError, match='metadata.json has cameras .* prepare the photographs again') as error:
    loader.open(data_config(folder))
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('change, message', [
    (dict(vocabulary='ffhq9', labels=list(semantics.FFHQ9.classes)), "vocabulary 'ffhq9' do not merge into class set 'ffhq12'"),
    (dict(vocabulary='helen'), "unknown label vocabulary 'helen'; use one of celebamask-hq, ffhq12, ffhq9"),
    (dict(labels=['background', 'hair']), 'in another order than this code')])
def test_classes_that_do_not_fit_are_refused(tmp_path, change, message):
  """Protects from training on labels that mean something else: one line before anything starts."""
  folder = write(tmp_path)
  metadata = next(folder.glob('real_portraits/*/1.0.0/metadata.json'))
  metadata.write_text(json.dumps(json.loads(metadata.read_text()) | change))
  for start in (loader.open, lambda config: loader.open(config).prepare()):
    with pytest.raises(ValueError, match=message) as error:
      start(data_config(folder))
    assert '\n' not in str(error.value)


def test_unknown_dilation_is_refused(prepared):
  """Protects from typing errors."""
  with pytest.raises(ValueError, match="data.dilation 'wide' is not known; use one of none, overlap, exclusive"):
    loader.open(data_config(prepared, dilation='wide')).prepare()
