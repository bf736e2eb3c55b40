"""The face parser's network: a photograph's 128 x 128 pixels to logits of the 19 CelebAMask-HQ labels, a small U-net.

It works on patches, where others stride: gradients of strided convolutions, and convolutions on large grids, are slow on a CPU.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from data_pipeline import vocabularies

SIZE = 128  # side of what it sees and of what it puts out
NUM_LABELS = len(vocabularies.CELEBAMASK_HQ.labels)
_PATCH = 4
_EPSILON = 0.05  # of the contrast of an image, in [-1, 1]: a plain one is not blown up


class ParserNetwork(nn.Module):
  """Images in [-1, 1] → logits of a label per pixel. Grids of 32, 16, 8 and 4 cells a side."""

  channels: tuple[int, int, int, int] = (32, 64, 96, 128)

  @nn.compact
  def __call__(self, image: Float[Array, 'batch size size 3']) -> Float[Array, 'batch size size labels']:
    x = _standardized(image)
    x = nn.Dense(self.channels[0], name='embed')(patches(x, _PATCH))
    skips = []
    for level, width in enumerate(self.channels):
      if level:
        x = nn.Dense(width, name=f'down{level}')(patches(x, 2))
      x = _block(x, f'block{level}', (1, 2)[:1 + (level > 0)])
      skips.append(x)
    for level in reversed(range(len(self.channels) - 1)):
      skip = skips[level]
      x = skip + unpatched(nn.Dense(4 * skip.shape[-1], name=f'up{level}')(x), 2)
      x = _block(x, f'up_block{level}', (1, 2)[:1 + (level > 0)])
    x = nn.gelu(nn.Dense(2 * self.channels[0], name='hidden')(nn.LayerNorm()(x)))
    return unpatched(nn.Dense(_PATCH**2 * NUM_LABELS, name='labels')(x), _PATCH)


def init(key: Array) -> Any:
  """First parameters."""
  return ParserNetwork().init(key, jnp.zeros((1, SIZE, SIZE, 3)))


def _standardized(image):
  """Each image with mean 0 and contrast 1, whatever its exposure."""
  mean = jnp.mean(image, axis=(1, 2), keepdims=True)
  deviation = jnp.std(image, axis=(1, 2, 3), keepdims=True)
  return (image - mean) / (deviation + _EPSILON)


def _block(x, name, dilations):
  """Residual convolutions."""
  width = x.shape[-1]
  for i, dilation in enumerate(dilations):
    update = nn.Conv(width, (3, 3), kernel_dilation=dilation, name=f'{name}_{i}')(nn.gelu(nn.LayerNorm(name=f'{name}_norm{i}')(x)))
    x = x + update
  return x


def patches(x: Float[Array, 'batch height width channels'], size: int) -> Float[Array, 'batch rows cols values']:
  """The cells of each patch of `size` a side, along the channels."""
  batch, height, width, channels = x.shape
  x = x.reshape(batch, height // size, size, width // size, size, channels)
  return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // size, width // size, -1)


def unpatched(x: Float[Array, 'batch rows cols values'], size: int) -> Float[Array, 'batch height width channels']:
  """The inverse of `patches`."""
  batch, rows, cols, values = x.shape
  x = x.reshape(batch, rows, cols, size, size, values // size**2).transpose(0, 1, 3, 2, 4, 5)
  return x.reshape(batch, rows * size, cols * size, -1)
