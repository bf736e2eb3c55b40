"""The smallest config through `main.py`, as a user runs it: trains, resumes, leaves its papers, refuses in one line."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

import quick

from cnerf_jax import camera
from cnerf_jax import pretrained
from cnerf_jax.persistence import checkpoints

ROOT = pathlib.Path(__file__).parents[1]
STEPS, STOP = 6, 3


@pytest.fixture(scope='module')
def shared(tmp_path_factory):
  """Folder of the data set and of compiled programs, so that only the first run makes them."""
  return tmp_path_factory.mktemp('shared')


def main(shared, workdir, *options, config='smoke', **how):
  return run_main(
      shared, f'--config=configs/{config}.py', f'--workdir={workdir}', f'--config.data.dir={shared}/data', *options, **how)


def run_main(shared, *options, num_devices=None, prefix=()):
  command = [*prefix, sys.executable, 'main.py', f'--compilation_cache={shared}/xla', *options]
  return subprocess.run(
      command, capture_output=True, text=True, timeout=900, check=False, cwd=ROOT, env=os.environ | quick.environment(num_devices))


@pytest.fixture(scope='module')
def whole(shared, tmp_path_factory):
  """An uninterrupted run."""
  workdir = tmp_path_factory.mktemp('runs') / 'whole'
  done = main(shared, workdir)
  assert done.returncode == 0, done.stderr[-3000:]
  return workdir, done


def read_metrics(workdir):
  return [json.loads(line) for line in (workdir / 'metrics.jsonl').read_text().splitlines()]


def state_of(workdir, step):
  with checkpoints.Checkpoints(workdir) as saved:
    assert saved.list_steps()[-1] == step
    parts, _ = saved.restore_part((
        'step', 'key', 'generator_params', 'ema_params', 'global_discriminator_params', 'semantic_discriminator_params',
        'generator_optimizer', 'global_discriminator_optimizer', 'semantic_discriminator_optimizer'))
  return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(parts)[0]}


def test_run_leaves_its_papers(whole):
  """Protects what a run is for: metrics of every step, sheets, curves, scores and checkpoints."""
  workdir, done = whole
  assert 'done: pictures in' in done.stdout
  lines = read_metrics(workdir)
  names = set().union(*lines)
  assert {line['step'] for line in lines} == set(range(STEPS + 1))  # 0: geometry after pretraining
  for name in ('generator/adversarial_global', 'global_discriminator/accuracy', 'generator_gradient_norm/eikonal', 'mask_area/real/hair'):
    assert name in names, sorted(names)
  values = [value for line in lines for value in line.values() if isinstance(value, float)]
  assert values and np.isfinite(values).all()
  assert {path.name for path in (workdir / 'sheets').glob('*.png')} >= {f'samples_{STEPS:07d}.png', f'classes_{STEPS:07d}.png'}
  assert (workdir / 'losses.png').read_bytes().startswith(b'\x89PNG')
  geometry = json.loads((workdir / 'scores.json').read_text())['latest']['geometry']
  assert set(geometry) == {'classes', 'relief', 'behind', 'in_order', 'fog', 'fog_of_relief', 'opacity', 'opacities', 'verdict'}
  depths = [depth for depth in geometry['classes'].values() if depth is not None]  # so few steps don't show all classes
  assert depths and 0.88 <= min(depths) <= max(depths) <= 1.12
  assert 'geometry at step 0: relief ' in done.stdout + done.stderr
  assert not (workdir / 'vae_pretraining').exists()
  assert '32 validation portraits redrawn by the encoder: image error' in done.stderr
  assert [pretrained.load_encoder(workdir, step=step).step for step in (None, STEPS - 1)] == [STEPS, 0]
  assert list(workdir.rglob('events.out.tfevents*'))


def test_stopping_and_resuming_is_never_stopping(whole, shared, tmp_path):
  """Protects long runs (trap: lost optimiser, key or data position): fewer steps, then the rest, equals one run bit for bit."""
  workdir, _ = whole
  for steps in (STOP, STEPS):
    done = main(shared, tmp_path / 'parts', f'--config.num_steps={steps}', '--config.evaluate_every=100', '--config.sheet_every=100')
    assert done.returncode == 0, done.stderr[-3000:]
  expected, actual = state_of(workdir, STEPS), state_of(tmp_path / 'parts', STEPS)
  assert expected.keys() == actual.keys() and len(expected) > 50
  for name in expected:
    np.testing.assert_array_equal(actual[name], expected[name], err_msg=name)
  by_step = lambda folder: {line['step']: line['generator/adversarial_global'] for line in read_metrics(folder)
                            if 'generator/adversarial_global' in line}
  assert by_step(tmp_path / 'parts') == by_step(workdir)


def test_scores_of_a_saved_step_are_reprinted(whole, shared):
  """Protects the metrics in the README: the evaluate mode gives a step the scores that its run gave it, and leaves the run's own alone."""
  workdir, _ = whole
  before = (workdir / 'scores.json').read_text()
  done = run_main(shared, '--mode=evaluate', f'--workdir={workdir}')
  assert done.returncode == 0, done.stderr[-3000:]
  folder = workdir / 'evaluations' / f'{STEPS:07d}'
  latest = lambda text: json.loads(text)['latest']
  assert (workdir / 'scores.json').read_text() == before
  again, first = latest((folder / 'scores.json').read_text()), latest(before)
  assert again['step'] == first['step'] == STEPS
  for name in ('image', 'mask'):
    np.testing.assert_allclose(list(again[name].values()), list(first[name].values()), rtol=1e-3, atol=1e-5, err_msg=name)
  assert again['locality']['mean']['both'] == pytest.approx(first['locality']['mean']['both'], rel=1e-2) and 'edits:' in done.stdout
  assert again['nearest']['ratio'] == pytest.approx(first['nearest']['ratio'], rel=1e-2) and 'training portraits' in done.stdout
  assert all((folder / 'sheets' / f'{kind}_{STEPS:07d}.png').exists() for kind in ('samples', 'locality', 'nearest'))
  assert 'mask_agreement' in done.stdout


