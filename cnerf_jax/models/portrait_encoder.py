"""A portrait encoder: image and masks to the latent z that draws them, as a Gaussian (not in the paper; for VAE pretraining)."""

from __future__ import annotations

import flax.linen as nn
import flax.struct
from jaxtyping import Array, Float
import jax
import jax.numpy as jnp

from cnerf_jax.models import discriminator_blocks

_SMALLEST_SIDE = 4  # pixels; strided convolutions stop here


@flax.struct.dataclass
class LatentGaussian:
  """mean, log_variance: [batch, style_dim] of z given a portrait."""

  mean: Float[Array, 'batch style_dim']
  log_variance: Float[Array, 'batch style_dim']

  def draw(self, key: Array) -> Float[Array, 'batch style_dim']:
    """One z per portrait, differentiable with respect to mean and variance."""
    return self.mean + jnp.exp(self.log_variance / 2) * jax.random.normal(key, self.mean.shape)


def space_to_depth(x: Float[Array, 'batch size size channels']) -> Float[Array, 'batch size2 size2 channels4']:
  """Blocks of 2x2 pixels become channels: nothing is lost, and what follows costs a quarter."""
  batch, size, _, channels = x.shape
  blocks = x.reshape(batch, size // 2, 2, size // 2, 2, channels)
  return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, size // 2, size // 2, 4 * channels)


class PortraitEncoder(nn.Module):
  """Strided convolutions over image and masks together, down to 4x4 pixels, then one hidden layer.

  Attributes:
    style_dim: width of z.
    channels: width of the first convolution, and of those that follow.
    hidden: width of the hidden layer.
  """

  style_dim: int
  channels: tuple[int, int] = (48, 64)
  hidden: int = 256

  @nn.compact
  def __call__(
      self, image: Float[Array, 'batch size size 3'], semantic_mask: Float[Array, 'batch size size classes']
  ) -> LatentGaussian:
    leaky_relu = discriminator_blocks.leaky_relu
    x = space_to_depth(jnp.concatenate([image, semantic_mask], axis=-1))
    x = leaky_relu(nn.Conv(self.channels[0], (3, 3), name='conv_0')(x))
    i = 1
    while x.shape[-2] > _SMALLEST_SIDE:
      x = leaky_relu(nn.Conv(self.channels[1], (3, 3), strides=2, name=f'conv_{i}')(x))
      i += 1
    x = leaky_relu(nn.Dense(self.hidden, name='hidden')(x.reshape(x.shape[0], -1)))
    mean = nn.Dense(self.style_dim, name='mean')(x)
    log_variance = nn.Dense(self.style_dim, name='log_variance', kernel_init=nn.initializers.zeros)(x)
    return LatentGaussian(mean=mean, log_variance=jnp.clip(log_variance, -8, 2))
