import json

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest

from data_pipeline import class_merging
from data_pipeline import vocabularies
from data_pipeline.label_viewpoints import __main__ as command_line
from data_pipeline.label_viewpoints import accuracy
from data_pipeline.label_viewpoints import augmentation
from data_pipeline.label_viewpoints import network
from data_pipeline.label_viewpoints import parameters as parameters_lib
from data_pipeline.label_viewpoints import reading
from data_pipeline.label_viewpoints import training

LABEL = {name: k for k, name in enumerate(vocabularies.CELEBAMASK_HQ.labels)}


def label_maps(angles, size=128):
  """uint8 [heads, size, size]: hair, face, eyes and a nose that lies where azimuth and elevation put it, all rolled."""
  y, x = np.mgrid[:size, :size] / size + 0.5 / size - 0.5
  labels = np.zeros((len(angles), size, size), np.uint8)
  for label, (azimuth, elevation, roll) in zip(labels, angles):
    u, v = np.cos(roll) * x + np.sin(roll) * y, -np.sin(roll) * x + np.cos(roll) * y  # content turned clockwise by roll
    label[np.hypot(u, v + 0.05) < 0.4] = LABEL['hair']
    label[np.hypot(u, v) < 0.31] = LABEL['skin']
    for side, name in ((-1, 'r_eye'), (1, 'l_eye')):
      label[np.hypot(u - side * 0.11 + 0.1 * azimuth, (v + 0.08 - 0.1 * elevation) * 2) < 0.05] = LABEL[name]
    label[np.hypot(u + 0.3 * azimuth, v - 0.05 - 0.3 * elevation) < 0.06] = LABEL['nose']
  return labels


def random_angles(count, seed=0):
  return (np.random.default_rng(seed).standard_normal((count, 3)) * [0.25, 0.2, 0.05]).astype(np.float32)


def write_export(folder, count):
  angles = random_angles(count)
  (folder / 'labels').mkdir(parents=True)
  for k, label in enumerate(label_maps(angles)):
    Image.fromarray(label).save(folder / 'labels' / f'{k:06d}.png')
  np.savez(folder / 'truth.npz', azimuth=angles[:, 0], elevation=angles[:, 1], roll=angles[:, 2])
  return angles


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """A network that has seen a few steps of drawn heads, by the command line, and the folder."""
  folder = tmp_path_factory.mktemp('export')
  write_export(folder, 80)
  assert command_line.main(['train', str(folder), str(folder / 'network.npz'), '--steps', '120', '--batch-size', '24']) == 0
  return folder


def test_a_nose_tells_where_the_camera_stood(trained):
  """Protects the whole: trained by the command, read from the file, azimuth and roll come out with their signs on other heads."""
  angles = random_angles(24, seed=1)
  reader = reading.load(trained / 'network.npz')
  found, spread = reader.read_angles(reading.to_classes(label_maps(angles)))
  assert np.corrcoef(found[:, 0], angles[:, 0])[0, 1] > 0.8
  assert spread.min() > 0 and reader.about['steps'] == 120
  assert (trained / 'network.npz').stat().st_size < 600_000


def test_mirroring_a_map_turns_azimuth_and_roll_exactly():
  """Protects the mean over both images."""
  labels = label_maps(random_angles(5))
  reader = reading.load()
  straight, mirrored = reader.read(labels), reader.read(labels[:, :, ::-1])
  np.testing.assert_allclose(mirrored.viewpoint, straight.viewpoint * np.array([-1, 1]), atol=1e-5)
  np.testing.assert_allclose(mirrored.roll, -straight.roll, atol=1e-5)


@pytest.mark.parametrize('kind', ['background', 'hair', 'skin'])
def test_a_map_without_a_face_has_no_camera(kind):
  """Protects users' odd pictures: confidence 0 and viewpoint 0, beside a face that is read as if it were alone."""
  labels = label_maps(random_angles(2))
  labels[1] = LABEL[kind]
  reader = reading.load()
  found = reader.read(labels)
  assert found.confidence[1] == 0 and (found.viewpoint[1] == 0).all()
  np.testing.assert_allclose(found.viewpoint[0], reader.read(labels[:1]).viewpoint[0], atol=1e-6)


