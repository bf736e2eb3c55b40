"""Convolution as the backend does it best: on a CPU by minimal filtering or as one matrix product, on all others as XLA's."""

import contextlib
import contextvars

import jax
from jax import lax
import jax.numpy as jnp
from jaxtyping import Array, Float

# What minimal filtering pays from on a CPU (docs/performance.md): the side of a picture, and channels in and out. With less of either a step
# gains little, and its compilation takes twice as long.
_SMALLEST_TILED = 16
_FEWEST_TILED = 128
# Pixels of a picture up to which a CPU is faster by one matrix product than by XLA's convolution.
_LARGEST_PRODUCT = 16 * 16

_as_defined = contextvars.ContextVar('_as_defined', default=False)


@contextlib.contextmanager
def as_defined():
  """Inside, `convolve` is XLA's convolution on every backend: the products that the definition asks for, to be counted or compared."""
  token = _as_defined.set(True)
  try:
    yield
  finally:
    _as_defined.reset(token)


def convolve(
    x: Float[Array, 'batch height width inputs'], kernel: Float[Array, 'size size inputs outputs'], strides, padding, **settings,
) -> Float[Array, 'batch height2 width2 outputs']:
  """`lax.conv_general_dilated` of stride 1, for `nn.Conv.conv_general_dilated`."""
  height, width = x.shape[1:3]
  if jax.default_backend() == 'cpu' and not _as_defined.get():
    pads = tuple(lax.padtype_to_pads((height, width), kernel.shape[:2], (1, 1), padding) if isinstance(padding, str) else padding)
    can_be_tiled = kernel.shape[:2] == (3, 3) and pads == ((1, 1), (1, 1)) and height % 2 == width % 2 == 0
    pays = min(height, width) >= _SMALLEST_TILED and min(kernel.shape[2:]) >= _FEWEST_TILED
    if can_be_tiled and pays and x.dtype == jnp.float32:  # sums of pixels lose digits in bfloat16
      return convolve_by_tiles(x, kernel)
    if height * width <= _LARGEST_PRODUCT:
      return convolve_by_product(x, kernel, pads)
  return lax.conv_general_dilated(x, kernel, strides, padding, **settings)


def convolve_by_product(x, kernel, pads) -> Float[Array, 'batch height2 width2 outputs']:
  """Every pixel's neighbourhood in a row, times the kernel as a matrix."""
  size = kernel.shape[0]
  x = jnp.pad(x, [(0, 0), *pads, (0, 0)])
  height, width = x.shape[1] - size + 1, x.shape[2] - size + 1
  rows = jnp.concatenate([x[:, i:i + height, j:j + width] for i in range(size) for j in range(size)], axis=-1)
  return rows @ kernel.reshape(-1, kernel.shape[-1])


def convolve_by_tiles(
    x: Float[Array, 'batch height width inputs'], kernel: Float[Array, '3 3 inputs outputs'],
) -> Float[Array, 'batch height width outputs']:
  """A 3x3 kernel, zeros around a picture of even sides, by minimal filtering F(2x2, 3x3): 16 products for 4 pixels instead of 36.

  Winograd's algorithm as Lavin & Gray 2016 (section 4.1) put it to use: tiles of 4x4 pixels that overlap by 2, and the kernel, are
  turned into 16 coefficients each; those multiply one by one (as matrices over channels), and turn back into 2x2 pixels.
  """
  batch, height, width, inputs = x.shape
  x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
  tiles = [_of_tile(row, axis=2) for row in _of_tile(x, axis=1)]
  kernels = [_of_kernel(row, axis=1) for row in _of_kernel(kernel, axis=0)]
  products = [[tile.reshape(-1, inputs) @ matrix.reshape(inputs, -1) for tile, matrix in zip(*row)] for row in zip(tiles, kernels)]
  columns = zip(*(_to_pixels(*column) for column in zip(*products)))
  pixels = [[pixel.reshape(batch, height // 2, width // 2, -1) for pixel in _to_pixels(*row)] for row in columns]
  return jnp.stack([jnp.stack(row, axis=3) for row in pixels], axis=2).reshape(batch, height, width, -1)


def _of_tile(x, axis):
  """Every four pixels in a row, two further each time, into the four coefficients of F(2, 3): B^T of Lavin & Gray, equation 5."""
  pairs = x.reshape(*x.shape[:axis], -1, 2, *x.shape[axis + 1:])
  even, odd = (jnp.squeeze(half, axis + 1) for half in lax.split(pairs, (1, 1), axis=axis + 1))
  first, last = (lambda half: lax.slice_in_dim(half, 0, -1, axis=axis)), (lambda half: lax.slice_in_dim(half, 1, None, axis=axis))
  a, b, c, d = first(even), first(odd), last(even), last(odd)
  return a - c, b + c, c - b, b - d


def _of_kernel(kernel, axis):
  """G of the same equation: three weights in a row into four coefficients."""
  a, b, c = lax.split(kernel, (1, 1, 1), axis=axis)  # its gradient is one concatenation; that of slices pads every one of them
  return a, (a + b + c) / 2, (a - b + c) / 2, c


def _to_pixels(a, b, c, d):
  """A^T of the same equation: two pixels in a row."""
  return a + b + c, b - c - d
