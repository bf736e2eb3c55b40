"""A portrait encoder: image and masks to the latent z that draws them, as a Gaussian (not in the paper; for the warm start)."""

from __future__ import annotations

import flax.linen as nn
import flax.struct
from jaxtyping import Array, Float
import jax
import jax.numpy as jnp

from cnerf_jax.models import discriminator_blocks


@flax.struct.dataclass
class LatentGaussian:
  """mean, log_variance: [batch, style_dim] of z given a portrait."""

  mean: Float[Array, 'batch style_dim']
  log_variance: Float[Array, 'batch style_dim']

  def draw(self, key: Array) -> Float[Array, 'batch style_dim']:
    """One z per portrait, differentiable by mean and variance."""
    return self.mean + jnp.exp(self.log_variance / 2) * jax.random.normal(key, self.mean.shape)


class PortraitEncoder(nn.Module):
  """Convolutional encoder of image and masks together.

  Attributes:
    style_dim: width of z.
    channels: width at full resolution, then after each halving.
    hidden: width of the last hidden layer.
  """

  style_dim: int
  channels: tuple[int, ...] = (16, 32, 64, 64)
  hidden: int = 256

  @nn.compact
  def __call__(
      self, image: Float[Array, 'batch size size 3'], semantic_mask: Float[Array, 'batch size size classes']
  ) -> LatentGaussian:
    x = jnp.concatenate([image, semantic_mask], axis=-1)
    halvings = image.shape[-2].bit_length() - 2  # small images are halved less often, down to 2x2
    x = discriminator_blocks.Branch(tuple(self.channels[:halvings + 1]), name='branch')(x)
    x = discriminator_blocks.leaky_relu(nn.Dense(self.hidden, name='hidden')(x.reshape(x.shape[0], -1)))
    mean = nn.Dense(self.style_dim, name='mean')(x)
    log_variance = nn.Dense(self.style_dim, name='log_variance', kernel_init=nn.initializers.zeros)(x)
    return LatentGaussian(mean=mean, log_variance=jnp.clip(log_variance, -8, 2))
