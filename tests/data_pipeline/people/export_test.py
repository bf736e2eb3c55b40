"""An export is a folder as photographs come, with its truth apart; a killed one goes on byte for byte, and preparation takes it."""

import hashlib
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

import numpy as np
from PIL import Image
import pytest
import stand_in

from cnerf_jax.persistence import folder_lock
from data_pipeline.people import export
from data_pipeline.people import viewpoints
from data_pipeline.prepare import __main__ as prepare

ROOT = pathlib.Path(__file__).parents[3]


def digests(folder):
  """SHA-256 of every file."""
  return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob('*')) if path.is_file()}


def test_files_are_those_of_photographs(ellipses, tmp_path):
  """Protects the layout: names, sizes, integers with a palette, one row of truth a picture, cameras for `prepare`."""
  export.run(tmp_path, export.Settings(count=20, size=32, seed=3))
  names = [f'{index:06d}' for index in range(20)]
  assert sorted(path.name for path in (tmp_path / 'images').iterdir()) == [f'{name}.jpg' for name in names]
  assert sorted(path.name for path in (tmp_path / 'labels').iterdir()) == [f'{name}.png' for name in names]
  assert sorted(path.name for path in tmp_path.iterdir()) == ['images', 'labels', 'settings.json', 'truth.npz', 'viewpoints.json']
  label = Image.open(tmp_path / 'labels' / '000007.png')
  assert label.mode == 'P' and label.size == (32, 32) and np.asarray(label).max() <= 18
  truth = np.load(tmp_path / 'truth.npz')
  assert truth['landmarks'].shape == (20, 68, 3) and truth['identity'].shape == (20, stand_in.VECTOR_SIZE)
  assert set(truth['hair']) == {'short', 'long'} and truth['identity_index'].tolist() == list(range(20))
  viewpoint = viewpoints.draw(3, 7)
  assert (truth['azimuth'][7], truth['elevation'][7]) == tuple(viewpoint)
  np.testing.assert_allclose(json.loads((tmp_path / 'viewpoints.json').read_text())['000007'], viewpoint, atol=1e-6)


def test_exact_pictures_are_the_true_ones(ellipses, tmp_path):
  """Protects --exact: label maps as drawn, no shift, zoom or roll; without it, all of them."""
  export.run(tmp_path / 'exact', export.Settings(count=3, size=64, exact=True))
  truth = np.load(tmp_path / 'exact' / 'truth.npz')
  assert (truth['zoom'] == 1).all() and not any(truth[name].any() for name in ('roll', 'shift_x', 'shift_y'))
  picture = stand_in.render(stand_in.draw(0, 2), viewpoints.draw(0, 2), image_size=64)
  np.testing.assert_array_equal(Image.open(tmp_path / 'exact' / 'labels' / '000002.png'), picture.label)
  assert np.abs(np.asarray(Image.open(tmp_path / 'exact' / 'images' / '000002.jpg')).astype(int) - picture.image).mean() < 8
  export.run(tmp_path / 'flawed', export.Settings(count=3, size=64))
  truth = np.load(tmp_path / 'flawed' / 'truth.npz')
  assert all(len(set(truth[name])) == 3 for name in ('zoom', 'roll', 'shift_x', 'shift_y'))


def test_a_picture_depends_on_seed_and_number_alone(ellipses, tmp_path):
  """Protects reproducibility: the first pictures of a longer export are those of a shorter one."""
  export.run(tmp_path / 'short', export.Settings(count=5, size=32, seed=1))
  export.run(tmp_path / 'long', export.Settings(count=40, size=32, seed=1))
  for name in ('images/000004.jpg', 'labels/000004.png'):
    assert (tmp_path / 'short' / name).read_bytes() == (tmp_path / 'long' / name).read_bytes()


def test_several_views_show_one_person(ellipses, tmp_path):
  """Protects --views: consecutive pictures of a person differ by their cameras."""
  export.run(tmp_path, export.Settings(count=7, size=32, views=3))
  truth = np.load(tmp_path / 'truth.npz')
  assert truth['identity_index'].tolist() == [0, 0, 0, 1, 1, 1, 2]
  assert len(set(truth['azimuth'])) == 7


def test_an_interrupted_export_goes_on(ellipses, tmp_path, monkeypatch):
  """Protects minutes of work: finished chunks are not drawn again, lost files are, and the result is that of one run."""
  settings = export.Settings(count=40, size=16)
  export.run(tmp_path / 'whole', settings)
  draw, drawn = export.draw, []

  def counted(settings, index, most=40):
    if len(drawn) >= most:
      raise KeyboardInterrupt
    drawn.append(index)
    return draw(settings, index)

  monkeypatch.setattr(export, 'draw', lambda settings, index: counted(settings, index, most=37))
  with pytest.raises(KeyboardInterrupt):
    export.run(tmp_path / 'cut', settings)
  (tmp_path / 'cut' / 'images' / '.000036.jpg.1.tmp').write_bytes(b'half')
  drawn.clear()
  monkeypatch.setattr(export, 'draw', counted)
  assert export.run(tmp_path / 'cut', settings) == 32 and drawn == list(range(32, 40))
  assert digests(tmp_path / 'cut') == digests(tmp_path / 'whole')
  (tmp_path / 'cut' / 'labels' / '000017.png').unlink()
  drawn.clear()
  export.run(tmp_path / 'cut', settings)
  assert drawn == list(range(16, 32)) and digests(tmp_path / 'cut') == digests(tmp_path / 'whole')
  drawn.clear()
  assert export.run(tmp_path / 'cut', settings) == 40 and not drawn