def test_any_size_and_number_of_maps():
  """Protects callers: maps of other sizes are sampled; none give none; what is no square map is one line."""
  reader = reading.load()
  large = reader.read(np.repeat(np.repeat(label_maps(random_angles(17)), 2, axis=1), 2, axis=2))
  np.testing.assert_allclose(large.viewpoint, reader.read(label_maps(random_angles(17))).viewpoint, atol=1e-6)
  assert reader.read(np.zeros((0, 32, 32), np.uint8)).viewpoint.shape == (0, 2)
  with pytest.raises(ValueError, match=r'label maps have shape \(1, 32, 48\); give square ones'):
    reader.read(np.zeros((1, 32, 48), np.uint8))


def test_unsure_readings_count_less(monkeypatch):
  """Protects confidence: it falls with the expected error of the azimuth, and ends where the network says nothing."""
  reader = reading.load()
  spreads = np.array([0.01, 0.07, 0.2])
  monkeypatch.setattr(reading.Reader, 'read_angles', lambda self, classes: (np.ones((3, 3)), np.tile(spreads[:, None], 3)))
  np.testing.assert_allclose(reader.read(label_maps(random_angles(3))).confidence, [1, (0.02 / 0.07)**2, 0], rtol=1e-5)


def test_class_fractions_keep_the_map():
  """Protects the sampling: on the grid, fractions are means of one-hot labels over blocks of 2 x 2; a mirrored grid mirrors them."""
  labels = np.random.default_rng(0).integers(0, 12, (2, 128, 128)).astype(np.uint8)
  x, y = (jnp.broadcast_to(place, labels.shape) for place in network.grid(128))
  fractions = network.class_fractions(labels, x, y)
  expected = np.eye(12)[labels].reshape(2, 64, 2, 64, 2, 12).mean(axis=(2, 4))
  np.testing.assert_allclose(fractions, expected, atol=1e-6)
  np.testing.assert_allclose(network.class_fractions(labels, 1 - x, y), expected[:, :, ::-1], atol=1e-6)


def test_augmentation_moves_nose_and_sign_together(monkeypatch):
  """Protects the sign: where a map was mirrored its azimuth and roll are too, and the nose lies on the other side; elevations stay."""
  for name in ('SHIFT', 'ZOOM', 'STRETCH', 'ROLL', 'WARP', 'FRAY'):
    monkeypatch.setattr(augmentation, name, 0.0)
  angles = np.tile(np.float32([[0.4, 0.1, 0.05]]), (64, 1))
  labels = class_merging.merge_celebamask_hq(label_maps(angles * np.float32([1, 1, 0])), network.CLASSES)
  fractions, changed = augmentation.augment(jax.random.key(0), labels, angles)
  nose = np.asarray(fractions[..., network.CLASSES.index('nose')])
  middle = nose.sum(axis=1) @ (np.arange(64) + 0.5) / nose.sum(axis=(1, 2)) - 32
  signs = np.sign(np.asarray(changed[:, 0]))
  assert {-1.0, 1.0} == set(signs)
  np.testing.assert_array_equal(np.sign(middle), -signs)
  np.testing.assert_allclose(changed, np.stack([0.4 * signs, 0.1 + 0 * signs, 0.05 * signs], axis=-1), rtol=1e-5)


def test_augmentation_rolls_map_and_truth_together(monkeypatch):
  """Protects the sign of roll: the line through the eyes turns by what the truth says, clockwise."""
  for name in ('SHIFT', 'ZOOM', 'STRETCH', 'WARP', 'FRAY'):
    monkeypatch.setattr(augmentation, name, 0.0)
  monkeypatch.setattr(augmentation, 'LOST', ())
  labels = np.full((16, 128, 128), network.CLASSES.index('skin'), np.uint8)
  labels[:, 60:68, 30:98] = network.CLASSES.index('eyes')
  fractions, changed = augmentation.augment(jax.random.key(1), labels, np.zeros((16, 3), np.float32))
  eyes = np.asarray(fractions[..., network.CLASSES.index('eyes')])
  row, column = np.mgrid[:64, :64]
  for mask, roll in zip(eyes, np.asarray(changed[:, 2])):
    slope = np.polyfit(column[mask > 0], row[mask > 0], 1, w=mask[mask > 0])[0]
    assert np.arctan(slope) == pytest.approx(roll, abs=0.02)


