import jax
from jax import lax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

from cnerf_jax.models import convolution

pytestmark = pytest.mark.usefixtures('quick_compilation')

DRAW = np.random.default_rng(0)
NUMBERS = ('NHWC', 'HWIO', 'NHWC')


def defined(padding):
  return lambda x, kernel: lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=NUMBERS)


def penalty(function, x, kernel):
  """R1's gradient of a gradient."""
  score = lambda x: jnp.sum(jnp.tanh(function(x, kernel)))
  return jnp.sum(jax.grad(score)(x)**2)


def assert_same(ours, exact, x, kernel):
  tiny.assert_close(ours(x, kernel), exact(x, kernel), rtol=1e-5)
  for actual, expected in zip(*(
      jax.jit(jax.grad(lambda x, kernel, f=f: penalty(f, x, kernel), argnums=(0, 1)))(x, kernel) for f in (ours, exact))):
    tiny.assert_close(actual, expected, rtol=3e-5)


def draw(height, width, size, inputs=3, outputs=6):
  return (jnp.asarray(DRAW.standard_normal((2, height, width, inputs)), jnp.float32),
          jnp.asarray(DRAW.standard_normal((size, size, inputs, outputs)), jnp.float32))


@pytest.mark.parametrize('size, padding', [(1, 'SAME'), (3, 'SAME'), (2, 'SAME'), (2, 'VALID'), (3, 'VALID')])
def test_product_is_the_convolution(size, padding):
  """Protects both discriminators on a CPU: the matrix product gives the convolution, its gradients, and R1's gradient of a gradient."""
  x, kernel = draw(5, 4, size)
  pads = lax.padtype_to_pads((5, 4), (size, size), (1, 1), padding)
  assert_same(lambda x, kernel: convolution.convolve_by_product(x, kernel, pads), defined(padding), x, kernel)


@pytest.mark.parametrize('height, width', [(8, 8), (2, 4), (12, 10)])
def test_tiles_are_the_convolution(height, width):
  """Protects both discriminators on a CPU: minimal filtering gives the convolution, its gradients, and R1's gradient of a gradient."""
  assert_same(convolution.convolve_by_tiles, defined('SAME'), *draw(height, width, 3))


def test_tiles_round_little():
  """Protects scores: with hundreds of channels the rounding of minimal filtering stays that of a float32 sum."""
  x, kernel = draw(16, 16, 3, 256, 8)
  with jax.enable_x64():
    exact = np.asarray(defined('SAME')(jnp.asarray(np.asarray(x, np.float64)), jnp.asarray(np.asarray(kernel, np.float64))))
  assert exact.dtype == np.float64
  error = np.abs(np.asarray(convolution.convolve_by_tiles(x, kernel)) - exact).max() / np.abs(exact).max()
  assert error < 5e-6


def products_in(x, kernel, padding='SAME'):
  """Shapes of what is multiplied: 16 products of tiles, one of rows, or none and XLA's convolution."""
  jaxpr = str(jax.make_jaxpr(lambda x, k: convolution.convolve(x, k, (1, 1), padding, dimension_numbers=NUMBERS))(x, kernel))
  assert ('conv_general_dilated' in jaxpr) != ('dot_general' in jaxpr)
  return jaxpr.count('dot_general[')


@pytest.mark.parametrize('side, size, padding, dtype, inputs, outputs, count', [
    (16, 3, 'SAME', 'float32', 128, 130, 16), (64, 3, 'SAME', 'float32', 130, 128, 16),
    (16, 3, 'SAME', 'float32', 127, 128, 1), (16, 3, 'SAME', 'float32', 128, 127, 1), (32, 3, 'SAME', 'float32', 127, 128, 0),
    (8, 3, 'SAME', 'float32', 128, 128, 1), (16, 1, 'SAME', 'float32', 128, 128, 1), (17, 3, 'SAME', 'float32', 128, 128, 0),
    (16, 3, 'VALID', 'float32', 128, 128, 1), (16, 3, 'SAME', 'bfloat16', 128, 128, 1), (18, 1, 'SAME', 'float32', 128, 128, 0),
])
def test_choice_on_a_cpu(side, size, padding, dtype, inputs, outputs, count):
  """Protects the choice: tiles for 3x3 in float32 on even sides where they pay, one product up to 16x16 pixels, XLA's convolution else."""
  assert products_in(jnp.zeros((1, side, side, inputs), dtype), jnp.zeros((size, size, inputs, outputs), dtype), padding) == count


def test_as_defined_is_the_definition():
  """Protects counts of FLOPs: what a backend saves is not in the model, and outside the context the choice is the backend's again."""
  x, kernel = jnp.zeros((1, 16, 16, 128)), jnp.zeros((3, 3, 128, 128))
  with convolution.as_defined():
    assert products_in(x, kernel) == 0
  assert products_in(x, kernel) == 16
