"""The encoder follows the generator at the end of a run: portraits are redrawn better, nothing else changes, and a kill costs only this."""

import contextlib
import dataclasses
import itertools
import re

import chex
import jax
import numpy as np
import pytest

import tiny

from cnerf_jax import camera
from cnerf_jax import pretrained
from cnerf_jax.models import players as players_lib
from cnerf_jax.models import regional_mapping
from cnerf_jax.persistence import atomic_files
from cnerf_jax.reporting import progress
from cnerf_jax.run import redrawing
from cnerf_jax.run import refit
from cnerf_jax.training import encoder_refit
from cnerf_jax.training import sharding
from cnerf_jax.training import vae_pretraining

pytestmark = pytest.mark.usefixtures('quick_compilation')
SKIN, HAIR = 1, 8
STEP = 7  # of the adversarial training, at its end


def make_config(**changes):
  return tiny.make_config(**dict(
      vae_pretraining__num_steps=40, vae_pretraining__batches_per_step=1, vae_pretraining__rays_per_portrait=16,
      vae_pretraining__num_encoded=64, vae_pretraining__learning_rate=3e-3, vae_pretraining__encoder_learning_rate=3e-3,
      vae_pretraining__prior_weight=1e-4, vae_pretraining__refit_steps=30, batch_size=16) | changes)


def portraits(count, seed):
  """People of one colour each, hair above skin; twelve classes."""
  draw = np.random.default_rng(seed)
  classes = np.broadcast_to(np.array([HAIR, SKIN, SKIN, SKIN])[:, None], (count, 4, 4))
  colour = draw.uniform(-1, 1, (count, 1, 1, 3)) * np.ones((count, 4, 4, 3))
  return dict(
      image=colour.astype(np.float32), semantic_mask=np.eye(12, dtype=np.float32)[classes],
      viewpoint=(draw.standard_normal((count, 2)) * (0.3, 0.15)).astype(np.float32))


class Batches:
  """Endless batches whose position can be set."""

  def __init__(self, size):
    self.size, self.position = size, 0

  def __next__(self):
    self.position += 1
    return portraits(self.size, seed=self.position)


@dataclasses.dataclass
class Data:
  """Portraits that were not trained on."""

  num_validation: int = 40

  def load_split(self, split, *, image_size, max_examples=None):
    assert split == ('validation' if self.num_validation else 'train') and image_size == 4
    return portraits(min(40, max_examples), seed=10_000)


@dataclasses.dataclass
class Run:
  """A run at the end of its adversarial training, which moved the generator away from its encoder."""

  config: object
  players: players_lib.Players
  params: dict
  encoder: pretrained.Encoder

  def refit(self, workdir, *, config=None, data=None, devices=1, step=STEP):
    refit.refit(config or self.config, workdir, self.players, data or Data(), Batches(self.config.batch_size),
                sharding.make_mesh(jax.devices()[:devices]), self.params, step)

  def error(self, encoder):
    """Squared error of unseen portraits drawn from what an encoder reads, as a user would draw them."""
    model = pretrained.Model(self.players.generator, self.params, image_size=4, num_samples=4)
    unseen = Data().load_split('validation', image_size=4, max_examples=40)
    z, _ = encoder(unseen['image'], unseen['semantic_mask'])
    drawn = model.render(model.map_latents(z.mean), camera.orbit(unseen['viewpoint'][:, 0], unseen['viewpoint'][:, 1])).rgb
    return float(np.mean(np.sum((np.asarray(drawn) - unseen['image'])**2, axis=-1)))


def make_run(**changes):
  config = make_config(**changes)
  players = players_lib.make_players(config)
  result = vae_pretraining.initialise(
      jax.random.key(0), players, tiny.make_params(players.generator), config, Batches(config.batch_size),
      sharding.make_mesh(jax.devices()[:1]))
  result = jax.device_get(result)
  draw = np.random.default_rng(1)
  fixed = ('mean', 'factor', 'threshold')  # what the adversarial training doesn't move
  moved = jax.tree_util.tree_map_with_path(
      lambda path, x: x if path[-1].key in fixed else x + np.float32(0.2) * x.std() * draw.standard_normal(x.shape).astype(np.float32),
      result.generator_params)
  encoder = pretrained.Encoder(
      vae_pretraining.make_encoder(players, config), result.encoder_params, result.latent_mean, result.latent_covariance, class_set='ffhq12',
      image_size=4, presence_threshold=result.presence_threshold)
  return Run(config, players, moved, encoder)


