"""Regional latents: whose latent a style depends on, who wears what, and the Gaussian that people are drawn from."""

import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax.models import regional_mapping

K, R, STYLE = 3, 2, 4
WIDTH = regional_mapping.latent_dim(K, R)


def make(threshold=(regional_mapping.ALWAYS, 0.5, -regional_mapping.ALWAYS)):
  network = regional_mapping.RegionalMapping(num_classes=K, region_dim=R, style_dim=STYLE, num_layers=2)
  params = network.init(jax.random.key(0), jnp.zeros(WIDTH))
  factor = np.random.default_rng(0).normal(size=(WIDTH, WIDTH))
  covariance = factor @ factor.T / WIDTH + np.eye(WIDTH)
  mean = np.concatenate([np.zeros(K), np.linspace(-1, 1, WIDTH - K)])
  return network, {'params': regional_mapping.with_prior(params['params'], mean, covariance, np.array(threshold))}, mean, covariance


def test_a_class_depends_on_its_own_latent_alone():
  """Protects edits: another shape or texture latent of a class changes that style, and no other to the bit."""
  network, params, _, _ = make()
  regions = np.random.default_rng(1).normal(size=(K, 2, R)).astype(np.float32)
  styles = lambda regions: np.asarray(network.apply(params, jnp.asarray(regions).reshape(-1), jnp.ones(K, bool), method='styles'))
  before = styles(regions)
  for k in range(K):
    for kind in range(2):
      edited = regions.copy()
      edited[k, kind] += 1
      changed = np.any(styles(edited) != before, axis=-1)
      expected = np.zeros((K, 2), bool)
      expected[k, kind] = True
      np.testing.assert_array_equal(changed, expected)


def test_absent_classes_get_their_style_of_absence():
  """Protects presence: below its threshold a class has the style `absent`, whatever its latent; one that always is there never has."""
  network, params, _, _ = make()
  params['params'] = params['params'] | {'factor': np.eye(WIDTH, dtype=np.float32)}
  z = jax.random.normal(jax.random.key(2), (4_000, WIDTH))
  styles = np.asarray(network.apply(params, z))
  absent = (styles == np.asarray(params['params']['absent'])).all(axis=(-1, -2))
  assert not absent[:, 0].any() and absent[:, 2].all()
  np.testing.assert_array_equal(absent[:, 1], np.asarray(z[:, 1]) <= 0.5)


def test_people_are_drawn_from_the_gaussian():
  """Protects matching regions: (u, e) = mean + L z has the given mean and covariance, and training doesn't move them."""
  network, params, mean, covariance = make(threshold=(-10.0,) * K)
  factor = np.asarray(params['params']['factor'], np.float64)
  np.testing.assert_allclose(factor @ factor.T, covariance, rtol=1e-5, atol=1e-5)
  z = np.random.default_rng(3).normal(size=(5, WIDTH)).astype(np.float32)
  by_hand = network.apply(params, jnp.asarray((mean + z @ factor.T)[:, K:], jnp.float32), jnp.ones((5, K), bool), method='styles')
  np.testing.assert_allclose(network.apply(params, z), by_hand, rtol=1e-4, atol=1e-5)
  gradients = jax.grad(lambda p: jnp.sum(network.apply(p, z)**2))(params)['params']
  assert all(np.all(gradients[name] == 0) for name in ('mean', 'factor', 'threshold'))
  assert np.abs(gradients['regions']['layer_0']['kernel']).max() > 0


def test_a_redrawn_class_goes_by_all_others():
  """Protects redrawing: the others stay; the class has the mean and covariance of a Gaussian given them, by the textbook's formula."""
  rng = np.random.default_rng(0)
  num_classes, region_dim = 3, 2
  owners = regional_mapping.class_of_coordinates(num_classes, region_dim)
  width = regional_mapping.latent_dim(num_classes, region_dim)
  assert len(owners) == width and list(owners[:5]) == [0, 1, 2, 0, 0]
  factor, mean = np.tril(rng.standard_normal((width, width))) + 2 * np.eye(width), rng.standard_normal(width)
  person = mean + factor @ rng.standard_normal(width)
  anybody = mean + rng.standard_normal((20000, width)) @ factor.T
  known = owners != 1
  given = regional_mapping.given_others(factor, num_classes)
  redrawn = np.asarray(jax.vmap(lambda one: regional_mapping.redraw(given.gain, jnp.asarray(person), one, jnp.asarray(known, jnp.float32)))(
      jnp.asarray(anybody)), np.float64)
  np.testing.assert_allclose(redrawn[:, known], np.broadcast_to(person[known], redrawn[:, known].shape), rtol=1e-5)
  covariance = factor @ factor.T
  inverse = np.linalg.inv(covariance[np.ix_(known, known)])
  between = covariance[np.ix_(~known, known)]
  spread = covariance[np.ix_(~known, ~known)] - between @ inverse @ between.T
  scale = np.sqrt(np.diag(spread))
  expected = mean[~known] + between @ inverse @ (person - mean)[known]
  np.testing.assert_allclose(redrawn[:, ~known].mean(axis=0), expected, atol=0.05 * scale.max())
  np.testing.assert_allclose(np.cov(redrawn[:, ~known].T) / np.outer(scale, scale), spread / np.outer(scale, scale), atol=0.05)
  np.testing.assert_allclose(given.presence_std[1], scale[0], rtol=1e-4)
  np.testing.assert_allclose(given.carry[~known], spread[:, 0] / spread[0, 0], rtol=1e-3, atol=1e-4)
