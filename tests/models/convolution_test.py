import jax
from jax import lax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax.models import convolution

pytestmark = pytest.mark.usefixtures('quick_compilation')

DRAW = np.random.default_rng(0)
NUMBERS = ('NHWC', 'HWIO', 'NHWC')


@pytest.mark.parametrize('size, padding', [(1, 'SAME'), (3, 'SAME'), (2, 'SAME'), (2, 'VALID'), (3, 'VALID')])
def test_product_is_the_convolution(size, padding):
  """Protects both discriminators on a CPU: the matrix product gives the convolution, its gradients, and R1's gradient of a gradient."""
  x = jnp.asarray(DRAW.standard_normal((2, 5, 4, 3)), jnp.float32)
  kernel = jnp.asarray(DRAW.standard_normal((size, size, 3, 6)), jnp.float32)
  convolve = lambda x, kernel: lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=NUMBERS)
  product = lambda x, kernel: convolution.convolve_by_product(x, kernel, padding)

  def penalty(function, x, kernel):
    score = lambda x: jnp.sum(jnp.tanh(function(x, kernel)))
    return jnp.sum(jax.grad(score)(x)**2)

  np.testing.assert_allclose(product(x, kernel), convolve(x, kernel), rtol=1e-4, atol=1e-5)
  for ours, exact in zip(*(
      jax.jit(jax.grad(lambda x, kernel, f=f: penalty(f, x, kernel), argnums=(0, 1)))(x, kernel) for f in (product, convolve))):
    np.testing.assert_allclose(ours, exact, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('side, by_product', [(16, True), (17, False)])
def test_small_pictures_are_multiplied_on_a_cpu(side, by_product):
  """Protects the choice: a product up to 16x16 pixels, XLA's convolution above."""
  x, kernel = jnp.zeros((1, side, side, 3)), jnp.zeros((3, 3, 3, 4))
  jaxpr = str(jax.make_jaxpr(lambda x, k: convolution.convolve(x, k, (1, 1), 'SAME', dimension_numbers=NUMBERS))(x, kernel))
  assert ('dot_general' in jaxpr) == by_product and ('conv_general_dilated' in jaxpr) != by_product
