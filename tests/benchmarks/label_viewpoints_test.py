import json

from absl import app
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import drawn_export

from benchmarks import label_viewpoints
from cnerf_jax import semantics
from data_pipeline import class_merging

CLASSES = semantics.FFHQ12


@pytest.fixture(scope='module')
def export(tmp_path_factory):
  folder = tmp_path_factory.mktemp('export')
  viewpoint = drawn_export.write(folder, 60)
  (folder / 'poses.json').write_text(json.dumps({f'{k:06d}': [float(a), float(b), 0.0] for k, (a, b) in enumerate(viewpoint[:20])}))
  return folder


def test_a_nose_tells_where_the_camera_stood(export):
  """Protects the whole measurement: a few steps on drawn heads, and the azimuth of the same drawings is read with its sign."""
  row = label_viewpoints.measure(export, export / 'labels', export / 'poses.json', limit=60, steps=60, batch_size=16, seed=0)
  assert row['maps'] == 54 and row['real_maps'] == 20 and row['parameters'] < 250_000
  assert row['accuracy']['real']['azimuth']['correlation'] > 0.8


def test_class_fractions_keep_the_map():
  """Protects the sampling: on the grid, fractions are means of one-hot labels over blocks of 2 x 2; a mirrored grid mirrors them."""
  labels = np.random.default_rng(0).integers(0, 12, (2, 128, 128)).astype(np.uint8)
  x, y = (jnp.broadcast_to(place, labels.shape) for place in label_viewpoints.grid(128))
  fractions = label_viewpoints.class_fractions(labels, x, y)
  expected = np.eye(12)[labels].reshape(2, 64, 2, 64, 2, 12).mean(axis=(2, 4))
  np.testing.assert_allclose(fractions, expected, atol=1e-6)
  np.testing.assert_allclose(label_viewpoints.class_fractions(labels, 1 - x, y), expected[:, :, ::-1], atol=1e-6)


def test_augmentation_moves_nose_and_sign_together(monkeypatch):
  """Protects the sign: where a map was mirrored its azimuth is too, and the nose lies on the other side; elevations stay."""
  for name in ('SHIFT', 'ZOOM', 'STRETCH', 'ROLL', 'WARP', 'FRAY'):
    monkeypatch.setattr(label_viewpoints, name, 0.0)
  viewpoint = np.tile(np.float32([[0.4, 0.1]]), (64, 1))
  labels = class_merging.merge_celebamask_hq(drawn_export.label_maps(viewpoint), CLASSES)
  fractions, changed = label_viewpoints.augment(jax.random.key(0), labels, viewpoint)
  nose = np.asarray(fractions[..., CLASSES.index('nose')]).sum(axis=1) @ (np.arange(64) + 0.5)
  signs = np.sign(np.asarray(changed[:, 0]))
  assert {-1.0, 1.0} == set(signs)
  np.testing.assert_array_equal(np.sign(nose / np.asarray(fractions[..., CLASSES.index('nose')]).sum(axis=(1, 2)) - 32), -signs)
  np.testing.assert_allclose(changed[:, 1], 0.1)


def test_reading_a_mirrored_map_turns_the_azimuth():
  """Protects the mean over both images: exactly antisymmetric in azimuth, symmetric in elevation, whatever the parameters."""
  labels = np.random.default_rng(0).integers(0, 12, (3, 128, 128)).astype(np.uint8)
  params = label_viewpoints.ViewpointNetwork().init(jax.random.key(0), jnp.zeros((1, 64, 64, 12)))
  straight, mirrored = label_viewpoints.read(params, labels), label_viewpoints.read(params, labels[:, :, ::-1])
  np.testing.assert_allclose(mirrored, straight * np.array([-1, 1]), atol=1e-5)


def test_comparison_against_hand_made_readings():
  """Protects the columns: half the turn and a degree too much."""
  truth = np.array([[-0.4, 0.1], [0.0, 0.2], [0.4, 0.3]])
  rows = label_viewpoints.compare(np.stack([truth[:, 0] / 2, truth[:, 1] + np.radians(1)], axis=-1), truth)
  assert rows['azimuth'] == pytest.approx(
      dict(correlation=1, median_degrees=np.degrees(0.2), slope=0.5, mean_difference_degrees=0), abs=1e-9)
  assert rows['elevation'] == pytest.approx(dict(correlation=1, median_degrees=1, slope=1, mean_difference_degrees=1))


@pytest.mark.parametrize('text', ['', '[]', '{"a": 3}', '{"a": ["left", "right"]}'])
def test_a_file_without_poses_is_one_line(tmp_path, text):
  """Protects from tracebacks."""
  (tmp_path / 'poses.json').write_text(text)
  with pytest.raises(app.UsageError, match='has no poses'):
    label_viewpoints.read_poses(tmp_path / 'poses.json')
