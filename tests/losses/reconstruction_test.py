import math

import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax.losses import reconstruction


def test_loss_is_squared_error_and_cross_entropy():
  """Protects the formula: squared error over channels, cross-entropy over classes, each a mean over pixels."""
  image, real = jnp.zeros((1, 2, 1, 3)), jnp.array([1.0, 0.5]).reshape(1, 2, 1, 1) * jnp.ones(3)
  mask, shares = jnp.full((1, 2, 1, 2), 0.5), jnp.array([[1.0, 0.0], [0.25, 0.75]]).reshape(1, 2, 1, 2)
  loss = reconstruction.reconstruction_loss(image, real, mask, shares)
  np.testing.assert_allclose(loss, (3 + 0.75) / 2 + math.log(2), rtol=1e-6)
  weighted = reconstruction.reconstruction_loss(image, real, mask, shares, image_weight=4.0)
  np.testing.assert_allclose(weighted, 4 * (3 + 0.75) / 2 + math.log(2), rtol=1e-6)


def test_absent_mask_costs_much_but_not_all():
  """Protects training from infinities: a mask at zero, or below under raw fusion, has a finite loss and gradient."""
  loss = lambda mask: reconstruction.reconstruction_loss(jnp.zeros((1, 3)), jnp.zeros((1, 3)), mask, jnp.array([[1.0, 0.0]]))
  for value in (0.0, -1.0):
    cost, gradient = jax.value_and_grad(loss)(jnp.array([[value, 1.0]]))
    assert np.isfinite(cost) and np.isfinite(np.asarray(gradient)).all() and cost > 5


def test_a_class_that_has_faded_can_come_back():
  """Protects small classes (trap: a logarithm that is cut off too soon): where a class is real its score is pulled up, however small its mask
  has become."""
  image, real_mask = jnp.zeros((1, 3)), jnp.array([[0.0, 1.0]])
  loss = lambda score: reconstruction.reconstruction_loss(image, image, jax.nn.softmax(jnp.stack([0.0, score])[None]), real_mask)
  np.testing.assert_allclose([jax.grad(loss)(score) for score in (-3.0, -12.0, -20.0)], [-1 / (1 + math.exp(-3)), -1, -1], rtol=1e-4)


def test_prior_divergence_is_zero_at_the_prior_alone():
  """Protects the tie between encoded and drawn latents: N(0, I) costs nothing, a shift of 2 in one of 3 dimensions 2 nats."""
  zero = jnp.zeros((4, 3))
  np.testing.assert_allclose(reconstruction.prior_divergence(zero, zero), 0, atol=1e-7)
  np.testing.assert_allclose(reconstruction.prior_divergence(zero.at[:, 0].set(2.0), zero), 2, rtol=1e-6)
  assert reconstruction.prior_divergence(zero, zero - 1) > 0


def test_portraits_that_do_not_count_cost_nothing():
  """Protects shapes from portraits whose camera is not known: the mean over those that count, 0 where none does."""
  image, real = jnp.zeros((3, 4, 3)), jnp.array([1.0, 7.0, 0.5]).reshape(3, 1, 1) * jnp.ones((3, 4, 3))
  mask = jnp.full((3, 4, 2), 0.5)
  loss = lambda weights: reconstruction.reconstruction_loss(image, real, mask, mask, weights=jnp.array(weights))
  np.testing.assert_allclose(loss([1.0, 0.0, 1.0]), (3 + 0.75) / 2 + math.log(2), rtol=1e-6)
  np.testing.assert_allclose(loss([1.0, 1.0, 1.0]), reconstruction.reconstruction_loss(image, real, mask, mask), rtol=1e-6)
  assert loss([0.0, 0.0, 0.0]) == 0


def test_free_nats_are_free_for_each_group():
  """Protects latents that say little at first: below what is free divergence pulls at nothing, above it counts whole."""
  divergence = lambda mean: reconstruction.prior_divergence(mean, jnp.zeros_like(mean), free_nats=0.5, group=2)
  mean = jnp.array([[0.1, 0.2, 2.0, 0.0]] * 3)
  np.testing.assert_allclose(divergence(mean), 0.5 + 2.0, rtol=1e-6)
  gradient = np.asarray(jax.grad(divergence)(mean))
  assert (gradient[:, :2] == 0).all() and (gradient[:, 2] > 0).all()


def test_mask_weights_are_of_pixels_and_of_masks_alone():
  """Protects areas of small classes: weights of pixels scale their cross-entropy, never the error of colours."""
  rng = np.random.default_rng(0)
  image, real = rng.uniform(-1, 1, (2, 2, 4, 3))
  mask, real_mask = rng.dirichlet(np.ones(3), (2, 2, 4))
  loss = lambda weights: reconstruction.reconstruction_loss(image, real, mask, real_mask, image_weight=3.0, mask_weights=weights)
  weights = np.zeros((2, 4))
  np.testing.assert_allclose(loss(weights), 3 * reconstruction.image_error(image, real), rtol=1e-6)
  weights[1, 2] = 8
  expected = -np.sum(real_mask[1, 2] * np.log(np.maximum(mask[1, 2], 1e-4)))
  np.testing.assert_allclose(loss(weights) - loss(0 * weights), expected, rtol=1e-5)
