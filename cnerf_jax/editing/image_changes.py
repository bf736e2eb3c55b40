"""What a step of one row of styles changes in the image, to first order: Jacobian-vector products of renderings, averaged over people.

Inside is where the class's mask is, outside the rest: pixels count by the rendered mask m and by 1 - m.
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained

_LEAST_AREA = 1e-2  # pixels: of a class that isn't there, changes are finite


class ImageChanges:
  """Changes of these people's images. Compiled once for all classes and kinds.

  Args:
    model: that draws.
    people: [people, classes, 2, style_dim] styles.
    image_size: side of the images, pixels.
    camera: that they are seen by; from the front if None.
  """

  def __init__(self, model: pretrained.Model, people: Float[Array, 'people classes 2 style_dim'], *, image_size: int, camera=None):
    camera = camera_lib.orbit(0.0, 0.0) if camera is None else camera
    draw = functools.partial(model.render, camera=camera, image_size=image_size)
    self._derive = jax.jit(lambda steps, row: jax.lax.map(lambda one: _derivatives(draw, one, steps, row), people))

  def energies(
      self, steps: Float[Array, 'steps style_dim'], semantic_class: int, kind: int,
  ) -> tuple[Float[Array, 'steps steps'], Float[Array, 'steps steps']]:
    """(inside, outside) J^T J of the colours with respect to how far one goes along each step, per pixel of the image."""
    mask, rgb, _ = self._changes(steps, semantic_class, kind)
    energy = lambda weights: jnp.einsum('phw,pnhwc,pmhwc->nm', weights, rgb, rgb) / mask.size
    return energy(mask), energy(1 - mask)

  def measure(self, steps: Float[Array, 'steps style_dim'], semantic_class: int, kind: int) -> dict[str, Float[np.ndarray, 'steps']]:
    """What each step changes, named and in the units of `directions.Directions`."""
    mask, rgb, d_mask = self._changes(steps, semantic_class, kind)
    side = mask.shape[-1]
    mean = lambda weights, x: jnp.einsum('phw,pnhw...->n...', weights, x) / jnp.maximum(jnp.sum(weights), _LEAST_AREA)
    squared = jnp.mean(rgb**2, axis=-1)
    area = jnp.maximum(jnp.sum(mask, axis=(-2, -1)), _LEAST_AREA)  # [people]
    right, down = jnp.meshgrid((jnp.arange(side) + 0.5) / side, (jnp.arange(side) + 0.5) / side)

    def centre_moves(coordinate):
      centre = jnp.sum(mask * coordinate, axis=(-2, -1)) / area
      return jnp.mean(jnp.sum(d_mask * (coordinate - centre[:, None, None])[:, None], axis=(-2, -1)) / area[:, None], axis=0)

    return {name: np.asarray(value) for name, value in {
        'inside': jnp.sqrt(mean(mask, squared)), 'outside': jnp.sqrt(mean(1 - mask, squared)),
        'color': jnp.linalg.norm(mean(mask, rgb), axis=-1), 'area': jnp.mean(jnp.sum(d_mask, axis=(-2, -1)) / area[:, None], axis=0),
        'right': centre_moves(right), 'up': -centre_moves(down)}.items()}

  def _changes(self, steps, semantic_class, kind):
    """(mask [people, h, w], d rgb [people, steps, h, w, 3], d mask [people, steps, h, w]) of one class."""
    mask, (rgb, masks) = self._derive(steps, jnp.array([semantic_class, kind]))
    return jnp.clip(mask[..., semantic_class], 0, 1), rgb, masks[..., semantic_class]


def _derivatives(draw, styles, steps, row):
  def seen(styles):
    rendering = draw(styles)
    return rendering.rgb, rendering.semantic_mask

  along = lambda step: jax.jvp(seen, (styles,), (jnp.zeros_like(styles).at[row[0], row[1]].set(step),))[1]
  return seen(styles)[1], jax.vmap(along)(steps)
