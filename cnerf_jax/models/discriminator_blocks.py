"""What both discriminators are built of: coordinate convolutions, residual blocks, minibatch stddev (paper section 3, discriminators)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnerf_jax.models import convolution
from cnerf_jax.models import initializers

GROUP_SIZE = 4


def append_coordinates(x: Float[Array, '*batch height width channels']) -> Float[Array, '*batch height width channels2']:
  """Appends two channels, y and x of each pixel in [-1, 1]."""
  height, width = x.shape[-3], x.shape[-2]
  y, x_ = jnp.meshgrid(jnp.linspace(-1, 1, height), jnp.linspace(-1, 1, width), indexing='ij')
  coordinates = jnp.broadcast_to(jnp.stack([y, x_], axis=-1), x.shape[:-1] + (2,))
  return jnp.concatenate([x, coordinates.astype(x.dtype)], axis=-1)


def leaky_relu(x):
  return jax.nn.leaky_relu(x, initializers.LEAKY_SLOPE)


def halve(x: Float[Array, 'batch height width channels']) -> Float[Array, 'batch height2 width2 channels']:
  """Average pool 2."""
  return nn.avg_pool(x, (2, 2), (2, 2))


def group_size(batch: int) -> int:
  """Samples in a group of minibatch stddev: 4, or the largest smaller divisor of a batch that 4 does not divide."""
  return next(size for size in range(GROUP_SIZE, 0, -1) if batch % size == 0)


def minibatch_stddev(x: Float[Array, 'batch height width channels']) -> Float[Array, 'batch height width channels+1']:
  """Appends one channel: the standard deviation over a group of samples, averaged over positions and channels.

  Sample i groups with i + batch/4, i + 2 batch/4, i + 3 batch/4 (the strided layout of the published code).
  """
  batch, height, width, channels = x.shape
  size = group_size(batch)
  groups = x.reshape(size, batch // size, height, width, channels)
  stddev = jnp.sqrt(jnp.var(groups, axis=0) + 1e-8)
  per_group = jnp.mean(stddev, axis=(1, 2, 3))
  channel = jnp.broadcast_to(jnp.tile(per_group, size)[:, None, None, None], (batch, height, width, 1))
  return jnp.concatenate([x, channel], axis=-1)


class Convolution(nn.Module):
  """Convolution with bias, Kaiming normal start; parameters are float32, products and activations of type `dtype`."""

  outputs: int
  size: int
  padding: str = 'SAME'
  dtype: str = 'float32'

  @nn.compact
  def __call__(self, x):
    return nn.Conv(
        self.outputs, (self.size, self.size), padding=self.padding, kernel_init=initializers.kaiming(),
        dtype=self.dtype, conv_general_dilated=convolution.convolve, name='conv')(x)


class CoordConv(nn.Module):
  """3x3 convolution that also sees where it is (Liu et al. 2018), then leaky ReLU."""

  outputs: int
  dtype: str = 'float32'

  @nn.compact
  def __call__(self, x):
    return leaky_relu(Convolution(self.outputs, 3, dtype=self.dtype, name='convolution')(append_coordinates(x)))


class ResidualBlock(nn.Module):
  """Two CoordConvs and average pool 2, plus a pooled skip (linear 1x1 where the width changes), over sqrt 2."""

  outputs: int
  dtype: str = 'float32'

  @nn.compact
  def __call__(self, x):
    y = CoordConv(self.outputs, self.dtype, name='conv_0')(x)
    y = halve(CoordConv(self.outputs, self.dtype, name='conv_1')(y))
    skip = halve(x)
    if x.shape[-1] != self.outputs:
      skip = Convolution(self.outputs, 1, dtype=self.dtype, name='skip')(skip)
    return (y + skip) / jnp.sqrt(2.0)


class Branch(nn.Module):
  """1x1 convolution into `channels[0]`, with leaky ReLU or linear, then one residual block (and half the resolution) per further entry.

  Nearly all products of a discriminator are in here, so that only here they may be of a narrower `dtype`; what comes out is float32.
  """

  channels: tuple[int, ...]
  dtype: str = 'float32'
  linear_start: bool = False

  @nn.compact
  def __call__(self, x):
    x = Convolution(self.channels[0], 1, dtype=self.dtype, name='from_image')(x)
    if not self.linear_start:
      x = leaky_relu(x)
    for i, outputs in enumerate(self.channels[1:]):
      x = ResidualBlock(outputs, self.dtype, name=f'block_{i}')(x)
    return x.astype(jnp.float32)


class EqualizedDense(nn.Module):
  """Linear layer with equalised learning rate: weights from N(0, 1), scaled by 1/sqrt(inputs) at run time."""

  outputs: int

  @nn.compact
  def __call__(self, x):
    kernel = self.param('kernel', nn.initializers.normal(1.0), (x.shape[-1], self.outputs))
    bias = self.param('bias', nn.initializers.zeros, (self.outputs,))
    return x @ (kernel * x.shape[-1]**-0.5) + bias
