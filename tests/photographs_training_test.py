"""Photographs through the whole path, as a user runs it: prepare a folder, train configs/default.py on it, resume, be refused in one line."""

import json
import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

import end_to_end_test as commands
import tiny

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(pathlib.Path(__file__).parent / 'data_pipeline' / 'prepare'))
import faces  # noqa: E402

from cnerf_jax import pretrained  # noqa: E402
from cnerf_jax.models import portrait_encoder  # noqa: E402
from cnerf_jax.persistence import workdir  # noqa: E402
from configs import default  # noqa: E402
from data_pipeline import loader  # noqa: E402

# configs/default.py made tiny: everything else is as it is
TINY = [f'--config.{field}' for field in (
    'num_steps=4', 'batch_size=4', 'image_size=8', 'num_samples=4', 'data.record_size=8', 'generator.style_dim=16',
    'generator.width=8', 'global_discriminator.channels=(8, 8, 8)', 'semantic_discriminator.channels=(8, 8)',
    'semantic_discriminator.head_width=8', 'report_every=1', 'sheet_every=4', 'evaluate_every=4', 'checkpoint_every=2',
    'evaluation.num_images=16',
    'vae_pretraining.rays_per_portrait=16')]


@pytest.fixture(scope='module')
def shared(tmp_path_factory):
  """A folder of pictures with label maps in BiSeNet's order, prepared by the command line."""
  root = tmp_path_factory.mktemp('photographs')
  images, labels = faces.write_folder(root, {f'{i:02d}': faces.face(i, 40) for i in range(48)}, faces.label_orders.BISENET, extension='jpg')
  command = [sys.executable, '-m', 'data_pipeline.prepare', str(images), str(root / 'data'), '--labels', str(labels),
             '--label-order', 'bisenet', '--sizes', '8', '--viewpoints', 'none']
  done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr[-3000:]
  return root


def train(shared, workdir, *options):
  return commands.main(shared, workdir, *TINY, *options, config='default')


@pytest.fixture(scope='module')
def whole(shared, tmp_path_factory):
  """An uninterrupted run."""
  workdir = tmp_path_factory.mktemp('runs') / 'whole'
  done = train(shared, workdir)
  assert done.returncode == 0, done.stderr[-3000:]
  return workdir


def test_the_papers_training_runs_and_is_scored_without_cameras(whole):
  """Protects users of photographs: no viewpoints are needed, and what can be scored without them is."""
  lines = commands.read_metrics(whole)
  assert {line['step'] for line in lines} == {1, 2, 3, 4}
  names = set().union(*lines)
  assert 'global_discriminator/viewpoint' in names and 'global_discriminator/viewpoint_real' not in names
  assert np.isfinite([value for line in lines for value in line.values() if isinstance(value, float)]).all()
  scores = json.loads((whole / 'scores.json').read_text())['latest']
  assert scores['image']['value'] > 0 and scores['azimuth'] is None
  assert set(scores['passed']) == {'image', 'mask', 'class_areas', 'class_locality', 'class_presence'}
  assert scores['compared_with']['split'] == 'train'  # so few validation people are too few


def test_a_run_that_lost_its_end_ends_the_same(whole, shared, tmp_path):
  """Protects long runs: from an earlier checkpoint all goes on, mirrored images too, bit for bit."""
  shutil.copytree(whole, tmp_path / 'again')
  shutil.rmtree(tmp_path / 'again' / 'checkpoints' / '4')
  done = train(shared, tmp_path / 'again')
  assert done.returncode == 0 and 'Resumed from step 2' in done.stderr, done.stderr[-3000:]
  expected, actual = commands.state_of(whole, 4), commands.state_of(tmp_path / 'again', 4)
  assert expected.keys() == actual.keys()
  for name in expected:
    np.testing.assert_array_equal(actual[name], expected[name], err_msg=name)


def read_viewpoints(shared, workdir):
  """What `--mode=viewpoints` writes for all pictures."""
  done = commands.run_main(shared, '--mode=viewpoints', f'--workdir={workdir}', f'--data_dir={shared}/data')
  assert done.returncode == 0, done.stderr[-3000:]
  path = shared / 'data' / 'viewpoints.json'
  assert f'48 viewpoints in {path}' in done.stdout and 'viewpoints 48/48' in done.stderr
  viewpoints = json.loads(path.read_text())
  path.unlink()
  return viewpoints


