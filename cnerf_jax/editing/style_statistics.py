"""The joint Gaussian of all styles of a person: which hair goes with which skin.

  N(mean, covariance) of styles flattened over classes, kinds and style_dim; features are linear in styles, y = F x
  E[x | y] = mean + K (y - F mean),   K = C F^T (F C F^T)^-1

The covariance is that of a few thousand drawn people, shrunk towards mu I (Ledoit and Wolf, 2004): (1 - s) S + s mu I with mu the mean variance
and s the estimated best. It is so invertible however few people there are, and whatever classes share.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax import pretrained
from cnerf_jax.editing import regions

# Least shrinkage: where all rows of a person are one w, 24 equal copies of it would make a covariance that float32 can't invert.
LEAST_SHRINKAGE = 1e-3


@flax.struct.dataclass
class StyleStatistics:
  """Mean and covariance of the styles of people.

  Attributes:
    mean: of each row.
    covariance: of flattened styles, shrunk, positive definite.
  """

  mean: Float[Array, 'classes 2 style_dim']
  covariance: Float[Array, 'styles styles']


@flax.struct.dataclass
class Conditional:
  """All styles given features of them.

  Attributes:
    mean: of the styles, without knowing anything.
    features: F, linear functions of styles.
    gain: K, flattened styles by features.
    factor: lower Cholesky factor of the covariance of styles.
  """

  mean: Float[Array, 'classes 2 style_dim']
  features: Float[Array, 'features classes 2 style_dim']
  gain: Float[Array, 'styles features']
  factor: Float[Array, 'styles styles']

  def predict(self, styles: Float[Array, '*batch classes 2 style_dim']) -> Float[Array, '*batch classes 2 style_dim']:
    """Most likely styles of somebody of whom only the features of `styles` are known."""
    return self.mean + self._back_project(styles - self.mean)

  def draw(self, key: Array, styles: Float[Array, '*batch classes 2 style_dim']) -> Float[Array, '*batch classes 2 style_dim']:
    """Somebody with the features of `styles`, drawn at random: a draw of everybody, corrected by what its features are off."""
    noise = jax.random.normal(key, styles.shape).reshape(*styles.shape[:-3], -1)
    anybody = self.mean + (noise @ self.factor.T).reshape(styles.shape)
    return anybody + self._back_project(styles - anybody)

  def _back_project(self, difference):
    of_features = jnp.einsum('...kts,fkts->...f', difference, self.features)
    return (of_features @ self.gain.T).reshape(difference.shape)


def estimate(styles: Float[Array, 'people classes 2 style_dim'], *, shrinkage: float | None = None) -> StyleStatistics:
  """Statistics of people.

  Args:
    styles: of at least two people, some thousands of them for all correlations.
    shrinkage: s in [0, 1]; the estimated best if None.

  Raises:
    ValueError: if there are fewer than two people, or shrinkage is out of range.
  """
  if np.ndim(styles) != 4 or len(styles) < 2:
    raise ValueError(f'styles has shape {np.shape(styles)}; give those of at least two people, [people, classes, 2, style_dim]')
  if shrinkage is not None and not 0 <= shrinkage <= 1:
    raise ValueError(f'shrinkage {shrinkage} is not in [0, 1]; leave it out to have it estimated')
  mean = np.mean(np.asarray(styles, np.float64), axis=0)
  centred = (np.asarray(styles, np.float64) - mean).reshape(len(styles), -1)
  covariance = centred.T @ centred / len(centred)
  variance = np.trace(covariance) / len(covariance)
  if shrinkage is None:
    shrinkage = max(_best_shrinkage(centred, covariance, variance), LEAST_SHRINKAGE)
  covariance = (1 - shrinkage) * covariance + shrinkage * variance * np.eye(len(covariance))
  return StyleStatistics(mean=jnp.asarray(mean, jnp.float32), covariance=jnp.asarray(covariance, jnp.float32))


def of_model(model: pretrained.Model, key: Array, *, num_people: int = 4096) -> StyleStatistics:
  """Statistics of people whom the model draws; `key` as of `Model.draw_styles`."""
  return estimate(model.draw_styles(key, num_people))


def rows_as_features(
    classes: regions.Classes, kind: int | None, shape: tuple[int, int, int]) -> Float[np.ndarray, 'features classes 2 style_dim']:
  """The styles of a region as features, for styles of shape (classes, 2, style_dim)."""
  return _select(regions.rows(classes, kind, shape[0]), shape)


def others_as_features(
    classes: regions.Classes, kind: int | None, shape: tuple[int, int, int]) -> Float[np.ndarray, 'features classes 2 style_dim']:
  """All styles but those of a region, as features; ValueError if nothing is left."""
  rows = ~regions.rows(classes, kind, shape[0])
  if not rows.any():
    raise ValueError('the region is the whole person; leave a class or a kind to go by')
  return _select(rows, shape)


def condition(statistics: StyleStatistics, features: Float[Array, 'features classes 2 style_dim']) -> Conditional:
  """All styles given features, for `Conditional.predict` and `.draw`.

  Raises:
    ValueError: if the features are not of these styles.
  """
  shape = statistics.mean.shape
  if np.ndim(features) != 4 or np.shape(features)[1:] != shape:
    raise ValueError(f'features have shape {np.shape(features)}, these styles need (features, {", ".join(map(str, shape))})')
  features = jnp.asarray(features, statistics.mean.dtype)
  flat = features.reshape(len(features), -1)
  shared = statistics.covariance @ flat.T
  gain = jax.scipy.linalg.solve(flat @ shared, shared.T, assume_a='pos').T
  return Conditional(mean=statistics.mean, features=features, gain=gain, factor=jnp.linalg.cholesky(statistics.covariance))


def _best_shrinkage(centred, covariance, variance) -> float:
  """Ledoit and Wolf's: expected error of the sample covariance, over its distance from mu I; both squared."""
  distance = np.sum(covariance**2) - len(covariance) * variance**2
  error = (np.mean(np.sum(centred**2, axis=1)**2) - np.sum(covariance**2)) / len(centred)
  return float(np.clip(error / distance, 0, 1)) if distance > 0 else 1.0


def _select(rows, shape):
  wanted = np.repeat(rows.ravel(), shape[-1])
  return np.eye(len(wanted), dtype=np.float32)[wanted].reshape(-1, *shape)
