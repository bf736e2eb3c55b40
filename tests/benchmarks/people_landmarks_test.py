import importlib.util

from absl import app
import numpy as np
import pytest

import drawn_export

from benchmarks import people_landmarks

HAS_DLIB = all(importlib.util.find_spec(name) for name in ('dlib', 'face_recognition_models'))


def test_errors_are_in_eye_distances():
  """Protects the unit: mouths 3 pixels off, eyes 60 apart."""
  truth = np.zeros((68, 2))
  truth[36:42], truth[42:48] = (-30, 0), (30, 0)
  found = truth.copy()
  found[48:] += (0, 3)
  errors = people_landmarks.point_errors(found, truth)
  np.testing.assert_allclose(errors[48:], 0.05)
  assert not errors[:48].any()


def test_groups_cover_all_points():
  """Protects the groups: every point is in one of them."""
  points = [point for name, group in people_landmarks.GROUPS.items() if name != 'all' for point in group]
  assert sorted(points) == list(range(68))


def test_faces_found_and_missed(tmp_path):
  """Protects the fractions and names, with a detector that misses every other picture and is a tenth of the eye distance off."""
  drawn_export.write(tmp_path, 4)
  truth = iter(np.load(tmp_path / 'truth.npz')['landmarks'][..., :2])
  calls = []

  def detect(image):
    assert image.shape == (128, 128, 3) and image.dtype == np.uint8
    calls.append(image)
    if len(calls) > 4:
      return np.zeros((68, 2))  # photographs
    points = next(truth)
    if len(calls) % 2:
      return None
    left, right = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    return points + (0.1 * np.linalg.norm(left - right), 0)

  row = people_landmarks.measure(str(tmp_path), str(tmp_path / 'images'), limit=10, num_photographs=3, detect=detect)
  assert row['found'] == 0.5 and row['not_found'] == ['000000', '000002'] and row['photographs_found'] == 1
  assert row['median_error'] == pytest.approx(dict.fromkeys(people_landmarks.GROUPS, 0.1))


def test_missing_libraries_are_one_line(monkeypatch):
  """Protects developers without the extra: told what to install."""
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(app.UsageError, match=r'needs dlib-bin and face-recognition-models; pip install -e \.\[checks\]'):
    people_landmarks.make_detector()


@pytest.mark.skipif(not HAS_DLIB, reason='dlib-bin and face-recognition-models are optional')
def test_a_real_face_is_found_and_a_wall_is_not():
  """Protects the use of the library: the astronaut of scikit-image has eyes above a mouth."""
  data = pytest.importorskip('skimage.data')
  detect = people_landmarks.make_detector()
  points = detect(np.ascontiguousarray(data.astronaut()[:256, 96:352]))
  assert points.shape == (68, 2) and points[36:48, 1].mean() < points[48:, 1].mean() < 256
  assert detect(np.full((256, 256, 3), 128, np.uint8)) is None
