"""Which pixels of real portraits a step of VAE pretraining looks at: anywhere, or more often where small classes are.

Of random pixels few ever meet an eye. So a part of the rays goes to the classes that a portrait shows, to each the same, and each pixel
counts the less the more often it is drawn, so that a mean over the rays is still one over the picture.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cnerf_jax import semantics

_SIDES_OF_SURROUNDINGS = 16  # a pixel's surroundings reach a sixteenth of the picture to each side
_SMALLEST_AREA = 1e-3  # pixels


def draw_pixels(
    key: Array, semantic_mask: Float[Array, 'batch size size classes'], *, num_rays: int, of_classes: float = 0.0,
) -> tuple[Int[Array, 'batch rays'], Float[Array, 'batch rays']]:
  """Pixels of each portrait, row-major, drawn with replacement; all of them in order where as many rays as pixels are asked for.

  Args:
    key: random key.
    semantic_mask: of the portraits, in [0, 1].
    num_rays: pixels of each portrait.
    of_classes: this part of the rays goes to the classes that a portrait shows, to each the same, and there to where its mask is and
      around it; the others go anywhere. 0: all pixels alike, so that few rays ever meet an eye.

  Returns:
    The pixels, and how often each would be drawn among all alike over how often it is, so that a mean with these weights is a mean over
    the picture: at most 1 / (1 - of_classes).
  """
  batch, size, _, num_classes = semantic_mask.shape
  num_pixels = size**2
  if num_rays == num_pixels or not of_classes:
    pixels = (jnp.broadcast_to(jnp.arange(num_pixels), (batch, num_pixels)) if num_rays == num_pixels
              else jax.random.randint(key, (batch, num_rays), 0, num_pixels))
    return pixels, jnp.ones(pixels.shape)
  around = 2 * (size // _SIDES_OF_SURROUNDINGS) + 1
  # on both sides of an outline alike: a class drawn more often than what surrounds it would grow
  near = nn.avg_pool(semantic_mask, (around, 1), padding='SAME')  # rows, then columns: the same mean, in a fifth of the additions
  near = nn.avg_pool(near, (1, around), padding='SAME').reshape(batch, num_pixels, num_classes)
  area = jnp.sum(near, axis=1, keepdims=True)
  shown = jnp.max(semantic_mask, axis=(1, 2))[:, None] > semantics.PRESENT
  share = jnp.sum(jnp.where(shown, near / jnp.maximum(area, _SMALLEST_AREA), 0), axis=-1) / jnp.maximum(jnp.sum(shown, axis=(1, 2)), 1)[:, None]
  share = (1 - of_classes) / num_pixels + of_classes * share
  cumulative = jnp.cumsum(share, axis=-1)
  points = jax.random.uniform(key, (batch, num_rays)) * cumulative[:, -1:]
  pixels = jnp.minimum(jax.vmap(jnp.searchsorted)(cumulative, points), num_pixels - 1)
  return pixels, 1 / (num_pixels * jnp.take_along_axis(share, pixels, axis=-1))
