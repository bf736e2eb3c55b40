"""Parameters that are already trained: from a run's folder, from one file, or from published PyTorch weights.

  generator, params = pretrained.load('runs/portraits32')
  pretrained.save('portraits32.npz', generator, params)
  generator, params = pretrained.load('portraits32.npz')
  generator, params = pretrained.from_published(torch.load('checkpoint.pt', weights_only=True)['g_ema'])
"""

from __future__ import annotations

from collections.abc import Mapping
import io
import json
import os
import pathlib
import zipfile
import zlib

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax.models import players as players_lib
from cnerf_jax.persistence import atomic_files
from cnerf_jax import published
from cnerf_jax.models import generator as generator_lib


_SETTINGS = 'generator'  # name of the JSON beside the arrays


def load(workdir: str | os.PathLike, *, step: int | None = None, ema: bool = True) -> tuple[generator_lib.Generator, dict]:
  """Generator and parameters of a run, for `cnerf_jax.sampler`.

  Args:
    workdir: the folder that `main.py --workdir` trained in, or a file that `save` wrote, which holds one set of parameters.
    step: a saved step of the folder; the newest sound one if None.
    ema: the averaged parameters of the folder, which draw better; the raw ones otherwise.

  Raises:
    FileNotFoundError: if there is no checkpoint; ValueError: if none is sound, or the folder is no run, or the file holds no generator.
  """
  path = pathlib.Path(workdir).expanduser()
  if path.is_file() or path.suffix == '.npz':
    if step is not None or not ema:
      raise ValueError(f'{path} is a file, which holds one set of parameters; leave step and ema out, or give the --workdir of a run')
    return _load_file(path)
  # here, so that importing this module for published weights needs neither orbax nor optax
  from cnerf_jax.persistence import checkpoints  # pylint: disable=g-import-not-at-top
  from cnerf_jax.persistence import workdir as workdir_lib  # pylint: disable=g-import-not-at-top

  config = workdir_lib.load_config(workdir)
  name = 'ema_params' if ema else 'generator_params'
  with checkpoints.Checkpoints(workdir) as saved:
    parts, _ = saved.restore_part((name,), step=step)
  return players_lib.make_players(config).generator, jax.tree.map(jnp.asarray, parts[name])


def save(path: str | os.PathLike, generator: generator_lib.Generator, params: Mapping[str, object]) -> None:
  """Writes a generator's settings and parameters (a run's average, say) to one `.npz` file, for `load`.

  Raises:
    OSError: in one line, if the file can't be written; one that was there before is still there.
  """
  settings = {name: getattr(generator, name) for name in generator_lib.SETTINGS}
  arrays = {name: np.asarray(leaf) for name, leaf in traverse_util.flatten_dict(dict(params), sep='/').items()}
  buffer = io.BytesIO()
  np.savez_compressed(buffer, **{_SETTINGS: np.array(json.dumps(settings))}, **arrays)
  atomic_files.write_bytes(path, buffer.getvalue())


def _load_file(path: pathlib.Path) -> tuple[generator_lib.Generator, dict]:
  try:
    with np.load(path, allow_pickle=False) as file:
      arrays = dict(file)
    generator = generator_lib.Generator(**json.loads(str(arrays.pop(_SETTINGS))))
    _check_shapes(generator, arrays)
  except FileNotFoundError:
    raise FileNotFoundError(f'no file {path}; give one that cnerf_jax.pretrained.save wrote, or the --workdir of a run') from None
  except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
    raise ValueError(f'{path} holds no generator ({atomic_files.one_line(error)}); '
                     'give a file that cnerf_jax.pretrained.save wrote, or the --workdir of a run') from error
  return generator, jax.tree.map(jnp.asarray, traverse_util.unflatten_dict(arrays, sep='/'))


def _check_shapes(generator: generator_lib.Generator, arrays: Mapping[str, np.ndarray]) -> None:
  styles = jax.ShapeDtypeStruct((1, generator.num_classes, 2, generator.style_dim), jnp.float32)
  expected = traverse_util.flatten_dict(jax.eval_shape(generator.init, jax.random.key(0), styles), sep='/')
  for name in sorted({*expected, *arrays}):
    found, wanted = (tree[name].shape if name in tree else 'nothing' for tree in (arrays, expected))
    if found != wanted:
      raise ValueError(f'{name} is {found}, its settings ask for {wanted}')


def from_published(weights: Mapping[str, object]) -> tuple[generator_lib.Generator, dict]:
  """Generator and parameters from a published generator's state_dict (or the `g_ema` of a whole checkpoint).

  Args:
    weights: state_dict names to arrays, NumPy or torch; or a whole checkpoint with keys g, g_ema, gd, sd.

  Returns:
    The generator, with classes, width and style size read off the shapes, and its parameters.

  Raises:
    ValueError: if a tensor is missing or does not fit.
  """
  if 'g_ema' in weights:
    weights = weights['g_ema']
  return published.generator_from(weights)


def players_from_published(checkpoint: str | os.PathLike | Mapping[str, Mapping[str, object]]):
  """All players of a published checkpoint, to sample from it and go on training from it.

  Args:
    checkpoint: a `.pt` file (read by torch, which must be installed, with weights_only=True) or what it holds: a mapping with
      keys g, g_ema, gd and sd.

  Returns:
    (players, params): the modules, and a dict with generator_params, ema_params, global_discriminator_params and
    semantic_discriminator_params, as `training.train_state.GanState` names them.

  Raises:
    ValueError: if a player is missing or does not fit.
  """
  if isinstance(checkpoint, (str, os.PathLike)):
    checkpoint = _read_torch(checkpoint)
  return published.players_from(checkpoint)


def _read_torch(path):
  try:
    import torch  # pylint: disable=g-import-not-at-top
  except ImportError as error:
    raise ValueError(f'reading {path} needs torch; pip install torch, or pass its contents as a mapping of arrays') from error
  return torch.load(path, map_location='cpu', weights_only=True)
