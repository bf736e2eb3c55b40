import numpy as np
from PIL import Image
import pytest

import tiny

from cnerf_jax.evaluation import nearest
from cnerf_jax.reporting import sheets
from cnerf_jax.run import nearest_portraits

SIZE = 16


def people(count, seed):
  return np.random.default_rng(seed).uniform(-1, 1, (count, SIZE, SIZE, 3)).astype(np.float32)


class Data:
  """So many training portraits, and twenty held-out ones; notes which of the former are read."""

  num_validation = 20

  def __init__(self, num_train):
    self.num_train, self.read = num_train, []

  def image_parts(self, split, indices, *, image_size):
    assert image_size == SIZE
    if split == 'train':
      self.read.append(list(indices))
    portraits = {'train': people(self.num_train, 0), 'validation': people(self.num_validation, 1)}[split]
    for start in range(0, len(indices), 10):
      yield portraits[list(indices)[start:start + 10]]


@pytest.mark.parametrize('flip', [False, True])
def test_samples_stand_beside_their_portraits(flip, monkeypatch, tmp_path):
  """Protects the sheet and the scores: mirrored copies are found and shown as they were trained on, where training mirrors, and not else."""
  shown = {}
  sheet = sheets.nearest_sheet
  monkeypatch.setattr(sheets, 'nearest_sheet', lambda near, others, *, title: shown.update(near=near, others=others) or sheet(
      near, others, title=title))
  data, notes = Data(50), []
  comparison = nearest_portraits.NearestPortraits(data, tiny.make_config(image_size=SIZE, data__flip=flip), notes.append)
  assert not data.read
  samples = people(50, 0)[:12]
  samples[0] = samples[0, :, ::-1]
  found = comparison.compare(samples, 3, tmp_path)
  assert (found['num_samples'], found['num_held_out'], found['num_portraits'], found['num_train']) == (12, 20, 50, 50)
  assert found['mirrored'] is flip and found['ratio'] < 0.01
  assert found['fraction_near'] == pytest.approx(1 if flip else 11 / 12)
  assert notes == ['nearest: reading 50 of 50 training portraits'] and data.read[0] == list(range(50))
  images, portraits, _ = (np.concatenate(both) for both in zip(shown['near'], shown['others']))
  assert len(images) == 12
  same = np.isclose(images, portraits).all(axis=(1, 2, 3))
  assert same.sum() == (12 if flip else 11)
  assert Image.open(tmp_path / 'sheets' / 'nearest_0000003.png').size[1] > 8 * sheets.MIN_CELL_PIXELS
  comparison.compare(samples, 4, tmp_path)
  assert sum(len(indices) == 50 for indices in data.read) == 1  # read once


def test_many_portraits_are_read_in_part(monkeypatch, tmp_path):
  """Protects time and memory: of a large split an even part is compared with, said so, and the sheet shows those very portraits."""
  monkeypatch.setattr(nearest_portraits, 'MOST_PORTRAITS', 10)
  monkeypatch.setattr(nearest_portraits, 'MOST_HELD_OUT', 15)
  data, notes = Data(40), []
  comparison = nearest_portraits.NearestPortraits(data, tiny.make_config(image_size=SIZE), notes.append)
  found = comparison.compare(people(40, 0)[:3], 1, tmp_path)
  assert notes == ['nearest: reading 10 of 40 training portraits'] and data.read[0] == list(range(0, 40, 4))
  assert (found['num_portraits'], found['num_train'], found['num_held_out']) == (10, 40, 15)
  assert data.read[1][0] == 0 and set(data.read[1]) <= set(range(0, 40, 4)) and found['median'] > 0.5  # one of three is there
  assert nearest.describe(found).startswith(f'{found["median"]:.3f} to the nearest of 10 of 40')
