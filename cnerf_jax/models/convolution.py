"""Convolution as the backend does it best: on a CPU, small pictures as one matrix product, all else as XLA's convolution."""

import jax
from jax import lax
import jax.numpy as jnp
from jaxtyping import Array, Float

# Pixels of a picture up to which a CPU is faster by a matrix product, above all backwards (docs/performance.md).
_LARGEST_PRODUCT = 16 * 16


def convolve(
    x: Float[Array, 'batch height width inputs'], kernel: Float[Array, 'size size inputs outputs'], strides, padding, **settings,
) -> Float[Array, 'batch height2 width2 outputs']:
  """`lax.conv_general_dilated` of stride 1, for `nn.Conv.conv_general_dilated`."""
  if jax.default_backend() != 'cpu' or x.shape[1] * x.shape[2] > _LARGEST_PRODUCT:
    return lax.conv_general_dilated(x, kernel, strides, padding, **settings)
  return convolve_by_product(x, kernel, padding)


def convolve_by_product(x, kernel, padding) -> Float[Array, 'batch height2 width2 outputs']:
  """Every pixel's neighbourhood in a row, times the kernel as a matrix."""
  size = kernel.shape[0]
  pads = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], (1, 1), padding) if isinstance(padding, str) else padding
  x = jnp.pad(x, [(0, 0), *pads, (0, 0)])
  height, width = x.shape[1] - size + 1, x.shape[2] - size + 1
  rows = jnp.concatenate([x[:, i:i + height, j:j + width] for i in range(size) for j in range(size)], axis=-1)
  return rows @ kernel.reshape(-1, kernel.shape[-1])
