import json
import os
import pathlib
import subprocess
import sys

import ml_collections
import pytest

from cnerf_jax.persistence import atomic_files
from cnerf_jax.persistence import workdir
from configs import default

ROOT = pathlib.Path(__file__).parents[2]


def make_config(**changes):
  config = ml_collections.ConfigDict(dict(
      num_steps=100, batch_size=8, report_every=10, seed=0, flag=True,
      data=dict(name='portraits', dir='/data', class_set='ffhq12'), generator=dict(channels=(16, 32), base=None)))
  config.update_from_flattened_dict({name.replace('__', '.'): value for name, value in changes.items()})
  return config


def claim(*args, **kwargs):
  path = workdir.claim(*args, **kwargs)
  workdir.release(path)
  return path


def test_first_use_writes_the_config(tmp_path):
  """Protects loading a run later: the folder is made, and its config reads back equal, with tuples."""
  path = claim(tmp_path / 'runs' / 'a', make_config())
  loaded = workdir.load_config(path)
  assert loaded.to_dict() == make_config().to_dict()
  assert loaded.generator.channels == (16, 32) and loaded.is_locked


def test_same_config_goes_on(tmp_path):
  """Protects resuming by the same command."""
  claim(tmp_path, make_config())
  (tmp_path / 'metrics.jsonl').write_text('')
  before = (tmp_path / 'config.json').read_bytes()
  claim(tmp_path, make_config())
  assert (tmp_path / 'config.json').read_bytes() == before


def test_other_config_is_refused(tmp_path):
  """Protects a run from being continued as another: one line with each field, both values, and the remedy."""
  claim(tmp_path, make_config())
  with pytest.raises(ValueError) as error:
    claim(tmp_path, make_config(batch_size=16, data__class_set='ffhq9', generator__channels=(16, 64), num_steps=200))
  message = str(error.value)
  for words in ('batch_size: 8 before, 16 now', 'data.class_set: "ffhq12" before, "ffhq9" now',
                'generator.channels: [16, 32] before, [16, 64] now', 'another --workdir', str(tmp_path)):
    assert words in message
  assert 'num_steps' not in message and '\n' not in message
  assert workdir.load_config(tmp_path).batch_size == 8


@pytest.mark.parametrize('changes', [dict(num_steps=200), dict(report_every=5), dict(data__dir='/elsewhere')],
                         ids=['longer', 'cadence', 'data moved'])
def test_what_may_change(tmp_path, changes):
  """Protects training longer, or on another machine, in the same folder; the file then tells the new values."""
  claim(tmp_path, make_config())
  claim(tmp_path, make_config(**changes))
  assert workdir.load_config(tmp_path).to_dict() == make_config(**changes).to_dict()


@pytest.mark.parametrize(
    'old, new', [({'a': 1}, {}), ({}, {'a': None}), ({'a': True}, {'a': 1}), ({'a': {}}, {'a': 1})],
    ids=['removed', 'added', 'bool is not int', 'section is not value'])
def test_differences(old, new):
  """Protects from fields that vanish, appear or change kind unnoticed."""
  assert list(workdir.differences(old, new)) == ['a']
  assert not workdir.differences(old, old)


def test_foreign_folder_is_refused(tmp_path):
  """Protects other people's files: a folder that is not a run is left exactly as it was."""
  (tmp_path / 'thesis.tex').write_text('x')
  with pytest.raises(ValueError, match='is not empty and not a run .thesis.tex is in it'):
    claim(tmp_path, make_config())
  assert os.listdir(tmp_path) == ['thesis.tex']


def test_foreign_config_is_refused(tmp_path):
  """Protects folders of other programs that have a config.json too."""
  (tmp_path / 'config.json').write_text('{"model_type": "bert"}')
  with pytest.raises(ValueError, match='not written by a run of this project'):
    claim(tmp_path, make_config())
  assert os.listdir(tmp_path) == ['config.json']


def test_killed_at_birth(tmp_path):
  """Protects the next try after a kill between the folder and its config."""
  (tmp_path / '.lock').write_text('')
  (tmp_path / '.config.json.123.tmp').write_text('{"cne')
  claim(tmp_path, make_config())
  assert workdir.load_config(tmp_path).batch_size == 8


def test_damaged_config(tmp_path):
  """Protects a run whose config.json is half a file from being overwritten."""
  (tmp_path / 'config.json').write_text('{"cnerf_jax_run": 1, "conf')
  with pytest.raises(ValueError, match='is damaged .* put back a copy'):
    claim(tmp_path, make_config())
  assert (tmp_path / 'config.json').read_text().endswith('conf')


