"""Warm start (not in the paper): before GAN training the generator learns to redraw real portraits from an encoder's latents.

A variational autoencoder whose decoder is the CNeRF generator: an encoder guesses z, the generator renders it from the real image's
camera, and latents are held near the prior. It puts every class in its place, ties latents to people, and can't collapse; the GAN that
follows makes pictures sharp. Needs known viewpoints and masks that sum to one (softmax fusion). The encoder is left behind.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
import optax

from cnerf_jax import latents as latents_lib
from cnerf_jax.losses import reconstruction
from cnerf_jax.models import portrait_encoder
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
  """Generator parameters that draw people, if softly.

  Args:
    key: random key.
    players: the modules.
    params: the generator's parameters.
    config: of the run; `config.reconstruction` says how long, how fast and at which resolutions.
    iterator: batches of real portraits.
    mesh: of devices.
    on_step: called with (steps done, reconstruction loss) now and then.
  """
  settings = config.reconstruction
  weights = config.loss_weights.generator
  generator = players.generator
  encoder = portrait_encoder.PortraitEncoder(generator.style_dim)
  encoder_key, key = jax.random.split(key)
  image = jnp.zeros((1, config.image_size, config.image_size, 3))
  masks = jnp.zeros(image.shape[:-1] + (generator.num_classes,))
  params = (params, encoder.init(encoder_key, image, masks))
  rate = optax.cosine_decay_schedule(settings.learning_rate, settings.num_steps, alpha=0.1)
  optimizers = (optimizers_lib.generator_optimizer(config, rate), optax.adam(settings.encoder_learning_rate))

  def make_step(render_size):
    def step(carry, batch):
      params, optimizer_states, key, i = carry
      draw_key, latent_key = jax.random.split(jax.random.fold_in(key, i))
      draw = draws.draw_fakes(
          draw_key, config.batch_size, config, num_classes=generator.num_classes, render_size=render_size)
      real_image = progressive.soften(batch['image'], render_size)
      real_mask = progressive.soften(batch['semantic_mask'], render_size)

      def loss(params):
        generator_params, encoder_params = params
        guess = encoder.apply(encoder_params, batch['image'], batch['semantic_mask'])
        z = guess.draw(latent_key)
        own = draw.replace(
            viewpoint=batch['viewpoint'],
            latents=latents_lib.Latents(z=jnp.stack([z, z], axis=1), choice=jnp.zeros_like(draw.latents.choice)))
        fakes = generator_step.render_fakes(players, generator_params, own, config, render_size=render_size)
        likeness = reconstruction.reconstruction_loss(fakes.image, real_image, fakes.semantic_mask, real_mask)
        divergence = reconstruction.prior_divergence(guess.mean, guess.log_variance)
        geometry = weights.eikonal * fakes.eikonal_loss + weights.minimal_surface * fakes.minimal_surface_loss
        return likeness + settings.prior_weight * divergence + geometry, likeness

      grads, likeness = jax.grad(loss, has_aux=True)(params)
      updates = [o.update(g, s, p) for o, g, s, p in zip(optimizers, grads, optimizer_states, params)]
      params = tuple(optax.apply_updates(p, u) for p, (u, _) in zip(params, updates))
      return (params, tuple(s for _, s in updates), key, i + 1), likeness

    return sharding.jit_step(step, mesh)

  steps = {size: make_step(size) for size in {config.coarse_size, config.image_size}}
  carry = jax.device_put(
      (params, tuple(o.init(p) for o, p in zip(optimizers, params)), key, jnp.zeros((), jnp.int32)),
      sharding.replicated(mesh))
  for i in range(settings.num_steps):
    size = progressive.render_size_at(
        i, image_size=config.image_size, coarse_size=config.coarse_size, coarse_steps=settings.coarse_steps)
    carry, likeness = steps[size](carry, sharding.put_batch(next(iterator), mesh))
    if (i + 1) % 10 == 0 or i + 1 == settings.num_steps:
      on_step(i + 1, float(likeness))
  return carry[0][0]
