"""Gradient descent on a few variables of a rendering: Adam, a fixed number of steps in one compiled loop, the best point of the way."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import optax


def minimise(
    loss: Callable[..., Float[Array, '']], variables, *, steps: int, learning_rates,
) -> tuple[object, Float[Array, 'steps']]:
  """Variables of the smallest loss on the way, and the loss before every step. Pure.

  Args:
    loss: of variables alone, or of (variables, step) with the step's number, for what is drawn anew at every step.
    variables: where to begin, any tree of arrays.
    steps: of Adam, whose rate falls to zero along a cosine.
    learning_rates: a tree like `variables`, or one number for all.
  """
  if not isinstance(learning_rates, (int, float)):
    rates = learning_rates
  else:
    rates = jax.tree.map(lambda _: learning_rates, variables)
  adam = optax.chain(optax.scale_by_adam(b1=0.9, b2=0.99), optax.scale_by_schedule(optax.cosine_decay_schedule(-1.0, steps)))

  def step(carry, i):
    variables, state, best, best_loss = carry
    value, gradient = jax.value_and_grad(loss)(variables, i)
    better = value < best_loss
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), variables, best)
    updates, state = adam.update(gradient, state)
    variables = jax.tree.map(lambda x, update, rate: x + rate * update, variables, updates, rates)
    return (variables, state, best, jnp.minimum(value, best_loss)), value

  begin = variables, adam.init(variables), variables, jnp.inf
  (_, _, best, _), losses = jax.lax.scan(step, begin, jnp.arange(steps))
  return best, losses
