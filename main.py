"""Trains a CNeRF, says what training would take, scores one that is trained, or reads viewpoints of photographs with its encoder.

  python main.py --config=configs/portraits32.py --workdir=DIR [--config.key=value ...]
  python main.py --mode=plan --config=configs/portraits64.py
  python main.py --mode=evaluate --workdir=DIR [--step=STEP]
  python main.py --mode=evaluate --params=FILE.npz --config=configs/portraits32_long.py --workdir=DIR
  python main.py --mode=viewpoints --workdir=DIR --data_dir=DATA

The first command again resumes the run. See configs/ for what can be trained and README.md for what comes out.
"""

import os
import pathlib
import runpy
import sys

# On a CPU two cores are two devices: one thread per shard of the batch is faster than one batch on all threads. With more cores, and a
# batch that they divide, set XLA_FLAGS yourself.
if '--xla_force_host_platform_device_count' not in os.environ.get('XLA_FLAGS', ''):
  os.environ['XLA_FLAGS'] = (
      os.environ.get('XLA_FLAGS', '') + f' --xla_force_host_platform_device_count={min(os.cpu_count() or 1, 2)}')

# pylint: disable=wrong-import-position
from absl import app
from absl import flags
from absl import logging
import jax
from ml_collections import config_flags
import numpy as np

from cnerf_jax import pretrained
from cnerf_jax.evaluation import scores as scores_lib
from cnerf_jax.models import players as players_lib
from cnerf_jax.persistence import atomic_files
from cnerf_jax.persistence import checkpoints as checkpoints_lib
from cnerf_jax.persistence import earlier_configs
from cnerf_jax.persistence import processes
from cnerf_jax.persistence import workdir as workdir_lib
from cnerf_jax.reporting import pictures as pictures_lib
from cnerf_jax.reporting import progress as progress_lib
from cnerf_jax.run import camera_prior
from cnerf_jax.run import evaluator as evaluator_lib
from cnerf_jax.run import loop
from cnerf_jax.run import plan as plan_lib
from cnerf_jax.run import read_viewpoints
from cnerf_jax.run import start
from cnerf_jax.training import sharding
from configs import checks
from data_pipeline import loader

_MODE = flags.DEFINE_enum(
    'mode', 'train', ['train', 'plan', 'evaluate', 'viewpoints'],
    'Trains; or says what a run takes in memory and hours; or scores a saved step of a run and draws its sheets; or reads the viewpoints of '
    'prepared photographs with the encoder of a run.')
_CONFIG = config_flags.DEFINE_config_file('config', None, 'Config of the run, one of configs/*.py.', lock_config=True)
_WORKDIR = flags.DEFINE_string('workdir', None, 'Folder of the run; made if it does not exist, resumed if it does.')
_CACHE = flags.DEFINE_string(
    'compilation_cache', '~/.cache/cnerf_jax/xla', 'Folder of compiled programs, so that a restart need not compile.')
_COORDINATOR = flags.DEFINE_string(
    'coordinator', None, 'Several processes: HOST:PORT of the first, the same for all; "auto" on TPU pods, Slurm and the like.')
_NUM_PROCESSES = flags.DEFINE_integer('num_processes', None, 'With --coordinator=HOST:PORT: how many processes.', lower_bound=1)
_PROCESS_ID = flags.DEFINE_integer('process_id', None, 'With --coordinator=HOST:PORT: which one this is, from 0.', lower_bound=0)
_STEP = flags.DEFINE_integer('step', None, 'With --mode=evaluate: the saved step; the newest sound one by default.', lower_bound=0)
_PARAMS = flags.DEFINE_string(
    'params', None, 'With --mode=evaluate: a file of parameters to score instead of a run, with the --config that it was trained with.')
_DATA_DIR = flags.DEFINE_string(
    'data_dir', None, 'With --mode=viewpoints: the prepared photographs (--config.data.dir in training); viewpoints.json is written there.')



def prepare(data: loader.DataSet) -> None:
  """Makes the data set on first use: the first process, then those that don't share its disk."""
  processes.first_alone(data.prepare)
  if jax.process_index():
    data.prepare()


