"""Progressive resolution: a run's first steps are rendered coarsely, at a fraction of the cost.

Coarse fakes are upsampled to the full size, and reals are low-passed to look as if they had been, so that the discriminators stay
the same networks throughout and only see sharper pictures later on.
"""

import jax
from jaxtyping import Array, Float
import ml_collections


def upsample(image: Float[Array, 'batch size size channels'], size: int) -> Float[Array, 'batch size2 size2 channels']:
  """Bilinear upsampling to size x size pixels; nothing to do if it has that size."""
  if image.shape[-2] == size:
    return image
  return jax.image.resize(image, (image.shape[0], size, size, image.shape[-1]), 'bilinear')


def low_pass(image: Float[Array, 'batch size size channels'], render_size: int) -> Float[Array, 'batch size size channels']:
  """Area average to render_size x render_size pixels, upsampled again."""
  batch, size, _, channels = image.shape
  if size == render_size:
    return image
  factor = size // render_size
  coarse = image.reshape(batch, render_size, factor, render_size, factor, channels).mean(axis=(2, 4))
  return upsample(coarse, size)


def low_pass_portraits(portraits: dict[str, Array], render_size: int) -> dict[str, Array]:
  """`image` and `semantic_mask` of portraits low-passed; a `viewpoint`, where it is known, as it is."""
  return portraits | {name: low_pass(portraits[name], render_size) for name in ('image', 'semantic_mask')}


def render_size_at(step: int, config: ml_collections.ConfigDict) -> int:
  """Side of the rendered fakes, in pixels, at a step: that of the first of `config.coarse_to_fine`'s (until_step, size) that is not over,
  else the full size."""
  return next((size for until, size in config.coarse_to_fine if step < until), config.image_size)


def render_sizes(config: ml_collections.ConfigDict) -> list[int]:
  """All sizes that a run renders fakes at."""
  return sorted({size for _, size in config.coarse_to_fine} | {config.image_size})
