import jax.numpy as jnp
import numpy as np

from cnerf_jax.rendering import surface


def test_depth_and_point_are_where_the_weight_is():
  """Protects geometry read-outs: all weight on one sample gives its distance and its point; halves give the middle."""
  distances = jnp.array([0.9, 1.0, 1.1])
  points = jnp.array([[0.0, 0.0, 0.1], [0.0, 0.0, 0.0], [0.2, 0.0, -0.1]])
  np.testing.assert_allclose(surface.expected_depth(jnp.array([0.0, 1.0, 0.0]), distances), 1.0, rtol=1e-6)
  np.testing.assert_allclose(surface.expected_depth(jnp.array([0.5, 0.0, 0.5]), distances), 1.0, rtol=1e-6)
  half = surface.expected_surface_point(jnp.array([0.5, 0.0, 0.5]), points)
  np.testing.assert_allclose(half, [0.1, 0.0, 0.0], atol=1e-7)
