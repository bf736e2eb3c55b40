"""Does a picture look like a well framed face? Judged by what the parser makes of it alone: no parameters, and no detector beside it.

Crops of one kind (FFHQ's) have eyes, nose and mouth in the same places and of the same sizes, whoever is in them, and the parser is sure of
them. A picture of something else, or of a face at another scale, fails in one or the other, and does not do so steadily: where the picture
is moved a little, a true face moves with it, and what the parser had made up does not.
"""

from __future__ import annotations

import math

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8
import numpy as np

from data_pipeline import vocabularies
from data_pipeline.prepare import alignment
from data_pipeline.prepare import anatomy

_LABELS = vocabularies.CELEBAMASK_HQ.labels
PARTS = {'eyes': ('l_eye', 'r_eye', 'eye_g'), 'nose': ('nose',), 'mouth': ('mouth', 'u_lip', 'l_lip')}
# Where these lie in aligned crops, and how much of the picture they cover: medians of what the parser reads off photographs.
_ROWS = np.array([0.49, 0.583, 0.753])
_SHARES = np.array([0.019, 0.027, 0.0265])
# How far a window may be from a crop and still look like one: of the side, and of the logarithm of a share.
_PLACE_TOLERANCE, _SHARE_TOLERANCE = 0.07, 0.7
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


# Of photographs of faces, all but about 1% keep each of these.
LEAST_CERTAINTY = 0.73  # mean probability of the likeliest label; what is made up from noise has up to .72
LEAST_PART_CERTAINTY = np.array([0.06, 0.5, 0.35])  # of eyes, nose, mouth; mean probability
LARGEST_SHARE_OFF = math.log(2.5)
LARGEST_PLACE_OFF = 0.13  # of a part against where aligned crops have it
LEAST_FIT = 0.85  # of the rules of anatomy
SKIN = (0.1, 0.5)  # of the picture
_WHOLE = (0.1, 0.2, 0.2)  # a frame that is the picture: centre in sides, logarithm of the side, roll in radians
LARGEST_SPREAD = (0.06, 0.12)  # standard deviation of the centre in sides, of the logarithm of the side, over small moves of the window


def doubt(seen: Evidence, labels: UInt8[np.ndarray, 'size size']) -> str:
  """What speaks against a picture's being a well framed face, in one line: value and rule; empty if nothing does."""
  off = np.hypot(*(np.asarray(seen.place) - np.stack([np.full(len(_ROWS), 0.5), _ROWS], axis=-1)).T)
  size = np.abs(np.log((np.asarray(seen.share) + _EPSILON) / _SHARES))
  if seen.certainty < LEAST_CERTAINTY:
    return f'labels are {float(seen.certainty):.2f} sure on average, and those of faces at least {LEAST_CERTAINTY}'
  for k, name in enumerate(PARTS):
    if seen.part_certainty[k] < LEAST_PART_CERTAINTY[k]:
      return f'{name} seen with a certainty of {float(seen.part_certainty[k]):.2f}, and on faces with at least {LEAST_PART_CERTAINTY[k]}'
    if size[k] > LARGEST_SHARE_OFF and not (name == 'eyes' and seen.share[k] > _SHARES[k]):  # glasses are large
      return f'{name} cover {float(seen.share[k]):.2%} of the frame, and on faces about {_SHARES[k]:.1%}'
    if off[k] > LARGEST_PLACE_OFF:
      return f'{name} lie {off[k]:.2f} sides from where aligned faces have them, and at most {LARGEST_PLACE_OFF} is usual'
  skin = float(np.mean(labels == _LABELS.index('skin')))
  if not SKIN[0] <= skin <= SKIN[1]:
    return f'skin covers {skin:.0%} of the frame, and of faces {SKIN[0]:.0%} to {SKIN[1]:.0%}'
  fit = anatomy.fit(anatomy.moments(labels))
  return f'{fit:.0%} of the rules of anatomy are kept, and at least {LEAST_FIT:.0%} must be' if fit < LEAST_FIT else ''


def is_whole(found: alignment.Square | None, height: int, width: int) -> bool:
  """Whether a frame (None: none) is the whole picture, or as near to it as alignment mends: in pixels of the picture."""
  if found is None:
    return False
  apart, larger, turned = distance(found, alignment.Square(np.array([width, height]) / 2, float(min(height, width)), 0.0))
  return apart < _WHOLE[0] and larger < _WHOLE[1] and turned < _WHOLE[2]


def doubt_of_moves(square: alignment.Square, moved: list[alignment.Square | None]) -> str:
  """What speaks against a frame that is read again from windows moved a little, in one line; empty if it stays where it is."""
  if any(one is None for one in moved):
    return 'eyes or mouth are gone when the frame is moved a little'
  centre = float(np.sqrt(np.mean([distance(one, square)[0]**2 for one in moved])))
  side = float(np.sqrt(np.mean([distance(one, square)[1]**2 for one in moved])))
  if centre > LARGEST_SPREAD[0] or side > LARGEST_SPREAD[1]:
    return (f'it moves by {centre:.2f} sides and {side:.0%} in size when it is read from a little farther off, and at most '
            f'{LARGEST_SPREAD[0]:.2f} and {LARGEST_SPREAD[1]:.0%} is a face')
  return ''


def one_of(seen: Evidence, k: int) -> Evidence:
  """Evidence of one picture."""
  return jax.tree.map(lambda values: np.asarray(values)[k], seen)
