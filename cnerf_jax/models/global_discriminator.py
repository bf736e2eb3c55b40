"""The global discriminator: is this image and this whole set of masks a real portrait, and from where is it seen?"""

from __future__ import annotations

import flax.linen as nn
import flax.struct
from jaxtyping import Array, Float

from cnerf_jax.models import discriminator_blocks

CHANNELS_64 = (128, 256, 400, 400, 400, 400)


@flax.struct.dataclass
class GlobalOutputs:
  """realness_logits: [batch] GAN logit; viewpoint: [batch, 2] azimuth and elevation read off the image, radians."""

  realness_logits: Float[Array, 'batch']
  viewpoint: Float[Array, 'batch 2']


class GlobalDiscriminator(nn.Module):
  """Image branch and mask branch, summed; minibatch stddev; one convolution to logit and viewpoint.

  Attributes:
    channels: width at full resolution, then after each halving; the last should be at 2x2 pixels.
    dtype: of the branches' products and activations; parameters and outputs are float32.
  """

  channels: tuple[int, ...] = CHANNELS_64
  dtype: str = 'float32'

  @nn.compact
  def __call__(
      self, image: Float[Array, 'batch size size 3'], semantic_mask: Float[Array, 'batch size size classes']
  ) -> GlobalOutputs:
    channels = tuple(self.channels)
    x = discriminator_blocks.Branch(channels, self.dtype, name='image')(image)
    x = x + discriminator_blocks.Branch(channels, self.dtype, name='mask')(semantic_mask)
    x = discriminator_blocks.minibatch_stddev(x)
    x = discriminator_blocks.Convolution(3, 2, padding='VALID', name='head')(x)
    if x.shape[1:3] != (1, 1):
      raise ValueError(
          f'images of {image.shape[-2]} pixels leave {x.shape[1] + 1} after {len(channels) - 1} halvings; the global '
          'discriminator needs 2: list log2(image_size) widths in channels')
    return GlobalOutputs(realness_logits=x[:, 0, 0, 0], viewpoint=x[:, 0, 0, 1:])
