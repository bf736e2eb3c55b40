"""The training run: next batch, step, maybe report, maybe draw, maybe score, maybe save."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import pathlib
import shutil
from typing import Any

from absl import logging
import jax
import ml_collections
import numpy as np

from cnerf_jax import semantics
from cnerf_jax.evaluation import scores as scores_lib
from cnerf_jax.training import accumulation
from cnerf_jax.training import augmentation
from cnerf_jax.training import checkpoints as checkpoints_lib
from cnerf_jax.training import device_batches
from cnerf_jax.training import draws
from cnerf_jax.training import evaluator as evaluator_lib
from cnerf_jax.training import health
from cnerf_jax.training import metrics as metrics_lib
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import pictures as pictures_lib
from cnerf_jax.training import plan
from cnerf_jax.training import progressive
from cnerf_jax.training import reconstruction_init
from cnerf_jax.training import sharding
from cnerf_jax.training import sphere_init
from cnerf_jax.training import train_state
from cnerf_jax.training import train_step

WARM_START = 'warm_start'  # folder of an unfinished warm start, in that of the run


@dataclasses.dataclass(frozen=True)
class Data:
  """What a run needs of its data; made by `main.py`, so that this package does not depend on any data set.

  Attributes:
    iterator: grain iterator of this process's share of each batch.
    load_split: (split, max_examples) → stacked arrays.
    oracle_folder: where oracles are kept between runs.
  """

  iterator: Any
  load_split: Callable[..., dict[str, np.ndarray]]
  oracle_folder: pathlib.Path


def check(config: ml_collections.ConfigDict, mesh) -> None:
  """Refuses, in one line, a config that can't run on these devices."""
  semantics.class_set(config.data.class_set)
  sharding.check_batch(config.batch_size, mesh)
  if config.batch_size % jax.process_count():
    raise ValueError(f'batch_size {config.batch_size} does not divide over {jax.process_count()} processes; use a '
                     f'multiple of {jax.process_count()}')
  for name, known in dict(
      class_draw=draws.CLASS_DRAWS, eikonal_of=('whole', 'residual'), discriminator_dtype=('float32', 'bfloat16')).items():
    if config[name] not in known:
      raise ValueError(f'{name} {config[name]!r} is not known; use one of {", ".join(known)}')
  for name in ('num_steps', 'batch_size', 'image_size', 'num_samples', 'report_every', 'sheet_every', 'evaluate_every',
               'checkpoint_every', 'keep_checkpoints'):
    if config[name] < 1:
      raise ValueError(f'{name} {config[name]} must be at least 1')
  augmentation.check(config)
  reconstruction_init.check(config)
  if config.coarse_size < 1 or config.image_size % config.coarse_size:
    raise ValueError(f'coarse_size {config.coarse_size} must divide image_size {config.image_size}')
  for name in ('eikonal_share', 'r1_share'):
    if not 0 < config[name] <= 1:
      raise ValueError(f'{name} {config[name]} must be in (0, 1]; 1 holds every sample')
  if abs(1 / config.r1_share - round(1 / config.r1_share)) > 1e-6:
    raise ValueError(f'r1_share {config.r1_share} must be one over a whole number, such as 1, 0.5 or 0.25')
  if config.num_micro_batches < 0:
    raise ValueError(f'num_micro_batches {config.num_micro_batches} must be at least 0; 0 chooses as few as fit')
  if config.num_micro_batches != plan.AUTO:
    accumulation.check(config.batch_size, config.num_micro_batches, config.r1_share)


def check_data(config: ml_collections.ConfigDict, *, num_train: int, has_viewpoints: bool) -> None:
  """Refuses, in one line, a config that asks more of the training examples than they have: their number, known cameras."""
  fields = {'loss_weights.global_discriminator.viewpoint_real': config.loss_weights.global_discriminator.viewpoint_real,
            'reconstruction.num_steps': config.reconstruction.num_steps}
  uses = {name: value for name, value in fields.items() if value}
  if uses and not has_viewpoints:
    raise ValueError(
        f'the records hold no viewpoints, which {", ".join(f"{name} {value}" for name, value in uses.items())} would need; '
        f'set {" ".join(f"--config.{name}=0" for name in uses)}, or prepare them again with --viewpoints')
  if num_train < 2 * config.evaluation.num_images:
    raise ValueError(f'{num_train} training examples are too few for evaluation.num_images {config.evaluation.num_images}; '
                     f'set --config.evaluation.num_images={max(1, num_train // 2)}')


def untrained_params(config: ml_collections.ConfigDict, players: train_state.Players):
  """The generator's parameters before any training, warm starts included: the ceiling of the scores."""
  key = jax.random.split(jax.random.key(config.seed), 3)[0]
  create = lambda: train_state.create(
      key, players, optimizers_lib.make_optimizers(config), image_size=config.image_size).generator_params
  return jax.device_get(jax.jit(create)())


