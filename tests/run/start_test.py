"""Where a run begins: pretraining whose heads come out hollow is mended once, and said; stopped in it, a run ends the same."""

import contextlib
import dataclasses
import logging
import pathlib
import sys

import chex
import jax
import numpy as np
import pytest

import tiny

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'training'))
from vae_pretraining_test import CountedBatches  # noqa: E402

from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax.evaluation import geometry
from cnerf_jax.persistence import checkpoints as checkpoints_lib
from cnerf_jax.reporting import progress
from cnerf_jax.run import evaluator
from cnerf_jax.run import start
from cnerf_jax.training import sharding
from cnerf_jax.training import sharpening
from cnerf_jax.training import vae_pretraining

pytestmark = pytest.mark.usefixtures('quick_compilation')


def make_config(viewpoints, **changes):
  return tiny.make_config(
      vae_pretraining__num_steps=20, vae_pretraining__batches_per_step=1, vae_pretraining__rays_per_portrait=8, vae_pretraining__num_encoded=12,
      vae_pretraining__viewpoints=viewpoints, sphere__num_steps=0, checkpoint_every=10, **changes)


@pytest.fixture
def verdicts(monkeypatch):
  """Whether heads are called hollow, one judgement after another; nothing is drawn."""
  said = []

  def measure_geometry(generator, params, config):
    assert generator.num_classes == tiny.NUM_CLASSES and 'mapping' in params['params']
    return {'verdict': 'hollow'} if said.pop(0) else {'verdict': 'flat'}

  monkeypatch.setattr(evaluator, 'measure_geometry', measure_geometry)
  return said


def begin(config, workdir):
  """State and steps of a run that begins in a folder."""
  players, optimizers, _ = tiny.make_run(config)
  with checkpoints_lib.Checkpoints(workdir) as saved:
    return start.restore_or_create(
        config, players, optimizers, CountedBatches(config), sharding.make_mesh(jax.devices()[:1]), saved, workdir).state


@pytest.fixture
def pretrainings(monkeypatch):
  """The hollow encoder's parameters that each pretraining was given, None without any."""
  given, initialise = [], vae_pretraining.initialise

  def noted(*arguments, hollow_encoder_params=None, **options):
    given.append(hollow_encoder_params)
    return initialise(*arguments, hollow_encoder_params=hollow_encoder_params, **options)

  monkeypatch.setattr(vae_pretraining, 'initialise', noted)
  return given


@pytest.mark.parametrize('viewpoints, words', [('guessed', 'turned the other way'), ('refined', 'held to those that were read')])
def test_hollow_heads_are_mended(viewpoints, words, verdicts, pretrainings, tmp_path, caplog):
  """Protects from a run of hollow moulds: seen, said, and begun again once, with what the first encoder read as the opposite."""
  caplog.set_level(logging.INFO, logger='absl')
  verdicts += [True, False]
  config = make_config(viewpoints)
  state = begin(config, tmp_path)
  assert not verdicts and pretrainings[0] is None and len(pretrainings) == 2
  chex.assert_trees_all_equal_shapes(pretrainings[1], pretrained.load_encoder(tmp_path).params)
  assert 'pretraining made hollow heads: noses lie behind ears. It begins again, with' in caplog.text and words in caplog.text
  assert 'heads are no longer hollow' in caplog.text
  assert not (tmp_path / start.PRETRAINING).exists()
  verdicts += [False]
  sound = begin(config, tmp_path / 'sound')
  assert len(pretrainings) == 3 and not np.array_equal(*(
      one.generator_params['params']['mapping']['layer_0']['kernel'] for one in (state, sound)))


@pytest.mark.parametrize('viewpoints, said, count', [('known', [True], 1), ('guessed', [True, True], 2)])
def test_what_can_not_be_mended_is_said(viewpoints, said, count, verdicts, pretrainings, tmp_path, caplog):
  """Protects from endless mending: known cameras are the person's to set right, and a second hollow head is told with the remedy."""
  verdicts += said
  begin(make_config(viewpoints), tmp_path)
  assert len(pretrainings) == count and not verdicts
  assert '--viewpoints' in caplog.text and 'no longer' not in caplog.text
  assert ('still hollow' in caplog.text) == (count == 2)


