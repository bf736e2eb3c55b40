"""One run of two processes on this machine: trains, saves, resumes, and each reads its own part of the data."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

import quick

from cnerf_jax import semantics
from cnerf_jax.persistence import checkpoints
from configs import smoke
from data_pipeline import loader

ROOT = pathlib.Path(__file__).parents[1]


def free_port() -> int:
  with socket.socket() as probe:
    probe.bind(('127.0.0.1', 0))
    return probe.getsockname()[1]


def run_pair(shared, workdir, *options):
  """Both processes of a run, to their end: their exit codes and all they said."""
  command = [
      sys.executable, 'main.py', '--config=configs/smoke.py', f'--workdir={workdir}', f'--config.data.dir={shared}/data',
      f'--compilation_cache={shared}/xla', f'--coordinator=127.0.0.1:{free_port()}', '--num_processes=2',
      '--config.sheet_every=100', '--config.evaluate_every=100', *options]
  paths = [shared / f'output_{i}.txt' for i in range(2)]
  processes = []
  try:
    for i, path in enumerate(paths):
      with path.open('w') as file:
        processes.append(subprocess.Popen(
            command + [f'--process_id={i}'], stdout=file, stderr=subprocess.STDOUT, cwd=ROOT,
            env=os.environ | quick.environment(num_devices=1)))
    codes = [process.wait(timeout=900) for process in processes]
  finally:
    for process in processes:
      process.kill()
  return codes, [path.read_text() for path in paths]


def run_well(shared, workdir, *options):
  codes, outputs = run_pair(shared, workdir, *options)
  assert codes == [0, 0], '\n'.join(output[-3000:] for output in outputs)
  return outputs


def state_of(workdir, step):
  with checkpoints.Checkpoints(workdir) as saved:
    parts, _ = saved.restore_part(('step', 'generator_params', 'ema_params', 'generator_optimizer'), step=step)
  return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(parts)[0]}


def real_areas_of_first_step(shared):
  """Mean mask areas of what each process should read first, after the batches of VAE pretraining: its own shard."""
  config = smoke.get_config().unlock()
  config.data.dir = f'{shared}/data'
  pretraining = config.vae_pretraining
  portraits_a_step = pretraining.batches_per_step * config.batch_size
  skipped = pretraining.batches_per_step * (pretraining.num_steps + -(-pretraining.num_encoded // portraits_a_step))
  masks = []
  for shard in range(2):
    batches = loader.open(config.data).training_iterator(
            image_size=config.image_size, batch_size=config.batch_size // 2, seed=config.seed, shard_index=shard,
        shard_count=2)
    for _ in range(skipped):
      next(batches)
    masks.append(next(batches)['semantic_mask'])
  areas = np.concatenate(masks).mean(axis=(0, 1, 2))
  return dict(zip(semantics.class_set(config.data.class_set).classes, areas))


@pytest.mark.slow
def test_two_processes_train_save_and_resume(tmp_path):
  """Protects runs on several machines: one folder, one line of metrics a step, and a resumed run equals an uninterrupted one."""
  outputs = run_well(tmp_path, tmp_path / 'whole')
  assert sum('done: pictures in' in output for output in outputs) == 1
  lines = [json.loads(line) for line in (tmp_path / 'whole' / 'metrics.jsonl').read_text().splitlines()]
  assert sorted({line['step'] for line in lines}) == [0, 1, 2, 3, 4, 5, 6]
  for name, area in real_areas_of_first_step(tmp_path).items():
    np.testing.assert_allclose(lines[1][f'mask_area/real/{name}'], area, rtol=1e-3, atol=1e-5, err_msg=name)
  for num_steps in (3, 6):
    run_well(tmp_path, tmp_path / 'parts', f'--config.num_steps={num_steps}')
  expected, actual = state_of(tmp_path / 'whole', 6), state_of(tmp_path / 'parts', 6)
  assert expected.keys() == actual.keys() and len(expected) > 30
  for name in expected:
    np.testing.assert_array_equal(actual[name], expected[name], err_msg=name)


def test_half_told_processes_are_refused(tmp_path):
  """Protects against a run that waits for ever: the coordinator needs the number of processes and this one's."""
  done = subprocess.run(
      [sys.executable, 'main.py', '--config=configs/smoke.py', f'--workdir={tmp_path}/run', '--coordinator=127.0.0.1:1'],
      capture_output=True, text=True, timeout=300, check=False, cwd=ROOT, env=os.environ | quick.environment(num_devices=1))
  assert done.returncode != 0 and 'Traceback' not in done.stderr
  assert 'error: --coordinator=127.0.0.1:1 needs --num_processes and --process_id' in done.stderr


def test_refusal_of_the_first_process_ends_the_others(tmp_path):
  """Protects against processes that wait for ever: where the first refuses a folder, all end, and say where to look."""
  (tmp_path / 'run').mkdir()
  (tmp_path / 'run' / 'thesis.txt').write_text('years')
  codes, outputs = run_pair(tmp_path, tmp_path / 'run')
  assert 0 not in codes
  assert 'error: ' in outputs[0] and str(tmp_path / 'run') in outputs[0]
  assert 'error: the first process failed; its output says why' in outputs[1]
