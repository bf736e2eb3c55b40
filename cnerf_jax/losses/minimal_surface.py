"""The minimal surface loss: signed distances close to zero are rare, so that no spurious surfaces float about."""

import jax.numpy as jnp
from jaxtyping import Array, Float

SHARPNESS = 100.0  # 1 / world unit


def minimal_surface_loss(sdf: Float[Array, '*samples']) -> Float[Array, '']:
  """mean exp(-100 |sdf|), unweighted; sdf in world units."""
  return jnp.mean(jnp.exp(-SHARPNESS * jnp.abs(sdf)))
