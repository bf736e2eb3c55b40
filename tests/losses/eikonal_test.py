import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax.losses import eikonal

POINTS = jnp.asarray(np.random.default_rng(0).standard_normal((2, 30, 3)), jnp.float32)
sphere = lambda points: jnp.linalg.norm(points, axis=-1) - 0.5


def test_gradient_of_a_sphere_points_outwards():
  """Protects the gradient's sign and length: x / |x|, each point's own."""
  gradient = eikonal.sdf_gradient(sphere, POINTS)
  np.testing.assert_allclose(gradient, POINTS / jnp.linalg.norm(POINTS, axis=-1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize('scale, expected', [(1.0, 0.0), (2.5, 2.25), (0.0, 1.0), (-1.0, 0.0)])
def test_loss_is_the_squared_error_of_the_slope(scale, expected):
  """Protects the formula: an exact distance costs nothing, one scaled by s costs (s - 1)^2."""
  loss = eikonal.eikonal_loss(lambda points: scale * sphere(points), POINTS)
  np.testing.assert_allclose(loss, expected, atol=1e-5)


def test_loss_teaches_the_slope():
  """Protects learning through the gradient: d/ds (s - 1)^2 = 2 (s - 1), and finite where the slope is zero."""
  loss = lambda s: eikonal.eikonal_loss(lambda points: s * sphere(points), POINTS)
  np.testing.assert_allclose(jax.grad(loss)(3.0), 4.0, rtol=1e-4)
  assert np.isfinite(jax.grad(loss)(0.0))
