import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax.models import portrait_encoder

pytestmark = pytest.mark.usefixtures('quick_compilation')


def test_space_to_depth_keeps_each_block_together():
  """Protects locality: the four pixels of a block, and only they, become the channels of one pixel."""
  x = jnp.arange(2 * 4 * 4 * 3, dtype=jnp.float32).reshape(2, 4, 4, 3)
  deep = portrait_encoder.space_to_depth(x)
  assert deep.shape == (2, 2, 2, 12)
  np.testing.assert_array_equal(deep[1, 0, 1], x[1, 0:2, 2:4].reshape(-1))


@pytest.mark.parametrize('size', [4, 8, 16, 32])
def test_guess_fits_every_image_size(size):
  """Protects small and large configs: any power of two from 4 gives one Gaussian per portrait, that starts at unit variance."""
  encoder = portrait_encoder.PortraitEncoder(style_dim=6)
  image, masks = jnp.ones((2, size, size, 3)), jnp.ones((2, size, size, 5))
  guess = encoder.apply(encoder.init(jax.random.key(0), image, masks), image, masks).z
  assert guess.mean.shape == guess.log_variance.shape == (2, 6)
  np.testing.assert_array_equal(guess.log_variance, 0)
  assert guess.draw(jax.random.key(1)).shape == (2, 6)


@pytest.mark.parametrize('mirror_latents', [False, True])
def test_mirror_image_is_the_same_head_turned_the_other_way(mirror_latents):
  """Protects the symmetry that viewpoints are read by: mirrored, the azimuth is the opposite and the elevation the same, whatever the
  parameters; the latents are the same where that is asked for, and only there."""
  encoder = portrait_encoder.PortraitEncoder(style_dim=6, viewpoint_std=(0.3, 0.15), elevation_mean=0.2, mirror_latents=mirror_latents)
  image, masks = jax.random.normal(jax.random.key(0), (3, 8, 8, 3)), jax.random.uniform(jax.random.key(1), (3, 8, 8, 5))
  params = encoder.init(jax.random.key(2), image, masks)
  encoding, mirrored = encoder.apply(params, image, masks), encoder.apply(params, image[:, :, ::-1], masks[:, :, ::-1])
  np.testing.assert_allclose(mirrored.viewpoint, encoding.viewpoint * jnp.array([-1, 1]), atol=1e-6)
  assert np.abs(encoding.viewpoint[:, 0]).min() > 1e-3 and np.abs(encoding.viewpoint[:, 1] - 0.2).max() < 1
  assert np.ptp(encoding.viewpoint, axis=0).min() > 1e-3
  assert np.allclose(encoding.z.mean, mirrored.z.mean, atol=1e-5) == mirror_latents


def test_whitened_latents_are_standard_normal():
  """Protects the start of an inversion: latents of N(mean, covariance) become N(0, I), and their variances shrink along."""
  random = np.random.default_rng(0)
  mean, factor = np.array([1.0, -2.0, 0.5]), np.array([[2.0, 0, 0], [0.5, 0.3, 0], [0.1, 0.2, 1.0]])
  drawn = mean + random.standard_normal((20_000, 3)) @ factor.T
  z = portrait_encoder.LatentGaussian(mean=jnp.asarray(drawn, jnp.float32), log_variance=jnp.full((20_000, 3), -2.0))
  white = portrait_encoder.whiten(z, jnp.asarray(mean, jnp.float32), jnp.asarray(factor @ factor.T, jnp.float32))
  np.testing.assert_allclose(np.mean(white.mean, axis=0), 0, atol=0.03)
  np.testing.assert_allclose(np.cov(white.mean, rowvar=False), np.eye(3), atol=0.04)
  inverse = np.linalg.inv(factor)
  np.testing.assert_allclose(np.exp(white.log_variance[0]), np.diag(inverse @ (np.exp(-2) * np.eye(3)) @ inverse.T), rtol=1e-3)
