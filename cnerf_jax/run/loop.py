"""The training run: next batch, step, maybe report, maybe draw, maybe score, maybe save; at the end the encoder follows the generator."""

from __future__ import annotations

import contextlib
import pathlib
from typing import Any

import jax
import ml_collections

from cnerf_jax.models import players as players_lib
from cnerf_jax.persistence import checkpoints as checkpoints_lib
from cnerf_jax.reporting import pictures as pictures_lib
from cnerf_jax.reporting import progress as progress_lib
from cnerf_jax.reporting import writers
from cnerf_jax.run import device_batches
from cnerf_jax.run import evaluator as evaluator_lib
from cnerf_jax.run import hooks
from cnerf_jax.run import refit
from cnerf_jax.run import start as start_lib
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import progressive
from cnerf_jax.training import sharding
from cnerf_jax.training import train_step


def run(
    config: ml_collections.ConfigDict, workdir: pathlib.Path, data: evaluator_lib.Data, iterator: Any, mesh) -> dict[str, Any]:
  """Trains until `config.num_steps`, resuming from the newest sound checkpoint in `workdir`; returns the last scores.

  Args:
    config: of the run.
    workdir: its folder.
    data: real portraits, for the scores.
    iterator: of this process's part of the training batches, with `get_state` and `set_state`.
    mesh: of devices.

  Raises:
    ValueError, OSError: one line; all that was saved before is still there.
  """
  players = players_lib.make_players(config)
  optimizers = optimizers_lib.make_optimizers(config)
  is_primary = jax.process_index() == 0
  with contextlib.ExitStack() as stack:
    checkpoints = stack.enter_context(checkpoints_lib.Checkpoints(
        workdir, max_to_keep=config.keep_checkpoints, shard_count=jax.process_count()))
    start = start_lib.restore_or_create(config, players, optimizers, iterator, mesh, checkpoints, workdir)
    config, state = start.config, start.state
    first = int(state.step)
    step_fns = _compiled_steps(config, players, optimizers, mesh)

    writer = stack.enter_context(contextlib.closing(writers.create_writer(workdir, start_step=first)))
    progress = stack.enter_context(progress_lib.Progress(config.num_steps, initial=first))
    batches = device_batches.DeviceBatches(iterator, mesh)
    report = hooks.Report(config, players, writer, progress, start.health)
    draw = score = pictures = None
    if is_primary:
      pictures = pictures_lib.Pictures(players.generator, config, workdir)
      draw = hooks.Draw(config, pictures, writer)
      score = hooks.Score(config, players, data, start.untrained_params, workdir, writer, progress, report)
    save = hooks.Save(config, checkpoints, batches, report, score, writer, pictures)
    between_steps = [hook for hook in (report, draw, score, save) if hook is not None]
    if draw is not None and first == 0:
      draw.draw(0, state)
      if config.vae_pretraining.num_steps:
        score.measure_geometry(0, state)

    while (step := int(state.step)) < config.num_steps:  # waits for the step before
      batch = next(batches)
      report.before_step(step + 1, state, batch)
      state, metrics = step_fns[progressive.render_size_at(step, config)](state, batch)
      batches.prefetch()  # while the devices work
      for hook in between_steps:
        hook(step + 1, state, metrics)
  if refit.is_wanted(config):
    iterator.set_state(batches.get_state())  # as a run that is taken up again here would have it
    refit.refit(config, workdir, players, data, iterator, mesh, jax.device_get(state.ema_params), step)
  return score.scores if score is not None else {}


def _compiled_steps(config, players, optimizers, mesh) -> dict[int, Any]:
  """The compiled step by the size that fakes are rendered at."""
  return {
      size: sharding.jit_step(train_step.make_train_step(config, players, optimizers, render_size=size), mesh)
      for size in progressive.render_sizes(config)}
