"""Photographs get the cameras that their label maps show, whatever the sizes of the records; what can't be read is kept, and said."""

import json
import os
import pathlib
import subprocess
import sys

import ml_collections
import numpy as np
import pytest

import faces

from data_pipeline import loader
from data_pipeline import stored_records
from data_pipeline.prepare import __main__ as command_line
from data_pipeline.prepare import camera_distribution
from data_pipeline.prepare import journal
from data_pipeline.prepare import preparation

ROOT = pathlib.Path(__file__).parents[3]
SIZE = 64


def turned(seed, azimuth):
  """A drawn head whose eyes, brows, nose and mouth have moved as a turn by `azimuth` radians moves them."""
  shift = {'nose': -0.2, 'l_eye': -0.12, 'r_eye': -0.12, 'l_brow': -0.1, 'r_brow': -0.1, 'u_lip': -0.14, 'l_lip': -0.14}
  return faces.face(seed, SIZE, tuple((name, x + shift.get(name, 0) * azimuth, *rest) for name, x, *rest in faces.PARTS))


def prepare(root, output, *options):
  return command_line.main([
      str(root / 'images'), str(output), '--labels', str(root / 'labels'), '--workers', '1', '--validation', '0', '--sizes', str(SIZE),
      *options])


def report(output):
  return json.loads((output / 'report' / 'report.json').read_text())


def records(output):
  stored = stored_records.StoredRecords(output / 'real_portraits' / f'size{SIZE}' / '1.0.0', 'train', with_all=True)
  return {record['name'].decode(): record for record in (stored[i] for i in range(len(stored)))}, stored


AZIMUTHS = np.linspace(-0.6, 0.6, 20)


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
  """Twenty heads that turn, one that is all background and one without eyes and nose, prepared as the command line does by default."""
  root = tmp_path_factory.mktemp('cameras')
  faces.write_folder(root, {f'head{i:02d}': turned(i, azimuth) for i, azimuth in enumerate(AZIMUTHS)})
  image, labels = faces.face(30, SIZE)
  faces.write_folder(root, {'empty': (image, 0 * labels), 'back': faces.face(31, SIZE, faces.PARTS[:3])})
  assert prepare(root, root / 'out') == 0
  return root


def test_cameras_are_read_by_default(prepared):
  """Protects photographs: heads that turn get azimuths that turn with them, in records, report and viewpoints.json alike."""
  found, stored = records(prepared / 'out')
  read = np.array([found[f'head{i:02d}']['viewpoint'] for i in range(20)])
  assert np.corrcoef(read[:, 0], AZIMUTHS)[0, 1] > 0.9
  named = json.loads((prepared / 'out' / 'viewpoints.json').read_text())
  for i in range(20):
    np.testing.assert_allclose(read[i], named[f'head{i:02d}'], atol=1e-6)
    assert 0 < found[f'head{i:02d}']['viewpoint_confidence'] <= 1
  cameras = report(prepared / 'out')['cameras']
  assert cameras['source'] == 'label maps' and cameras['known'] == 20
  (_, elevation_mean), (azimuth_std, elevation_std) = stored.viewpoint_moments
  assert (elevation_mean, azimuth_std, elevation_std) == (cameras['elevation_mean'], cameras['azimuth_std'], cameras['elevation_std'])
  weights = np.array([found[f'head{i:02d}']['viewpoint_confidence'] for i in range(20)], np.float64)
  assert azimuth_std == pytest.approx(np.sqrt(np.average(read[:, 0].astype(np.float64)**2, weights=weights)), rel=1e-3)


def test_faces_that_cannot_be_read_are_kept_and_said(prepared):
  """Protects users' odd pictures: they stay, with confidence 0, and the report names them."""
  found, _ = records(prepared / 'out')
  for name in ('empty', 'back'):
    assert found[name]['viewpoint_confidence'] == 0 and (found[name]['viewpoint'] == 0).all()
  noted = report(prepared / 'out')['noted']['no_camera']
  assert len(noted['files']) == 2 and noted['what'] == 'has a label map that no camera can be read off'


