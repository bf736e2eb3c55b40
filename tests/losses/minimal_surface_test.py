import math

import jax.numpy as jnp
import numpy as np

from cnerf_jax.losses import minimal_surface


def test_loss_counts_points_near_the_surface():
  """Protects the formula and its unit: mean exp(-100 |sdf|), 1 on the surface, both sides alike."""
  sdf = jnp.array([[0.0, 0.01], [-0.01, 5.0]])
  np.testing.assert_allclose(minimal_surface.minimal_surface_loss(sdf), (1 + 2 * math.exp(-1)) / 4, rtol=1e-6)