def test_step_that_was_not_saved_is_one_line(whole, shared):
  """Protects against scoring another step than the one asked for."""
  done = run_main(shared, '--mode=evaluate', f'--workdir={whole[0]}', '--step=77')
  assert_one_line(done, 'error: ', '77')


def assert_one_line(done, *words):
  """Refused: a code that is not 0, no traceback, and one line of error that holds the words."""
  assert done.returncode != 0
  assert 'Traceback' not in done.stderr and 'Traceback' not in done.stdout, done.stderr[-3000:]
  lines = [line for line in done.stderr.splitlines() if all(word in line for word in words)]
  assert len(lines) == 1, done.stderr[-3000:]


@pytest.mark.parametrize('options, words', [
    (('--mode=evaluate', '--workdir=run', '--config=configs/smoke.py'), ('--config means nothing with --mode=evaluate',)),
    (('--mode=plan', '--config=configs/smoke.py', '--step=3'), ('--step means nothing with --mode=plan',)),
    (('--mode=evaluate', '--workdir=run', '--params=pretrained/portraits32.npz'), ('--config is missing',)),
    (('--config=configs/smoke.py', '--workdir=run', '--params=pretrained/portraits32.npz'), ('--params means nothing with --mode=train',)),
    (('--mode=evaluate', '--workdir=run', '--params=pretrained/portraits32.npz', '--config=configs/smoke.py'),
     ('contains another generator', 'image_size 32, not 16')),
    (('--config=configs/smok.py', '--workdir=run', '--config.batch_size=4'), ('error: --config=configs/smok.py can not be read',)),
    (('--config=configs/smok.py', '--workdir=run'), ('error: --config=configs/smok.py can not be read; give one of configs/*.py',)),
    (('--config', 'configs/smoke.py', '--workdir=run', '--config.batch_sise=4'), ("no config key 'batch_sise'",)),
], ids=['evaluate', 'plan', 'params alone', 'params in training', 'other params', 'path', 'path alone', 'space'])
def test_misplaced_flags_are_told(shared, options, words):
  """Protects from a flag that is silently ignored, and from tracebacks over a typing error."""
  assert_one_line(run_main(shared, *options), *words)


@pytest.mark.parametrize('told', ['RESOURCE_EXHAUSTED: Failed to allocate request for 9 GiB', 'INTERNAL: Out of memory\nwhile trying 9 GiB'])
def test_memory_that_does_not_suffice_is_one_line(told):
  """Protects users of small devices: an allocation that fails names the way out, and not a traceback."""
  code = f'import jax, main; print(main.explain_runtime_error(jax.errors.JaxRuntimeError({told!r})))'
  done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT)
  assert '--config.num_micro_batches=0' in done.stdout and '9 GiB' in done.stdout and done.stdout.count('\n') == 1


