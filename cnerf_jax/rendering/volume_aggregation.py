"""Volume aggregation: densities along a ray to the weights of its samples (paper section 3, volume rendering).

  alpha_j = 1 - exp(-sigma_j delta_j);   transmittance_j = prod_{i<j} (1 - alpha_i);   weights_j = transmittance_j alpha_j

The product is taken as exp of a sum, so that nothing under- or overflows and weights are in [0, 1]. The last interval is endless: what
reaches the last sample stays there (alpha = 1), so that weights sum to 1. The published code gives it a length of 1e10, which is the same until
surfaces are sharp: 30 density_beta away from one, sigma is so small that even this length would let the ray through, to nowhere.
"""

from jax import lax
import jax.numpy as jnp
from jaxtyping import Array, Float


def interval_lengths(
    distances: Float[Array, '*rays samples'], directions: Float[Array, '*rays 3']
) -> Float[Array, '*rays intervals']:
  """World length of each sample's interval but the last, which is endless: gaps between distances times the norm of the direction."""
  return jnp.diff(distances, axis=-1) * jnp.linalg.norm(directions, axis=-1, keepdims=True)


def aggregation_weights(
    density: Float[Array, '*rays samples'], deltas: Float[Array, '*rays intervals']
) -> Float[Array, '*rays samples']:
  """Weight of each sample in its pixel; they sum to 1.

  Args:
    density: 1 / world unit, not negative.
    deltas: interval lengths in world units, not negative; one fewer than samples.
  """
  optical_depth = density[..., :-1] * deltas
  nothing = jnp.zeros_like(density[..., :1])
  before = jnp.concatenate([nothing, jnp.cumsum(optical_depth, axis=-1)], axis=-1)
  alpha = jnp.concatenate([-jnp.expm1(-optical_depth), nothing + 1], axis=-1)
  return alpha * jnp.exp(-before)


def accumulate(
    weights: Float[Array, '*rays samples'], values: Float[Array, '*rays samples channels']
) -> Float[Array, '*rays channels']:
  """Weighted sum along the ray."""
  return jnp.einsum('...s,...sc->...c', weights, values, precision=lax.Precision.HIGHEST)
