"""The last thing that a run does, where it began with VAE pretraining: its encoder is fitted to the generator that it has ended with.

It comes after the last checkpoint and the scores, which need no encoder: killed here, a run has lost nothing but this, and the same command
does it again from the start, with the same data. The new `encoder.npz` takes the place of the old one whole or not at all. What pretraining
left stays beside it, because it still goes with the checkpoint of step 0 (`pretrained.load_encoder`).
"""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from typing import Any

import jax
import ml_collections

from cnerf_jax import pretrained
from cnerf_jax import sampler
from cnerf_jax.models import players as players_lib
from cnerf_jax.persistence import processes
from cnerf_jax.reporting import progress as progress_lib
from cnerf_jax.run import evaluator as evaluator_lib
from cnerf_jax.run import redrawing
from cnerf_jax.training import encoder_refit

MOST_REDRAWN = 128  # portraits that are drawn again, before and after
_KEY = 3  # added to the run's seed: the evaluator's keys come before it


def is_wanted(config: ml_collections.ConfigDict) -> bool:
  """Whether a run ends with a refit: it has an encoder, and steps for it."""
  return bool(config.vae_pretraining.num_steps and config.vae_pretraining.refit_steps)


def refit(
    config: ml_collections.ConfigDict, workdir: pathlib.Path, players: players_lib.Players, data: evaluator_lib.Data, iterator: Any, mesh,
    params, step: int) -> None:
  """Fits the encoder in the run's folder for `config.vae_pretraining.refit_steps`, and says how well portraits are redrawn before and after.

  Nothing to do for a run without pretraining, for 0 steps, and for an encoder that has been fitted so at this step already. An encoder that
  came to redraw portraits worse is not kept. All processes call this together.

  Args:
    config: of the run.
    workdir: its folder, which all processes see.
    players: the modules.
    data: its portraits; those of the validation split are redrawn, or of train where there is none.
    iterator: of this process's part of the training batches.
    mesh: of devices.
    params: of the generator, its averages; they stay as they are.
    step: that they are of.

  Raises:
    ValueError, OSError: one line; the encoder that was there is still there.
  """
  settings = config.vae_pretraining
  if not is_wanted(config):
    return
  if processes.as_first(not (workdir / pretrained.ENCODER_FILE).is_file()):
    _note(f'there is no {workdir / pretrained.ENCODER_FILE} to fit to the generator')
    return
  encoder = pretrained.load_encoder(workdir)
  if processes.as_first((encoder.step, encoder.refit_steps) == (step, settings.refit_steps)):
    return
  is_primary = jax.process_index() == 0
  portraits, of_whom = _held_out(data, config) if is_primary else (None, '')
  measure = redrawing.make_measure(players.generator, config, _encode_as(encoder, players.generator))
  before = measure((params, encoder.params), portraits) if is_primary else None
  fitted = dataclasses.replace(
      encoder, params=_fit(encoder, config, players, iterator, mesh, params, step), step=step, refit_steps=settings.refit_steps)
  if is_primary:
    after = measure((params, fitted.params), portraits)
    cost = lambda errors: settings.image_weight * errors.image + errors.mask
    is_better = cost(after) < cost(before)
    kept = '' if is_better else '; the encoder stays as it was'
    _note(f'{of_whom} redrawn by the encoder: image error {before.image:.4f} -> {after.image:.4f}, mask error {before.mask:.4f} -> '
          f'{after.mask:.4f}{kept}')
    if not is_better:
      fitted = dataclasses.replace(fitted, params=encoder.params)
  processes.first_alone(lambda: _save(workdir, encoder, fitted))


def _note(words: str) -> None:
  if jax.process_index() == 0:
    print(words, file=sys.stderr, flush=True)


def _encode_as(encoder, generator):
  """Where an inversion begins: styles of the mean latents that the encoder reads, and its viewpoints where it reads any."""
  def encode(params, batch):
    generator_params, encoder_params = params
    z, viewpoint = dataclasses.replace(encoder, params=encoder_params)(batch['image'], batch['semantic_mask'])
    return sampler.map_latents(generator, generator_params, z.mean), viewpoint

  return encode


def _held_out(data, config):
  """(portraits, what they are)."""
  split = 'validation' if data.num_validation else 'train'
  portraits = data.load_split(split, image_size=config.image_size, max_examples=MOST_REDRAWN)
  return portraits, f'{len(portraits["image"])} {split} portraits'


def _fit(encoder, config, players, iterator, mesh, params, step):
  params = jax.device_get((encoder_refit.of_encoded(players, params, encoder.latent_mean, encoder.latent_covariance), encoder.params))
  key = jax.random.fold_in(jax.random.key(config.seed + _KEY), step)
  with progress_lib.Progress(config.vae_pretraining.refit_steps, description='encoder refit') as progress:
    return encoder_refit.fit(
        key, players, params, config, iterator, mesh, on_step=lambda step, loss: progress.update(step, {'loss': loss}))


def _save(workdir, earlier, fitted) -> None:
  if not earlier.step:
    pretrained.save_encoder(workdir / pretrained.PRETRAINED_ENCODER_FILE, earlier)
  pretrained.save_encoder(workdir / pretrained.ENCODER_FILE, fitted)
