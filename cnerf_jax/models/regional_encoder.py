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
_REACH = 2.2  # standard deviations from a mask's centre to the border of its cut-out; 1.7 are the half of a bar
_SMALLEST_REACH = 2.0  # pixels
_SMALLEST_AREA = 1e-3  # pixels
_LARGEST = 5.0  # of a latent's mean: one far from all others makes frequencies, and with them a field, that no loss can tame
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


def cut_out(
    image: Float[Array, 'batch size size channels'], masks: Float[Array, 'batch size size classes'], side: int,
) -> tuple[Float[Array, 'batch classes side side channels1'], Float[Array, 'batch classes 5']]:
  """Every class's own pixels, enlarged or reduced to the same size, so that an eye has as many as a head of hair.

  Args:
    image: what is cut.
    masks: in [0, 1].
    side: of the cut-outs, pixels.

  Returns:
    Cut-outs: the image times the mask, then the mask. And their frames: x and y of the centre, half the width and the height, each in
    halves of the picture (the centre from its middle, in [-1, 1]), and the part of the picture that the mask covers. Classes without
    pixels get the whole picture, empty.
  """
  size = masks.shape[1]
  pixels = jnp.arange(size) + 0.5
  area = jnp.sum(masks, axis=(1, 2))  # [batch, classes]
  frames, grids = [], []
  for axis in (1, 2):  # rows, columns
    along = jnp.sum(masks, axis=axis) / jnp.maximum(area, _SMALLEST_AREA)[:, None]  # [batch, size, classes] of the other axis
    centre = jnp.sum(along * pixels[:, None], axis=1)
    variance = jnp.sum(along * (pixels[:, None] - centre[:, None])**2, axis=1)
    reach = jnp.maximum(_REACH * jnp.sqrt(variance), _SMALLEST_REACH)
    centre, reach = jnp.where(area > 0, centre, size / 2), jnp.where(area > 0, reach, size / 2)
    step = 2 * reach / side
    at = (centre - reach)[..., None] + step[..., None] * (jnp.arange(side) + 0.5)  # [batch, classes, side]
    width = jnp.maximum(step, 1.0)[..., None, None]  # of the filter: a pixel, or what a pixel of the cut-out covers
    grids.append(jnp.maximum(1 - jnp.abs(at[..., None] - pixels) / width, 0) / width)
    frames.append((2 * centre / size - 1, 2 * reach / size))
  (x, half_width), (y, half_height) = frames
  columns, rows = grids
  colours = jnp.einsum('bkis,bsxc,bsxk->bkixc', rows, image, masks)
  outline = jnp.einsum('bkis,bsxk->bkix', rows, masks)
  cut = jnp.einsum('bkjx,bkixc->bkijc', columns, jnp.concatenate([colours, outline[..., None]], axis=-1))
  return cut, jnp.stack([x, y, half_width, half_height, area / size**2], axis=-1)


class RegionalEncoder(portrait_encoder.PortraitEncoder):
  """As `PortraitEncoder`, a class at a time; its z are latents [batch, K * 2 * style_dim], as `regional_mapping` orders them.

  Convolutions are shared by the classes, the layers after them are each class's own. `style_dim` is the width of a latent.

  Attributes:
    channels: of the convolutions that see a class's colours and mask.
    mask_channels: of those that see its mask alone.
    hidden: width of the hidden layer, of each class and kind.
    cut_out_side: of a class's cut-out, pixels.
  """

  channels: tuple[int, int] = (24, 32)
  mask_channels: tuple[int, int] = (8, 16)
  hidden: int = 64
  cut_out_side: int = 16

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
    # two looks at a class: where it is in the picture, and what it is like
    own = jnp.moveaxis(masks, -1, 1)[..., None]  # [batch, K, size, size, 1]
    own = jnp.concatenate([image[:, None] * own, own], axis=-1).reshape(batch * num_classes, size, size, -1)
    factor = size // self.cut_out_side
    in_place = nn.avg_pool(own, (factor, factor), (factor, factor)) if factor > 1 else own
    enlarged, frames = cut_out(image, masks, self.cut_out_side)
    enlarged = enlarged.reshape(batch * num_classes, *enlarged.shape[2:])
    looks = ((enlarged, ''), (in_place, 'place_'))
    convolved = [
        [self._convolve(look[..., _COLORS:], self.mask_channels, f'{name}mask_conv') for look, name in looks],
        [self._convolve(look, self.channels, f'{name}conv') for look, name in looks]]
    of_kinds = [jnp.concatenate([features.reshape(batch, num_classes, -1) for features in looks] + [frames], axis=-1) for looks in convolved]
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
        mean=(_LARGEST * jnp.tanh((mean + bias('mean_bias')) / _LARGEST)).reshape(batch, -1),
        log_variance=jnp.clip(log_variance + bias('log_variance_bias'), -8, 2).reshape(batch, -1))
