"""Trains a CNeRF.

  python main.py --config=configs/portraits32.py --workdir=DIR [--config.key=value ...]

The same command again resumes the run. See configs/ for what can be trained and README.md for what comes out.
"""

import os
import pathlib
import runpy
import sys

# On a CPU every core is a device: one thread per shard of the batch is faster than one batch on all threads.
if '--xla_force_host_platform_device_count' not in os.environ.get('XLA_FLAGS', ''):
  os.environ['XLA_FLAGS'] = (
      os.environ.get('XLA_FLAGS', '') + f' --xla_force_host_platform_device_count={min(os.cpu_count() or 1, 2)}')

# pylint: disable=wrong-import-position
from absl import app
from absl import flags
from absl import logging
import jax
from ml_collections import config_flags

from cnerf_jax.training import loop
from cnerf_jax.training import sharding
from cnerf_jax.training import workdir as workdir_lib
from data_pipeline import loader

_CONFIG = config_flags.DEFINE_config_file('config', None, 'Config of the run, one of configs/*.py.', lock_config=True)
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run; made if it does not exist, resumed if it does.')
_CACHE = flags.DEFINE_string(
    'compilation_cache', '~/.cache/cnerf_jax/xla', 'Folder of compiled programs, so that a restart need not compile.')
flags.mark_flags_as_required(['config', 'workdir'])


def train(config, workdir: str) -> None:
  """One run; ValueError or OSError in one line if it can't start or go on."""
  mesh = sharding.make_mesh()
  logging.info('%d x %s', mesh.size, jax.devices()[0].device_kind)
  loop.check(config, mesh)
  folder = workdir_lib.claim(workdir, config)
  loader.prepare(config.data)
  shard = dict(shard_index=jax.process_index(), shard_count=jax.process_count())
  data = loop.Data(
      iterator=loader.training_iterator(
          config.data, image_size=config.image_size, batch_size=config.batch_size // jax.process_count(),
          seed=config.seed, **shard),
      load_split=lambda split, max_examples=None: loader.load_split(
          config.data, split, image_size=config.image_size, max_examples=max_examples),
      oracle_folder=pathlib.Path(config.data.dir).expanduser() / 'oracles')
  loop.run(config, folder, data, mesh)
  print(f'done: pictures in {folder}/sheets, curves in {folder}/losses.png, scores in {folder}/scores.json')


def parse_flags(argv):
  """Flags from the command line; an unknown config key ends the program with one line that lists the right ones."""
  try:
    return app.parse_flags_with_usage(argv)
  except (AttributeError, KeyError):
    path = next((arg.split('=', 1)[1] for arg in argv if arg.startswith('--config=')), None)
    known = runpy.run_path(path)['get_config']() if path else {}
    for arg in argv:
      if not arg.startswith('--config.'):
        continue
      node = known
      for name in arg.removeprefix('--config.').split('=')[0].split('.'):
        if not hasattr(node, 'keys') or name not in node:
          keys = ', '.join(sorted(node)) if hasattr(node, 'keys') else 'no further keys'
          sys.exit(f'error: no config key {name!r} in {arg.split("=")[0]}; use one of: {keys}')
        node = node[name]
    raise


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f'unexpected arguments {argv[1:]}; every option starts with --')
  cache = os.path.expanduser(_CACHE.value)
  jax.config.update('jax_compilation_cache_dir', cache)
  try:
    train(_CONFIG.value, _WORKDIR.value)
  except (ValueError, OSError) as error:
    logging.debug('traceback', exc_info=True)
    sys.exit(f'error: {error}')


if __name__ == '__main__':
  app.run(main, flags_parser=parse_flags)
