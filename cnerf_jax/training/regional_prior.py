"""The Gaussian that people are drawn from where latents are regional: presence of classes and latents together (not in the paper).

Real portraits give latents e of the classes that they show, and which those are. Of (u, e), u_k > threshold_k saying that class k is there,

  Cov(1[u_k > t_k], x) = phi(t_k) Cov(u_k, x)   for x jointly normal with u_k,  phi the normal density,

so covariances of u with latents follow from those with presence; those of two classes' u are what makes both as often there together as in
the portraits (where glasses hide the eyes, say). A latent's moments are over the portraits that show its class; a pair's over those that
show both, and count the less the fewer they are.
"""

from __future__ import annotations

import itertools
import statistics

from jaxtyping import Bool, Float
import numpy as np

from cnerf_jax.models import regional_mapping

_NORMAL = statistics.NormalDist()
_FEW = 30.0  # portraits at which half of a covariance is believed
_SMALLEST_VARIANCE = 1e-3  # of the sum in any direction, so that it has a Cholesky factor
_LARGEST_CORRELATION = 0.9  # of the presence of a class with a latent
_CORRELATIONS = np.tanh(np.linspace(-4.0, 4.0, 801))  # that two presences may have, dense at the ends
# A class seen on fewer or more than these fractions of portraits is never or always there: a person has eyes, also where hair hides them.
_NEVER, _ALWAYS = 1e-3, 0.9


def fit(
    means: Float[np.ndarray, 'portraits regions'], variances: Float[np.ndarray, 'portraits regions'],
    present: Bool[np.ndarray, 'portraits classes'],
) -> tuple[Float[np.ndarray, 'latents'], Float[np.ndarray, 'latents latents'], Float[np.ndarray, 'classes']]:
  """Mean and covariance of (u, e), and the thresholds of u.

  Args:
    means: of the encoder's Gaussians, flat as [classes, 2, region_dim] are.
    variances: of them.
    present: which classes each portrait shows.
  """
  num_classes = present.shape[1]
  seen = np.repeat(present, means.shape[1] // num_classes, axis=1)
  count = np.maximum(seen.sum(axis=0), 1)
  mean = np.where(seen, means, 0).sum(axis=0, dtype=np.float64) / count
  centred = np.where(seen, means - mean, 0).astype(np.float64)
  both = seen.T.astype(np.float64) @ seen
  covariance = centred.T @ centred / (both + _FEW)
  np.fill_diagonal(covariance, (centred**2).sum(axis=0) / count + np.where(seen, variances, 0).sum(axis=0) / count)
  covariance[np.diag_indices_from(covariance)] += np.where(seen.any(axis=0), 0.0, 1.0)

  fraction = present.mean(axis=0)
  threshold = np.array([_threshold(one) for one in fraction])
  presence = present - fraction
  varies = (fraction >= _NEVER) & (fraction <= _ALWAYS)
  density = np.array([_NORMAL.pdf(one) if varies[k] else np.inf for k, one in enumerate(threshold)])
  deviation = np.sqrt(np.diag(covariance))
  with_latents = presence.T @ centred / (count + _FEW) / density[:, None]
  with_latents = np.clip(with_latents, -_LARGEST_CORRELATION * deviation, _LARGEST_CORRELATION * deviation)
  own = np.repeat(np.eye(num_classes, dtype=bool), means.shape[1] // num_classes, axis=1)
  with_latents[own] = 0  # a latent is known only where its class is there
  together = presence.T @ presence / len(present)
  of_presence = np.eye(num_classes)
  for k, l in itertools.combinations(np.flatnonzero(varies), 2):
    of_presence[k, l] = of_presence[l, k] = _correlation(together[k, l], threshold[k], threshold[l])
  whole = np.block([[of_presence, with_latents], [with_latents.T, covariance]])
  return (np.concatenate([np.zeros(num_classes), mean]).astype(np.float32), _definite(whole).astype(np.float32),
          threshold.astype(np.float32))


def _threshold(fraction: float) -> float:
  """What a coordinate N(0, 1) exceeds with this probability."""
  if _NEVER <= fraction <= _ALWAYS:
    return _NORMAL.inv_cdf(1 - fraction)
  return regional_mapping.ALWAYS if fraction > _ALWAYS else -regional_mapping.ALWAYS


def _correlation(covariance: float, threshold: float, other: float) -> float:
  """Of a bivariate normal whose coordinates exceed these thresholds with this covariance, which is the integral of its density at the
  thresholds over the correlation (Plackett 1954)."""
  r = _CORRELATIONS
  rest = 1 - r**2
  density = np.exp(-(threshold**2 - 2 * r * threshold * other + other**2) / (2 * rest)) / (2 * np.pi * np.sqrt(rest))
  integral = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(r))])
  return float(np.interp(covariance, integral - np.interp(0.0, r, integral), r))


def _definite(covariance: np.ndarray) -> np.ndarray:
  """A positive definite matrix near a symmetric one, of the same variances."""
  values, vectors = np.linalg.eigh(covariance)
  definite = (vectors * np.maximum(values, _SMALLEST_VARIANCE)) @ vectors.T
  scale = np.sqrt(np.diag(covariance) / np.diag(definite))
  return definite * scale[:, None] * scale[None, :]
