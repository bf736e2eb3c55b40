import jax.numpy as jnp
import numpy as np

from cnerf_jax.losses import viewpoint


def test_loss_is_smooth_l1():
  """Protects the formula: half the square below one radian, the distance less a half above, mean over both angles."""
  predicted, truth = jnp.array([[0.3, 0.0], [2.0, -0.1]]), jnp.array([[0.1, 0.0], [-1.0, 0.1]])
  expected = (0.5 * 0.2**2 + 0 + (3.0 - 0.5) + 0.5 * 0.2**2) / 4
  np.testing.assert_allclose(viewpoint.viewpoint_loss(predicted, truth), expected, rtol=1e-6)