def test_no_run(tmp_path):
  """Protects the message for a mistyped folder."""
  with pytest.raises(FileNotFoundError, match='no run in .*nowhere'):
    workdir.load_config(tmp_path / 'nowhere')


@pytest.mark.parametrize('place', ['under a file', 'in a kernel folder'])
def test_unwritable(tmp_path, place):
  """Protects from tracebacks where no folder can be made: one line with path and remedy."""
  (tmp_path / 'file').write_text('')
  target = tmp_path / 'file' / 'run' if place == 'under a file' else pathlib.Path('/proc/cnerf_run')
  with pytest.raises(OSError, match='could not use workdir') as error:
    claim(target, make_config())
  assert str(target) in str(error.value) and '\n' not in str(error.value)


def test_full_disk(tmp_path, monkeypatch):
  """Protects config.json when the disk is full: one line, the old file whole, nothing half beside it."""
  claim(tmp_path, make_config())
  before = (tmp_path / 'config.json').read_text()
  def fail(descriptor):
    raise OSError(28, 'No space left on device')
  with monkeypatch.context() as patch:
    patch.setattr(atomic_files.os, 'fsync', fail)
    with pytest.raises(OSError, match='no space left on the disk; free some space'):
      claim(tmp_path, make_config(num_steps=5))
  workdir.release(tmp_path)
  assert (tmp_path / 'config.json').read_text() == before
  assert sorted(os.listdir(tmp_path)) == ['.lock', 'config.json']


def test_two_processes(tmp_path):
  """Protects a run from a second process that writes into the same folder."""
  workdir.claim(tmp_path, make_config())
  program = ('import sys; sys.path[:0] = sys.argv[2:]\nimport workdir_test as t\n'
             'try: t.workdir.claim(sys.argv[1], t.make_config())\nexcept ValueError as error: print(error)')
  command = [sys.executable, '-c', program, str(tmp_path), str(ROOT), str(ROOT / 'tests' / 'persistence')]
  try:
    first = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    assert 'is in use by another process' in first
  finally:
    workdir.release(tmp_path)
  claim(tmp_path, make_config())


def test_value_that_json_lacks(tmp_path):
  """Protects from a config that could not be compared later: the field is named."""
  with pytest.raises(ValueError, match='config field seed holds a function'):
    claim(tmp_path, {'seed': lambda: 0})
  assert not (tmp_path / 'config.json').exists()


def test_file_is_readable_by_anyone(tmp_path):
  """Protects the plain form of config.json, which people read and other tools parse."""
  claim(tmp_path, make_config())
  content = json.loads((tmp_path / 'config.json').read_text())
  assert content['config']['data']['class_set'] == 'ffhq12'


def test_runs_older_than_a_field_go_on(tmp_path):
  """Protects runs that were begun before photographs could be mirrored and augmented, and products be narrow: as they were, and only so."""
  young = default.get_config().unlock()
  young.data.flip = False
  old = young.copy_and_resolve_references()
  del old['augmentation'], old['data']['flip'], old['discriminator_dtype'], old['semantic_discriminator']['kind']
  workdir.release(workdir.claim(tmp_path, old))
  loaded = workdir.load_config(tmp_path)
  assert loaded.semantic_discriminator.kind == 'recommended'
  assert loaded.data.flip is False and loaded.augmentation.target == 0 and loaded.discriminator_dtype == 'float32'
  workdir.release(workdir.claim(tmp_path, young))
  young.data.flip = True
  with pytest.raises(ValueError, match='data.flip: false before, true now'):
    workdir.claim(tmp_path, young)


def test_length_of_a_decaying_run_is_part_of_it(tmp_path):
  """Protects resumed runs whose rates decay towards their last step: another length would be another schedule, half way through."""
  config = default.get_config().unlock()
  config.optimizer.decay_from = 0.7
  workdir.release(workdir.claim(tmp_path, config))
  longer = config.copy_and_resolve_references()
  longer.num_steps = 2 * config.num_steps
  with pytest.raises(ValueError, match='num_steps: 300000 before, 600000 now.*decay_from'):
    workdir.claim(tmp_path, longer)


@pytest.mark.parametrize('field', ['augmentation.adjust_every', 'seed'])
def test_what_is_computed_may_not_change(tmp_path, field):
  """Protects from a pattern that lets too much through: only when things are reported, drawn, scored and saved may change."""
  config = default.get_config().unlock()
  workdir.release(workdir.claim(tmp_path, config))
  config.update_from_flattened_dict({field: 77})
  with pytest.raises(ValueError, match=f'{field}: .* before, 77 now'):
    workdir.claim(tmp_path, config)
