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


def test_unfolding_takes_the_fold_back():
  """Protects the encoder that is fitted to a later generator: without the Gaussian its mapping takes the encoder's own latents again."""
  network = mapping_network.MappingNetwork(style_dim=4, num_layers=2)
  z = jax.random.normal(jax.random.key(0), (5, 4))
  params = network.init(jax.random.key(1), z)
  mean = np.array([1.0, -2.0, 0.5, 0.0], np.float32)
  root = np.random.default_rng(0).standard_normal((4, 4))
  covariance = (root @ root.T + 0.1 * np.eye(4)).astype(np.float32)
  folded = mapping_network.fold_gaussian(params['params'], mean, covariance)
  unfolded = {'params': mapping_network.unfold_gaussian(folded, mean, covariance)}
  assert jax.tree.structure(unfolded) == jax.tree.structure(params) and unfolded['params']['layer_0']['kernel'].dtype == np.float32
  np.testing.assert_allclose(network.apply(unfolded, z), network.apply(params, z), rtol=1e-3, atol=1e-4)
  assert not np.allclose(network.apply({'params': folded}, z), network.apply(params, z), atol=1e-2)
