import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax.models import mapping_network


def test_folded_network_maps_the_prior_as_the_first_maps_the_gaussian():
  """Protects the exactness of the fold: folded(z) = network(mean + L z), and L L^T is the covariance."""
  network = mapping_network.MappingNetwork(style_dim=4, num_layers=2)
  z = jax.random.normal(jax.random.key(0), (5, 4))
  params = network.init(jax.random.key(1), z)
  mean = jnp.array([1.0, -2.0, 0.5, 0.0])
  root = jax.random.normal(jax.random.key(2), (4, 4))
  covariance = root @ root.T + 0.1 * jnp.eye(4)
  folded = {'params': mapping_network.fold_gaussian(params['params'], mean, covariance)}
  factor = np.linalg.cholesky(np.asarray(covariance))
  expected = network.apply(params, mean + np.asarray(z) @ factor.T)
  np.testing.assert_allclose(network.apply(folded, z), expected, rtol=2e-4, atol=2e-5)
  assert jax.tree.structure(folded) == jax.tree.structure(params)
  np.testing.assert_array_equal(folded['params']['layer_1']['kernel'], params['params']['layer_1']['kernel'])
