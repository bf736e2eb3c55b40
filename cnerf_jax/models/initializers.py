"""Initial weights: SIREN's uniform ranges, and Kaiming's for the layers that are not sines (kernels are [in, out])."""

import jax
import jax.numpy as jnp
from jax.nn import initializers

LEAKY_SLOPE = 0.2


def uniform(bound: float):
  """U(-bound, bound)."""
  return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -bound, bound)


def first_siren():
  """U(±1/n), n inputs: the layer that sees points."""
  return lambda key, shape, dtype=jnp.float32: uniform(1 / shape[-2])(key, shape, dtype)


def siren(frequency: float = 25.0):
  """U(±sqrt(6/n)/frequency), n inputs: keeps the distribution of activations through sines."""
  return lambda key, shape, dtype=jnp.float32: uniform((6 / shape[-2])**0.5 / frequency)(key, shape, dtype)


def kaiming(scale: float = 1.0):
  """scale * Kaiming normal for leaky ReLU 0.2, fan in."""
  return initializers.variance_scaling(scale**2 * 2 / (1 + LEAKY_SLOPE**2), 'fan_in', 'normal')


def bias_for(fan_in: int):
  """U(±1/sqrt(n)), n inputs of the layer the bias belongs to."""
  return uniform(fan_in**-0.5)