def test_viewpoints_of_photographs_are_read(shared, tmp_path):
  """Protects other photographs: the encoder of a run reads every picture of a folder, of all splits, by name, as the loader shows it."""
  config = make_config(shared)
  workdir.claim(tmp_path, config)
  workdir.release(tmp_path)
  module = portrait_encoder.PortraitEncoder(style_dim=16, channels=(4, 4), hidden=8, viewpoint_std=(0.3, 0.15))
  data = loader.open(config.data)
  examples = data.load_split('validation', image_size=8)
  params = tiny.fill(jax.eval_shape(module.init, jax.random.key(0), examples['image'], examples['semantic_mask']))
  encoder = pretrained.Encoder(module, params, np.zeros(16), np.eye(16), 'ffhq12', 8)
  pretrained.save_encoder(tmp_path / pretrained.ENCODER_FILE, encoder)
  viewpoints = read_viewpoints(shared, tmp_path)
  assert viewpoints.keys() == {f'{i:02d}' for i in range(48)}
  names = [record['name'].decode() for record in data.open_split('validation', with_all=True)]
  np.testing.assert_allclose(
      [viewpoints[name] for name in names], encoder(examples['image'], examples['semantic_mask'])[1], atol=1e-4)


def make_config(shared):
  """The config of these runs."""
  config = default.get_config().unlock()
  config.data.dir, config.data.record_size, config.image_size = f'{shared}/data', 8, 8
  return config.lock()


@pytest.mark.slow
def test_pretraining_without_cameras_reads_viewpoints(shared, tmp_path):
  """Protects photographs that nobody knows the cameras of: pretraining guesses them, and the encoder that stays reads those of a picture."""
  done = train(shared, tmp_path / 'run', '--config.num_steps=1', '--config.vae_pretraining.num_steps=3',
               '--config.vae_pretraining.viewpoints=guessed', '--config.vae_pretraining.batches_per_step=1',
               '--config.vae_pretraining.num_encoded=32')
  assert done.returncode == 0, done.stderr[-3000:]
  viewpoints = read_viewpoints(shared, tmp_path / 'run')
  assert len(viewpoints) == 48 and np.isfinite(list(viewpoints.values())).all()


@pytest.mark.parametrize('options, words', [
    (('--workdir=nowhere', '--data_dir=data'), ('error: no encoder nowhere/encoder.npz',)),
    (('--workdir=run',), ('--data_dir is missing',)), (('--data_dir=data',), ('--workdir is missing',)),
    (('--workdir=run', '--data_dir=data', '--step=3'), ('--step means nothing with --mode=viewpoints',))], ids=lambda value: value[0])
def test_viewpoints_that_can_not_be_read_are_one_line(shared, options, words):
  """Protects from tracebacks and ignored flags."""
  commands.assert_one_line(commands.run_main(shared, '--mode=viewpoints', *options), *words)


@pytest.mark.parametrize('option, words', [
    ('--config.loss_weights.global_discriminator.viewpoint_real=15',
     ('have no viewpoints', '--config.loss_weights.global_discriminator.viewpoint_real=0')),
    ('--config.vae_pretraining.num_steps=5', ('have no viewpoints', '--config.vae_pretraining.viewpoints=guessed')),
    ('--config.evaluation.num_images=600', ('too few for evaluation.num_images 600', '--config.evaluation.num_images=')),
    ('--config.data.record_size=64', ('there are records of 8 pixels',)),
    ('--config.data.class_set=ffhq7', ("data.class_set 'ffhq7' must be one of ffhq12, ffhq9",))],
    ids=lambda value: '' if isinstance(value, tuple) else value[9:])
def test_what_the_records_cannot_give_is_one_line(shared, tmp_path, option, words):
  """Protects from hours without use: cameras, numbers and classes that are not there are refused before the folder of the run is made."""
  commands.assert_one_line(train(shared, tmp_path / 'run', option), 'error: ', *words)
  assert not (tmp_path / 'run').exists()


def test_records_of_other_classes_are_one_line(shared, tmp_path):
  """Protects from a data directory whose labels mean something else."""
  metadata = next(shared.glob('data/real_portraits/size8/*/metadata.json'))
  original = metadata.read_text()
  metadata.write_text(json.dumps(json.loads(original) | dict(
      vocabulary='ffhq9', labels=['background', 'face', 'eye', 'mouth', 'brow', 'nose', 'ear', 'hair', 'neck'])))
  try:
    commands.assert_one_line(train(shared, tmp_path / 'run'), 'error: ', "'ffhq9' do not merge into class set 'ffhq12'")
  finally:
    metadata.write_text(original)