@pytest.fixture(scope='module')
def one_latent(quick_compilation):
  return make_run()


@pytest.fixture(scope='module')
def regional(quick_compilation):
  return make_run(generator__region_dim=2, generator__residual_fusion='masked', generator__view_dependence='none')


def begin(run, workdir):
  pretrained.save_encoder(workdir / pretrained.ENCODER_FILE, run.encoder)


def said(capsys):
  """(image error before, after, mask error before, after) of the one line."""
  line, = (line for line in capsys.readouterr().err.splitlines() if 'redrawn' in line)
  assert line.startswith('40 validation portraits redrawn by the encoder: ')
  return line, [float(number) for number in re.findall(r'\d\.\d{4}', line)]


@pytest.mark.parametrize('kind', ['one_latent', 'regional'])
def test_portraits_are_redrawn_better(kind, request, tmp_path, capsys):
  """Protects inversions from a generator that moved: unseen portraits drawn from what the encoder reads come closer; the generator is the same
  to the bit, and so are the Gaussian and the thresholds that lead to its latents."""
  run = request.getfixturevalue(kind)
  begin(run, tmp_path)
  params = jax.tree.map(np.copy, run.params)
  run.refit(tmp_path)
  chex.assert_trees_all_equal(run.params, params)
  fitted = pretrained.load_encoder(tmp_path)
  line, (before, after, mask_before, mask_after) = said(capsys)
  np.testing.assert_allclose([before, after], [run.error(run.encoder), run.error(fitted)], atol=1e-3)
  weight = run.config.vae_pretraining.image_weight
  assert after < 0.98 * before and weight * after + mask_after < 0.97 * (weight * before + mask_before), line
  assert (fitted.step, fitted.refit_steps) == (STEP, 30)
  for name in ('latent_mean', 'latent_covariance', 'presence_threshold'):
    np.testing.assert_array_equal(getattr(fitted, name), getattr(run.encoder, name), err_msg=name)
  for step, expected in ((0, run.encoder), (STEP - 1, run.encoder), (STEP, fitted), (None, fitted)):
    chex.assert_trees_all_equal(pretrained.load_encoder(tmp_path, step=step).params, expected.params)


def test_a_finished_run_is_left_alone(one_latent, tmp_path, monkeypatch, capsys):
  """Protects the command given again: an encoder fitted so at this step stays; other steps, or a run trained on, fit it again from where it
  is, and what pretraining left is not lost."""
  begin(one_latent, tmp_path)
  fits = []
  monkeypatch.setattr(encoder_refit, 'fit', lambda key, players, params, *rest, **options: fits.append(params[1]) or params[1])
  monkeypatch.setattr(redrawing, 'make_measure', lambda *rest, count=itertools.count(): lambda *given: redrawing.Errors(-next(count), 0.0))
  for _ in range(2):
    one_latent.refit(tmp_path)
  assert len(fits) == 1
  one_latent.refit(tmp_path, config=make_config(vae_pretraining__refit_steps=31))
  one_latent.refit(tmp_path, config=make_config(vae_pretraining__refit_steps=31), step=STEP + 1)
  assert len(fits) == 3 and pretrained.load_encoder(tmp_path).step == STEP + 1
  assert pretrained.load_encoder(tmp_path, step=0).step == 0


