"""How a run starts: from its newest sound checkpoint, or with a fresh state after the pretraining that its config asks for."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
from typing import Any

from absl import logging
import jax
import ml_collections
import numpy as np

from cnerf_jax import pretrained
from cnerf_jax.models import players as players_lib
from cnerf_jax.persistence import atomic_files
from cnerf_jax.persistence import checkpoints as checkpoints_lib
from cnerf_jax.persistence import processes
from cnerf_jax.reporting import health
from cnerf_jax.reporting import progress as progress_lib
from cnerf_jax.run import evaluator as evaluator_lib
from cnerf_jax.run import plan
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import sharding
from cnerf_jax.training import sharpening
from cnerf_jax.training import sphere_init
from cnerf_jax.training import train_state
from cnerf_jax.training import vae_pretraining

PRETRAINING = 'vae_pretraining'  # folder of an unfinished pretraining, in that of the run
_MENDED = 'mended'  # folder, in that of the pretraining, of the one that begins again
_EARLIER_PRETRAINING = 'warm_start'  # what it was called before


@dataclasses.dataclass(frozen=True)
class Start:
  """Where a run begins or goes on.

  Attributes:
    config: of the run, with the number of micro-batches chosen.
    state: on the mesh.
    health: what earlier reports have shown.
    untrained_params: the generator's parameters before any training; None if the run goes on.
  """

  config: ml_collections.ConfigDict
  state: train_state.GanState
  health: health.HealthState
  untrained_params: Any | None


def restore_or_create(
    config: ml_collections.ConfigDict, players: players_lib.Players, optimizers: optimizers_lib.Optimizers, iterator: Any, mesh,
    checkpoints: checkpoints_lib.Checkpoints, workdir: pathlib.Path,
) -> Start:
  """The newest sound checkpoint, its position in the data included; or else a fresh state, pretrained and saved as step 0."""
  if checkpoints.list_steps():
    return _restore(config, players, optimizers, iterator, mesh, checkpoints)
  config = plan.resolve(config, mesh, lambda text: logging.info('plan: %s', text))
  state, untrained = _create(config, players, optimizers, iterator, mesh, workdir)
  start = Start(config, state, health.HealthState(), untrained)
  checkpoints.save(0, state, iterator, meta(start.health, config))
  if jax.process_index() == 0:
    shutil.rmtree(workdir / PRETRAINING, ignore_errors=True)
  return start


def meta(health_state: health.HealthState, config: ml_collections.ConfigDict) -> dict[str, Any]:
  """What a checkpoint keeps beside the state."""
  return {'health': dataclasses.asdict(health_state), 'num_micro_batches': config.num_micro_batches}


def untrained_params(config: ml_collections.ConfigDict, players: players_lib.Players):
  """The generator's parameters before any training, pretraining included: the ceiling of the scores."""
  key = jax.random.split(jax.random.key(config.seed), 3)[0]
  create = lambda: train_state.create(
      key, players, optimizers_lib.make_optimizers(config), image_size=config.image_size).generator_params
  return jax.device_get(jax.jit(create)())


def _restore(config, players, optimizers, iterator, mesh, checkpoints) -> Start:
  abstract = jax.eval_shape(
      lambda: train_state.create(jax.random.key(0), players, optimizers, image_size=config.image_size))
  abstract = jax.tree.map(
      lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding.replicated(mesh)), abstract)
  state, saved = checkpoints.restore(abstract, iterator)
  logging.info('Resumed from step %d.', saved['step'])
  return Start(
      config=plan.resolve(config, mesh, earlier=saved.get('num_micro_batches')),
      state=state,
      health=health.HealthState(since=saved['health']['since'], warned=tuple(saved['health']['warned'])),
      untrained_params=None)


