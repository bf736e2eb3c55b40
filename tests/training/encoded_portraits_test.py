import numpy as np

from cnerf_jax.models import portrait_encoder
from cnerf_jax.training import encoded_portraits


def test_gaussian_of_encoded_latents_holds_their_spread():
  """Protects the diversity of drawn people: samples of the encoded Gaussians have the mean and covariance it reports."""
  rng = np.random.default_rng(0)
  guesses = [
      portrait_encoder.LatentGaussian(
          mean=rng.normal([1.0, -1.0], [2.0, 0.1], (500, 2)), log_variance=np.log(np.full((500, 2), [0.25, 1.0])))
      for _ in range(4)]
  mean, covariance = encoded_portraits.encoded_gaussian(
      np.concatenate([guess.mean for guess in guesses]), np.exp(np.concatenate([guess.log_variance for guess in guesses])))
  drawn = np.concatenate([g.mean + np.exp(g.log_variance / 2) * rng.normal(size=g.mean.shape) for g in guesses])
  np.testing.assert_allclose(mean, drawn.mean(axis=0), atol=0.15)
  np.testing.assert_allclose(covariance, np.cov(drawn, rowvar=False), atol=0.35)
  np.testing.assert_allclose(np.diag(covariance), [4.25, 1.01], rtol=0.1)
