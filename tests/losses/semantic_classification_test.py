import math

import jax.numpy as jnp
import numpy as np

from cnerf_jax.losses import semantic_classification


def test_loss_is_cross_entropy():
  """Protects the class head: log K for no opinion, near 0 for the right class, the margin for the wrong one, as a mean."""
  loss = semantic_classification.semantic_classification_loss
  np.testing.assert_allclose(loss(jnp.zeros((4, 12)), jnp.arange(4)), math.log(12), rtol=1e-6)
  logits = 30.0 * jnp.eye(12)[jnp.array([3, 5])]
  np.testing.assert_allclose(loss(logits, jnp.array([3, 5])), 0, atol=1e-6)
  np.testing.assert_allclose(loss(logits, jnp.array([3, 6])), 15, rtol=1e-5)
