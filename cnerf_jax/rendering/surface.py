"""Where a ray meets the surface: the expected depth and the expected point under the aggregation weights."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnerf_jax.rendering import volume_aggregation


def expected_depth(
    weights: Float[Array, '*rays samples'], distances: Float[Array, '*rays samples']
) -> Float[Array, '*rays']:
  """Depth along the camera's axis, world units: sum_j weights_j distances_j (rays have camera-frame z component -1)."""
  return jnp.sum(weights * distances, axis=-1)


def expected_surface_point(
    weights: Float[Array, '*rays samples'], points: Float[Array, '*rays samples 3']
) -> Float[Array, '*rays 3']:
  """World point sum_j weights_j points_j."""
  return volume_aggregation.accumulate(weights, points)