def train(config, workdir: str) -> None:
  """One run; ValueError or OSError if it can't start or go on."""
  mesh = sharding.make_mesh()
  logging.info('%d x %s', mesh.size, jax.devices()[0].device_kind)
  checks.check(config, mesh)
  data = loader.open(config.data)
  checks.check_data(config, data)
  config = camera_prior.resolve(config, data)
  folder = workdir_lib.claim(workdir, config)
  prepare(data)
  iterator = data.training_iterator(
      image_size=config.image_size, batch_size=config.batch_size // jax.process_count(), seed=config.seed,
      shard_index=jax.process_index(), shard_count=jax.process_count())
  loop.run(config, folder, data, iterator, mesh)
  if jax.process_index() == 0:
    print(f'done: pictures in {folder}/sheets, curves in {folder}/losses.png, scores in {folder}/scores.json')


def plan(config) -> None:
  """Parameters, FLOPs, memory, largest batch and hours of a run on these devices; compiles, times a step, trains nothing."""
  mesh = sharding.make_mesh()
  checks.check(config, mesh)
  note = lambda text: print(f'plan: {text}', file=sys.stderr)
  print(plan_lib.format_plan(plan_lib.make(config, mesh, note=note), config, mesh))


def evaluate(workdir: str, step: int | None) -> None:
  """Scores and sheets of a saved step, as its run would have made them, in a folder of their own."""
  config = workdir_lib.load_config(workdir)
  with checkpoints_lib.Checkpoints(workdir) as saved:
    parts, meta = saved.restore_part(('ema_params',), step=step)
  _score(config, parts['ema_params'], meta['step'], pathlib.Path(workdir).expanduser() / 'evaluations' / f'{meta["step"]:07d}')


def evaluate_params(path: str, config, workdir: str) -> None:
  """Scores and sheets of one file of parameters, against the data and with the settings of a config."""
  checks.check_fields(config)
  model = pretrained.load(path)
  sizes = {name: (getattr(model, name), value) for name, value in (
      ('image_size', config.image_size), ('num_samples', config.num_samples), ('class_set', config.data.class_set))}
  other = [f'{name} {of_model}, not {of_config}' for name, (of_model, of_config) in sizes.items() if of_model not in (None, of_config)]
  if other or model.generator != players_lib.make_players(config).generator:
    raise ValueError(f'{path} contains another generator than the config describes ({"; ".join(other) or "its networks differ"}); '
                     'give the config that it was trained with')
  config = camera_prior.resolve(config, loader.open(config.data))
  folder = pathlib.Path(workdir).expanduser() / 'evaluations' / pathlib.Path(path).stem
  _score(config, model.params, (model.provenance or {}).get('step', 0), folder)


def _score(config, params, step: int, folder: pathlib.Path) -> None:
  data = loader.open(config.data)
  checks.check_data(config, data)
  data.prepare()
  folder.mkdir(parents=True, exist_ok=True)
  players = players_lib.make_players(config)
  evaluator = evaluator_lib.Evaluator(players.generator, start.untrained_params(config, players), config, data)
  scores = evaluator.evaluate(params, step, folder, num_edited_people=config.evaluation.num_edited_people, find_nearest=True)
  print(scores_lib.format_table(scores))
  sheet = pictures_lib.Pictures(players.generator, config, folder).draw(params, step)
  print(f'step {step}: scores in {folder}/scores.json, pictures in {sheet.path.parent}')


def viewpoints(workdir: str, data_dir: str) -> None:
  """Viewpoints of prepared photographs as the encoder of a run reads them, into their folder."""
  encoder = read_viewpoints.load_reader(workdir)
  data_config = workdir_lib.load_config(workdir).data.copy_and_resolve_references().unlock()
  data_config.name, data_config.dir = 'real_portraits', data_dir
  data = loader.open(data_config)
  splits = [data.open_split(split, with_all=True) for split in data.splits]

  def batches():
    for records in splits:
      for first in range(0, len(records), read_viewpoints.BATCH):
        part = records.__getitems__(range(first, min(first + read_viewpoints.BATCH, len(records))))
        stacked = {name: np.stack([record[name] for record in part]) for name in ('image', 'label')}
        yield [record['name'].decode() for record in part], data.to_example(stacked, image_size=encoder.image_size)

  with progress_lib.Progress(sum(map(len, splits)), description='viewpoints') as progress:
    found = read_viewpoints.read(encoder, batches(), on_read=progress.update)
  print(f'{len(found)} viewpoints in {read_viewpoints.write(data_dir, found)}')


def _config_path(argv) -> str | None:
  after = dict(zip(argv, argv[1:])).get('--config')
  return next((arg.split('=', 1)[1] for arg in argv if arg.startswith('--config=')), after)


