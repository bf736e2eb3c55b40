"""Where and how a ray meets the surface: expected depth and point under the aggregation weights, their spread, the normal."""

from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnerf_jax.rendering import volume_aggregation


@flax.struct.dataclass
class Surface:
  """The surface that the rays of an image meet.

  Attributes:
    normal: [..., 3] unit vector out of the solid, in camera axes (x right, y up, z towards the camera).
    width: [...] standard deviation of the depth along the ray, world units: 1.8 density_beta for a plane seen from the front.
    opacity: [...] in [0, 1], what of the ray was stopped before the last sample.
  """

  normal: Float[Array, '*image 3']
  width: Float[Array, '*image']
  opacity: Float[Array, '*image']


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


def surface_width(
    weights: Float[Array, '*rays samples'], distances: Float[Array, '*rays samples']
) -> Float[Array, '*rays']:
  """Standard deviation of the depth along a ray, world units, under the weights made to sum to 1; 0 where they are all 0."""
  fractions = weights / jnp.maximum(jnp.sum(weights, axis=-1, keepdims=True), 1e-9)
  mean = expected_depth(fractions, distances)
  return _root(jnp.sum(fractions * (distances - mean[..., None])**2, axis=-1))


def normals(sdf: Callable[[Array], Array], points: Float[Array, '*points 3']) -> Float[Array, '*points 3']:
  """Unit gradient of a signed distance at world points: out of the solid. 0 where the gradient is."""
  value, pull_back = jax.vjp(sdf, points)
  gradient, = pull_back(jnp.ones_like(value))
  return gradient / jnp.maximum(_root(jnp.sum(gradient**2, axis=-1, keepdims=True)), 1e-9)


def _root(square: Float[Array, '*values']) -> Float[Array, '*values']:
  """The square root, whose gradient is 0, not infinite, where the square is 0."""
  positive = square > 0
  return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1.0)), 0.0)
