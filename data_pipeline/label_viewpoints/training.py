"""Trains the network that reads cameras off label maps, on an export of synthetic people."""

from __future__ import annotations

from collections.abc import Callable
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float, UInt8
import numpy as np
import optax

from data_pipeline.label_viewpoints import augmentation
from data_pipeline.label_viewpoints import network

_WEIGHTS = (1.0, 1.0, 0.3)  # of the three angles: roll is easy, and known better from eyes


def train(
    labels: UInt8[np.ndarray, 'maps stored stored'], angles: Float[np.ndarray, 'maps 3'], *, steps: int, batch_size: int, seed: int,
    learning_rate: float = 1e-3, on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> Any:
  """Parameters of a `ViewpointNetwork` that has seen `steps` batches of augmented label maps.

  The angles minimise a Huber loss; the spreads the likelihood of a Laplace distribution around angles that they don't pull at, so that
  knowing how sure it is costs the network no accuracy.

  Args:
    labels: class of each pixel, of `network.CLASSES`.
    angles: azimuth, elevation and roll, radians.
    steps: of Adam, its rate rising over a tenth of them, then falling to zero.
    batch_size: label maps a step.
    seed: of parameters and draws.
    learning_rate: the highest.
    on_step: called with (steps done, loss) after each.
  """
  init_key, key = jax.random.split(jax.random.key(seed, impl='rbg'))
  module = network.ViewpointNetwork()
  params = jax.jit(network.init)(init_key)
  schedule = optax.warmup_cosine_decay_schedule(0.0, learning_rate, max(1, steps // 10), max(2, steps))
  optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=1e-2))
  scale, weights = jnp.array(network.SCALE), jnp.array(_WEIGHTS)

  def loss(params, key, labels, angles):
    fractions, truth = augmentation.augment(key, labels, angles)
    reading = module.apply(params, fractions)
    error = (reading.angles - truth) / scale
    spread = reading.spread / scale
    surprise = jnp.abs(jax.lax.stop_gradient(error)) / spread + jnp.log(spread)
    return jnp.mean(weights * (optax.huber_loss(error) + 0.05 * surprise)), jnp.mean(optax.huber_loss(error)[:, :2])

  @functools.partial(jax.jit, donate_argnums=(0, 1))
  def step(params, opt_state, key, labels, angles):
    (_, value), gradients = jax.value_and_grad(loss, has_aux=True)(params, key, labels, angles)
    updates, opt_state = optimizer.update(gradients, opt_state, params)
    return optax.apply_updates(params, updates), opt_state, value

  opt_state, rng = optimizer.init(params), np.random.default_rng(seed)
  for done in range(steps):
    chosen = rng.integers(len(labels), size=batch_size)
    params, opt_state, value = step(params, opt_state, jax.random.fold_in(key, done), labels[chosen], angles[chosen])
    on_step(done + 1, value)
  return params
