"""One training step: global discriminator, semantic discriminator, generator, average (paper section 3, in its order).

A pure function of (state, batch); nothing here knows how many devices there are.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
import optax

from cnerf_jax.models import players as players_lib
from cnerf_jax.training import augmentation
from cnerf_jax.training import discriminator_step
from cnerf_jax.training import draws
from cnerf_jax.training import ema
from cnerf_jax.training import generator_step
from cnerf_jax.training import kept_reconstruction
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import progressive
from cnerf_jax.training import train_state

GanState = train_state.GanState
Metrics = dict[str, jax.Array]
_RECONSTRUCTION = 2**32 - 3  # folded into the key of a step, so that runs without draw what they always drew


def make_train_step(
    config: ml_collections.ConfigDict, players: players_lib.Players, optimizers: optimizers_lib.Optimizers, *,
    render_size: int | None = None,
) -> Callable[[GanState, dict], tuple[GanState, Metrics]]:
  """The step of a config: (state, batch of reals) → (state, metrics), every metric a scalar or [classes].

  Args:
    config: of the run.
    players: its modules.
    optimizers: their optimisers.
    render_size: fakes are rendered at this size, the config's image_size by default (see `progressive`).
  """
  size = render_size or config.image_size
  draw_fakes = lambda key: draws.draw_fakes(key, config.batch_size, config, num_classes=players.generator.num_classes, render_size=size)
  draw_classes = lambda key, real: draws.draw_classes(key, real['semantic_mask'], config.class_draw)
  reconstruction_gradients = None if players.encoder is None else kept_reconstruction.make_gradients(config, players)
  render = lambda params, draw: generator_step.render_fakes(players, params, draw, config, render_size=size)

  def train_step(state: GanState, batch) -> tuple[GanState, Metrics]:
    step_key = jax.random.fold_in(state.key, state.step)
    fake_key, class_key, own_fake_key, own_class_key = jax.random.split(step_key, 4)
    transforms = augmentation.draw_step(step_key, train_state.augmentation_of(state), config)

    low_passed = progressive.low_pass_portraits(batch, size)
    real = discriminator_step.weigh_viewpoints(augmentation.show(transforms['real'], low_passed))
    draw, class_draw = draw_fakes(fake_key), draw_classes(class_key, real)
    rendered, generator_gradients = generator_step.render_for_all(config, render, state.generator_params, draw)
    fake = augmentation.show(transforms['fake'], rendered | {'viewpoint': draw.viewpoint})
    fake_class = draws.classes_of_fakes(class_draw, fake['semantic_mask'], config.class_draw)

    global_params, global_optimizer, global_metrics = discriminator_step.take_turn(
        discriminator_step.global_terms, config, players, state.global_discriminator_params, optimizers.global_discriminator,
        state.global_discriminator_optimizer, (real, fake), config.loss_weights.global_discriminator)
    semantic_params, semantic_optimizer, semantic_metrics = (
        state.semantic_discriminator_params, state.semantic_discriminator_optimizer, {})
    if players.semantic_plays:
      semantic_params, semantic_optimizer, semantic_metrics = discriminator_step.take_turn(
          discriminator_step.semantic_terms, config, players, semantic_params, optimizers.semantic_discriminator, semantic_optimizer,
          (real, fake, class_draw.of_reals, fake_class), config.loss_weights.semantic_discriminator)

    # the generator plays against the discriminators as they are now
    if not config.reuse_fakes:
      draw, class_draw = draw_fakes(own_fake_key), draw_classes(own_class_key, real)
    loss = generator_step.make_loss(config, players, global_params, semantic_params)
    grads, generator_metrics = generator_gradients(loss, generator_step.FakeInputs(draw, class_draw, transforms['generator']))
    if reconstruction_gradients is not None:
      kept, generator_metrics['reconstruction'] = reconstruction_gradients(
          state.generator_params, state.encoder_params, batch, jax.random.fold_in(step_key, _RECONSTRUCTION))
      grads = jax.tree.map(jnp.add, grads, kept)
      generator_metrics['gradient_norm'] = optax.tree.norm(grads)
    generator_params, generator_optimizer = optimizers_lib.update(
        optimizers.generator, grads, state.generator_optimizer, state.generator_params)

    generator_metrics['density_beta'] = generator_params['params']['field']['density_beta']
    metrics = _named(generator=generator_metrics, global_discriminator=global_metrics, semantic_discriminator=semantic_metrics)
    metrics |= _named(mask_area=dict(fake=_class_areas(rendered), real=_class_areas(low_passed)))
    state, adapted_metrics = train_state.adapt_augmentation(state, global_metrics, config)
    decay = ema.ramped_decay(state.step, config.batch_size, config.ema_half_life_images, config.ema_ramp)
    return state.replace(
        step=state.step + 1,
        generator_params=generator_params,
        ema_params=ema.update(state.ema_params, generator_params, decay),
        global_discriminator_params=global_params,
        semantic_discriminator_params=semantic_params,
        generator_optimizer=generator_optimizer,
        global_discriminator_optimizer=global_optimizer,
        semantic_discriminator_optimizer=semantic_optimizer), metrics | adapted_metrics

  return train_step


def _named(**metrics_of_players) -> Metrics:
  return {f'{player}/{name}': value for player, metrics in metrics_of_players.items() for name, value in metrics.items()}


def _class_areas(portraits: dict[str, jax.Array]) -> jax.Array:
  """Mean area of each class, as a fraction of the image."""
  return jnp.mean(portraits['semantic_mask'], axis=(0, 1, 2))
