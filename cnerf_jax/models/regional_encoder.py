"""An encoder of regions: what each class's own pixels show, to that class's shape and texture latents (not in the paper).

A class is encoded from its cut-out alone, its shape from its mask alone: what the encoder can't see, a latent can't carry. A class that
nobody can see in the portrait has no latent; `present` says so.
"""

from __future__ import annotations

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from cnerf_jax import semantics
from cnerf_jax.models import discriminator_blocks
from cnerf_jax.models import portrait_encoder
from cnerf_jax.models import regional_mapping

_COLORS = 3
_LARGEST_SIDE = 32  # pixels; larger cut-outs are averaged: there are as many as classes, and a latent has few numbers
_CLEARLY = 0.5  # how far from its threshold the presence of an encoded class is
_CERTAIN = -8.0  # its log variance


def with_presence(
    z: portrait_encoder.LatentGaussian, present: Bool[Array, 'batch classes'], threshold: Float[Array, 'classes'],
    mean: Float[Array, 'latents']) -> portrait_encoder.LatentGaussian:
  """Latents (u, e) as `regional_mapping` draws them: u on the side of the threshold that `present` says, e of absent classes at `mean`."""
  # a class that is always there has a threshold far below 0, one that never is far above
  u = jnp.where(present, jnp.maximum(threshold + _CLEARLY, 0), jnp.minimum(threshold - _CLEARLY, 0))
  own = jnp.repeat(present, z.mean.shape[-1] // present.shape[-1], axis=-1)
  means = jnp.where(own, z.mean, mean[present.shape[-1]:])
  return portrait_encoder.LatentGaussian(
      mean=jnp.concatenate([u, means], axis=-1), log_variance=jnp.concatenate([jnp.full_like(u, _CERTAIN), z.log_variance], axis=-1))


class RegionalEncoder(portrait_encoder.PortraitEncoder):
  """As `PortraitEncoder`, a class at a time; its z are latents [batch, K * 2 * style_dim], as `regional_mapping` orders them.

  Convolutions are shared by the classes, the layers after them are each class's own. `style_dim` is the width of a latent.

  Attributes:
    channels: of the convolutions that see a class's colours and mask.
    mask_channels: of those that see its mask alone.
    hidden: width of the hidden layer, of each class and kind.
  """

  channels: tuple[int, int] = (24, 32)
  mask_channels: tuple[int, int] = (8, 16)
  hidden: int = 64

  @nn.compact
  def __call__(self, image: Float[Array, 'batch size size 3'], semantic_mask: Float[Array, 'batch size size classes']):
    encoding = self._encode(jnp.concatenate([image, semantic_mask], axis=-1))
    present = jnp.max(semantic_mask, axis=(1, 2)) > semantics.PRESENT
    nothing = ~jnp.repeat(present, regional_mapping.KINDS * self.style_dim, axis=-1)
    # where nothing is said of a latent it is N(0, I), which costs nothing
    z = portrait_encoder.LatentGaussian(
        mean=jnp.where(nothing, 0, encoding.z.mean), log_variance=jnp.where(nothing, 0, encoding.z.log_variance))
    return encoding.replace(z=z, present=present)

  def _features(self, x: Float[Array, 'batch size size channels']) -> Float[Array, 'batch hidden']:
    image, masks = x[..., :_COLORS], x[..., _COLORS:]
    batch, size, _, num_classes = masks.shape
    masks = jnp.moveaxis(masks, -1, 1)[..., None]  # [batch, K, size, size, 1]
    cut_outs = jnp.concatenate([image[:, None] * masks, masks], axis=-1).reshape(batch * num_classes, size, size, -1)
    if size > _LARGEST_SIDE:
      factor = size // _LARGEST_SIDE
      cut_outs = nn.avg_pool(cut_outs, (factor, factor), (factor, factor))
    of_kinds = [
        self._convolve(cut_outs[..., _COLORS:], self.mask_channels, 'mask_conv').reshape(batch, num_classes, -1),
        self._convolve(cut_outs, self.channels, 'conv').reshape(batch, num_classes, -1)]
    hidden = [self._of_classes(features, self.hidden, name) for features, name in zip(of_kinds, ('shape_hidden', 'texture_hidden'))]
    return discriminator_blocks.leaky_relu(jnp.stack(hidden, axis=2)).reshape(batch, -1)

  def _of_classes(self, features: Float[Array, 'batch classes inputs'], outputs: int, name: str) -> Float[Array, 'batch classes outputs']:
    """A linear layer of each class's own."""
    num_classes, inputs = features.shape[1:]
    kernel_init = nn.initializers.variance_scaling(1.0, 'fan_in', 'truncated_normal', batch_axis=(0,))
    kernel = self.param(f'{name}_kernel', kernel_init, (num_classes, inputs, outputs), jnp.float32)
    bias = self.param(f'{name}_bias', nn.initializers.zeros, (num_classes, outputs), jnp.float32)
    return jnp.einsum('bki,kio->bko', features, kernel) + bias

  def _gaussian(self, features: Float[Array, 'batch hidden']) -> portrait_encoder.LatentGaussian:
    batch = features.shape[0]
    hidden = features.reshape(batch, -1, self.hidden)  # a row for each class and kind
    rows, width = hidden.shape[1], self.style_dim
    kernel_init = nn.initializers.variance_scaling(1.0, 'fan_in', 'truncated_normal', batch_axis=(0,))
    mean = jnp.einsum('bri,rio->bro', hidden, self.param('mean_kernel', kernel_init, (rows, self.hidden, width), jnp.float32))
    log_variance = jnp.einsum(
        'bri,rio->bro', hidden, self.param('log_variance_kernel', nn.initializers.zeros, (rows, self.hidden, width), jnp.float32))
    bias = lambda name: self.param(name, nn.initializers.zeros, (rows, width), jnp.float32)
    return portrait_encoder.LatentGaussian(
        mean=(mean + bias('mean_bias')).reshape(batch, -1),
        log_variance=jnp.clip(log_variance + bias('log_variance_bias'), -8, 2).reshape(batch, -1))
