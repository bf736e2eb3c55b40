import jax.numpy as jnp
import numpy as np

from cnerf_jax.losses import sphere


def test_loss_is_the_distance_to_the_sphere():
  """Protects the target of sphere initialisation: |x| - 0.06 world units for near .88 and far 1.12, in L1."""
  points = jnp.array([[0.06, 0.0, 0.0], [0.0, 0.1, 0.0]])
  np.testing.assert_allclose(sphere.sphere_loss(jnp.array([0.0, 0.04]), points), 0, atol=1e-7)
  np.testing.assert_allclose(sphere.sphere_loss(jnp.array([0.01, 0.02]), points), 0.015, rtol=1e-5)