def test_missing_data_is_one_line(shared, tmp_path):
  """Protects first runs on own photos: which data set is missing, where, and what to do."""
  done = main(shared, tmp_path / 'run', '--config.data.name=ffhq')
  assert_one_line(done, 'error: ', "'ffhq'", str(shared), 'prepare it there', 'set --config.data.dir')


def test_foreign_workdir_is_one_line(shared, tmp_path):
  """Protects other people's files: a folder that is no run is refused, and left as it is."""
  (tmp_path / 'thesis.txt').write_text('years')
  done = main(shared, tmp_path)
  assert_one_line(done, 'error: ', str(tmp_path))
  assert [path.name for path in tmp_path.iterdir()] == ['thesis.txt']


def test_workdir_of_another_config_is_one_line(whole, shared):
  """Protects a run from being continued as another: the field, both values, the remedy."""
  workdir, _ = whole
  done = main(shared, workdir, '--config.seed=7')
  assert_one_line(done, 'error: ', 'seed: 0 before, 7 now')


def test_batch_that_does_not_divide_is_one_line(shared, tmp_path):
  """Protects the start on several devices: value, rule, remedy, before anything is written."""
  done = main(shared, tmp_path / 'run', '--config.batch_size=6', num_devices=4)
  assert_one_line(done, 'error: ', 'batch_size 6 does not divide over 4 devices; use a multiple of 4')
  assert not (tmp_path / 'run').exists()


def test_run_without_a_sound_checkpoint_is_one_line(whole, shared, tmp_path):
  """Protects from a run that starts again, silently, where every saved step is damaged: what is damaged, what to do, nothing lost."""
  workdir = tmp_path / 'run'
  shutil.copytree(whole[0], workdir)
  files = [path for path in (workdir / 'checkpoints').rglob('*') if path.is_file() and 'state' in path.parts]
  for path in files:
    path.write_bytes(path.read_bytes()[:1])
  done = main(shared, workdir, f'--config.num_steps={STEPS + 1}')
  assert_one_line(done, 'error: no sound checkpoint in', str(workdir), 'put back a copy')
  assert all(path.exists() for path in files)


def test_full_disk_is_one_line_and_loses_nothing(whole, shared, tmp_path):
  """Protects what was saved when there is no room for more: no file may grow beyond 16 KiB, so that the next step can't be saved."""
  workdir = tmp_path / 'run'
  shutil.copytree(whole[0], workdir)
  done = main(shared, workdir, f'--config.num_steps={STEPS + 1}', prefix=('bash', '-c', 'ulimit -f 16; exec "$0" "$@"'))
  assert_one_line(done, 'error: ', 'no space left on the disk', 'run the same command again')
  kept, saved = state_of(workdir, STEPS), state_of(whole[0], STEPS)
  assert kept.keys() == saved.keys()
  for name in saved:
    np.testing.assert_array_equal(kept[name], saved[name], err_msg=name)


@pytest.mark.parametrize('option, words', [
    ('--config.batch_sise=4', ('batch_sise',)), ('--config.class_draw=rare', ("'rare'", 'present, uniform'))], ids=['key', 'value'])
def test_unknown_key_or_value_is_one_line(shared, tmp_path, option, words):
  """Protects against silent typing errors: an unknown key is named, an unknown value answered with the right ones."""
  assert_one_line(main(shared, tmp_path / 'run', option), *words)


def test_trained_run_is_loaded_and_drawn(whole):
  """Protects the README's example: a run's folder gives a generator, its averaged parameters and their sizes, which draw portraits."""
  workdir, _ = whole
  model = pretrained.load(workdir)
  raw = pretrained.load(workdir, ema=False)
  flat = lambda tree: np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
  assert not np.array_equal(flat(model.params), flat(raw.params))
  assert (model.class_set, model.image_size, model.num_samples) == ('ffhq12', 16, 4)
  assert (model.azimuth_std, model.elevation_std) == (0.3, 0.15)
  assert model.provenance['data'] == 'portraits' and model.provenance['step'] > 0 and model.provenance['averaged']
  assert not raw.provenance['averaged'] and not np.array_equal(model.w_mean, raw.w_mean)
  styles = model.draw_styles(jax.random.key(0), 2)
  portrait = model.render(styles, camera.orbit(0.3, 0.0))
  assert portrait.rgb.shape == (2, 16, 16, 3) and np.isfinite(portrait.rgb).all()
  np.testing.assert_allclose(portrait.semantic_mask.sum(-1), 1, atol=1e-4)
