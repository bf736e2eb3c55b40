"""The non-saturating logistic loss (paper section 3, training).

Logits are realness: high means real. Every function returns a scalar, unweighted.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def discriminator_loss(real: Float[Array, 'batch'], fake: Float[Array, 'batch']) -> Float[Array, '']:
  """mean softplus(-real) + mean softplus(fake)."""
  return jnp.mean(jax.nn.softplus(-real)) + jnp.mean(jax.nn.softplus(fake))


def generator_loss(fake: Float[Array, 'batch']) -> Float[Array, '']:
  """mean softplus(-fake): gradients must reach the generator through the discriminator."""
  return jnp.mean(jax.nn.softplus(-fake))


def accuracy(real: Float[Array, 'batch'], fake: Float[Array, 'batch']) -> Float[Array, '']:
  """Share of reals above and fakes below zero; at 1 for long, the discriminator has won and the generator learns nothing."""
  return 0.5 * (jnp.mean(real > 0) + jnp.mean(fake < 0))
