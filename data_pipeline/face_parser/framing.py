"""Does a picture look like a well framed face? Judged by what the parser makes of it alone: no parameters, and no detector beside it.

Crops of one kind (FFHQ's) have eyes, nose and mouth in the same places and of the same sizes, whoever is in them, and the parser is sure of them.
A picture of something else, or of a face at another scale, fails in one or the other, and does not do so steadily: where the picture is moved a
little, a true face moves with it, and what the parser had made up does not.
"""

from __future__ import annotations

import dataclasses
import math

import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8
import numpy as np

from data_pipeline import vocabularies
from data_pipeline.prepare import alignment
from data_pipeline.prepare import anatomy

_LABELS = vocabularies.CELEBAMASK_HQ.labels
PARTS = {'eyes': ('l_eye', 'r_eye', 'eye_g'), 'nose': ('nose',), 'mouth': ('mouth', 'u_lip', 'l_lip')}
# Where these lie in aligned crops, and how much of the picture they cover: medians of what the parser reads off photographs.
_ROWS = np.array([0.498, 0.573, 0.673])
_SHARES = np.array([0.018, 0.027, 0.027])
# How far a window may be from a crop and still look like one: of the side, and of the logarithm of a share.
_PLACE_TOLERANCE, _SHARE_TOLERANCE = 0.05, 0.7
_EPSILON = 1e-9


@flax.struct.dataclass
class Evidence:
  """What a parser makes of pictures, in a few numbers each.

  Attributes:
    certainty: mean probability of the likeliest label, over all pixels.
    part_certainty: of eyes (or glasses), nose and mouth: their probability where they are thought to be.
    share: of the picture, that each of these covers.
    place: middle (x, y) of each, in sides of the picture.
  """

  certainty: Float[Array, '*batch']
  part_certainty: Float[Array, '*batch parts']
  share: Float[Array, '*batch parts']
  place: Float[Array, '*batch parts 2']


def evidence(probabilities: Float[Array, 'batch size size labels']) -> Evidence:
  """Of the probabilities of the 19 labels."""
  masks = jnp.stack([sum(probabilities[..., _LABELS.index(name)] for name in names) for names in PARTS.values()], axis=-1)
  share, squares = jnp.mean(masks, axis=(1, 2)), masks**2
  total = jnp.sum(squares, axis=(1, 2)) + _EPSILON
  side = masks.shape[1]
  grid = (jnp.arange(side) + 0.5) / side
  # by squares: a faint trace all over the picture has no place
  x = jnp.einsum('byxk,x->bk', squares, grid) / total
  y = jnp.einsum('byxk,y->bk', squares, grid) / total
  return Evidence(
      certainty=jnp.mean(jnp.max(probabilities, axis=-1), axis=(1, 2)), share=share,
      part_certainty=total / (jnp.sum(masks, axis=(1, 2)) + _EPSILON), place=jnp.stack([x, y], axis=-1))


def likeness(seen: Evidence) -> Float[np.ndarray, '*batch']:
  """How much pictures look like aligned crops of a face, in [0, 1]: parts that are seen surely, in their places and of their sizes."""
  off = np.asarray(seen.place) - np.stack([np.full(len(_ROWS), 0.5), _ROWS], axis=-1)
  size = np.log((np.asarray(seen.share) + _EPSILON) / _SHARES)
  distance = (off**2).sum(axis=-1) / _PLACE_TOLERANCE**2 + (size / _SHARE_TOLERANCE)**2
  sure = np.exp(np.log(np.asarray(seen.part_certainty) + _EPSILON).mean(axis=-1))
  return sure * np.exp(-0.5 * distance.mean(axis=-1))


def square(labels: UInt8[np.ndarray, 'size size']) -> alignment.Square | None:
  """The crop that FFHQ would take, in sides of the picture (its corner is (0, 0)); None where eyes or mouth are not seen."""
  points = alignment.landmarks(labels)
  if points is None:
    return None
  found = alignment.ffhq_square(points)
  return alignment.Square(found.center / len(labels), found.side / len(labels), found.roll)


def within(outer: alignment.Square, inner: alignment.Square) -> alignment.Square:
  """A square that is given in sides of another, whose corner is (0, 0), in the other's own units."""
  right = np.array([math.cos(outer.roll), math.sin(outer.roll)])
  down = np.array([-right[1], right[0]])
  across, along = inner.center - 0.5
  return alignment.Square(
      outer.center + outer.side * (across * right + along * down), outer.side * inner.side, _turn(outer.roll + inner.roll))


def distance(one: alignment.Square, other: alignment.Square) -> tuple[float, float, float]:
  """(between the centres in sides of the other, logarithm of the ratio of the sides, angle between them in radians), none below 0."""
  apart = np.hypot(*(one.center - other.center)) / other.side
  return float(apart), abs(math.log(max(one.side, _EPSILON) / other.side)), abs(_turn(one.roll - other.roll))


def _turn(angle: float) -> float:
  return (angle + math.pi) % (2 * math.pi) - math.pi
