"""Edits of a region's styles: swapped, interpolated, moved, truncated. Pure functions: jit, vmap and differentiate them.

  styles = model.draw_styles(jax.random.key(1), 2)
  with_their_nose = edits.swap(styles[0], styles[1], SemanticClass.NOSE, kind=latents.SHAPE)

Every edit takes classes and a kind (`regions`), returns styles of the same shape, and leaves all other rows as they were, bitwise.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax import latents
from cnerf_jax.editing import regions

Styles = Float[Array, '*batch classes 2 style_dim']


def swap(styles: Styles, donor: Styles, classes: regions.Classes, *, kind: int | None = None) -> Styles:
  """The region as another person has it.

  Args:
    styles: of the person who is edited.
    donor: styles of the other; leading axes broadcast with those of `styles`.
    classes: one or more semantic classes.
    kind: latents.SHAPE, latents.TEXTURE, or None for both.

  Raises:
    ValueError: if a class, the kind or a shape is wrong.
  """
  return regions.replace(styles, donor, classes, kind)


def interpolate(
    styles: Styles, donor: Styles, fraction: Float[Array, '*batch'], classes: regions.Classes, *, kind: int | None = None) -> Styles:
  """The region on its way to another person's: 0 as it was, 1 the donor's; beyond both, extrapolated. Else as `swap`."""
  regions.check_styles(styles)
  regions.check_styles(donor, 'donor')
  return regions.replace(styles, styles + _over_styles(fraction) * (donor - styles), classes, kind)


def move(
    styles: Styles, direction: Float[Array, '...'], amount: Float[Array, '*batch'], classes: regions.Classes, *, kind: int | None = None,
) -> Styles:
  """The region moved along a direction: styles + amount * direction.

  Args:
    styles: of the person who is edited.
    direction: [style_dim], the same for every row of the region (`directions.Directions.step`), or of the shape of styles.
    amount: how far, in lengths of the direction.
    classes: one or more semantic classes.
    kind: latents.SHAPE, latents.TEXTURE, or None for both.

  Raises:
    ValueError: if a class, the kind or a shape is wrong.
  """
  regions.check_styles(styles)
  shape, wanted = np.shape(direction), np.shape(styles)[-3:]
  if shape != wanted[-1:] and shape[-3:] != wanted:
    raise ValueError(f'direction has shape {shape}, these styles {np.shape(styles)}; give {wanted[-1:]} or {wanted}')
  return regions.replace(styles, styles + _over_styles(amount) * direction, classes, kind)


def truncate(
    styles: Styles, w_mean: Float[Array, '...'], psi: Float[Array, '*batch'], classes: regions.Classes, *, kind: int | None = None) -> Styles:
  """The region nearer to the mean of all people: psi 1 as it was, 0 the mean (`latents.truncate`, with `Model.w_mean`)."""
  regions.check_styles(styles)
  return regions.replace(styles, latents.truncate(styles, w_mean, _over_styles(psi)), classes, kind)


def _over_styles(x):
  """A number per portrait, with axes for classes, kinds and style_dim."""
  return jnp.asarray(x)[..., None, None, None]
