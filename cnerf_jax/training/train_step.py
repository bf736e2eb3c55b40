"""One training step: global discriminator, semantic discriminator, generator, average (paper section 3, in its order).

A pure function of (state, batch); nothing here knows how many devices there are.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
import optax

from cnerf_jax.training import accumulation
from cnerf_jax.training import augmentation
from cnerf_jax.training import discriminator_step
from cnerf_jax.training import draws
from cnerf_jax.training import ema
from cnerf_jax.training import generator_step
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import progressive
from cnerf_jax.training import train_state

GanState = train_state.GanState

# folded into the key of a run for measurements that must not disturb it; no step number gets there
_MONITORING = 2**32 - 1
Metrics = dict[str, jax.Array]


def make_train_step(
    config: ml_collections.ConfigDict, players: train_state.Players, optimizers: optimizers_lib.Optimizers, *,
    render_size: int | None = None,
) -> Callable[[GanState, dict], tuple[GanState, Metrics]]:
  """The step of a config: (state, batch of reals) → (state, metrics), every metric a scalar or [classes].

  Args:
    config: of the run.
    players: its modules.
    optimizers: their optimisers.
    render_size: fakes are rendered at this size, the config's image_size by default (see `progressive`).
  """
  render_size = render_size or config.image_size
  num_classes = players.generator.num_classes
  num_micro = config.num_micro_batches
  render = lambda params, draw: generator_step.render_fakes(players, params, draw, config, render_size=render_size)

  draw_fakes = lambda key: draws.draw_fakes(
      key, config.batch_size, config, num_classes=num_classes, render_size=render_size)

  def train_step(state: GanState, batch) -> tuple[GanState, Metrics]:
    step_key = jax.random.fold_in(state.key, state.step)
    fake_key, class_key, own_key, own_class_key = jax.random.split(step_key, 4)
    transforms = None
    if players.augmented:
      transforms = augmentation.draw_step(step_key, config.batch_size, state.augmentation.strength, config.image_size)
    real = {name: progressive.soften(batch[name], render_size) for name in ('image', 'semantic_mask')}
    real |= {name: batch[name] for name in ('viewpoint',) if name in batch}
    real_mask = real['semantic_mask']
    real = _transformed(transforms, 'real', real)
    draw = draw_fakes(fake_key)
    class_draw = draws.draw_classes(class_key, real['semantic_mask'], config.class_draw)

    # Fakes for the discriminators. Shared and whole, one rendering serves all three players.
    shared_whole = config.share_fakes and num_micro == 1
    if shared_whole:
      fakes, pull_back = jax.vjp(lambda params: render(params, draw), state.generator_params)
      fake_image, fake_mask = fakes.image, fakes.semantic_mask
    else:
      fakes = accumulation.map_micro_batches(lambda d: _pictures(render(state.generator_params, d)), draw, num_micro)
      fake_image, fake_mask = fakes
    fake = _transformed(transforms, 'fake', dict(image=fake_image, semantic_mask=fake_mask, viewpoint=draw.viewpoint))
    fake_class = draws.classes_of_fakes(class_draw, fake['semantic_mask'], config.class_draw)

    global_params, global_optimizer, global_terms = _update_discriminator(
        config, players, discriminator_step.global_terms, state.global_discriminator_params, optimizers.global_discriminator,
        state.global_discriminator_optimizer, (real, fake['image'], fake['semantic_mask'], fake['viewpoint']),
        config.loss_weights.global_discriminator)
    semantic_params, semantic_optimizer, semantic_terms = _update_discriminator(
        config, players, discriminator_step.semantic_terms, state.semantic_discriminator_params, optimizers.semantic_discriminator,
        state.semantic_discriminator_optimizer, (real, fake['image'], fake['semantic_mask'], class_draw.of_reals, fake_class),
        config.loss_weights.semantic_discriminator)

    # The generator's turn, against the discriminators as they are now.
    def generator_loss(fakes, viewpoint, class_draw, transforms):
      shown = _transformed(transforms, 'generator', dict(image=fakes.image, semantic_mask=fakes.semantic_mask, viewpoint=viewpoint))
      fakes, viewpoint = fakes.replace(image=shown['image'], semantic_mask=shown['semantic_mask']), shown['viewpoint']
      fake_class = draws.classes_of_fakes(class_draw, fakes.semantic_mask, config.class_draw)
      terms = generator_step.loss_terms(players, global_params, semantic_params, fakes, viewpoint, fake_class)
      return generator_step.weighted(terms, config.loss_weights.generator), terms

    if shared_whole:
      cotangent, terms = jax.grad(generator_loss, has_aux=True)(fakes, draw.viewpoint, class_draw, transforms)
      (grads,) = pull_back(cotangent)
    else:
      if not config.share_fakes:
        draw = draw_fakes(own_key)
        class_draw = draws.draw_classes(own_class_key, real['semantic_mask'], config.class_draw)

      def gradients(micro_batch):
        own_draw, own_class_draw, own_transforms = micro_batch
        loss = lambda params: generator_loss(render(params, own_draw), own_draw.viewpoint, own_class_draw, own_transforms)
        return jax.grad(loss, has_aux=True)(state.generator_params)

      grads, terms = accumulation.mean_over_micro_batches(gradients, (draw, class_draw, transforms), num_micro)
    updates, generator_optimizer = optimizers.generator.update(grads, state.generator_optimizer, state.generator_params)
    generator_params = optax.apply_updates(state.generator_params, updates)

    metrics = _named(generator=terms, global_discriminator=global_terms, semantic_discriminator=semantic_terms) | {
        'generator/gradient_norm': optax.tree.norm(grads),
        'generator/density_beta': generator_params['params']['field']['density_beta'],
        'mask_area/fake': jnp.mean(fake_mask, axis=(0, 1, 2)),
        'mask_area/real': jnp.mean(real_mask, axis=(0, 1, 2)),
    }
    if players.augmented:
      adapted = augmentation.adapt(state.augmentation, global_terms['real_sign'], state.step, config)
      metrics['augmentation/strength'] = adapted.strength
      state = state.replace(augmentation=adapted)
    return state.replace(
        step=state.step + 1,
        generator_params=generator_params,
        ema_params=ema.update(state.ema_params, generator_params, ema.ramped_decay(
            state.step, config.batch_size, config.ema_half_life_images, config.ema_ramp)),
        global_discriminator_params=global_params,
        semantic_discriminator_params=semantic_params,
        generator_optimizer=generator_optimizer,
        global_discriminator_optimizer=global_optimizer,
        semantic_discriminator_optimizer=semantic_optimizer), metrics

  return train_step


def _update_discriminator(config, players, terms_of, params, optimizer, optimizer_state, inputs, weights):
  """New parameters and optimiser state of one discriminator after a turn, and its loss terms and figures."""
  def gradients(micro_batch):
    def loss(p):
      terms, figures = terms_of(players, p, *micro_batch, config.r1_share)
      return discriminator_step.weighted(terms, weights), terms | figures
    return jax.grad(loss, has_aux=True)(params)

  grads, terms = accumulation.mean_over_micro_batches(gradients, inputs, config.num_micro_batches)
  updates, optimizer_state = optimizer.update(grads, optimizer_state, params)
  return optax.apply_updates(params, updates), optimizer_state, terms | {'gradient_norm': optax.tree.norm(grads)}


def _named(**players_terms) -> Metrics:
  return {f'{player}/{name}': value for player, terms in players_terms.items() for name, value in terms.items()}


def _transformed(transforms, name: str, portraits: dict) -> dict:
  """Portraits as the discriminators see them; as they are where nothing is augmented."""
  if transforms is None:
    return portraits
  image, semantic_mask = augmentation.apply(transforms[name], portraits['image'], portraits['semantic_mask'])
  viewpoint = {
      'viewpoint': augmentation.apply_viewpoint(transforms[name], portraits['viewpoint'])} if 'viewpoint' in portraits else {}
  return dict(image=image, semantic_mask=semantic_mask) | viewpoint


def _pictures(fakes: generator_step.Fakes):
  return fakes.image, fakes.semantic_mask


def make_term_gradient_norms(
    config: ml_collections.ConfigDict, players: train_state.Players
) -> Callable[[GanState, dict], Metrics]:
  """(state, batch) → norm of the generator's gradient from each weighted loss term alone: which term steers, and does any not reach?

  Terms of weight zero are left out. On one micro-batch, which is as much as memory is sure to hold.
  """
  batch_size = config.batch_size // config.num_micro_batches

  def term_gradient_norms(state: GanState, batch) -> Metrics:
    fake_key, class_key = jax.random.split(jax.random.fold_in(state.key, _MONITORING))
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

    names = sorted(name for name in weights if weights[name])
    cotangents = jax.tree.map(lambda *rows: jnp.stack(rows), *[cotangent(name) for name in names])
    norms = jax.lax.map(lambda row: optax.tree.norm(pull_back(row)), cotangents)  # one at a time, compiled once
    return {f'generator_gradient_norm/{name}': norms[i] for i, name in enumerate(names)}

  return term_gradient_norms
