"""Importance sampling of a ray: further samples where the weights of the first ones say that something is seen.

A first, even pass gives the weight of each sample. The surface lies somewhere between a sample without weight and the next with much of it,
so that the mass of an interval is that of its heavier end; the further samples are quantiles of this piecewise constant density. One of them
lies at the ray's end: what no surface stopped is seen in the last sample, and even ones put that a whole step too near.
"""

from __future__ import annotations

from jax import lax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Of a ray's mass, spread evenly: rays that meet nothing still have quantiles, and a surface that the first samples missed has a chance.
_EVEN_FRACTION = 0.01


def interval_masses(weights: Float[Array, '*rays samples']) -> Float[Array, '*rays intervals']:
  """Probability of the interval from each sample to the next (intervals = samples - 1): that of its heavier end; they sum to 1."""
  masses = jnp.maximum(weights[..., :-1], weights[..., 1:])
  # the last sample is heavy where nothing was met: then the interval before it holds no surface
  masses = masses.at[..., -1].set(weights[..., -2])
  masses = masses / jnp.maximum(jnp.sum(masses, axis=-1, keepdims=True), 1e-9)
  masses = masses + _EVEN_FRACTION / masses.shape[-1]
  return masses / jnp.sum(masses, axis=-1, keepdims=True)


def quantile_distances(
    masses: Float[Array, '*rays intervals'], edges: Float[Array, '*rays samples'], *, num_quantiles: int,
) -> Float[Array, '*rays quantiles']:
  """Distances that cut a piecewise constant density into parts of equal mass: its quantiles (j + 1/2) / num_quantiles.

  Args:
    masses: probability of each interval, positive, sums to 1.
    edges: increasing ends of the intervals (samples = intervals + 1), world units.
    num_quantiles: how many.
  """
  cumulative = jnp.cumsum(masses, axis=-1)
  cumulative = jnp.concatenate([jnp.zeros_like(cumulative[..., :1]), cumulative], axis=-1)
  quantiles = (jnp.arange(num_quantiles, dtype=masses.dtype) + 0.5) / num_quantiles
  interval = jnp.sum(cumulative[..., None, 1:-1] <= quantiles[:, None], axis=-1)
  at = lambda x, index: jnp.take_along_axis(x, index, axis=-1)
  lower, upper = at(cumulative, interval), at(cumulative, interval + 1)
  start, end = at(edges, interval), at(edges, interval + 1)
  return start + (end - start) * jnp.clip((quantiles - lower) / (upper - lower), 0, 1)


def importance_distances(
    weights: Float[Array, '*rays samples'], distances: Float[Array, '*rays samples'], far: Float[Array, '*#rays'], *, num_importance: int,
) -> Float[Array, '*rays importance']:
  """Further distances along a ray, dense where its first samples have weight; gradients don't pass through where a sample lies.

  Args:
    weights: aggregation weights of the first samples.
    distances: of the first samples, increasing, world units.
    far: where the ray ends, world units.
    num_importance: how many more, at least 1.

  Returns:
    Increasing distances: all but one between the first and the last of `distances`, the last at `far`.
  """
  weights, distances, far = lax.stop_gradient((weights, distances, far))
  inner = quantile_distances(interval_masses(weights), distances, num_quantiles=num_importance - 1)
  end = jnp.maximum(far[..., None], distances[..., -1:])
  return jnp.concatenate([inner, jnp.broadcast_to(end, inner.shape[:-1] + (1,))], axis=-1)
