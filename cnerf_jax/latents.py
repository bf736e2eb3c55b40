"""Latents and style mixing: one shape and one texture style per semantic class (paper section 3).

Training mixes two style codes: each class of each portrait takes {both from the first, shape from the first and texture from
the second, both from the second}, so that classes learn to be edited apart. Axes: styles are [batch, classes, 2, style_dim],
shape style at index 0, texture style at index 1.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

SHAPE, TEXTURE = 0, 1
MIXING_CHOICES = 3


@flax.struct.dataclass
class Latents:
  """Latents of a batch of portraits before the mapping network.

  Attributes:
    z: [batch, 2, latent_dim] two latents per portrait.
    choice: [batch, classes] 0 both styles from the first, 1 shape from the first and texture from the second, 2 both from the second.
  """

  z: Float[Array, 'batch 2 latent_dim']
  choice: Int[Array, 'batch classes']


def draw_latents(key: Array, batch: int, *, num_classes: int, latent_dim: int, mixing_probability: float) -> Latents:
  """Random latents: each portrait mixes its two z's with the given probability, else all classes take the first."""
  z_key, mix_key, choice_key = jax.random.split(key, 3)
  mixes = jax.random.bernoulli(mix_key, mixing_probability, (batch, 1))
  choice = jax.random.randint(choice_key, (batch, num_classes), 0, MIXING_CHOICES)
  return Latents(z=jax.random.normal(z_key, (batch, 2, latent_dim)), choice=jnp.where(mixes, choice, 0))


def mix_styles(
    styles: Float[Array, 'batch 2 classes 2 style_dim'], choice: Int[Array, 'batch classes']
) -> Float[Array, 'batch classes 2 style_dim']:
  """Styles per class from those of two portraits and each class's choice."""
  from_second = jnp.stack([choice == 2, choice >= 1], axis=-1)[..., None]  # shape, texture
  return jnp.where(from_second, styles[:, 1], styles[:, 0])


def broadcast_style(w: Float[Array, '*batch style_dim'], *, num_classes: int) -> Float[Array, '*batch classes 2 style_dim']:
  """One style code for every class, shape and texture: an unmixed portrait."""
  return jnp.broadcast_to(w[..., None, None, :], w.shape[:-1] + (num_classes, 2, w.shape[-1]))


def truncate(
    w: Float[Array, '*batch style_dim'], w_mean: Float[Array, '*styles'], psi: float
) -> Float[Array, '*batch style_dim']:
  """Truncation: w_mean + psi (w - w_mean). Take the mean from the parameters that draw the images (the averages, if they do)."""
  return w_mean + psi * (w - w_mean)
