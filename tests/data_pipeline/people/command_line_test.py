"""The command line: one line for each fault before any work, sheets of the right shape, help to read."""

import pathlib
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest

from data_pipeline.people import __main__ as command_line
from data_pipeline.people import assets
from data_pipeline.people import contact_sheet
from data_pipeline.people import export
from data_pipeline.people import installed
from data_pipeline.people import palette

ROOT = pathlib.Path(__file__).parents[3]


def said(capsys, *arguments):
  """(exit code, what it says on the error output)."""
  try:
    code = command_line.main([str(argument) for argument in arguments])
  except SystemExit as error:
    code = error.code
  return code, capsys.readouterr().err


@pytest.mark.parametrize('arguments, code, message', [
    (('export', 'X', '--count', 0), 1, 'count 0 must be in 1..1000000'),
    (('export', 'X', '--count', 5, '--size', 7), 1, 'size 7 must be in 8..2048'),
    (('export', 'X', '--count', 5, '--views', 0), 1, 'views 0 must be in'),
    (('export', 'X', '--count', 5, '--seed', -1), 1, 'seed -1 must be in'),
    (('export', 'X', '--count', 5, '--processes', 0), 1, 'processes 0 must be at least 1'),
    (('export', 'X', '--count', 5, '--azimuth-std', 3), 1, 'azimuth-std 3.0 must be in 0..1 radians'),
    (('export', 'X', '--count', 5, '--colour', 'red'), 2, 'unrecognized arguments: --colour red'),
    (('export', 'X', '--count', 'five'), 2, "argument --count: invalid int value: 'five'"),
    (('export', 'X'), 2, 'the following arguments are required: --count'),
    (('exprot', 'X'), 2, "invalid choice: 'exprot'"),
    ((), 2, 'the following arguments are required: COMMAND'),
    (('sheet', 'X/sheet.jpg'), 1, 'name a .png file in an existing folder'),
    (('sheet', 'X/no/sheet.png'), 1, 'name a .png file in an existing folder'),
    (('sheet', 'X/sheet.png', '--people', 0), 1, '--people 0 and --views 4 must be at least 1'),
    (('sheet', 'X/sheet.png', '--size', 7), 1, 'size 7 must be in'),
    (('sheet', 'X/sheet.png', '--show', 'dreams'), 2, "invalid choice: 'dreams'")])
def test_each_fault_is_one_line(ellipses, tmp_path, capsys, arguments, code, message):
  """Protects from half a night's drawing of the wrong thing: value and rule, before anything is written."""
  found, line = said(capsys, *(str(one).replace('X', str(tmp_path)) for one in arguments))
  assert found == code and message in line
  assert line.startswith('error: ') and line.count('\n') == 1
  assert not list(tmp_path.iterdir())


def test_without_assets_or_with_damaged_ones_one_line_says_so(tmp_path, capsys, monkeypatch):
  """Protects the first use: a missing or a damaged file is named, nothing is written."""
  monkeypatch.setenv(assets.ENVIRONMENT, '')  # which the command line sets, and this puts back
  monkeypatch.setenv('HOME', str(tmp_path / 'home'))
  damaged = tmp_path / 'damaged.whl'
  damaged.write_bytes(b'PK')
  for path in (damaged, tmp_path / 'missing.whl'):
    code, line = said(capsys, 'export', tmp_path / 'people', '--count', 5, '--assets', path)
    assert code == 1 and path.name in line and line.count('\n') == 1 and line.startswith('error: ')
  assert not (tmp_path / 'people').exists()


def test_without_the_extra_one_line_says_how_to_get_it(tmp_path, capsys, monkeypatch):
  """Protects those who have not installed it."""
  monkeypatch.setattr(installed.importlib.util, 'find_spec', lambda name: None)
  assert said(capsys, 'export', tmp_path, '--count', 5) == (
      1, 'error: python -m data_pipeline.people needs the extra `people`: pip install -r requirements.txt -e \'.[people]\'\n')


def test_help_needs_neither_numba_nor_tfds():
  """Protects a quick answer: help and faults of the command line load nothing that draws, exporting nothing that writes records."""
  program = """
import sys
from data_pipeline.people import __main__
try:
  __main__.main(['export', '--help'])
except SystemExit:
  pass
assert not {'numba', 'tensorflow_datasets'} & set(sys.modules)
from data_pipeline.people import export, contact_sheet
assert 'tensorflow_datasets' not in sys.modules
"""
  done = subprocess.run([sys.executable, '-c', program], cwd=ROOT, check=True, capture_output=True, text=True)
  assert '--exact' in done.stdout and 'byte for byte' in done.stdout


def test_an_export_ends_with_the_next_command(ellipses, tmp_path, capsys):
  """Protects the way on: what was made, where, and how to make records of it."""
  assert command_line.main(['export', str(tmp_path / 'p'), '--count', '3', '--size', '16']) == 0
  told = capsys.readouterr().out
  assert '3 pictures in' in told and 'python -m data_pipeline.prepare' in told and '--viewpoints' in told
  assert command_line.main(['export', str(tmp_path / 'p'), '--count', '3', '--size', '16']) == 0
  assert '3 of them were there already' in capsys.readouterr().out


def test_an_interruption_says_that_it_goes_on(ellipses, tmp_path, capsys, monkeypatch):
  """Protects from a traceback at Ctrl-C."""
  def interrupted(*arguments):
    raise KeyboardInterrupt
  monkeypatch.setattr(export, 'run', interrupted)
  assert said(capsys, 'export', tmp_path / 'p', '--count', 3) == (130, 'interrupted; the same command goes on from here\n')


@pytest.mark.parametrize('show, width, height', [('views', 2 * 3, 2), ('truths', 4 * 3, 2), ('edits', 4, 2)])
def test_sheets_have_their_tiles(ellipses, tmp_path, show, width, height):
  """Protects the sheets: so many tiles, the first the first person's image."""
  path = tmp_path / 'sheet.png'
  assert command_line.main(['sheet', str(path), '--people', '2', '--views', '3', '--size', '32', '--show', show]) == 0
  sheet = np.asarray(Image.open(path))
  assert sheet.shape == (32 * height, 32 * width, 3)
  assert len(np.unique(sheet[:32, :32].reshape(-1, 3), axis=0)) > 3


def test_labels_have_colours_of_their_own():
  """Protects from a palette in which two labels look alike."""
  assert len(np.unique(palette.COLOURS, axis=0)) == 19
  sheet = np.asarray(contact_sheet._tiled([[palette.colours(np.zeros((2, 2), np.uint8))]]))
  assert not sheet.any()
