"""What an edit touches: rows of styles [classes, 2, style_dim], addressed by semantic class and by shape or texture.

A region is one or more classes and a kind: `latents.SHAPE`, `latents.TEXTURE`, or None for both. Classes are `SemanticClass.NOSE`; in another
class set than ffhq12, `semantics.FFHQ9.index('nose')`.
"""

from __future__ import annotations

from collections.abc import Iterable
import operator

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float
import numpy as np

from cnerf_jax import latents
from cnerf_jax import semantics

Classes = int | Iterable[int]
KINDS = {'shape': latents.SHAPE, 'texture': latents.TEXTURE}


def class_indices(classes: Classes, num_classes: int) -> list[int]:
  """Rows of the classes.

  Raises:
    ValueError: if there is none, one is not of this generator, or one is a name.
  """
  several = classes if isinstance(classes, Iterable) and not isinstance(classes, str) else [classes]
  indices = [_index(one, num_classes) for one in several]
  if not indices:
    raise ValueError('no semantic class given; name at least one, such as SemanticClass.NOSE')
  return indices


def _index(semantic_class, num_classes: int) -> int:
  if isinstance(semantic_class, str):
    raise ValueError(f"class {semantic_class!r} is a name; use SemanticClass.NOSE, or semantics.class_set('ffhq9').index('nose')")
  sets = {known.num_classes: known for known in semantics.CLASS_SETS.values()}
  if isinstance(semantic_class, semantics.SemanticClass) and num_classes in sets and sets[num_classes] != semantics.FFHQ12:
    name = sets[num_classes].name
    raise ValueError(f"SemanticClass.{semantic_class.name} is of ffhq12, styles of {num_classes} classes are of {name}; "
                     f"use semantics.class_set('{name}').index(...), with one of {', '.join(sets[num_classes].classes)}")
  try:
    index = operator.index(semantic_class)
  except TypeError:
    raise ValueError(f'class {semantic_class!r} is no semantic class; use one such as SemanticClass.NOSE') from None
  if not 0 <= index < num_classes:
    raise ValueError(f'class {index} is not in 0..{num_classes - 1}, those of these styles; use one such as SemanticClass.NOSE')
  return index


def kind_indices(kind: int | None) -> list[int]:
  """[SHAPE], [TEXTURE], or both for None; ValueError for anything else."""
  if kind is None:
    return [latents.SHAPE, latents.TEXTURE]
  if kind not in KINDS.values() or isinstance(kind, bool):
    raise ValueError(f'kind {kind!r} is neither shape nor texture; use latents.SHAPE, latents.TEXTURE, or None for both')
  return [int(kind)]


def rows(classes: Classes, kind: int | None, num_classes: int) -> Bool[np.ndarray, 'classes 2']:
  """Which rows of styles a region has."""
  chosen = np.zeros((num_classes, 2), bool)
  chosen[np.ix_(class_indices(classes, num_classes), kind_indices(kind))] = True
  return chosen


def check_styles(styles: Float[Array, '*batch classes 2 style_dim'], name: str = 'styles') -> None:
  """ValueError in one line if these can't be styles."""
  if np.ndim(styles) < 3 or np.shape(styles)[-2] != 2:
    raise ValueError(f'{name} has shape {np.shape(styles)}, styles are [..., classes, 2, style_dim]; see Model.draw_styles')


def replace(
    styles: Float[Array, '*batch classes 2 style_dim'], edited: Float[Array, '*batch classes 2 style_dim'], classes: Classes, kind: int | None,
) -> Float[Array, '*batch classes 2 style_dim']:
  """`edited` inside of the region, `styles` everywhere else, bitwise; leading axes broadcast.

  Raises:
    ValueError: if the region or a shape is wrong.
  """
  check_styles(styles)
  if np.ndim(edited) < 3 or np.shape(edited)[-3:] != np.shape(styles)[-3:]:
    raise ValueError(f'the other styles have shape {np.shape(edited)}, these {np.shape(styles)}; '
                     f'give styles of the same generator, [..., {", ".join(map(str, np.shape(styles)[-3:]))}]')
  return jnp.where(rows(classes, kind, np.shape(styles)[-3])[..., None], edited, styles)
