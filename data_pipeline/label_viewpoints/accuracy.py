"""How well angles are read: against the truth of synthetic people, or against poses of photographs."""

import numpy as np
from jaxtyping import Float


def compare(
    found: Float[np.ndarray, 'maps angles'], truth: Float[np.ndarray, 'maps angles'], names: tuple[str, ...],
) -> dict[str, dict[str, float]]:
  """For each angle: correlation, median_degrees of the absolute error, median_degrees_fitted, slope over the truth, mean_difference_degrees.

  `median_degrees_fitted` is what is left after a scale and an offset, which a truth that is itself an estimate may have.
  """
  rows = {}
  for k, name in enumerate(names):
    difference = np.degrees(found[:, k] - truth[:, k])
    covariance = np.cov(found[:, k], truth[:, k])
    rows[name] = dict(
        correlation=float(np.corrcoef(found[:, k], truth[:, k])[0, 1]), median_degrees=float(np.median(np.abs(difference))),
        median_degrees_fitted=float(np.degrees(np.median(np.abs(_fitted(found[:, k], truth[:, k]) - truth[:, k])))),
        slope=float(covariance[0, 1] / covariance[1, 1]), mean_difference_degrees=float(difference.mean()))
  return rows


def _fitted(found: Float[np.ndarray, 'maps'], truth: Float[np.ndarray, 'maps']) -> Float[np.ndarray, 'maps']:
  """What was found, scaled and moved to come nearest to the truth."""
  found = found - found.mean()
  return truth.mean() + found * ((found * truth).sum() / max((found**2).sum(), 1e-12))
