import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax.evaluation import oracle_network


@pytest.mark.parametrize('image_size', [8, 16, 20, 32, 33, 64])
def test_gives_every_pixel_its_logits_at_any_size(image_size):
  """Sizes that do not halve evenly must work too."""
  network = oracle_network.OracleNetwork(12)
  image = jnp.zeros((2, image_size, image_size, 3))
  (logits, viewpoint), _ = jax.eval_shape(network.init_with_output, jax.random.key(0), image)
  assert logits.shape == (2, image_size, image_size, 12) and viewpoint.shape == (2, 2)


def test_depth_to_space_undoes_space_to_depth():
  """A pixel's logits must land on that pixel."""
  image = np.arange(2 * 8 * 12 * 3).reshape(2, 8, 12, 3)
  patches = oracle_network.space_to_depth(image, 4)
  np.testing.assert_array_equal(patches[1, 1, 2].reshape(4, 4, 3), image[1, 4:8, 8:12])
  np.testing.assert_array_equal(oracle_network.depth_to_space(patches, 4), image)
