import jax
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


def test_width_is_the_standard_deviation_of_the_depth():
  """Protects what tells fog from a surface: one sample has no width, two of equal weight half their distance, whatever the weights sum to."""
  distances = jnp.array([0.9, 1.0, 1.1])
  for weights, width in [([0, 1, 0], 0), ([0.5, 0, 0.5], 0.1), ([0.1, 0, 0.1], 0.1), ([0, 0, 0], 0), ([0.25, 0.5, 0.25], 0.1 * 0.5**0.5)]:
    np.testing.assert_allclose(surface.surface_width(jnp.array(weights, jnp.float32), distances), width, atol=1e-6)


def test_normals_point_out_of_the_solid():
  """Protects the sign and length of normals: of a sphere they are its radii, made 1 long, and at its centre there is none."""
  points = jnp.array([[[0.3, 0.0, 0.0], [0.0, -0.2, 0.0], [0.1, 0.1, 0.1], [0.0, 0.0, 0.0]]])
  found = surface.normals(lambda p: jnp.sum(p**2, axis=-1) - 0.01, points)
  np.testing.assert_allclose(found[0], [[1, 0, 0], [0, -1, 0], [3**-0.5] * 3, [0, 0, 0]], atol=1e-6)


def test_gradients_are_finite_where_there_is_nothing_to_measure():
  """Protects losses on width and normals: no width, no slope, and no NaN."""
  distances = jnp.array([0.9, 1.0, 1.1])
  for weights in ([0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.5, 0.0, 0.5]):
    assert np.isfinite(jax.grad(lambda w: surface.surface_width(w, distances))(jnp.array(weights))).all()
  slope = lambda points: jnp.sum(surface.normals(lambda p: jnp.sum(p**2, axis=-1), points) ** 2)
  assert np.isfinite(jax.grad(slope)(jnp.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0]]))).all()