def test_batches_carry_confidences_and_mirror_azimuths(prepared):
  """Protects training: what is unknown is 0 there too, and half of the heads look the other way."""
  config = ml_collections.ConfigDict(
      dict(name='ffhq', dir=str(prepared / 'out'), class_set='ffhq12', dilation='exclusive', record_size=SIZE, flip=True))
  data = loader.open(config)
  batch = next(data.training_iterator(image_size=32, batch_size=22, seed=0))
  assert data.has_viewpoints and data.viewpoint_moments[1][0] > 0.1
  assert (batch['viewpoint_confidence'] == 0).sum() == 2 and batch['viewpoint_confidence'].dtype == np.float32
  stored = np.sort(np.abs(data.load_split('train', image_size=32)['viewpoint'][:, 0]))
  np.testing.assert_array_equal(np.sort(np.abs(batch['viewpoint'][:, 0])), stored)


def test_the_same_command_again_reads_nothing_and_a_mirrored_head_looks_the_other_way(prepared, tmp_path, capsys):
  """Protects resumption, and the sign."""
  before = (prepared / 'out' / 'viewpoints.json').read_bytes()
  capsys.readouterr()
  assert prepare(prepared, prepared / 'out') == 0
  assert 'shards are there already' in capsys.readouterr().out
  assert (prepared / 'out' / 'viewpoints.json').read_bytes() == before
  image, labels = turned(3, 0.5)
  faces.write_folder(tmp_path, {'one': (image, labels), 'mirrored': (image[:, ::-1], labels[:, ::-1])})
  assert prepare(tmp_path, tmp_path / 'out') == 0
  found = json.loads((tmp_path / 'out' / 'viewpoints.json').read_text())
  np.testing.assert_allclose(found['mirrored'], np.array(found['one']) * [-1, 1], atol=2e-5)
  assert found['one'][0] > 0.05  # the nose lies to the left


