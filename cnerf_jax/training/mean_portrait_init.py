"""Warm start: before GAN training the generator is fitted to the mean portrait, seen from the cameras of real images.

Needs real images with known viewpoints and masks that sum to one (softmax fusion). Only the generator moves; geometry losses hold as in
GAN training, so that the mean portrait has a surface.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import ml_collections
import optax

from cnerf_jax.losses import mean_portrait
from cnerf_jax.training import draws
from cnerf_jax.training import generator_step
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import progressive
from cnerf_jax.training import sharding
from cnerf_jax.training import train_state


def initialise(
    key: jax.Array, players: train_state.Players, params, config: ml_collections.ConfigDict, iterator, mesh,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
):
  """Generator parameters that draw about the mean portrait.

  Args:
    key: random key.
    players: the modules.
    params: the generator's parameters.
    config: of the run; `config.mean_portrait` says how long and how fast.
    iterator: batches of real portraits.
    mesh: of devices.
    on_step: called with (steps done, loss) now and then.
  """
  settings = config.mean_portrait
  render_size = config.coarse_size
  optimizer = optimizers_lib.generator_optimizer(config, settings.learning_rate)
  weights = config.loss_weights.generator

  def step(carry, batch):
    params, optimizer_state, key = carry
    key, draw_key = jax.random.split(key)
    draw = draws.draw_fakes(
        draw_key, config.batch_size, config, num_classes=players.generator.num_classes, render_size=render_size)
    draw = draw.replace(viewpoint=batch['viewpoint'])

    def loss(params):
      fakes = generator_step.render_fakes(players, params, draw, config, render_size=render_size)
      likeness = mean_portrait.mean_portrait_loss(
          fakes.image, progressive.soften(batch['image'], render_size),
          fakes.semantic_mask, progressive.soften(batch['semantic_mask'], render_size))
      geometry = weights.eikonal * fakes.eikonal_loss + weights.minimal_surface * fakes.minimal_surface_loss
      return likeness + geometry, likeness

    grads, likeness = jax.grad(loss, has_aux=True)(params)
    updates, optimizer_state = optimizer.update(grads, optimizer_state, params)
    return (optax.apply_updates(params, updates), optimizer_state, key), likeness

  step = sharding.jit_step(step, mesh)
  carry = jax.device_put((params, optimizer.init(params), key), sharding.replicated(mesh))
  for i in range(settings.num_steps):
    carry, likeness = step(carry, sharding.put_batch(next(iterator), mesh))
    if (i + 1) % 10 == 0 or i + 1 == settings.num_steps:
      on_step(i + 1, float(likeness))
  return carry[0]
