"""The generator's gradient from each loss term alone, to see which terms dominate and whether one has no gradient."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
import optax

from cnerf_jax.models import players as players_lib
from cnerf_jax.training import draws
from cnerf_jax.training import generator_step
from cnerf_jax.training import kept_reconstruction
from cnerf_jax.training import train_state

# folded into the key of a run, so that the measurement does not disturb it; no step number gets there
_MONITORING = 2**32 - 1


def make_term_gradient_norms(
    config: ml_collections.ConfigDict, players: players_lib.Players
) -> Callable[[train_state.GanState, dict], dict[str, jax.Array]]:
  """(state, batch) → norm of the generator's gradient from each weighted loss term alone.

  Terms of weight zero are left out. On one micro-batch, which is as much as is sure to fit in memory.
  """
  batch_size = config.batch_size // config.num_micro_batches

  def term_gradient_norms(state: train_state.GanState, batch) -> dict[str, jax.Array]:
    monitoring_key = jax.random.fold_in(state.key, _MONITORING)
    fake_key, class_key = jax.random.split(monitoring_key)
    draw = draws.draw_fakes(
        fake_key, batch_size, config, num_classes=players.generator.num_classes, render_size=config.image_size)
    class_draw = draws.draw_classes(class_key, batch['semantic_mask'][:batch_size], config.class_draw)
    fakes, pull_back = jax.vjp(
        lambda params: generator_step.render_fakes(players, params, draw, config, render_size=config.image_size),
        state.generator_params)
    fake_class = draws.classes_of_fakes(class_draw, fakes.semantic_mask, config.class_draw)
    weights = config.loss_weights.generator

    def cotangent(name):
      term = lambda fakes: weights[name] * generator_step.loss_terms(
          players, state.global_discriminator_params, state.semantic_discriminator_params, fakes, draw.viewpoint,
          fake_class)[name]
      return jax.grad(term)(fakes)

    names = sorted(name for name in weights if name != 'reconstruction' and weights[name])  # which is no term of these fakes
    cotangents = jax.tree.map(lambda *rows: jnp.stack(rows), *[cotangent(name) for name in names])
    norms = jax.lax.map(lambda row: optax.tree.norm(pull_back(row)), cotangents)  # one at a time, compiled once
    named = {name: norms[i] for i, name in enumerate(names)}
    if players.encoder is not None:
      gradients = kept_reconstruction.make_gradients(config, players)
      grads, _ = gradients(state.generator_params, state.encoder_params, jax.tree.map(lambda x: x[:batch_size], batch),
          jax.random.fold_in(monitoring_key, _MONITORING))
      named['reconstruction'] = optax.tree.norm(grads)
    return {f'generator_gradient_norm/{name}': norm for name, norm in named.items()}

  return term_gradient_norms
