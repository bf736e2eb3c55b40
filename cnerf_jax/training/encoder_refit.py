"""The encoder is fitted again to the generator that the adversarial training has made (not in the paper).

VAE pretraining trains generator and encoder together; the adversarial training then moves the generator alone, and what the encoder says of a
portrait draws it worse than it could. Here the generator's averages stand still and the encoder alone learns, from the loss of the pretraining
(`vae_pretraining.make_loss`): latents drawn from its Gaussians, random pixels, and the divergence from N(0, I) that keeps latents where the
generator knows them.

Which latents these are does not change. Real portraits were N(mean, covariance) in the encoder's latents when pretraining ended, and from then
on that Gaussian is part of the generator: the adversarial training drew z ~ N(0, I), and so people from it. So mean, covariance and thresholds
of presence in the encoder's file must stay as they are. They are not statistics to be brought up to date, but the fixed change of coordinates
between the encoder's latents and the generator's z (`portrait_encoder.whiten`). Where all classes share one latent, that change is taken out of
the first layer of the mapping network for the fit alone; regional latents are given to the generator behind it (`regional_mapping`).

Cameras are seen as at the end of the pretraining: those of the records, or those that the encoder reads, held to the records' where these are
sure. The help with which pretraining begins is not needed, since a generator that stands still can't become hollow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import ml_collections
import numpy as np
import optax

from cnerf_jax.models import mapping_network
from cnerf_jax.models import players as players_lib
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import pretraining_optimizers
from cnerf_jax.training import sharding
from cnerf_jax.training import vae_pretraining

_RISING = 0.1  # of the steps, over which the learning rate rises: a fresh Adam's first steps are the largest


def of_encoded(
    players: players_lib.Players, params, mean: Float[np.ndarray, 'latents'], covariance: Float[np.ndarray, 'latents latents'],
) -> dict[str, Any]:
  """The generator's parameters as `vae_pretraining.styles_of_encoded` takes them: without the Gaussian of encoded latents.

  Args:
    players: the modules of the run.
    params: of the generator, any of the run; they stay as they are.
    mean: of the encoded latents of real portraits, at the end of pretraining.
    covariance: of them.
  """
  if players.generator.region_dim:
    return params
  mapping = mapping_network.unfold_gaussian(params['params']['mapping'], mean, covariance)
  return {'params': dict(params['params']) | {'mapping': mapping}}


def make_optimizer(config: ml_collections.ConfigDict) -> optax.GradientTransformation:
  """The encoder's, as in pretraining; its rate rises to `encoder_learning_rate` again, and falls to a tenth over the steps of the fit."""
  settings = config.vae_pretraining
  return pretraining_optimizers.encoder_optimizer(
      settings.encoder_learning_rate, num_steps=settings.refit_steps, warmup_steps=round(_RISING * settings.refit_steps))


def make_step(players: players_lib.Players, optimizer: optax.GradientTransformation, config: ml_collections.ConfigDict):
  """One step: (params of generator and encoder, optimiser state, key, step number), batch of reals → the same, reconstruction loss."""
  make_loss = vae_pretraining.make_loss(players, config)

  def step(carry, batch):
    (generator_params, encoder_params), optimizer_state, key, i = carry
    loss = make_loss(batch, jax.random.fold_in(key, i), config.vae_pretraining.num_steps)  # cameras are seen as at its end
    grads, likeness = jax.grad(lambda encoder_params: loss((generator_params, encoder_params)), has_aux=True)(encoder_params)
    encoder_params, optimizer_state = optimizers_lib.update(optimizer, grads, optimizer_state, encoder_params)
    return ((generator_params, encoder_params), optimizer_state, key, i + 1), likeness

  return step


def fit(
    key: Array, players: players_lib.Players, params, config: ml_collections.ConfigDict, iterator: Iterator, mesh,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
):
  """The encoder's parameters after `config.vae_pretraining.refit_steps`.

  Args:
    key: random key.
    players: the modules.
    params: of the generator, as of `of_encoded`, and of the encoder.
    config: of the run.
    iterator: batches of real portraits, of this process's part of `config.batch_size`.
    mesh: of devices.
    on_step: called with (steps done, reconstruction loss) now and then.
  """
  settings, optimizer = config.vae_pretraining, make_optimizer(config)
  step = sharding.jit_step(make_step(players, optimizer, config), mesh)
  params = jax.tree.map(np.array, params)  # copies: a step's own buffers are donated
  carry = sharding.replicate((params, optimizer.init(params[1]), key, jnp.zeros((), jnp.int32)), mesh)
  batches = vae_pretraining.join_batches(iterator, settings.batches_per_step, mesh)
  for i in range(1, settings.refit_steps + 1):
    carry, likeness = step(carry, next(batches))
    if i % 10 == 0 or i == settings.refit_steps:
      on_step(i, float(likeness))
  (_, encoder_params), *_ = carry
  return jax.device_get(encoder_params)
