"""Edits that go by the rest of the person: a region drawn anew, a swap that keeps the person's own tone (`style_statistics`).

  statistics = style_statistics.of_model(model, jax.random.key(0))
  conditional_edits.swap_keeping(statistics, styles, donor, SemanticClass.NOSE, features=tone.skin_tone(model))

What is known of the person are features: linear functions of styles. Where all classes of a person share one w (as in the shipped model), any
whole row of styles says all about every other: given one, a region drawn anew is the old one, and a swap that keeps it changes nothing.
`tone.skin_tone`, three numbers, leaves the rest free in any model; `explained_variance` says how much a region depends on features.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax.editing import regions
from cnerf_jax.editing import style_statistics

Styles = Float[Array, '*batch classes 2 style_dim']
Features = Float[Array, 'features classes 2 style_dim']


def swap_keeping(
    statistics: style_statistics.StyleStatistics, styles: Styles, donor: Styles, classes: regions.Classes, *, features: Features,
    kind: int | None = None,
) -> Styles:
  """The donor's region, as it would be if the donor had the receiver's features.

  donor's + E[region | receiver's features] - E[region | donor's features]

  Args:
    statistics: of people.
    styles: of the receiver.
    donor: of the donor; leading axes broadcast with those of `styles`.
    classes: one or more semantic classes.
    features: what the receiver keeps, `tone.skin_tone` or `style_statistics.rows_as_features` of the skin's texture.
    kind: latents.SHAPE, latents.TEXTURE, or None for both.

  Raises:
    ValueError: if a class, the kind or a shape is wrong.
  """
  _check(statistics, styles, 'styles')
  _check(statistics, donor, 'donor')
  known = style_statistics.condition(statistics, features)
  return regions.replace(styles, donor + (known.predict(styles) - known.predict(donor)), classes, kind)


def resample(
    key: Array, statistics: style_statistics.StyleStatistics, styles: Styles, classes: regions.Classes, *, kind: int | None = None,
    features: Features | None = None,
) -> Styles:
  """The region drawn anew, given what is known of the person.

  Args:
    key: random key.
    statistics: of people.
    styles: of the person.
    classes: one or more semantic classes.
    kind: latents.SHAPE, latents.TEXTURE, or None for both.
    features: what is known; all other styles of the person if None.

  Raises:
    ValueError: if a class, the kind or a shape is wrong.
  """
  _check(statistics, styles, 'styles')
  if features is None:
    features = style_statistics.others_as_features(classes, kind, statistics.mean.shape)
  return regions.replace(styles, style_statistics.condition(statistics, features).draw(key, styles), classes, kind)


def explained_variance(
    statistics: style_statistics.StyleStatistics, classes: regions.Classes, *, features: Features, kind: int | None = None) -> Float[Array, '']:
  """Fraction, in [0, 1], of the variance of a region that features explain. Near 1 there is nothing left to swap or to draw."""
  known = style_statistics.condition(statistics, features)
  explained = known.gain @ known.features.reshape(len(known.features), -1) @ statistics.covariance
  rows = jnp.repeat(jnp.ravel(regions.rows(classes, kind, statistics.mean.shape[0])), statistics.mean.shape[-1])
  of_region = lambda covariance: jnp.sum(jnp.where(rows, jnp.diag(covariance), 0))
  return of_region(explained) / of_region(statistics.covariance)


def _check(statistics: style_statistics.StyleStatistics, styles: jax.Array, name: str) -> None:
  regions.check_styles(styles, name)
  if np.shape(styles)[-3:] != statistics.mean.shape:
    raise ValueError(f'{name} has shape {np.shape(styles)}, the statistics are of {statistics.mean.shape}; use those of the same model')
