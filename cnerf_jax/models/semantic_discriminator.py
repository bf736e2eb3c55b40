"""The semantic discriminator: is this one region, cut out by its mask, real, and which class is it?

It comes in two kinds with the same parameters. `recommended` has a leaky ReLU behind every convolution, as the global discriminator has,
and R1 with respect to what it sees, the region and its mask. `published` is the function that published weights were trained as: no
activation behind the mask branch's 1x1 convolution and behind the last one, hidden units of the heads times sqrt 2, the last map flattened
channels first, and R1 with respect to the whole image and the mask.
"""

from __future__ import annotations

import flax.linen as nn
import flax.struct
from jaxtyping import Array, Float, Int
import jax.numpy as jnp

from cnerf_jax.models import discriminator_blocks

CHANNELS_64 = (256, 512, 512, 512, 512)
KINDS = ('recommended', 'published')


@flax.struct.dataclass
class SemanticOutputs:
  """realness_logits: [batch] GAN logit; class_logits: [batch, classes]."""

  realness_logits: Float[Array, 'batch']
  class_logits: Float[Array, 'batch classes']


def cut_out(
    image: Float[Array, 'batch size size 3'],
    semantic_mask: Float[Array, 'batch size size classes'],
    semantic_class: Int[Array, 'batch'],
) -> tuple[Float[Array, 'batch size size 3'], Float[Array, 'batch size size 1']]:
  """The region of one class of each portrait: image times mask, and the mask."""
  mask = jnp.take_along_axis(semantic_mask, semantic_class[:, None, None, None], axis=-1)
  return image * mask, mask


class SemanticDiscriminator(nn.Module):
  """Image branch on image * mask_k, mask branch on mask_k, summed; minibatch stddev; two heads.

  Attributes:
    num_classes: classes of the class head.
    channels: width at full resolution, then after each halving; the last should be at 4x4 pixels.
    head_width: hidden width of both heads.
    dtype: of the branches' products and activations; parameters and outputs are float32.
    kind: 'recommended' or 'published' (the module's docstring says how they differ).
  """

  num_classes: int
  channels: tuple[int, ...] = CHANNELS_64
  head_width: int = 512
  dtype: str = 'float32'
  kind: str = 'recommended'

  def __post_init__(self):
    if self.kind not in KINDS:
      raise ValueError(f'semantic_discriminator.kind {self.kind!r} is not known; use one of {", ".join(KINDS)}')
    super().__post_init__()

  @nn.compact
  def __call__(
      self, region: Float[Array, 'batch size size 3'], mask: Float[Array, 'batch size size 1']
  ) -> SemanticOutputs:
    channels, published = tuple(self.channels), self.kind == 'published'
    x = discriminator_blocks.Branch(channels, self.dtype, name='image')(region)
    x = x + discriminator_blocks.Branch(channels, self.dtype, linear_start=published, name='mask')(mask)
    if x.shape[1:3] != (4, 4):
      raise ValueError(
          f'images of {region.shape[-2]} pixels leave {x.shape[1]} after {len(channels) - 1} halvings; the semantic '
          'discriminator needs 4: list log2(image_size) - 1 widths in channels')
    x = discriminator_blocks.minibatch_stddev(x)
    x = discriminator_blocks.Convolution(channels[-1], 3, padding='VALID', name='last')(x)
    x = x.transpose(0, 3, 1, 2) if published else discriminator_blocks.leaky_relu(x)
    x = x.reshape(x.shape[0], -1)
    return SemanticOutputs(realness_logits=self._head('realness', 1, x)[:, 0], class_logits=self._head('class', self.num_classes, x))

  def _head(self, name, outputs, x):
    x = discriminator_blocks.leaky_relu(discriminator_blocks.EqualizedDense(self.head_width, name=f'{name}_0')(x))
    if self.kind == 'published':
      x = x * 2**0.5
    return discriminator_blocks.EqualizedDense(outputs, name=f'{name}_1')(x)