def test_stopped_in_the_mending_it_ends_the_same(verdicts, pretrainings, tmp_path, monkeypatch):
  """Protects a mended run from a kill in its second pretraining: it finds its way back, and ends bitwise as if never stopped."""
  config = make_config('guessed')
  verdicts += [True, False]
  whole = begin(config, tmp_path / 'whole')
  update = progress.Progress.update

  def stop(self, step, numbers=None):
    update(self, step, numbers)
    if len(pretrainings) == 4 and step == 20:
      raise KeyboardInterrupt

  verdicts += [True]
  with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
    patch.setattr(progress.Progress, 'update', stop)
    begin(config, tmp_path / 'parts')
  assert len(pretrainings) == 4 and not (tmp_path / 'parts' / 'checkpoints').exists()
  verdicts += [True, False]
  parts = begin(config, tmp_path / 'parts')
  chex.assert_trees_all_equal(parts.generator_params, whole.generator_params)
  first, second = (pretrained.load_encoder(tmp_path / name) for name in ('whole', 'parts'))
  chex.assert_trees_all_equal(first.params, second.params)


def test_heads_are_judged_by_their_own_depths(monkeypatch):
  """Protects the judgement itself: samples at the front, drawn by the parameters, through the real geometry; noses behind ears are hollow,
  and what has no face is not."""
  config = make_config('guessed')
  players, class_set = tiny.make_players(config), semantics.FFHQ12
  labels = np.repeat([class_set.index(name) for name in ('nose', 'eyes', 'ears', 'skin')], 4).reshape(4, 4)
  masks = np.eye(12)[labels]

  def sampler(generator, config):
    def sample(params, key, batch, viewpoint):
      depth = 1 + params * 0.1 * np.array([-1, 0, 1, 0])[:, None] * np.ones((4, 4))
      np.testing.assert_array_equal(viewpoint, 0)
      every = lambda values: np.stack([values] * batch)
      return dict(depth=every(depth), semantic_mask=every(masks), surface_width=every(0 * depth), opacity=every(np.ones_like(depth)))
    return sample

  monkeypatch.setattr(evaluator, 'make_depth_sampler', sampler)
  assert not start._is_hollow(players, 1.0, config) and start._is_hollow(players, -1.0, config)
  monkeypatch.setattr(geometry, 'has_face', lambda class_set: False)
  assert not start._is_hollow(players, -1.0, config)


def test_sharpened_once_pretraining_is_done(verdicts, pretrainings, tmp_path):
  """Protects the place of sharpening: after pretraining, generator and average alike, masks and surfaces, once; a run that goes on is not
  sharpened again."""
  verdicts += [False, False]
  soft = begin(make_config('known'), tmp_path / 'soft')
  config = make_config('known', vae_pretraining__sharpen_masks=2.0, vae_pretraining__thin_surfaces=1.5)
  sharp = begin(config, tmp_path / 'sharp')
  expected = jax.device_get(sharpening.thin_surfaces(sharpening.sharpen_masks(soft.generator_params, 2.0), 1.5))
  for params in (sharp.generator_params, sharp.ema_params, begin(config, tmp_path / 'sharp').generator_params):
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(params), expected)
  assert len(pretrainings) == 2


def test_reconstruction_goes_on_with_the_encoder_of_pretraining(verdicts, pretrainings, tmp_path):
  """Protects the state of such a run: the encoder that pretraining left is part of it, also when it is taken up again after the encoder
  was fitted anew; other runs carry none."""
  verdicts += [False, False]
  config = make_config('known', loss_weights__generator__reconstruction=0.5, generator__region_dim=2)
  state = begin(config, tmp_path)
  left = pretrained.load_encoder(tmp_path)
  chex.assert_trees_all_equal(jax.device_get(state.encoder_params), jax.device_get(left.params))
  fitted = dataclasses.replace(left, params=jax.tree.map(lambda x: x + 1, left.params), step=100, refit_steps=5)
  pretrained.save_encoder(tmp_path / pretrained.ENCODER_FILE, fitted)
  chex.assert_trees_all_equal(jax.device_get(begin(config, tmp_path).encoder_params), jax.device_get(left.params))
  assert not hasattr(begin(make_config('known', generator__region_dim=2), tmp_path / 'without'), 'encoder_params')