def test_pictures_without_faces_have_no_cameras_to_train_with(tmp_path, capsys):
  """Protects users from hours on what can't teach depth: said at once, and a config that needs cameras is refused by `has_viewpoints`."""
  image, labels = faces.face(0, SIZE)
  faces.write_folder(tmp_path, {f'{i}': (image // (i + 1), 0 * labels) for i in range(3)})
  assert prepare(tmp_path, tmp_path / 'out', '--no-order-check') == 0
  assert 'warning: no camera can be read off 100% of the label maps' in capsys.readouterr().out
  found, stored = records(tmp_path / 'out')
  assert not stored.has_viewpoints and all('viewpoint' not in record for record in found.values())
  assert not (tmp_path / 'out' / 'viewpoints.json').exists()


def test_other_sources_of_cameras(prepared, tmp_path):
  """Protects `none` and a file: no viewpoints, or those of the file with confidence 1."""
  faces.write_folder(tmp_path, {f'{i}': turned(i, 0.1 * i) for i in range(4)})
  assert prepare(tmp_path, tmp_path / 'none', '--viewpoints', 'none') == 0
  _, stored = records(tmp_path / 'none')
  assert not stored.has_viewpoints and stored.viewpoint_moments is None and not (tmp_path / 'none' / 'viewpoints.json').exists()
  (tmp_path / 'views.json').write_text(json.dumps({f'{i}': [0.1 * i, 0.05] for i in range(4)}))
  assert prepare(tmp_path, tmp_path / 'file', '--viewpoints', str(tmp_path / 'views.json')) == 0
  found, _ = records(tmp_path / 'file')
  for i in range(4):
    np.testing.assert_allclose(found[f'{i}']['viewpoint'], [0.1 * i, 0.05], rtol=1e-6)
    assert found[f'{i}']['viewpoint_confidence'] == 1
  assert report(tmp_path / 'file')['cameras']['source'] == 'file'


def test_number_of_workers_changes_nothing(prepared, tmp_path):
  """Protects reproducible records: cameras that are read in other processes are the same to the bit."""
  settings = preparation.Settings(
      input=str(prepared / 'images'), output=str(tmp_path / 'two'), labels=str(prepared / 'labels'), sizes=(SIZE,), workers=2,
      validation_fraction=0.3)
  preparation.run(settings, note=lambda line: None)
  read = json.loads((tmp_path / 'two' / 'viewpoints.json').read_text())
  assert read == json.loads((prepared / 'out' / 'viewpoints.json').read_text())


def test_sizes_of_the_records_change_no_camera(prepared, tmp_path):
  """Protects small records: cameras are read off the label map as it is framed, so that tiny records have those of large ones."""
  assert command_line.main([
      str(prepared / 'images'), str(tmp_path / 'out'), '--labels', str(prepared / 'labels'), '--workers', '1', '--sizes', '8', '16']) == 0
  assert (tmp_path / 'out' / 'viewpoints.json').read_bytes() == (prepared / 'out' / 'viewpoints.json').read_bytes()


@pytest.mark.parametrize('workers', ['1', '2'])
def test_cameras_are_read_on_the_processor(prepared, tmp_path, workers):
  """Protects machines with a GPU, most of which each worker would claim: whatever JAX is told to run on, preparation keeps to the processor."""
  done = subprocess.run(
      [sys.executable, '-m', 'data_pipeline.prepare', str(prepared / 'images'), str(tmp_path / 'out'), '--labels', str(prepared / 'labels'),
       '--workers', workers, '--validation', '0.3'],
      cwd=ROOT, env=os.environ | {'JAX_PLATFORMS': 'no such platform'}, check=False, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert (tmp_path / 'out' / 'viewpoints.json').read_bytes() == (prepared / 'out' / 'viewpoints.json').read_bytes()


@pytest.mark.parametrize('people', [
    {'one': turned(0, 0.3)}, {f'{i}': (faces.face(i, SIZE)[0], np.zeros((SIZE, SIZE), np.uint8)) for i in range(3)}],
    ids=['one photograph', 'empty label maps'])
def test_without_two_cameras_records_have_none(tmp_path, capsys, people):
  """Protects the few and the faceless: a warning, and a data set that says that it has no viewpoints, as configs that need them are told."""
  faces.write_folder(tmp_path, people)
  assert prepare(tmp_path, tmp_path / 'out', '--no-order-check') == 0
  assert 'warning: fewer than two cameras are known, so that the records have none' in capsys.readouterr().out
  data = loader.open(ml_collections.ConfigDict(
      dict(name='ffhq', dir=str(tmp_path / 'out'), class_set='ffhq12', dilation='none', record_size=SIZE, flip=True)))
  assert not data.has_viewpoints and data.viewpoint_moments is None
  batch = next(data.training_iterator(image_size=SIZE, batch_size=4, seed=0))
  assert set(batch) == set(data.load_split('train', image_size=SIZE)) == {'image', 'semantic_mask'}
  assert report(tmp_path / 'out')['cameras']['known'] == (1 if 'one' in people else 0)


def test_half_without_faces_are_said(tmp_path, capsys):
  """Protects mixed folders: the half that has faces has cameras, the other is kept, and its fraction is said."""
  empty = np.zeros((SIZE, SIZE), np.uint8)
  faces.write_folder(tmp_path, {f'{i}': turned(i, 0.2 * i - 0.5) if i < 6 else (faces.face(i, SIZE)[0], empty) for i in range(12)})
  assert prepare(tmp_path, tmp_path / 'out') == 0
  assert 'warning: no camera can be read off 50% of the label maps' in capsys.readouterr().out
  found, stored = records(tmp_path / 'out')
  assert sum(record['viewpoint_confidence'] > 0 for record in found.values()) == 6 and len(found) == 12 and stored.has_viewpoints


def test_empty_label_maps_alone_are_one_line(tmp_path, capsys):
  """Protects from a parser that found nothing: preparation stops, and says that there is no skin, no nose, and so on."""
  faces.write_folder(tmp_path, {f'{i}': (faces.face(i, SIZE)[0], np.zeros((SIZE, SIZE), np.uint8)) for i in range(3)})
  assert prepare(tmp_path, tmp_path / 'out') == 2
  told = capsys.readouterr().err.strip().splitlines()
  assert len(told) == 1 and 'skin present, nose present, eyes present' in told[0]


def test_heads_that_are_turned_alike_are_said(tmp_path, capsys):
  """Protects from hours of training on one view: the same label map under many photographs."""
  labels = turned(0, 0.5)[1]
  faces.write_folder(tmp_path, {f'{i}': (faces.face(i, SIZE)[0], labels) for i in range(5)})
  assert prepare(tmp_path, tmp_path / 'out') == 0
  assert 'warning: all heads are turned alike, by +' in capsys.readouterr().out


def test_a_file_of_cameras_is_never_changed_by_its_use(prepared, tmp_path):
  """Protects cameras that somebody put into DATA/viewpoints.json: used from there, or left out, they stay as they are."""
  faces.write_folder(tmp_path, {f'{i}': turned(i, 0.1 * i) for i in range(3)})
  mine = tmp_path / 'out' / 'viewpoints.json'
  mine.parent.mkdir()
  mine.write_text(json.dumps({f'{i}': [0.1 * i, 0.05] for i in range(5)}))
  before = mine.read_bytes()
  for source in (str(mine), 'none'):
    assert prepare(tmp_path, tmp_path / 'out', '--viewpoints', source) == 0
    assert mine.read_bytes() == before
  assert prepare(tmp_path, tmp_path / 'out') == 0
  assert set(json.loads(mine.read_text())) == {'0', '1', '2'}


def test_a_frontal_file_is_said_too(tmp_path, capsys):
  """Protects those who give cameras: a table of zeros teaches no depth either."""
  faces.write_folder(tmp_path, {f'{i}': turned(i, 0.1 * i) for i in range(3)})
  (tmp_path / 'views.json').write_text(json.dumps({f'{i}': [0, 0] for i in range(3)}))
  assert prepare(tmp_path, tmp_path / 'out', '--viewpoints', str(tmp_path / 'views.json')) == 0
  assert 'warning: all heads look straight ahead' in capsys.readouterr().out


def test_the_spread_is_of_those_that_are_trained_on(prepared, tmp_path):
  """Protects the cameras of fakes: what the data set says is of its train split, as the report has it."""
  settings = preparation.Settings(
      input=str(prepared / 'images'), output=str(tmp_path / 'out'), labels=str(prepared / 'labels'), sizes=(SIZE,), workers=1,
      validation_fraction=0.5)
  summary = preparation.run(settings, note=lambda line: None)
  assert summary.kept['validation'] > 2
  _, stored = records(tmp_path / 'out')
  trained_on = [stored[i] for i in range(len(stored))]
  azimuths = np.array([one['viewpoint'][0] for one in trained_on], np.float64)
  weights = np.array([one['viewpoint_confidence'] for one in trained_on], np.float64)
  assert stored.viewpoint_moments[1][0] == pytest.approx(np.sqrt(np.average(azimuths**2, weights=weights)), rel=1e-3)
  assert summary.report['cameras']['azimuth_std'] == stored.viewpoint_moments[1][0]


def kept(viewpoint, confidence=1.0):
  return journal.Kept('f', 'n', (), (), 1.0, None, viewpoint, confidence)


@pytest.mark.parametrize('pictures, said', [
    ([], []),
    ([kept((0.1, 0.0))], ['fewer than two cameras are known']),
    ([kept(None, 0.0)] * 3, ['no camera can be read off 100%', 'fewer than two cameras are known']),
    ([kept((0.01, 0.1 * i)) for i in range(50)], ['all heads look straight ahead']),
    ([kept((0.3, 0.1))] * 50, ['all heads are turned alike, by +17 degrees']),
    ([kept((0.3, 0.1)), kept((0.3, 0.1)), kept((-0.3, 0.1), 1e-3)], ['all heads are turned alike']),  # one that says nothing
    ([kept((0.3 * (-1)**i, 0.1)) for i in range(10)] + [kept(None, 0.0)] * 10, ['no camera can be read off 50%']),
    ([kept((0.3 * (-1)**i, 0.1)) for i in range(20)] + [kept(None, 0.0)], []),
])
def test_warnings_say_what_to_expect(pictures, said):
  """Protects users from hours of training on what can't teach depth: one photograph, no faces, all frontal, half unreadable."""
  lines = camera_distribution.warnings(pictures)
  assert len(lines) == len(said) and all(line.startswith(start) for line, start in zip(lines, said))


def test_unsure_cameras_count_less():
  """Protects the spread: a camera of a hundredth of the confidence has a hundredth of the weight."""
  cameras = camera_distribution.measure([kept((0.2, 0.1)), kept((-0.2, 0.1)), kept((1.0, 1.0), 0.01)])
  weights = np.array([1, 1, 0.01])
  assert cameras.azimuth_std == pytest.approx(np.sqrt(np.average([0.04, 0.04, 1.0], weights=weights)), abs=1e-5)
  assert cameras.elevation_mean == pytest.approx(np.average([0.1, 0.1, 1.0], weights=weights), abs=1e-5)
