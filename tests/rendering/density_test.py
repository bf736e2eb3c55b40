import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax.rendering import density

BETA = jnp.float32(0.1)


def test_density_falls_with_distance():
  """Protects the sign of the signed distance: negative is inside, and inside is denser."""
  values = np.asarray(density.density_from_sdf(jnp.linspace(-0.5, 0.5, 101), BETA))
  assert (np.diff(values) < 0).all() and (values > 0).all()


@pytest.mark.parametrize('sdf, expected', [(-100.0, 10.0), (0.0, 5.0), (100.0, 0.0)])
def test_density_has_its_published_values(sdf, expected):
  """Protects the formula: 1/beta deep inside, 1/(2 beta) on the surface, nothing outside, and no noise."""
  np.testing.assert_allclose(density.density_from_sdf(jnp.float32(sdf), BETA), expected, rtol=1e-6)


def test_gradient_lives_outside_the_surface():
  """Protects learning from empty space: no ReLU cuts the gradient where the density is small."""
  gradient = jax.vmap(jax.grad(density.density_from_sdf), in_axes=(0, None))(jnp.linspace(0.01, 0.5, 20), BETA)
  assert (np.asarray(gradient) < 0).all()


@pytest.mark.parametrize('sdf', [-1e4, -1.0, 0.0, 1.0, 1e4])
def test_values_and_gradients_are_finite(sdf):
  """Protects training from far points and thin surfaces."""
  for beta in (1e-3, 0.1, 10.0):
    value, gradients = jax.value_and_grad(density.density_from_sdf, argnums=(0, 1))(jnp.float32(sdf), jnp.float32(beta))
    assert np.isfinite([value, *gradients]).all()
