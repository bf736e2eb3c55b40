"""Volume aggregation: densities along a ray to the weights of its samples (paper section 3, volume rendering).

  alpha_j = 1 - exp(-sigma_j delta_j);   transmittance_j = prod_{i<j} (1 - alpha_i);   weights_j = transmittance_j alpha_j

The product is taken as exp of a sum, so that nothing under- or overflows and weights are in [0, 1] with sum at most 1.
The last interval is taken as endless: what reaches the last sample stays there.
"""

from jax import lax
import jax.numpy as jnp
from jaxtyping import Array, Float

LAST_DELTA = 1e10


def interval_lengths(
    distances: Float[Array, '*rays samples'], directions: Float[Array, '*rays 3']
) -> Float[Array, '*rays samples']:
  """World length of each sample's interval: gaps between distances (the last 1e10) times the norm of the direction."""
  gaps = jnp.diff(distances, axis=-1)
  last = jnp.full_like(distances[..., :1], LAST_DELTA)
  return jnp.concatenate([gaps, last], axis=-1) * jnp.linalg.norm(directions, axis=-1, keepdims=True)


def aggregation_weights(
    density: Float[Array, '*rays samples'], deltas: Float[Array, '*rays samples']
) -> Float[Array, '*rays samples']:
  """Weight of each sample in its pixel.

  Args:
    density: 1 / world unit, not negative.
    deltas: interval lengths in world units, not negative.
  """
  optical_depth = density * deltas
  before = jnp.cumsum(optical_depth[..., :-1], axis=-1)
  before = jnp.concatenate([jnp.zeros_like(optical_depth[..., :1]), before], axis=-1)
  alpha = -jnp.expm1(-optical_depth)
  return alpha * jnp.exp(-before)


def accumulate(
    weights: Float[Array, '*rays samples'], values: Float[Array, '*rays samples channels']
) -> Float[Array, '*rays channels']:
  """Weighted sum along the ray."""
  return jnp.einsum('...s,...sc->...c', weights, values, precision=lax.Precision.HIGHEST)
