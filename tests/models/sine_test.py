import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax.models import sine

X = np.concatenate([np.linspace(-300, 300, 400_001), np.arange(-190, 191) * np.pi / 2]).astype(np.float32)


@pytest.mark.parametrize('ours, exact', [(sine.sine, np.sin), (sine.cosine, np.cos)], ids=['sine', 'cosine'])
def test_value_is_accurate(ours, exact):
  """Protects rendering: within 2e-7 of the double precision value wherever SIREN's arguments go."""
  error = np.abs(np.asarray(jax.jit(ours)(X), np.float64) - exact(X.astype(np.float64)))
  assert error.max() < 2e-7


@pytest.mark.parametrize('ours, theirs', [(sine.sine, jnp.sin), (sine.cosine, jnp.cos)], ids=['sine', 'cosine'])
def test_derivatives_are_those_of_the_function(ours, theirs):
  """Protects the eikonal loss, which differentiates twice, and its gradient, a third time."""
  x = X[::2_000]
  for order in (1, 2, 3):
    ours, theirs = jax.grad(ours), jax.grad(theirs)
    np.testing.assert_allclose(jax.vmap(ours)(x), jax.vmap(theirs)(x), atol=1e-6, err_msg=f'derivative {order}')


def test_forward_mode_equals_reverse_mode():
  """Protects custom derivatives from being right in one mode alone."""
  x = jnp.float32(2.5)
  np.testing.assert_allclose(jax.jacfwd(jax.jacrev(sine.sine))(x), jax.jacrev(jax.jacfwd(sine.sine))(x), rtol=1e-6)