def _create(config, players, optimizers, iterator, mesh, workdir):
  """(a fresh state on the mesh, after the sphere initialisation and the VAE pretraining that the config asks for, the generator's
  parameters before either)."""
  key, sphere_key, pretraining_key = jax.random.split(jax.random.key(config.seed), 3)
  state = train_state.create(key, players, optimizers, image_size=config.image_size)
  params = state.generator_params
  untrained = jax.tree.map(np.array, params)  # copies: the state's own buffers are donated
  if config.generator.base == 'network' and config.sphere.num_steps:
    with progress_lib.Progress(config.sphere.num_steps, description='sphere') as progress:
      params = sphere_init.initialise(
          sphere_key, players.generator, params, config, on_step=lambda step, loss: progress.update(step, {'l1': loss}))
  if config.vae_pretraining.num_steps:
    result = _pretrain(pretraining_key, players, params, config, iterator, mesh, workdir)
    params = sharpening.sharpen_masks(result.generator_params, config.vae_pretraining.sharpen_masks)
    params = sharpening.thin_surfaces(params, config.vae_pretraining.thin_surfaces)
    if players.encoder is not None:
      state = state.replace(encoder_params=jax.device_get(result.encoder_params))
  params = jax.device_get(params)
  state = state.replace(generator_params=params, ema_params=jax.tree.map(np.copy, params))
  return sharding.replicate(state, mesh), untrained


def _take_over_earlier_pretraining(workdir: pathlib.Path) -> None:
  earlier = workdir / _EARLIER_PRETRAINING
  try:
    if earlier.is_dir():
      earlier.rename(workdir / PRETRAINING)
  except OSError as error:
    raise atomic_files.explained(error, 'rename', earlier) from error


def _pretrain(key, players, params, config, iterator, mesh, workdir):
  """What VAE pretraining gives, which goes on where it was stopped. The encoder stays in the run's folder, too.

  Where heads come out hollow and their cameras were guessed or refined, pretraining begins again, once: with the opposite turn as the guess,
  or with the cameras as they were read. Stopped in the second one, a run finds its way back through the finished first.
  """
  processes.first_alone(lambda: _take_over_earlier_pretraining(workdir))
  params = jax.device_get(params)

  def pretrain(key, folder, description, hollow_encoder_params=None):
    saved = checkpoints_lib.Checkpoints(folder, max_to_keep=1, shard_count=jax.process_count())
    done = max(saved.list_steps(), default=0)
    with saved, progress_lib.Progress(config.vae_pretraining.num_steps, initial=done, description=description) as progress:
      return jax.device_get(vae_pretraining.initialise(
          key, players, jax.tree.map(np.array, params), config, iterator, mesh,
          on_step=lambda step, loss: progress.update(step, {'loss': loss}), saved=saved, hollow_encoder_params=hollow_encoder_params))

  result = pretrain(key, workdir / PRETRAINING, 'vae pretraining')
  if _is_hollow(players, result.generator_params, config):
    viewpoints = config.vae_pretraining.viewpoints
    logging.warning('pretraining made hollow heads: noses lie behind ears. %s', _REMEDIES[viewpoints])
    if viewpoints != 'known':
      result = pretrain(
          jax.random.fold_in(key, 1), workdir / PRETRAINING / _MENDED, 'vae pretraining again', result.encoder_params)
      if _is_hollow(players, result.generator_params, config):
        logging.warning('heads are still hollow. %s', _REMEDIES['known'])
      else:
        logging.info('heads are no longer hollow.')
  processes.first_alone(lambda: _save_encoder(workdir, players, result, config))
  return result


# what happens, or what a person can do, where heads are hollow
_REMEDIES = {
    'known': 'Their cameras have the wrong sign or are wrong altogether: prepare the photographs again with right ones (--viewpoints), and '
             'begin in a new workdir.',
    'refined': 'It begins again, with cameras held to those that were read.',
    'guessed': 'It begins again, with heads turned the other way.',
}


def _is_hollow(players, params, config) -> bool:
  """Whether `geometry` of the scores calls the heads hollow; False where that can't be told."""
  found = evaluator_lib.measure_geometry(players.generator, params, config)
  return processes.as_first(found is not None and found['verdict'] == 'hollow')


def _save_encoder(workdir, players, result, config) -> None:
  pretrained.save_encoder(workdir / pretrained.ENCODER_FILE, pretrained.Encoder(
      module=vae_pretraining.make_encoder(players, config), params=result.encoder_params, latent_mean=result.latent_mean,
      latent_covariance=result.latent_covariance, presence_threshold=result.presence_threshold,
      class_set=config.data.class_set, image_size=config.image_size))
