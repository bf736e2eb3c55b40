"""Tone: the colour of somebody's skin, as a linear function of styles.

Colour of a class: its rendered colours, averaged with its mask as weights. The tone's three features are the gradients of the skin's mean red,
green and blue with respect to the skin's texture style, averaged over a few people. What keeps them keeps the colour, to first order.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnerf_jax import camera as camera_lib
from cnerf_jax import latents
from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax.editing import regions
from cnerf_jax.rendering import volume_rendering

_LEAST_AREA = 1e-3  # of a class in pixels, so that the colour of a class that isn't there is finite


def class_color(rendering: volume_rendering.Rendering, semantic_class: int) -> Float[Array, '*batch 3']:
  """Mean colour of a class in images, in [-1, 1]."""
  weights = jnp.maximum(rendering.semantic_mask[..., semantic_class, None], 0)  # raw fusion is unbounded
  return jnp.sum(weights * rendering.rgb, axis=(-3, -2)) / jnp.maximum(jnp.sum(weights, axis=(-3, -2)), _LEAST_AREA)


def skin_tone(
    model: pretrained.Model, *, semantic_class: int = semantics.SemanticClass.SKIN, key: Array | None = None, num_people: int = 8,
    image_size: int = 16, num_samples: int | None = None,
) -> Float[Array, '3 classes 2 style_dim']:
  """Three features of styles: the skin's mean red, green and blue, to first order.

  Args:
    model: whose people they are.
    semantic_class: the class whose colour is the tone; `semantics.FFHQ9.index('face')` in that set.
    key: random key of the people whose gradients are averaged.
    num_people: how many.
    image_size: side of the images, seen from the front, pixels.
    num_samples: samples a ray; those of training if None.

  Raises:
    ValueError: if the class doesn't exist.
  """
  [index] = regions.class_indices(semantic_class, model.generator.num_classes)
  styles = model.draw_styles(jax.random.key(0) if key is None else key, num_people)
  draw = functools.partial(model.render, camera=camera_lib.orbit(0.0, 0.0), image_size=image_size, num_samples=num_samples)

  def color(texture, of_person):
    return class_color(draw(of_person.at[index, latents.TEXTURE].set(texture)), index)

  gradients = jax.jit(lambda styles: jax.lax.map(lambda one: jax.jacrev(color)(one[index, latents.TEXTURE], one), styles))(styles)
  features = jnp.zeros((3, *styles.shape[1:]))
  return features.at[:, index, latents.TEXTURE].set(jnp.mean(gradients, axis=0))
