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
  guess = encoder.apply(encoder.init(jax.random.key(0), image, masks), image, masks)
  assert guess.mean.shape == guess.log_variance.shape == (2, 6)
  np.testing.assert_array_equal(guess.log_variance, 0)
  assert guess.draw(jax.random.key(1)).shape == (2, 6)
