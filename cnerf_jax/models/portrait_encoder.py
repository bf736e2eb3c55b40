"""A portrait encoder: image and masks to the latent z that draws them, as a Gaussian, and where asked to the viewpoint that they are seen from
(not in the paper; for VAE pretraining).

A mirror image shows the same head turned the other way. So an encoder that reads viewpoints looks at the image and at its mirror image, and
its azimuth is antisymmetric and its elevation symmetric under mirroring by construction. Classes know no left and right, so masks are mirrored
as images are, by their columns.
"""

from __future__ import annotations

import flax.linen as nn
import flax.struct
from jaxtyping import Array, Bool, Float
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


@flax.struct.dataclass
class Encoding:
  """What an encoder says of portraits.

  Attributes:
    z: the latents, as Gaussians.
    viewpoint: [batch, 2] azimuth and elevation, radians; None if the encoder reads none.
    present: [batch, classes] whether a class is seen in the portrait, of regional latents; else None.
  """

  z: LatentGaussian
  viewpoint: Float[Array, 'batch 2'] | None
  present: Bool[Array, 'batch classes'] | None = None


def whiten(z: LatentGaussian, mean: Float[Array, 'latents'], covariance: Float[Array, 'latents latents']) -> LatentGaussian:
  """Latents as they go into a mapping network that N(mean, covariance) was folded into (`mapping_network.fold_gaussian`).

  The inverse of z → mean + L z, with L the Cholesky factor of the covariance; of what becomes of the variances, the diagonal.
  """
  inverse = jnp.linalg.inv(jnp.linalg.cholesky(covariance))
  return LatentGaussian(mean=(z.mean - mean) @ inverse.T, log_variance=jnp.log(jnp.exp(z.log_variance) @ (inverse**2).T))


class PortraitEncoder(nn.Module):
  """Strided convolutions over image and masks together, down to 4x4 pixels, then one hidden layer.

  Attributes:
    style_dim: width of z.
    channels: width of the first convolution, and of those that follow.
    hidden: width of the hidden layer.
    viewpoint_std: standard deviations of azimuth and elevation, radians, the unit in which viewpoints are read; None: none are read.
    elevation_mean: radians, what an elevation of 0 in that unit is.
    mirror_latents: whether an image and its mirror image get the same latents, the average of both.
  """

  style_dim: int
  channels: tuple[int, int] = (48, 64)
  hidden: int = 256
  viewpoint_std: tuple[float, float] | None = None
  elevation_mean: float = 0.0
  mirror_latents: bool = False

  @nn.compact
  def __call__(self, image: Float[Array, 'batch size size 3'], semantic_mask: Float[Array, 'batch size size classes']) -> Encoding:
    return self._encode(jnp.concatenate([image, semantic_mask], axis=-1))

  def _encode(self, x: Float[Array, 'batch size size channels']) -> Encoding:
    if self.viewpoint_std is None and not self.mirror_latents:
      return Encoding(z=self._gaussian(self._features(x)), viewpoint=None)
    pairs = jnp.stack([x, x[:, :, ::-1]], axis=1)  # side by side, so that a batch cut over devices stays where it is
    features = self._features(pairs.reshape(-1, *x.shape[1:])).reshape(*pairs.shape[:2], -1)
    of_image, of_mirror = features[:, 0], features[:, 1]
    middle, half_difference = (of_image + of_mirror) / 2, (of_image - of_mirror) / 2
    return Encoding(
        z=self._gaussian(middle if self.mirror_latents else of_image), viewpoint=self._viewpoint(half_difference, middle))

  def _features(self, x: Float[Array, 'batch size size channels']) -> Float[Array, 'batch hidden']:
    return discriminator_blocks.leaky_relu(nn.Dense(self.hidden, name='hidden')(self._convolve(x, self.channels, 'conv')))

  def _convolve(self, x: Float[Array, 'batch size size channels'], channels: tuple[int, int], name: str) -> Float[Array, 'batch features']:
    leaky_relu = discriminator_blocks.leaky_relu
    x = leaky_relu(nn.Conv(channels[0], (3, 3), name=f'{name}_0')(space_to_depth(x)))
    i = 1
    while x.shape[-2] > _SMALLEST_SIDE:
      x = leaky_relu(nn.Conv(channels[1], (3, 3), strides=2, name=f'{name}_{i}')(x))
      i += 1
    return x.reshape(x.shape[0], -1)

  def _gaussian(self, features: Float[Array, 'batch hidden']) -> LatentGaussian:
    mean = nn.Dense(self.style_dim, name='mean')(features)
    log_variance = nn.Dense(self.style_dim, name='log_variance', kernel_init=nn.initializers.zeros)(features)
    return LatentGaussian(mean=mean, log_variance=jnp.clip(log_variance, -8, 2))

  def _viewpoint(self, half_difference: Float[Array, 'batch hidden'], middle: Float[Array, 'batch hidden']):
    if self.viewpoint_std is None:
      return None
    azimuth = nn.Dense(1, use_bias=False, name='azimuth')(half_difference)
    elevation = nn.Dense(1, name='elevation')(middle)
    in_units = jnp.concatenate([azimuth, elevation], axis=-1)
    return in_units * jnp.array(self.viewpoint_std) + jnp.array([0.0, self.elevation_mean])
