"""Progressive resolution: a run's first steps are rendered coarsely, at a fraction of the cost.

Coarse fakes are enlarged to the full size, and reals are softened to look as if they had been, so that the discriminators stay
the same networks throughout and only see sharper pictures later on.
"""

import jax
from jaxtyping import Array, Float


def enlarge(image: Float[Array, 'batch size size channels'], size: int) -> Float[Array, 'batch size2 size2 channels']:
  """Bilinear enlargement to size x size pixels; nothing to do if it has that size."""
  if image.shape[-2] == size:
    return image
  return jax.image.resize(image, (image.shape[0], size, size, image.shape[-1]), 'bilinear')


def soften(image: Float[Array, 'batch size size channels'], render_size: int) -> Float[Array, 'batch size size channels']:
  """Area average to render_size x render_size pixels, enlarged again."""
  batch, size, _, channels = image.shape
  if size == render_size:
    return image
  factor = size // render_size
  coarse = image.reshape(batch, render_size, factor, render_size, factor, channels).mean(axis=(2, 4))
  return enlarge(coarse, size)


def render_size_at(step: int, *, image_size: int, coarse_size: int, coarse_steps: int) -> int:
  """Side of the rendered fakes, in pixels, at a step."""
  return coarse_size if step < coarse_steps else image_size
