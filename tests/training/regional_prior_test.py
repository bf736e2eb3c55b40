"""The Gaussian of presence and latents, against people drawn from a known one."""

import numpy as np

from cnerf_jax.models import regional_mapping
from cnerf_jax.training import regional_prior


def draw(count, seed=0):
  """Three classes of two numbers; the second is worn by a quarter, more by those whose first latent is large, the third by nobody."""
  rng = np.random.default_rng(seed)
  e = rng.normal(size=(count, 6)) * [1.0, 2.0, 1.0, 1.0, 1.0, 1.0] + [0.0, 1.0, -1.0, 0.0, 0.0, 0.0]
  e[:, 3] = 0.6 * e[:, 0] + 0.8 * e[:, 3]
  u = 0.5 * e[:, 0] + 0.75**0.5 * rng.normal(size=count)
  present = np.stack([np.ones(count, bool), u > 0.6745, np.zeros(count, bool)], axis=-1)
  variances = np.full((count, 6), 0.1)
  seen = np.repeat(present, 2, axis=1)
  return np.where(seen, e, 0), np.where(seen, variances, 1), present


def test_moments_are_those_of_the_people():
  """Protects drawn people: means and variances of a class over those who wear it, covariance of classes over those who wear both, and
  that of presence with a latent through the threshold."""
  mean, covariance, threshold = regional_prior.fit(*draw(200_000))
  np.testing.assert_allclose(threshold, [regional_mapping.ALWAYS, 0.6745, -regional_mapping.ALWAYS], atol=0.02)
  assert (mean[:3] == 0).all()
  np.testing.assert_allclose(mean[3:5], [0, 1], atol=0.02)
  np.testing.assert_allclose(np.diag(covariance)[3:5], [1.1, 4.1], rtol=0.02)
  np.testing.assert_allclose(np.diag(covariance)[:3], 1, atol=1e-3)
  np.testing.assert_allclose(covariance[1, 3], 0.5, atol=0.02)  # presence of the second with the first's latent
  worn = draw(200_000)[2][:, 1]
  e = draw(200_000)[0][worn]
  np.testing.assert_allclose(covariance[3, 6], ((e[:, 0] - mean[3]) * (e[:, 3] - mean[6])).mean(), atol=0.02)
  assert np.abs(covariance[1, 5:7]).max() < 1e-3  # nothing is known of a class's own latents where it is not


def test_presences_are_together_as_often_as_in_the_portraits():
  """Protects people from having neither eyes nor the glasses that hide them: pairs of classes are there together as often as in the data,
  also where one excludes the other."""
  rng = np.random.default_rng(0)
  first = rng.uniform(size=50_000) < 0.25
  present = np.stack([first, ~first, rng.uniform(size=first.size) < np.where(first, 0.6, 0.3), np.ones_like(first)], axis=-1)
  latents = rng.normal(size=(first.size, 8))
  mean, covariance, threshold = regional_prior.fit(latents, np.ones_like(latents), present)
  drawn = rng.multivariate_normal(mean, covariance, 50_000)[:, :4] > threshold
  together = lambda present: present.T.astype(float) @ present / len(present)
  np.testing.assert_allclose(together(drawn), together(present), atol=0.015)


def test_a_few_people_still_give_a_gaussian():
  """Protects small data sets: from a dozen portraits comes a covariance that has a Cholesky factor, of finite numbers."""
  mean, covariance, threshold = regional_prior.fit(*draw(12))
  assert np.isfinite(mean).all() and np.isfinite(threshold).all()
  np.linalg.cholesky(covariance.astype(np.float64))
  assert np.abs(covariance - covariance.T).max() < 1e-5
