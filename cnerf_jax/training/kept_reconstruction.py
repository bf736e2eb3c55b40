"""Reconstruction goes on beside the discriminators (VAE/GAN, Larsen et al. 2016; not in the paper).

The adversarial training asks for people that look real, and not for each class by name: what covers a two-hundredth of the picture may fade,
earrings first, because no discriminator misses it. VAE pretraining did ask, ray by ray and class by class. So its loss can go on, at a small
weight: the encoder that pretraining left stands still and says which latents draw a real portrait, and the generator is held to draw it from
them. It costs a few rays of the reals of the batch, all at once, however many micro-batches there are.

It is the whole loss of the pretraining with respect to the generator: likeness, and the geometry losses of the rays. Likeness alone would draw
borders and surfaces as soft as pretraining left them, so that what `sharpening` has made steep is held between this and the discriminators.
Cameras must be known: the encoder's own, which pretraining may have held, are not held here.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import ml_collections
import optax

from cnerf_jax.models import players as players_lib
from cnerf_jax.training import vae_pretraining


def make_gradients(
    config: ml_collections.ConfigDict, players: players_lib.Players,
) -> Callable[[dict, dict, dict, Array], tuple[dict, Float[Array, '']]]:
  """(the generator's parameters, the encoder's, batch of reals, key) → (weighted gradients of pretraining's loss for the generator, zero where
  they are not finite, its reconstruction part, unweighted)."""
  weight = config.loss_weights.generator.reconstruction
  make_loss = vae_pretraining.make_loss(players, config)

  def gradients(params, encoder_params, batch, key):
    loss = make_loss(batch, key, config.vae_pretraining.num_steps)
    grads, likeness = jax.grad(lambda params: loss((params, encoder_params)), has_aux=True)(params)
    sound = jnp.isfinite(optax.tree.norm(grads))  # steep fields may give one that is not, and it would end the run
    return jax.tree.map(lambda grad: jnp.where(sound, weight * grad, 0.0), grads), likeness

  return gradients
