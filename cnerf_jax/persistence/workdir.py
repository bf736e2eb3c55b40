"""The folder of a run: it belongs to one config, and to one process at a time.

`config.json` is written on first use and makes the folder a run of ours. The same command with the same config goes on
with the run; another config is refused, except for fields that change how long or where the run works, not what it
computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import fnmatch
import json
import os
import pathlib
from typing import Any

from absl import logging
from flax import traverse_util
import ml_collections

from cnerf_jax.persistence import atomic_files
from cnerf_jax.persistence import earlier_configs
from cnerf_jax.persistence import folder_lock
from cnerf_jax.persistence import processes

CONFIG_FILE = 'config.json'
FORMAT = 1
MAY_CHANGE = ('num_steps', 'num_micro_batches', 'report_every', 'sheet_every', 'evaluate_every', 'checkpoint_every', 'keep_checkpoints',
              'data.dir', 'evaluation.num_edited_people', 'vae_pretraining.refit_steps')  # patterns of dotted field names
_MISSING = '(absent)'
_locks: dict[pathlib.Path, int] = {}


def claim(
    workdir: str | os.PathLike, config: ml_collections.ConfigDict, *, may_change: Sequence[str] = MAY_CHANGE,
) -> pathlib.Path:
  """Makes `workdir` the folder of a run with `config`, or takes it up again; all processes call this together.

  Args:
    workdir: made if it does not exist.
    config: of plain values (numbers, strings, booleans, None, lists, dicts).
    may_change: patterns of dotted field names that may differ from those of the earlier run.

  Returns:
    The absolute folder.

  Raises:
    ValueError: if the folder holds something else, a run of another config, or is in use by another process.
    OSError: in one line, if it can't be written.
  """
  workdir = pathlib.Path(workdir).expanduser().absolute()
  processes.first_alone(lambda: _claim_as_primary(workdir, _plain(config), tuple(may_change)))
  return workdir


def load_config(workdir: str | os.PathLike) -> ml_collections.ConfigDict:
  """The locked config of the run in `workdir`; one-line FileNotFoundError or ValueError if there is none."""
  return ml_collections.ConfigDict(_tuples(_read(pathlib.Path(workdir).expanduser()))).lock()


def release(workdir: str | os.PathLike) -> None:
  """Lets another process use `workdir`; the end of the process does the same."""
  lock = _locks.pop(pathlib.Path(workdir).expanduser().absolute(), None)
  if lock is not None:
    folder_lock.release(lock)


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
  """Dotted names of the fields that differ between two nested dicts, with both values."""
  old, new = _flat(old), _flat(new)
  pairs = {name: (old.get(name, _MISSING), new.get(name, _MISSING)) for name in sorted({*old, *new})}
  return {name: pair for name, pair in pairs.items() if pair[0] != pair[1] or type(pair[0]) is not type(pair[1])
          and bool in (type(pair[0]), type(pair[1]))}


def _claim_as_primary(workdir: pathlib.Path, config: dict, may_change: tuple[str, ...]) -> None:
  try:
    workdir.mkdir(parents=True, exist_ok=True)
    entries = sorted(entry.name for entry in workdir.iterdir() if not _is_ours_in_passing(entry.name))
  except OSError as error:
    raise atomic_files.explained(error, 'use workdir', workdir) from error
  if entries and CONFIG_FILE not in entries:
    raise ValueError(f'workdir {workdir} is not empty and not a run ({entries[0]} is in it, {CONFIG_FILE} is not); '
                     'choose a new or an empty folder')
  earlier = _read(workdir) if entries else None
  _lock(workdir)
  if earlier is None:
    _write(workdir, config)
    return
  changed = differences(earlier, config)
  refused = {name: pair for name, pair in changed.items()
             if not any(fnmatch.fnmatchcase(name, pattern) for pattern in may_change)}
  reason = ''
  if 'num_steps' in changed and earlier.get('optimizer', {}).get('decay_from', 1.0) < 1:
    refused['num_steps'] = changed['num_steps']
    reason = 'learning rates that decay towards num_steps (optimizer.decay_from below 1) would not be those of either run; '
  if refused:
    release(workdir)
    listed = '; '.join(
        f'{name}: {json.dumps(old)} before, {json.dumps(new)} now' for name, (old, new) in refused.items())
    raise ValueError(f'workdir {workdir} holds a run of another config ({listed}); {reason}'
                     'use the same values to go on with it, or another --workdir for a new run')
  if changed:
    logging.info('Going on in %s with %s', workdir,
                 ', '.join(f'{name} {old} -> {new}' for name, (old, new) in changed.items()))
    _write(workdir, config)
  elif not os.access(workdir, os.W_OK):
    raise atomic_files.explained(PermissionError(13, 'Permission denied'), 'write in', workdir)


def _is_ours_in_passing(name: str) -> bool:
  """What a run killed before its first full second, or the scores of a file of parameters, leave in a folder that is still as good as empty."""
  return name in ('.lock', 'evaluations') or name.startswith(f'.{CONFIG_FILE}.')


def _lock(workdir: pathlib.Path) -> None:
  """Holds `workdir` until the process ends; where the file system knows no locks, goes without."""
  if workdir in _locks:
    return
  try:
    _locks[workdir] = folder_lock.acquire(workdir / '.lock')
  except folder_lock.InUse:
    raise ValueError(f'workdir {workdir} is in use by another process; wait for it, stop it, '
                     'or choose another --workdir') from None
  except OSError as error:
    raise atomic_files.explained(error, 'write in workdir', workdir) from error


def _write(workdir: pathlib.Path, config: dict) -> None:
  content = {'cnerf_jax_run': FORMAT, 'config': config}
  atomic_files.write_text(workdir / CONFIG_FILE, json.dumps(content, indent=2) + '\n')


def _read(workdir: pathlib.Path) -> dict:
  path = workdir / CONFIG_FILE
  try:
    content = json.loads(path.read_text())
    if not isinstance(content, dict) or 'cnerf_jax_run' not in content:
      raise ValueError(f'{path} was not written by a run of this project; choose a new or an empty workdir')
    return earlier_configs.bring_up_to_date(content['config'])
  except (FileNotFoundError, NotADirectoryError):
    raise FileNotFoundError(f'no run in {workdir} ({CONFIG_FILE} is missing); give the --workdir of a run') from None
  except OSError as error:
    raise atomic_files.explained(error, 'read', path) from error
  except (json.JSONDecodeError, UnicodeDecodeError, KeyError) as error:
    raise ValueError(f'{path} is damaged ({atomic_files.one_line(error)}); '
                     'put back a copy, or choose another workdir') from error


def _plain(config: ml_collections.ConfigDict | Mapping[str, Any]) -> dict:
  """What JSON makes of a config, so that a fresh config and one read back compare equal."""
  if isinstance(config, ml_collections.ConfigDict):
    config = config.to_dict()
  for name, value in _flat(config).items():
    try:
      json.dumps(value)
    except TypeError:
      raise ValueError(f'config field {name} holds a {type(value).__name__}, which {CONFIG_FILE} can not; '
                       'use numbers, strings, booleans, None, lists or dicts') from None
  return json.loads(json.dumps(config))


def _flat(tree: Mapping[str, Any]) -> dict[str, Any]:
  """{dotted name: value}; an empty section is a value, so that it differs from an absent one."""
  flat = traverse_util.flatten_dict(dict(tree), keep_empty_nodes=True, sep='.')
  return {name: {} if value is traverse_util.empty_node else value for name, value in flat.items()}


def _tuples(value: Any) -> Any:
  """Lists become tuples, which modules can take as fields."""
  if isinstance(value, dict):
    return {key: _tuples(item) for key, item in value.items()}
  return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
