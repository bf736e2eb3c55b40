"""What a painting asks for, pixel by pixel, and which classes and pixels a descent needs for it.

The mask of a pixel's label should lead the next largest by `MARGIN`. A label is won by a lead, and more than that is not asked for: towards a
mask of 1 a class would grow over its neighbours.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import numpy as np

from cnerf_jax import sampler
from cnerf_jax.editing import matching
from cnerf_jax.evaluation import locality

UNPAINTED = -1
MARGIN = 0.5
BACKGROUND, SKIN = 0, 1  # in every class set; ffhq9 calls it face
_CHANGED = 0.5  # a pixel of target masks is painted where one differs by more from what is rendered
_SHOWS = 0.05  # a mask below that is of no matter
_GRID = 2  # pixels: how far apart those are that stand for others


@flax.struct.dataclass
class Target:
  """What pixels should become; axes are those of an image, or of some of its pixels.

  Attributes:
    labels: as painted, or as before.
    rgb: as it was before, in [-1, 1].
    painted: 1 where painted, 0 where not.
    weights: for how many pixels each one counts.
  """

  labels: Int[Array, '*pixels']
  rgb: Float[Array, '*pixels 3']
  painted: Float[Array, '*pixels']
  weights: Float[Array, '*pixels']


def lead(semantic_mask: Float[Array, '*pixels classes'], labels: Int[Array, '*pixels']) -> Float[Array, '*pixels']:
  """Mask of each pixel's label less the largest of the others, in [-1, 1]."""
  mask = matching.normalised(semantic_mask)
  own = labels[..., None] == jnp.arange(mask.shape[-1])
  return jnp.sum(jnp.where(own, mask, 0), axis=-1) - jnp.max(jnp.where(own, 0, mask), axis=-1)


def check(target: np.ndarray, num_classes: int) -> np.ndarray:
  """A label map or masks, unchanged; ValueError in one line if they are neither."""
  shapes = f'a label map [size, size] of whole numbers, or masks [size, size, {num_classes}] of numbers in [0, 1]'
  is_map = target.ndim == 2 and np.issubdtype(target.dtype, np.integer)
  is_masks = target.ndim == 3 and target.shape[-1] == num_classes and np.issubdtype(target.dtype, np.floating)
  if not (is_map or is_masks) or target.shape[0] != target.shape[1] or not target.size:
    raise ValueError(f'the target has shape {target.shape} and type {target.dtype}; give {shapes}')
  if is_masks and not (np.isfinite(target).all() and target.min() >= 0 and target.max() <= 1):
    raise ValueError(f'target masks reach from {target.min()} to {target.max()}; give {shapes}')
  wrong = np.setdiff1d(target, np.arange(UNPAINTED, num_classes)) if is_map else []
  if len(wrong):
    raise ValueError(
        f'the label map has labels {wrong.tolist()[:5]}; use 0..{num_classes - 1}, such as SemanticClass.HAIR, or paint.UNPAINTED (-1)')
  return target


def merge(before: sampler.Rendering, target: np.ndarray, labels: Int[np.ndarray, 'height width']) -> Target:
  """The target where painted, what is rendered elsewhere.

  Args:
    before: what is rendered.
    target: of `check`.
    labels: those of the rendering.

  Raises:
    ValueError: if nothing is painted.
  """
  if target.ndim == 2:
    painted = (target != UNPAINTED) & (target != labels)
    wanted = target
  else:
    mask, target = (np.asarray(matching.normalised(x)) for x in (before.semantic_mask, target))
    wanted = target.argmax(axis=-1)
    painted = (np.abs(target - mask).max(axis=-1) > _CHANGED) & (wanted != labels)
  if not painted.any():
    raise ValueError('the label map is empty: every pixel is UNPAINTED or shows what is there already; paint at least one pixel')
  wanted = jnp.asarray(np.where(painted, wanted, labels))
  painted = jnp.asarray(painted, jnp.float32)
  return Target(labels=wanted, rgb=before.rgb, painted=painted, weights=jnp.ones_like(painted))


def touched(labels: Int[np.ndarray, 'height width'], target: Target) -> list[int]:
  """Classes of the painted pixels, before and after."""
  painted = np.asarray(target.painted) > 0
  return np.union1d(labels[painted], np.asarray(target.labels)[painted]).tolist()


def giving_way(labels: Int[np.ndarray, 'height width'], target: Target) -> list[int]:
  """Classes that move. Of the two classes of a painted pixel the one that was painted, which has to take it; but skin and background lie
  behind all others, and appear where those give way: a nose grows or shrinks, and the skin around it stays.

  The background, which has no shape to lose, moves along wherever it is touched.
  """
  painted = np.asarray(target.painted) > 0
  below, above = labels[painted], np.asarray(target.labels)[painted]
  revealed = (above == BACKGROUND) | ((above == SKIN) & (below != BACKGROUND))
  background = [BACKGROUND] if BACKGROUND in below or BACKGROUND in above else []
  return np.union1d(np.where(revealed, below, above), background).astype(int).tolist()


def watched(
    before: sampler.Rendering, target: Target, classes: list[int],
) -> tuple[Int[np.ndarray, 'pixels'], Target]:
  """Pixels, row-major, that a descent on these classes should look at, and what is wanted of them.

  All near what was painted and where the classes show; of the others a grid, each pixel of which counts for its neighbours. Their number is
  rounded up, by pixels that count for nothing, so that few programs are compiled.
  """
  mask = np.asarray(matching.normalised(before.semantic_mask))
  painted = np.asarray(target.painted) > 0
  size = len(painted)
  near = locality.dilate(painted | (mask[..., classes].max(axis=-1) > _SHOWS), 3 * locality.dilation_radius(size))
  rows, columns = np.indices(near.shape)
  grid = ~near & (rows % _GRID == 1) & (columns % _GRID == 1)
  weights = near + grid * ((~near).sum() / max(grid.sum(), 1))
  pixels = np.flatnonzero(near | grid)
  step = -(-size**2 // 8)
  missing = -len(pixels) % step
  pixels = np.concatenate([pixels, np.zeros(missing, int)])
  counts = np.arange(len(pixels)) < len(pixels) - missing
  flat = jax.tree.map(lambda x: x.reshape(size**2, *x.shape[2:])[pixels], target)
  return pixels, flat.replace(weights=jnp.asarray(weights.ravel()[pixels] * counts, jnp.float32))