@pytest.mark.parametrize('stopped_in', ['fit', 'write'])
def test_a_killed_refit_leaves_the_old_encoder(one_latent, stopped_in, tmp_path, monkeypatch):
  """Protects the encoder from a kill: stopped in the fit or in the write the old file is whole, and the same command ends as if never
  stopped."""
  begin(one_latent, tmp_path)
  old = (tmp_path / pretrained.ENCODER_FILE).read_bytes()

  def stop(*arguments, **options):
    raise KeyboardInterrupt

  with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
    if stopped_in == 'fit':
      patch.setattr(progress.Progress, 'update', stop)
    else:
      patch.setattr(atomic_files.os, 'replace', stop)
    one_latent.refit(tmp_path)
    pytest.fail('it was not stopped')
  assert (tmp_path / pretrained.ENCODER_FILE).read_bytes() == old
  one_latent.refit(tmp_path)
  begin(one_latent, tmp_path / 'whole')
  one_latent.refit(tmp_path / 'whole')
  chex.assert_trees_all_equal(*(pretrained.load_encoder(folder).params for folder in (tmp_path, tmp_path / 'whole')))


def test_several_devices_fit_as_one_does(one_latent):
  """Protects runs on several devices: a batch cut over two gives the encoder that one gives, but for rounding."""
  config = make_config(vae_pretraining__refit_steps=2)
  first = one_latent.encoder.params
  generator_params = encoder_refit.of_encoded(
      one_latent.players, one_latent.params, one_latent.encoder.latent_mean, one_latent.encoder.latent_covariance)
  one, two = (
      encoder_refit.fit(jax.random.key(0), one_latent.players, (generator_params, first), config, Batches(config.batch_size),
                        sharding.make_mesh(jax.devices()[:devices])) for devices in (1, 2))
  largest = lambda tree, other: max(np.abs(a - b).max() for a, b in zip(jax.tree.leaves(tree), jax.tree.leaves(other)))
  assert largest(one, two) < 0.1 * largest(one, first) > 1e-4, (largest(one, two), largest(one, first))


@pytest.mark.parametrize('changes', [dict(vae_pretraining__num_steps=0), dict(vae_pretraining__refit_steps=0)], ids=str)
def test_without_pretraining_or_steps_there_is_nothing_to_do(one_latent, changes, tmp_path, capsys):
  """Protects runs without an encoder, and those that want none fitted: nothing is read, written or said."""
  one_latent.refit(tmp_path, config=make_config(**changes), data=object())
  assert not list(tmp_path.iterdir()) and not capsys.readouterr().err


def test_a_lost_encoder_is_said(one_latent, tmp_path, capsys):
  """Protects a finished run whose encoder was deleted: one line, and no failure."""
  one_latent.refit(tmp_path, data=object())
  assert f'there is no {tmp_path / pretrained.ENCODER_FILE} to fit' in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_an_encoder_that_became_worse_is_not_kept(one_latent, tmp_path, monkeypatch, capsys):
  """Protects inversions from a refit too short or too hot: where unseen portraits are redrawn worse, the parameters stay, and it says so."""
  begin(one_latent, tmp_path)
  spoilt = jax.tree.map(np.zeros_like, one_latent.encoder.params)
  monkeypatch.setattr(encoder_refit, 'fit', lambda *rest, **options: spoilt)
  one_latent.refit(tmp_path, data=Data(num_validation=0))
  assert '40 train portraits' in (line := capsys.readouterr().err) and line.rstrip().endswith('; the encoder stays as it was')
  kept = pretrained.load_encoder(tmp_path)
  chex.assert_trees_all_equal(kept.params, one_latent.encoder.params)
  assert kept.step == STEP


def test_styles_are_those_that_the_generator_draws(one_latent, regional):
  """Protects the fit (trap: latents in the wrong coordinates): the styles that it sees are those that the moved generator makes of the
  encoder's z, whichever way latents become styles."""
  batch = portraits(5, seed=3)
  for run in (one_latent, regional):
    encoding = run.encoder.module.apply(run.encoder.params, batch['image'], batch['semantic_mask'])
    params = encoder_refit.of_encoded(run.players, run.params, run.encoder.latent_mean, run.encoder.latent_covariance)
    seen = vae_pretraining.styles_of_encoded(run.players.generator, params, encoding.z.mean, encoding.present)
    drawn = pretrained.Model(run.players.generator, run.params).map_latents(run.encoder(batch['image'], batch['semantic_mask'])[0].mean)
    np.testing.assert_allclose(seen, drawn, rtol=1e-3, atol=2e-3)
  assert regional.encoder.latent_mean.shape == (regional_mapping.latent_dim(12, 2),)
