"""The network that reads the camera off a label map: fractions of twelve classes in 64 x 64 cells to three angles and their spread."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cnerf_jax import semantics

SIZE = 64  # side of what the network sees; label maps are sampled at twice that, and averaged
STORED = 2 * SIZE
CLASSES = semantics.FFHQ12
ANGLES = ('azimuth', 'elevation', 'roll')
SCALE = (0.3, 0.25, 0.08)  # radians: of the three outputs
_LOG_SPREAD_RANGE = (-4.0, 1.0)  # of a spread in units of SCALE


@flax.struct.dataclass
class Reading:
  """Azimuth, elevation and roll [batch, 3] in radians, and the mean absolute error [batch, 3] that the network expects of each."""

  angles: Float[Array, 'batch 3']
  spread: Float[Array, 'batch 3']


class ViewpointNetwork(nn.Module):
  """Class fractions of each cell → `Reading`. About 240,000 parameters.

  Grids of 16, 8 and 4 cells, cut into patches where others would stride: gradients of strided convolutions are slow on a CPU.
  """

  channels: tuple[int, int, int] = (64, 96, 128)

  @nn.compact
  def __call__(self, fractions: Float[Array, 'batch size size classes']) -> Reading:
    fine, middle, coarse = self.channels
    x = nn.Dense(fine)(_patches(fractions - 1 / fractions.shape[-1], 4))
    x = x + nn.Conv(fine, (3, 3))(nn.relu(nn.LayerNorm()(x)))
    x = nn.Dense(middle)(_patches(nn.relu(x), 2))
    x = x + nn.Conv(middle, (3, 3))(nn.relu(nn.LayerNorm()(x)))
    x = nn.Dense(coarse)(_patches(nn.relu(x), 2))
    x = nn.relu(nn.LayerNorm()(x)).reshape(len(x), -1)
    x = nn.gelu(nn.LayerNorm()(nn.Dense(16)(x)))  # normalised: so few units would all die of a large step
    scale = jnp.array(SCALE)
    log_spread = jnp.clip(nn.Dense(3, kernel_init=nn.initializers.zeros, name='log_spread')(x), *_LOG_SPREAD_RANGE)
    return Reading(angles=scale * nn.Dense(3, name='angles')(x), spread=scale * jnp.exp(log_spread))


def init(key: Array) -> Any:
  """First parameters."""
  return ViewpointNetwork().init(key, jnp.zeros((1, SIZE, SIZE, CLASSES.num_classes)))


def _patches(x: Float[Array, 'batch height width channels'], size: int) -> Float[Array, 'batch rows cols values']:
  """The cells of each patch of `size` a side, along the channels."""
  batch, height, width, channels = x.shape
  x = x.reshape(batch, height // size, size, width // size, size, channels)
  return x.transpose(0, 1, 3, 2, 4, 5).reshape(batch, height // size, width // size, -1)


def grid(side: int) -> tuple[Float[Array, 'side side'], Float[Array, 'side side']]:
  """(x, y) of the middles of pixels, in sides."""
  middle = (jnp.arange(side) + 0.5) / side
  return jnp.meshgrid(middle, middle, indexing='xy')


def class_fractions(
    labels: Int[Array, 'batch stored stored'], x: Float[Array, 'batch stored stored'], y: Float[Array, 'batch stored stored'],
    becomes: Int[Array, 'batch classes'] | None = None,
) -> Float[Array, 'batch size size classes']:
  """Maps of the twelve classes sampled at (x, y), as fractions of each class in blocks of 2 x 2.

  Args:
    labels: class of each pixel.
    x: in sides from the left edge; clipped to the map.
    y: from the upper edge, likewise.
    becomes: for each map, the class that each class is taken for.
  """
  batch, side, _ = labels.shape
  column, row = (jnp.clip(jnp.floor(place * side), 0, side - 1).astype(jnp.int32) for place in (x, y))
  sampled = jnp.take_along_axis(labels.reshape(batch, -1), (row * side + column).reshape(batch, -1), axis=1).astype(jnp.int32)
  if becomes is not None:
    sampled = jnp.take_along_axis(becomes, sampled, axis=1)
  sampled = sampled.reshape(batch, side // 2, 2, side // 2, 2).transpose(0, 1, 3, 2, 4).reshape(batch, side // 2, side // 2, 4)
  return jax.nn.one_hot(sampled, CLASSES.num_classes).mean(axis=3)
