"""One saved step as files: what Orbax wrote of a state, the record beside it, and whether both are what was saved.

A step is one folder: `state` contains every array of the training state, `meta` one JSON record. The record carries a
SHA-256 of every array, because a flipped byte in an array file otherwise restores silently with wrong values, and one
of itself. Names of arrays are their paths in the state, as in `ema_params/field/kernel`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
import contextlib
import errno
import functools
import hashlib
import json
import pathlib
from typing import Any

from absl import logging
from etils import epath
import jax
from jax.experimental import multihost_utils
import numpy as np
import orbax.checkpoint as ocp

from cnerf_jax.persistence import atomic_files

FORMAT = 1
_MISSING_FILES = (None, errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
PyTree = Any


class DamagedCheckpoint(ValueError):
  """A step whose files can't be read or are not what was saved."""


def _named_leaves(tree: PyTree) -> dict[str, Any]:
  leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
  return {jax.tree_util.keystr(path, simple=True, separator='/'): leaf for path, leaf in leaves}


def _is_typed_key(leaf: Any) -> bool:
  return hasattr(leaf, 'dtype') and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def without_typed_keys(state: PyTree) -> PyTree:
  """`state` with the words of PRNG keys in their place, and arrays for numbers: what Orbax can write."""
  return jax.tree.map(
      lambda leaf: jax.random.key_data(leaf) if _is_typed_key(leaf) else
      leaf if isinstance(leaf, jax.Array) else np.asarray(leaf), state)


def _with_typed_keys(state: PyTree, abstract_state: PyTree) -> PyTree:
  def typed(leaf, abstract):
    if not _is_typed_key(abstract):
      return leaf
    implementation = []
    jax.eval_shape(lambda key: implementation.append(jax.random.key_impl(key)), abstract)
    return jax.random.wrap_key_data(leaf, impl=implementation[0])
  return jax.tree.map(typed, state, abstract_state)


def _abstract_array(leaf: Any) -> jax.ShapeDtypeStruct:
  """What to restore in place of `leaf`: always with a sharding, never that of the machine that saved it."""
  sharding = getattr(leaf, 'sharding', None) or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  if _is_typed_key(leaf):
    leaf = jax.eval_shape(jax.random.key_data, jax.ShapeDtypeStruct(leaf.shape, leaf.dtype))
  elif not hasattr(leaf, 'dtype'):
    leaf = np.asarray(leaf)
  return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _host_array(leaf: Any) -> np.ndarray:
  if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
    if leaf.is_fully_replicated:
      return np.asarray(leaf.addressable_data(0))
    return np.asarray(multihost_utils.process_allgather(leaf, tiled=True))
  return np.asarray(leaf)


def _description(leaf: Any) -> dict:
  array = np.ascontiguousarray(_host_array(leaf))
  digest = hashlib.sha256(array.reshape(-1).view(np.uint8).data).hexdigest()
  return {'shape': list(np.shape(leaf)), 'dtype': array.dtype.name, 'sha256': digest}


def _record_hash(record: Mapping[str, Any]) -> str:
  words = json.dumps({key: value for key, value in record.items() if key != 'sha256'}, sort_keys=True)
  return hashlib.sha256(words.encode()).hexdigest()


def _plain_number(value: Any) -> Any:
  if hasattr(value, 'tolist'):
    return value.tolist()
  raise TypeError(f'meta holds a {type(value).__name__}, which JSON can not; use numbers, strings, lists and dicts')


def make_record(step: int, state: PyTree, data: Any, meta: Mapping[str, Any] | None, score: float | None) -> dict:
  """What is written beside a state: a description of every array, the position in the data, meta, score, and a hash of all that."""
  record = {
      'format': FORMAT,
      'step': int(step),
      'arrays': {name: _description(leaf) for name, leaf in _named_leaves(state).items()},
      'data': data,
      'meta': dict(meta or {}),
      'score': None if score is None or not np.isfinite(score) else float(score),
  }
  record = json.loads(json.dumps(record, default=_plain_number))
  return {**record, 'sha256': _record_hash(record)}


def encode_position(position: Any) -> dict:
  """A grain iterator's position, bytes or what JSON can hold, as JSON can hold it."""
  if isinstance(position, bytes):
    return {'bytes': base64.b64encode(position).decode()}
  return {'json': position}


def decode_position(encoded: Mapping[str, Any]) -> Any:
  """What `encode_position` was given."""
  return base64.b64decode(encoded['bytes']) if 'bytes' in encoded else encoded['json']


@contextlib.contextmanager
def orbax_silent():
  """Keeps Orbax's log lines and its threads' tracebacks off the screen: the exception it raises says what matters."""
  not_orbax = lambda record: 'orbax' not in pathlib.PurePath(record.pathname).parts
  logger = logging.get_absl_logger()
  logger.addFilter(not_orbax)
  try:
    yield
  finally:
    logger.removeFilter(not_orbax)