def _initial_state(config, players, optimizers, iterator, mesh, workdir):
  """A fresh state on the mesh, after the warm starts that the config asks for: sphere, redraw (which goes on where it was stopped).

  Returns it, and the generator's parameters before any warm start.
  """
  key, sphere_key, warm_key = jax.random.split(jax.random.key(config.seed), 3)
  state = train_state.create(key, players, optimizers, image_size=config.image_size)
  params = state.generator_params
  untrained = jax.tree.map(np.array, params)  # copies: the state's own buffers are donated
  if config.generator.base == 'network' and config.sphere.num_steps:
    with metrics_lib.Progress(config.sphere.num_steps, description='sphere') as progress:
      params = sphere_init.initialise(
          sphere_key, players.generator, params, config, on_step=lambda step, loss: progress.update(step, {'l1': loss}))
  if config.reconstruction.num_steps:
    saved = checkpoints_lib.Checkpoints(workdir / WARM_START, max_to_keep=1, shard_count=jax.process_count())
    done = max(saved.list_steps(), default=0)
    with saved, metrics_lib.Progress(config.reconstruction.num_steps, initial=done, description='redraw') as progress:
      params = reconstruction_init.initialise(
          warm_key, players, params, config, iterator, mesh,
          on_step=lambda step, loss: progress.update(step, {'loss': loss}), saved=saved)
  params = jax.device_get(params)
  state = state.replace(generator_params=params, ema_params=jax.tree.map(np.copy, params))
  return sharding.replicate(state, mesh), untrained


def _meta(health_state, config) -> dict[str, Any]:
  """What a checkpoint keeps beside the state."""
  return {'health': dataclasses.asdict(health_state), 'num_micro_batches': config.num_micro_batches}


def run(config: ml_collections.ConfigDict, workdir: pathlib.Path, data: Data, mesh) -> dict[str, Any]:
  """Trains until `config.num_steps`, resuming from the newest sound checkpoint in `workdir`; returns the last scores.

  Raises:
    ValueError, OSError: one line; all that was saved before is still there.
  """
  players = train_state.make_players(config)
  optimizers = optimizers_lib.make_optimizers(config)
  class_names = semantics.class_set(config.data.class_set).classes
  is_primary = jax.process_index() == 0

  checkpoints = checkpoints_lib.Checkpoints(
      workdir, max_to_keep=config.keep_checkpoints, shard_count=jax.process_count())
  if checkpoints.list_steps():
    abstract = jax.eval_shape(
        lambda: train_state.create(jax.random.key(0), players, optimizers, image_size=config.image_size))
    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding.replicated(mesh)), abstract)
    state, meta = checkpoints.restore(abstract, data.iterator)
    logging.info('Resumed from step %d.', meta['step'])
    untrained = None
    health_state = health.HealthState(since=meta['health']['since'], warned=tuple(meta['health']['warned']))
    config = plan.resolve(config, mesh, earlier=meta.get('num_micro_batches'))
  else:
    config = plan.resolve(config, mesh, lambda text: logging.info('plan: %s', text))
    state, untrained = _initial_state(config, players, optimizers, data.iterator, mesh, workdir)
    health_state = health.HealthState()
    checkpoints.save(0, state, data.iterator, _meta(health_state, config))
    if is_primary:
      shutil.rmtree(workdir / WARM_START, ignore_errors=True)
  step_fns = {
      size: sharding.jit_step(train_step.make_train_step(config, players, optimizers, render_size=size), mesh)
      for size in {config.coarse_size, config.image_size}}
  norms_fn = jax.jit(train_step.make_term_gradient_norms(config, players))

  first = int(state.step)
  writer = metrics_lib.create_writer(workdir, start_step=first)
  pictures = pictures_lib.Pictures(players.generator, config, workdir)
  evaluator, scores = None, {}
  due = lambda step, every: step % every == 0 or step == config.num_steps
  if is_primary and first == 0:
    pictures.draw(jax.device_get(state.ema_params), 0)

  batches = device_batches.DeviceBatches(data.iterator, mesh)
  progress = metrics_lib.Progress(config.num_steps, initial=first)
  try:
    while (step := int(state.step)) < config.num_steps:  # waits for the step before
      batch = next(batches)
      measured = dict(norms_fn(state, batch)) if due(step + 1, config.sheet_every) else {}
      render_size = progressive.render_size_at(
          step, image_size=config.image_size, coarse_size=config.coarse_size, coarse_steps=config.coarse_steps)
      state, metrics = step_fns[render_size](state, batch)
      batches.prefetch()  # while the devices work
      step += 1
      score = None
      if due(step, config.report_every) or due(step, config.checkpoint_every) or measured:
        report = metrics_lib.scalars(jax.device_get(metrics | measured), class_names)
        health_state, warnings = health.examine(report, health_state, step=step)
        for warning in warnings:
          progress.note(f'warning: {warning}')
        writer.write_scalars(step, report)
        progress.update(step, {
            'D': report['global_discriminator/accuracy'], 'Ds': report['semantic_discriminator/accuracy'],
            'G': report['generator/adversarial_global']})
      else:
        progress.update(step)
      if is_primary and due(step, config.sheet_every):
        pictures.draw(jax.device_get(state.ema_params), step)
      if is_primary and due(step, config.evaluate_every):
        if evaluator is None:
          evaluator = evaluator_lib.Evaluator(
              players.generator, untrained or untrained_params(config, players), config, data.load_split, data.oracle_folder,
              progress.note)
        scores = evaluator.evaluate(jax.device_get(state.ema_params), step, workdir)
        summary = scores_lib.summary(scores)
        writer.write_scalars(step, {f'score/{name}': value for name, value in summary.items() if value is not None})
        score = summary['image_normalised']
        progress.note(scores_lib.format_table(scores))
      if due(step, config.checkpoint_every):
        checkpoints.save(step, state, batches, _meta(health_state, config), score=score)
        writer.flush()
        if is_primary:
          pictures.draw_curves()
  finally:
    progress.close()
    writer.close()
    checkpoints.close()
  return scores
