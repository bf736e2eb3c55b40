"""Where directions come from: norms, principal components, the weights of the sine layers, and the image.

Rows of styles are s; a direction is a unit vector v of one row.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnerf_jax import latents
from cnerf_jax.editing import style_statistics

_SMALLEST = 1e-12
# FiLM's reach (models/film_siren.py): d phase = GAMMA_SCALE (A dw) (W x + b) + BETA_SCALE B dw
GAMMA_SCALE, BETA_SCALE = 15.0, 0.25
# mean square of a layer's inputs: points spread over [-1, 1], sines over a period
POINT_SQUARE, SINE_SQUARE = 1 / 3, 1 / 2


def unit(vectors: Float[Array, '*stack style_dim']) -> Float[Array, '*stack style_dim']:
  """Vectors of length one."""
  return vectors / jnp.maximum(jnp.linalg.norm(vectors, axis=-1, keepdims=True), _SMALLEST)


def norm_direction(w: Float[Array, '*stack style_dim']) -> Float[Array, '*stack style_dim']:
  """The baseline: along w itself, w / |w|; of one person with their styles, of all with the mean."""
  return unit(w)


def row_covariance(statistics: style_statistics.StyleStatistics, semantic_class: int, kind: int) -> Float[Array, 'style_dim style_dim']:
  """Covariance of one row of styles."""
  style_dim = statistics.mean.shape[-1]
  start = (2 * semantic_class + kind) * style_dim
  return statistics.covariance[start:start + style_dim, start:start + style_dim]


def principal_components(
    statistics: style_statistics.StyleStatistics, semantic_class: int, kind: int, *, count: int) -> Float[Array, 'count style_dim']:
  """The row's principal components, largest first, each as long as its standard deviation."""
  variances, vectors = jnp.linalg.eigh(row_covariance(statistics, semantic_class, kind))
  return (jnp.sqrt(jnp.maximum(variances, 0)) * vectors).T[::-1][:count]


def film_directions(params, semantic_class: int, kind: int, *, count: int) -> Float[Array, 'count style_dim']:
  """What turns the phases of the class's sine layers most, in closed form, as Shen and Zhou (2021) factorise the weights of a GAN.

  The top eigenvectors of M M^T, with M [style_dim, outputs] the FiLM projections of all of the kind's layers, side by side: gamma's columns
  scaled by the root mean square of the W x + b that it multiplies.
  """
  name = 'texture' if kind == latents.TEXTURE else 'shape'
  bank = params['params']['field']['bank']
  projections, i = [], 0
  while f'{name}_{i}' in bank:
    layer = jax.tree.map(lambda x: x[semantic_class], bank[f'{name}_{i}'])
    square = POINT_SQUARE if name == 'shape' and i == 0 else SINE_SQUARE
    preactivation = jnp.sqrt(square * jnp.sum(layer['kernel']**2, axis=0) + layer['bias']**2)
    projections += [GAMMA_SCALE * layer['gamma']['kernel'] * preactivation, BETA_SCALE * layer['beta']['kernel']]
    i += 1
  stacked = jnp.concatenate(projections, axis=-1)
  _, vectors = jnp.linalg.eigh(stacked @ stacked.T)
  return vectors.T[::-1][:count]


def local_directions(
    inside: Float[Array, 'subspace subspace'], outside: Float[Array, 'subspace subspace'], components: Float[Array, 'subspace style_dim'], *,
    count: int, ridge: float = 0.05,
) -> Float[Array, 'count style_dim']:
  """Most change inside of a mask for the change outside: top generalised eigenvectors a of inside a = lambda (outside + ridge mu I) a.

  Args:
    inside: J^T J of the image with respect to steps along the components, over the class's pixels.
    outside: likewise, over all others.
    components: what a combines, one standard deviation each, so that what people don't have costs as much as what changes the rest.
    count: how many.
    ridge: in units of mu, the mean of the traces of both: what a standard deviation costs beside the change outside.
  """
  size = len(inside)
  cost = outside + (ridge * jnp.trace(inside + outside) / size + _SMALLEST) * jnp.eye(size)
  factor = jnp.linalg.cholesky(cost)
  half = jax.scipy.linalg.solve_triangular(factor, inside, lower=True)
  whitened = jax.scipy.linalg.solve_triangular(factor, half.T, lower=True)
  _, vectors = jnp.linalg.eigh((whitened + whitened.T) / 2)
  combinations = jax.scipy.linalg.solve_triangular(factor.T, vectors, lower=False).T[::-1][:count]
  return unit(combinations @ components)
