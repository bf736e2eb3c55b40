import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax.losses import viewpoint


def test_loss_is_smooth_l1():
  """Protects the formula: half the square below one radian, the distance less a half above, mean over both angles."""
  predicted, truth = jnp.array([[0.3, 0.0], [2.0, -0.1]]), jnp.array([[0.1, 0.0], [-1.0, 0.1]])
  expected = (0.5 * 0.2**2 + 0 + (3.0 - 0.5) + 0.5 * 0.2**2) / 4
  np.testing.assert_allclose(viewpoint.viewpoint_loss(predicted, truth), expected, rtol=1e-6)


def test_weights_leave_out_what_is_not_known():
  """Protects from cameras that nobody read: the loss is the mean over weights, and 0 where there are none."""
  predicted, truth = jnp.array([[0.3, 0.1], [9.0, 9.0], [0.2, 0.0]]), jnp.zeros((3, 2))
  loss = lambda confidence: viewpoint.viewpoint_loss(predicted, truth, viewpoint.relative_weights(jnp.array(confidence)))
  of_each = [0.5 * (0.3**2 + 0.1**2) / 2, None, 0.5 * 0.2**2 / 2]
  np.testing.assert_allclose(loss([1.0, 0.0, 0.5]), (of_each[0] + 0.5 * of_each[2]) / 1.5, rtol=1e-5)
  np.testing.assert_allclose(loss([1.0, 1.0, 1.0]), viewpoint.viewpoint_loss(predicted, truth), rtol=1e-6)
  assert loss([0.0, 0.0, 0.0]) == 0


def test_held_loss_counts_in_deviations():
  """Protects the balance of the angles: errors in standard deviations, weighted, over all portraits and both angles."""
  predicted, std = jnp.array([[0.3, 0.1], [0.0, 0.1]]), jnp.array([0.6, 0.1])
  loss = viewpoint.held_viewpoint_loss(predicted, jnp.zeros((2, 2)), jnp.array([[1.0], [0.5]]), std)
  np.testing.assert_allclose(loss, (0.5 * 0.5**2 + 0.5 + 0.5 * 0.5) / 4, rtol=1e-5)


def test_spread_loss_wants_mean_and_deviation():
  """Protects cameras that nobody knows from collapse: 0 for the spread itself, its square for a shift, near 1 an angle for a point."""
  mean, std = jnp.array([0.0, 0.2]), jnp.array([0.3, 0.15])
  of_units = lambda units: viewpoint.spread_loss(mean + std * jnp.array(units), mean, std)
  spread = [[1.0, -1.0], [-1.0, 1.0]]
  np.testing.assert_allclose(of_units(spread), 0, atol=1e-6)
  np.testing.assert_allclose(of_units([[2.0, -1.0], [0.0, 1.0]]), 1, rtol=1e-4)
  point, gradient = jax.value_and_grad(lambda v: viewpoint.spread_loss(v, mean, std))(jnp.broadcast_to(mean, (2, 2)))
  assert 1.9 < point < 2 and np.isfinite(np.asarray(gradient)).all()