def parse_flags(argv):
  """Flags from the command line; an unknown config key ends the program with one line that lists the right ones."""
  path = _config_path(argv)
  if path is not None and not (os.path.isfile(path) and os.access(path, os.R_OK)):
    sys.exit(f'error: --config={path} can not be read; give one of configs/*.py')
  try:
    return app.parse_flags_with_usage(argv)
  except (AttributeError, KeyError):
    known = runpy.run_path(path)['get_config']() if path else {}
    for arg in argv:
      if not arg.startswith('--config.'):
        continue
      node = known
      for name in arg.removeprefix('--config.').split('=')[0].split('.'):
        if not hasattr(node, 'keys') or name not in node:
          keys = ', '.join(sorted(node)) if hasattr(node, 'keys') else 'no further keys'
          present = earlier_configs.new_name(arg.removeprefix('--config.').split('=')[0])
          if present is not None:
            sys.exit(f'error: {arg.split("=")[0]} is now called --config.{present}; see configs/default.py')
          sys.exit(f'error: no config key {name!r} in {arg.split("=")[0]}; use one of: {keys}')
        node = node[name]
    raise


def explain_runtime_error(error: Exception) -> str:
  """One line on what a device or another process could not do, and what helps."""
  line = atomic_files.one_line(error)
  if 'RESOURCE_EXHAUSTED' in line or 'out of memory' in line.lower():
    return (f'the device is out of memory ({line}); cut the batch with --config.num_micro_batches=0 (as few micro-batches as fit), or choose '
            'a smaller --config.batch_size; --mode=plan says what fits')
  return f'{line}; the same command goes on from what was saved last'


def check_flags() -> None:
  """Refuses flags that their mode would ignore."""
  mode = _MODE.value
  scores_params = mode == 'evaluate' and _PARAMS.value is not None
  if (mode in ('train', 'plan') or scores_params) and _CONFIG.value is None:
    raise app.UsageError('--config is missing; give one of configs/*.py, such as --config=configs/portraits32.py')
  if mode == 'viewpoints' and _DATA_DIR.value is None:
    raise app.UsageError('--data_dir is missing; give the folder of the prepared photographs')
  if mode in ('train', 'evaluate', 'viewpoints') and _WORKDIR.value is None:
    raise app.UsageError('--workdir is missing; give the folder of the run')
  useless = dict(
      train={'step': _STEP, 'params': _PARAMS, 'data_dir': _DATA_DIR},
      plan={'step': _STEP, 'workdir': _WORKDIR, 'coordinator': _COORDINATOR, 'params': _PARAMS, 'data_dir': _DATA_DIR},
      evaluate={'coordinator': _COORDINATOR, 'data_dir': _DATA_DIR} | ({'step': _STEP} if scores_params else {'config': _CONFIG}),
      viewpoints={'step': _STEP, 'config': _CONFIG, 'coordinator': _COORDINATOR, 'params': _PARAMS})[mode]
  for name, flag in useless.items():
    if flag.value is not None:
      why = " (a run's own config.json is used)" if name == 'config' else ''
      raise app.UsageError(f'--{name} means nothing with --mode={mode}{why}; leave it out')


def main(argv):
  if len(argv) > 1:
    raise app.UsageError(f'unexpected arguments {argv[1:]}; every option starts with --')
  check_flags()
  cache = os.path.expanduser(_CACHE.value)
  jax.config.update('jax_compilation_cache_dir', cache)
  jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)  # many small programs make a slow start
  mode = _MODE.value
  try:
    if mode == 'train':
      processes.join(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
      train(_CONFIG.value, _WORKDIR.value)
    elif mode == 'plan':
      plan(_CONFIG.value)
    elif mode == 'viewpoints':
      viewpoints(_WORKDIR.value, _DATA_DIR.value)
    elif _PARAMS.value is not None:
      evaluate_params(_PARAMS.value, _CONFIG.value, _WORKDIR.value)
    else:
      evaluate(_WORKDIR.value, _STEP.value)
  except (ValueError, OSError) as error:
    logging.debug('traceback', exc_info=True)
    if getattr(error, 'errno', None) in atomic_files.NO_SPACE and 'no space' not in str(error):
      error = atomic_files.explained(error, 'write in', error.filename or _WORKDIR.value)
    sys.exit(f'error: {error}')
  except jax.errors.JaxRuntimeError as error:
    logging.debug('traceback', exc_info=True)
    sys.exit(f'error: {explain_runtime_error(error)}')
  except KeyboardInterrupt:
    sys.exit('stopped; the same command goes on from what was saved last')


if __name__ == '__main__':
  app.run(main, flags_parser=parse_flags)
