"""Gradient descent on a few variables of a rendering: a fixed number of Adam's steps in one compiled loop, the rate falling along a cosine.

`minimise` is for a loss that is the same at every step, and gives the best point of the way: never worse than the beginning. `begin` and
`advance` are the same a few steps at a time. `descend` is for a loss that is drawn anew at every step, where the least may be luck, and gives
the last point.
"""

from __future__ import annotations

from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import optax


@flax.struct.dataclass
class Way:
  """Where a descent is.

  Attributes:
    variables: now.
    state: Adam's.
    best: those of the smallest loss so far.
    best_loss: that loss.
  """

  variables: object
  state: optax.OptState
  best: object
  best_loss: Float[Array, '']


def begin(variables) -> Way:
  """A descent before its first step."""
  return Way(variables=variables, state=_ADAM.init(variables), best=variables, best_loss=jnp.float32(jnp.inf))


def advance(
    loss: Callable[..., Float[Array, '']], way: Way, *, steps: int, total_steps: int, learning_rates, on_step: Callable | None = None,
) -> tuple[Way, Float[Array, 'steps']]:
  """`steps` more of `total_steps`, and the loss before each of them. Pure; else as `minimise`."""
  update = _updater(learning_rates, way.variables, total_steps)

  def step(way, _):
    value, gradient = jax.value_and_grad(loss)(way.variables)
    if on_step is not None:
      jax.debug.callback(on_step, value)
    best = jax.tree.map(lambda new, old: jnp.where(value < way.best_loss, new, old), way.variables, way.best)
    variables, state = update(way.variables, gradient, way.state)
    return Way(variables=variables, state=state, best=best, best_loss=jnp.minimum(value, way.best_loss)), value

  return jax.lax.scan(step, way, length=steps)


def minimise(
    loss: Callable[..., Float[Array, '']], variables, *, steps: int, learning_rates, on_step: Callable | None = None,
) -> tuple[object, Float[Array, 'steps']]:
  """Variables of the smallest loss on the way, and the loss before every step. Pure.

  Args:
    loss: of variables.
    variables: where to begin, any tree of arrays.
    steps: of Adam, at least 1.
    learning_rates: a tree like `variables`, or one number for all.
    on_step: called with the loss of each step while the loop runs, to show how far it is.
  """
  way, losses = advance(loss, begin(variables), steps=steps, total_steps=steps, learning_rates=learning_rates, on_step=on_step)
  return way.best, losses


def descend(
    loss: Callable[..., Float[Array, '']], variables, *, steps: int, learning_rates) -> tuple[object, Float[Array, 'steps']]:
  """Variables after the last step, and the loss before every step. Pure; `loss` is of (variables, number of the step), else as `minimise`."""
  update = _updater(learning_rates, variables, steps)

  def step(carry, i):
    variables, state = carry
    value, gradient = jax.value_and_grad(loss)(variables, i)
    return update(variables, gradient, state), value

  (last, _), losses = jax.lax.scan(step, (variables, _ADAM.init(variables)), jnp.arange(steps))
  return last, losses


_ADAM = optax.scale_by_adam(b1=0.9, b2=0.99)


def _updater(learning_rates, variables, steps):
  """(variables, gradient, state) → the next variables and state; the state counts the steps."""
  rates = jax.tree.map(lambda _: learning_rates, variables) if isinstance(learning_rates, (int, float)) else learning_rates
  schedule = optax.cosine_decay_schedule(1.0, steps)

  def update(variables, gradient, state):
    fraction = schedule(state.count)
    moves, state = _ADAM.update(gradient, state)
    return jax.tree.map(lambda x, move, rate: x - fraction * rate * move, variables, moves, rates), state

  return update
