"""What the VAE pretraining of a run will take: its encoder's parameters, memory, seconds a step, minutes in all."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses

import jax
import jax.numpy as jnp
import ml_collections

from cnerf_jax.models import players as players_lib
from cnerf_jax.run import compiled_steps
from cnerf_jax.training import pretraining_optimizers
from cnerf_jax.training import sharding
from cnerf_jax.training import vae_pretraining


@dataclasses.dataclass(frozen=True)
class PretrainingPlan:
  """What pretraining will take.

  Attributes:
    encoder_parameters: number of them.
    memory: of a step, on one device.
    waiting_bytes: of the state of the adversarial training, which is there from the start.
    num_steps: of the config.
    seconds_per_step: None if it does not fit.
    num_refit_steps: of the encoder alone, at the end of the run.
  """

  encoder_parameters: int
  memory: compiled_steps.StepMemory
  waiting_bytes: int
  num_steps: int
  seconds_per_step: float | None
  num_refit_steps: int = 0

  @property
  def total_bytes(self) -> int:
    """All that one device must have."""
    return self.memory.total_bytes + self.waiting_bytes

  @property
  def seconds(self) -> float | None:
    """Of all steps, those of the encoder alone taken to last as long; None if they don't fit."""
    return None if self.seconds_per_step is None else self.seconds_per_step * (self.num_steps + self.num_refit_steps)


def make(
    config: ml_collections.ConfigDict, mesh, *, limit_bytes: float, waiting_bytes: int, note: Callable[[str], None] = lambda text: None,
) -> PretrainingPlan | None:
  """Compiles a step of the pretraining and, where it fits, runs two; None for a config without pretraining.

  Args:
    config: of the run.
    mesh: of devices.
    limit_bytes: what the run may use of each device.
    waiting_bytes: what the state of the adversarial training takes meanwhile.
    note: says what is going on.
  """
  settings = config.vae_pretraining
  if not settings.num_steps:
    return None
  note('compiling a step of the pretraining')
  players, optimizers = players_lib.make_players(config), pretraining_optimizers.make_optimizers(config)
  create = lambda: _create(players, optimizers, config)
  num_portraits = config.batch_size * settings.batches_per_step
  carry, batch = compiled_steps.abstract(
      jax.eval_shape(create), compiled_steps.abstract_batch(num_portraits, config.image_size, players.generator.num_classes), mesh)
  step = sharding.jit_step(vae_pretraining.make_step(players, optimizers, config), mesh).lower(carry, batch).compile()
  (_, encoder_params), *_ = carry
  plan = PretrainingPlan(
      encoder_parameters=sum(leaf.size for leaf in jax.tree.leaves(encoder_params)),
      memory=compiled_steps.memory_of(step, num_portraits), waiting_bytes=waiting_bytes, num_steps=settings.num_steps, seconds_per_step=None,
      num_refit_steps=settings.refit_steps)
  if plan.total_bytes > limit_bytes:
    return plan
  note('timing a step of the pretraining')
  seconds = compiled_steps.seconds_of_second_call(step, sharding.replicate(jax.jit(create)(), mesh), batch)
  return dataclasses.replace(plan, seconds_per_step=seconds)


def _create(players, optimizers, config):
  """What the first step takes, of a generator that has learnt nothing."""
  key = jax.random.key(0)
  params = players.generator.init(key, jnp.zeros((1, players.generator.latent_dim)))
  return vae_pretraining.create(key, players, params, config, optimizers)
