import dataclasses

import discs
import jax
import numpy as np
import pytest

from cnerf_jax.evaluation import oracle as oracle_lib

BRIEF = dataclasses.replace(oracle_lib.OracleSettings(), channels=(4, 4, 4), steps=2, batch_size=4)
DATA = {'name': 'discs', 'dir': '/somewhere', 'dilation': 1}


def load_split(split):
  return discs.examples(20, seed={'train': 0, 'validation': 1, 'test': 2}[split])


def make(folder, load=load_split, **changes):
  arguments = dict(image_size=discs.SIZE, settings=BRIEF) | changes
  return oracle_lib.load_or_train(folder, arguments.pop('data', DATA), load, discs.CLASS_SET, **arguments)


def refuse(split):
  raise AssertionError(f'{split} was read although the oracle is in the cache')


def test_reads_labels_and_viewpoints_of_examples_it_has_not_seen(oracle_of_discs, real):
  """All agreements rest on an oracle that can read."""
  accuracy = oracle_of_discs.accuracy['validation']
  assert accuracy['pixel_accuracy'] > 0.95
  assert accuracy['mask_agreement'] > 0.85
  assert accuracy['azimuth'] > 0.9 and accuracy['elevation'] > 0.9
  assert accuracy['azimuth_error_radians'] < 0.15
  assert accuracy['class_iou_where_present']['dot'] > 0.8
  level = discs.examples(50, seed=3, viewpoint=np.linspace([-0.4, 0], [0.4, 0], 50))
  assert oracle_lib.measure_accuracy(oracle_of_discs, level, discs.CLASS_SET)['elevation'] is None
  reading = oracle_of_discs.read(real['image'][:70])  # not a multiple of its batch
  np.testing.assert_array_equal(reading.labels[:5], oracle_of_discs.read(real['image'][:5]).labels)
  assert reading.viewpoint.shape == (70, 2)


def test_reads_a_mirrored_picture_as_turned_the_other_way(oracle_of_discs, real):
  """Left is left: nothing in the training may make the oracle blind to the sign of azimuth."""
  there = oracle_of_discs.read(real['image']).viewpoint
  back = oracle_of_discs.read(real['image'][:, :, ::-1]).viewpoint
  assert np.corrcoef(there[:, 0], back[:, 0])[0, 1] < -0.9
  assert np.corrcoef(there[:, 1], back[:, 1])[0, 1] > 0.9


def test_cache_gives_the_same_oracle_without_reading_data(tmp_path):
  """A run pays for the oracle once; evaluations of different runs must be by one oracle."""
  first = make(tmp_path)
  second = make(tmp_path, load=refuse, data=DATA | {'dir': '/elsewhere'})
  jax.tree.map(np.testing.assert_array_equal, first.params, second.params)
  assert first.accuracy == second.accuracy


@pytest.mark.parametrize('changes', [
    dict(data=DATA | {'dilation': 2}),
    dict(settings=dataclasses.replace(BRIEF, steps=3)),
], ids=['data', 'settings'])
def test_anything_else_is_another_oracle(tmp_path, changes):
  """An oracle of other masks must not read these."""
  make(tmp_path)
  with pytest.raises(AssertionError):
    make(tmp_path, load=refuse, **changes)


def test_damaged_cache_is_made_again(tmp_path):
  """A file cut short costs a minute, not the run."""
  first = make(tmp_path)
  path, = tmp_path.iterdir()
  path.write_bytes(path.read_bytes()[:100])
  jax.tree.map(np.testing.assert_array_equal, first.params, make(tmp_path).params)
  make(tmp_path, load=refuse)


def test_training_is_deterministic():
  """The same data give the same oracle."""
  train = lambda: oracle_lib.train(load_split('train'), discs.CLASS_SET, BRIEF).params
  jax.tree.map(np.testing.assert_array_equal, train(), train())


def test_accuracy_on_those_who_wear_a_class_is_theirs_alone():
  """Protects the measure of rare classes: a class read where no one wears it costs the IoU over all, not that over its wearers."""
  plain, worn = discs.examples(40, seed=0, worn_by=0.0), discs.examples(10, seed=1)
  both = {name: np.concatenate([plain[name], worn[name]]) for name in plain}
  of_both = oracle_lib.measure_accuracy(EverywhereDots(), both, discs.CLASS_SET)
  assert of_both['class_iou_where_present']['dot'] == pytest.approx(worn['semantic_mask'][..., 2].mean())
  assert of_both['class_iou']['dot'] == pytest.approx(worn['semantic_mask'][..., 2].mean() / 5)
  assert oracle_lib.measure_accuracy(EverywhereDots(), plain, discs.CLASS_SET)['class_iou_where_present']['dot'] is None


class EverywhereDots:
  """An oracle that reads dots and nothing else."""

  def read(self, image):
    return oracle_lib.Reading(np.full(image.shape[:3], 2), np.zeros((len(image), 2), np.float32))