def test_a_killed_export_goes_on_byte_for_byte(people_assets, tmp_path):
  """Protects the same against kill -9, with the real people, whatever the number of processes."""
  command = [sys.executable, '-m', 'data_pipeline.people', 'export', str(tmp_path / 'cut'), '--count', '64', '--size', '16', '--seed', '0']
  process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
  while process.poll() is None and not list(tmp_path.glob('cut/.parts/*.npz')):
    time.sleep(0.02)
  os.kill(process.pid, signal.SIGKILL)
  process.wait()
  assert not (tmp_path / 'cut' / 'truth.npz').exists()
  settings = export.Settings(count=64, size=16)
  assert export.run(tmp_path / 'cut', settings, processes=1) > 0
  export.run(tmp_path / 'whole', settings, processes=0)
  assert digests(tmp_path / 'cut') == digests(tmp_path / 'whole') and len(digests(tmp_path / 'cut')) == 2 * 64 + 3


def test_preparation_takes_an_export(people_assets, tmp_path):
  """Protects the purpose: photographs, label maps in the order that anatomy confirms, and cameras; nothing is refused."""
  export.run(tmp_path / 'people', export.Settings(count=16, size=64))
  folder = tmp_path / 'people'
  assert prepare.main([str(folder / 'images'), str(tmp_path / 'data'), '--labels', str(folder / 'labels'), '--viewpoints',
                       str(folder / 'viewpoints.json'), '--workers', '1']) == 0
  report = json.loads((tmp_path / 'data' / 'report' / 'report.json').read_text())
  assert report['num_kept'] == 16 and not report['refused']


@pytest.mark.parametrize('changes, message', [
    (dict(seed=1), r'other settings \(seed 0, not 1\); use the settings it has, or choose another folder'),
    (dict(count=3, exact=True), r'other settings \(count 2, not 3, exact False, not True\)'),
    (dict(spread=viewpoints.Spread(0.1)), r'other settings \(azimuth_std 0.3, not 0.1\)')])
def test_other_settings_are_refused(ellipses, tmp_path, changes, message):
  """Protects a finished export from being mixed with another."""
  settings = dict(count=2, size=16)
  export.run(tmp_path, export.Settings(**settings))
  before = digests(tmp_path)
  with pytest.raises(ValueError, match=message):
    export.run(tmp_path, export.Settings(**(settings | changes)))
  assert digests(tmp_path) == before


def test_a_folder_of_something_else_is_refused(ellipses, tmp_path):
  """Protects files that are not ours, damaged settings, and a folder in use."""
  settings = export.Settings(count=1, size=16)
  (tmp_path / 'notes.txt').write_text('mine')
  with pytest.raises(ValueError, match='is not empty, and no export of people; choose another folder'):
    export.run(tmp_path, settings)
  (tmp_path / 'settings.json').write_text('{"count": ')
  with pytest.raises(ValueError, match='settings.json is damaged'):
    export.run(tmp_path, settings)
  with pytest.raises(OSError, match='could not write .*notes.txt/people.*; check the path'):
    export.run(tmp_path / 'notes.txt' / 'people', settings)
  lock_in = tmp_path / 'busy'
  export.run(lock_in, settings)
  lock = folder_lock.acquire(lock_in / '.lock')
  with pytest.raises(ValueError, match='another export is writing to'):
    export.run(lock_in, settings)
  folder_lock.release(lock)


def test_a_full_disk_says_what_is_kept(ellipses, tmp_path, monkeypatch):
  """Protects a long export from being thrown away: files of more than a few bytes are refused here, as on a full disk."""
  settings = export.Settings(count=40, size=16)
  draw = export.draw
  before = resource.getrlimit(resource.RLIMIT_FSIZE)

  def draw_until_full(settings, index):
    if index == 20:
      resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    return draw(settings, index)

  monkeypatch.setattr(export, 'draw', draw_until_full)
  try:
    with pytest.raises(OSError, match='no space left on the disk for .*; 16 of 40 pictures are kept, and the same command goes on') as raised:
      export.run(tmp_path, settings)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
  assert '\n' not in str(raised.value)
  monkeypatch.setattr(export, 'draw', draw)
  assert export.run(tmp_path, settings) == 16