def _tells_damage(function: Callable) -> Callable:
  """Orbax raises almost anything on broken files; all of it means damage, save for rights, memory and failing disks."""
  @functools.wraps(function)
  def wrapped(*args):
    try:
      with orbax_silent():
        return function(*args)
    except (DamagedCheckpoint, MemoryError):
      raise
    except OSError as error:
      if error.errno in _MISSING_FILES:
        raise DamagedCheckpoint(f'unreadable: {atomic_files.one_line(error)}') from error
      raise atomic_files.explained(error, 'read checkpoint', args[0]) from error  # rights, a disk that fails: not the files' fault
    except Exception as error:
      if 'out of memory' in str(error).lower():
        raise
      raise DamagedCheckpoint(f'unreadable: {atomic_files.one_line(error)}') from error
  return wrapped


@_tells_damage
def read_record(path: pathlib.Path) -> dict:
  """The record in the folder `path` of a step; raises DamagedCheckpoint if it is not what was saved."""
  with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as reader:
    record = reader.restore(path, args=ocp.args.Composite(meta=ocp.args.JsonRestore())).meta
  if record.get('sha256') != _record_hash(record):
    raise DamagedCheckpoint('its meta is not what was saved')
  if record['format'] != FORMAT:
    raise DamagedCheckpoint(f'of format {record["format"]}, while this version reads {FORMAT}')
  return record


def read_state(path: pathlib.Path, record: dict, abstract_state: PyTree) -> PyTree:
  """The state in the folder `path`, in the structure, dtypes and shardings of `abstract_state`.

  Raises:
    DamagedCheckpoint: if an array is not what was saved.
    ValueError: if the saved state is of another structure: another model, which is no damage.
  """
  abstract_arrays = jax.tree.map(_abstract_array, abstract_state)
  _check_same_structure(path, record, abstract_arrays)
  arrays = _restore_arrays(path, abstract_arrays)
  _check_hashes(record, arrays)
  return _with_typed_keys(arrays, abstract_state)


@_tells_damage
def _restore_arrays(path: pathlib.Path, abstract_arrays: PyTree) -> PyTree:
  with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as reader:
    return reader.restore(path, args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract_arrays))).state


def read_part(path: pathlib.Path, record: dict, names: tuple[str, ...]) -> dict:
  """The fields `names` of the state in the folder `path`, as NumPy arrays; raises as `read_state` does."""
  fields = sorted({name.split('/')[0] for name in record['arrays']})
  for name in names:
    if name not in fields:
      raise ValueError(f'no {name!r} in checkpoint {path}; it holds {", ".join(fields)}')
  parts = _restore_part_arrays(path, names)
  _check_hashes(record, parts, names)
  return parts


@_tells_damage
def _restore_part_arrays(path: pathlib.Path, names: tuple[str, ...]) -> dict:
  tree = ocp.PyTreeCheckpointHandler().metadata(epath.Path(path / 'state')).tree
  wanted = {name: tree[name] for name in names}
  restore_args = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), wanted)
  with ocp.Checkpointer(ocp.CompositeCheckpointHandler()) as reader:
    return reader.restore(path, args=ocp.args.Composite(state=ocp.args.PyTreeRestore(
        item=wanted, restore_args=restore_args, partial_restore=True))).state


def _check_same_structure(path: pathlib.Path, record: dict, abstract_arrays: PyTree) -> None:
  """A state of another shape is another model, not damage: falling back to an older step would hide the mistake."""
  saved = record['arrays']
  wanted = {name: {'shape': list(leaf.shape), 'dtype': leaf.dtype.name}
            for name, leaf in _named_leaves(abstract_arrays).items()}
  problems = [f'lacks {name}' for name in wanted if name not in saved]
  problems += [f'has {name} besides' for name in saved if name not in wanted]
  for name in wanted:
    if name in saved and any(saved[name][key] != wanted[name][key] for key in ('shape', 'dtype')):
      problems.append(f'has {name} of {saved[name]["dtype"]}{saved[name]["shape"]}, '
                      f'not {wanted[name]["dtype"]}{wanted[name]["shape"]}')
  if problems:
    more = f' (and {len(problems) - 1} more differences)' if len(problems) > 1 else ''
    raise ValueError(f'checkpoint {path} is of another model: it {problems[0]}{more}; '
                     'use the config the run was started with, or a new workdir')


def _check_hashes(record: dict, arrays: PyTree, names: tuple[str, ...] | None = None) -> None:
  found = {name: _description(leaf) for name, leaf in _named_leaves(arrays).items()}
  expected = {name: saved for name, saved in record['arrays'].items()
              if names is None or name.split('/')[0] in names}
  changed = [name for name in expected if found.get(name) != expected[name]]
  if changed:
    raise DamagedCheckpoint(f'{len(changed)} of {len(expected)} arrays are not what was saved, first {changed[0]}')