def test_comparison_against_hand_made_readings():
  """Protects the columns: half the turn and a degree too much."""
  truth = np.array([[-0.4, 0.1], [0.0, 0.2], [0.4, 0.3]])
  found = np.stack([truth[:, 0] / 2, truth[:, 1] + np.radians(1)], axis=-1)
  rows = accuracy.compare(found, truth, ('azimuth', 'elevation'))
  assert rows['azimuth'] == pytest.approx(
      dict(correlation=1, median_degrees=np.degrees(0.2), median_degrees_fitted=0, slope=0.5, mean_difference_degrees=0), abs=1e-9)
  assert rows['elevation'] == pytest.approx(
      dict(correlation=1, median_degrees=1, median_degrees_fitted=0, slope=1, mean_difference_degrees=1), abs=1e-9)


def test_reading_a_folder(tmp_path, capsys):
  """Protects the command: cameras by name, other label orders, and a line on maps without a face."""
  labels = label_maps(random_angles(3))
  labels[2] = 0
  (tmp_path / 'maps').mkdir()
  for name, label in zip('abc', labels):
    Image.fromarray(label).save(tmp_path / 'maps' / f'{name}.png')
  assert command_line.main(['read', str(tmp_path / 'maps'), str(tmp_path / 'v.json')]) == 0
  found = json.loads((tmp_path / 'v.json').read_text())
  assert set(found) == {'a', 'b'} and 'no camera can be read off 1: c.png' in capsys.readouterr().out
  # lapa has neither ears nor hats, and other integers
  lapa = {'background': 0, 'skin': 1, 'r_eye': 5, 'l_eye': 4, 'nose': 6, 'hair': 10}
  table = np.zeros(19, np.uint8)
  for name, value in lapa.items():
    table[LABEL[name]] = value
  for name, label in zip('abc', table[labels]):
    Image.fromarray(label).save(tmp_path / 'maps' / f'{name}.png')
  assert command_line.main(['read', str(tmp_path / 'maps'), str(tmp_path / 'w.json'), '--label-order', 'lapa']) == 0
  np.testing.assert_allclose([json.loads((tmp_path / 'w.json').read_text())[name] for name in 'ab'], [found[name] for name in 'ab'], atol=1e-4)


@pytest.mark.parametrize('arguments, said', [
    (['read', 'none', 'v.json'], 'no label map'), (['train', 'none', 'n.npz'], 'no label map'),
    (['train', 'export', 'n.npz', '--steps', '0'], '--steps 0 must be at least 1'),
    (['train', 'export', 'n.npz'], 'is not the truth of an export'),
    (['read', 'export/labels', 'v.json', '--parameters', 'none.npz'], 'holds no network that reads label maps'),
    (['read', 'export/labels', 'v.json', '--label-order', 'lapa'], 'is no label map')])
def test_faults_are_one_line(tmp_path, monkeypatch, capsys, arguments, said):
  """Protects users from tracebacks."""
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'export' / 'labels').mkdir(parents=True)
  Image.fromarray(np.full((8, 8), 18, np.uint8)).save(tmp_path / 'export' / 'labels' / 'a.png')
  assert command_line.main(arguments) == 1
  error = capsys.readouterr().err.strip().splitlines()[-1]
  assert error.startswith('error: ') and said in error


def test_training_is_repeatable():
  """Protects the shipped file's recipe: equal seeds give equal parameters."""
  angles = random_angles(8)
  classes = reading.to_classes(label_maps(angles))
  first, second = (training.train(classes, angles, steps=2, batch_size=4, seed=3) for _ in range(2))
  jax.tree.map(np.testing.assert_array_equal, first, second)


def test_the_last_twentieth_is_held_out(tmp_path, monkeypatch):
  """Protects the recipe of the shipped file, 7,600 of 8,000 maps: training sees the first maps, as classes, and none of the last."""
  angles, seen = write_export(tmp_path, 45), {}
  train = training.train

  def watched(labels, angles, **kwargs):
    seen.update(labels=labels, angles=angles)
    return train(labels, angles, **kwargs)

  monkeypatch.setattr(training, 'train', watched)
  assert command_line.main(['train', str(tmp_path), str(tmp_path / 'network.npz'), '--steps', '1', '--batch-size', '2']) == 0
  np.testing.assert_array_equal(seen['angles'], angles[:43])
  np.testing.assert_array_equal(seen['labels'], reading.to_classes(label_maps(angles[:43])))


def test_shipped_parameters_say_what_they_are():
  """Protects the file in the repository: it is small, and says what it was trained on and how well it reads people."""
  reader = reading.load()
  assert parameters_lib.SHIPPED.stat().st_size < 600_000
  assert 'synthetic people' in reader.about['trained_on'] and reader.about['held_out']['azimuth']['correlation'] > 0.98
  assert len(parameters_lib.fingerprint()) == 24
