"""What the benchmark of the face parser prints of known maps."""

import json

import numpy as np
from PIL import Image
import pytest

from absl import app
from benchmarks import face_parser
from cnerf_jax import semantics
from data_pipeline import vocabularies

NOSE, HAT = semantics.FFHQ12.index('nose'), semantics.FFHQ12.index('hat')


def test_equal_maps_agree_and_shares_are_counted():
  """Protects the table: 1 for equal maps; nan for classes that nobody has; a hat that was read on nobody is seen on half, IoU 0."""
  known = np.zeros((2, 64, 64), np.int64)
  known[:, 20:40, 20:40] = NOSE
  known[0, :10] = HAT
  rows = face_parser.compare(known, known)
  assert rows['nose']['iou'] == rows['hat']['iou_where_seen'] == 1 and np.isnan(rows['glasses']['iou'])
  found = np.where(known == HAT, 0, known)
  rows = face_parser.compare(found, known)
  assert rows['hat'] == dict(iou=0, iou_where_seen=0, seen=0.5, read=0)


def test_maps_are_sampled_at_the_middles_of_cells():
  """Protects the comparison of maps of different sizes: a map enlarged twice is the same one."""
  labels = np.random.default_rng(0).integers(0, 19, (1, 64, 64)).astype(np.uint8)
  larger = labels.repeat(4, axis=1).repeat(4, axis=2)
  np.testing.assert_array_equal(face_parser.merged(larger), face_parser.merged(labels))


def test_a_missing_image_is_one_line(tmp_path):
  """Protects users of folders of label maps alone."""
  with pytest.raises(app.UsageError, match='give a folder of images and labels of the same names'):
    face_parser.read_images(tmp_path, ['one'])


def test_cameras_of_parsed_maps_are_compared(tmp_path):
  """Protects the join by name: poses of some of the pictures, in another order."""
  nose = vocabularies.CELEBAMASK_HQ.labels.index('nose')
  labels = np.full((5, 128, 128), vocabularies.CELEBAMASK_HQ.labels.index('skin'), np.uint8)
  for k, label in enumerate(labels):
    label[60:80, 40 + 8 * k:56 + 8 * k] = nose
  poses = tmp_path / 'poses.json'
  poses.write_text(json.dumps({name: [0.2 - 0.1 * k, 0.0, 0.0] for k, name in reversed(list(enumerate('abcd')))}))
  found = face_parser.cameras(str(poses), list('abcde'), dict(parsed=labels))
  assert found['parsed']['maps'] == 4


def test_photographs_are_read_at_the_parsers_size(tmp_path):
  """Protects the input: RGB at 256 pixels whatever the file has."""
  (tmp_path / 'images').mkdir()
  Image.new('L', (64, 64), 128).save(tmp_path / 'images' / 'one.jpg')
  images = face_parser.read_images(tmp_path, ['one'])
  assert images.shape == (1, 256, 256, 3) and (images == 128).all()
