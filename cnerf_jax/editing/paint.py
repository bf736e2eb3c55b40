"""Painting: the styles whose rendering matches a label map drawn over it, everything else unchanged.

  labels = paint.labels(model, styles, camera)
  labels[4:9, 8:24] = SemanticClass.HAIR
  painting = paint.paint(model, styles, camera, labels)

Descends on the styles of the touched classes: those of the painted pixels, before and after. Of the painted pixels the masks count, of all
others image and masks, as they were:

  (sum_painted KL(target || mask) + keep sum_others (|rgb - rgb0|^2 + KL(mask0 || mask))) / painted + prior mean u^2
  styles = styles0 + deviation u

Sums, so that a pixel lost elsewhere costs what a painted one brings.
"""

from __future__ import annotations

import dataclasses
import functools

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import latents
from cnerf_jax import pretrained
from cnerf_jax import sampler
from cnerf_jax.editing import descent
from cnerf_jax.editing import matching
from cnerf_jax.editing import regions

UNPAINTED = -1
_CHANGED = 0.5  # a pixel of target masks is painted where one differs by more from what is rendered


@dataclasses.dataclass(frozen=True)
class Settings:
  """How paint descends.

  Attributes:
    steps: of Adam.
    learning_rate: in standard deviations of the styles.
    keep: weight of a pixel that is not painted; that of a painted one is 1.
    prior: weight of the squared move, in standard deviations of the styles.
  """

  steps: int = 60
  learning_rate: float = 0.06
  keep: float = 0.5
  prior: float = 0.01


@flax.struct.dataclass
class Target:
  """What a rendering should become.

  Attributes:
    semantic_mask: in [0, 1]: what was painted, or was there before.
    rgb: as it was before, in [-1, 1].
    painted: 1 where painted, 0 where not.
  """

  semantic_mask: Float[Array, 'height width classes']
  rgb: Float[Array, 'height width 3']
  painted: Float[Array, 'height width']


@dataclasses.dataclass(frozen=True, eq=False)
class Painting:
  """What paint found.

  Attributes:
    styles: of the painted person.
    classes: whose styles were free.
    losses: before every step.
    iou_before: mean intersection over union with the target, of those classes.
    iou_after: likewise, of what is rendered now.
    outside_change: root mean squared change of colour of the pixels that were not painted; colours are in [-1, 1].
  """

  styles: Float[Array, 'classes 2 style_dim']
  classes: tuple[int, ...]
  losses: Float[np.ndarray, 'steps']
  iou_before: float
  iou_after: float
  outside_change: float


def loss(rendering: sampler.Rendering, target: Target, *, keep: float) -> Float[Array, '']:
  """How far a rendering is from a target; pure."""
  divergence = matching.mask_divergence(rendering.semantic_mask, target.semantic_mask)
  others = divergence + jnp.sum((rendering.rgb - target.rgb)**2, axis=-1)
  return jnp.sum(target.painted * divergence + keep * (1 - target.painted) * others) / jnp.maximum(jnp.sum(target.painted), 1)


@functools.partial(jax.jit, static_argnames=('generator', 'num_samples', 'settings'))
def match(
    generator: sampler.Generator, params, styles: Float[Array, 'classes 2 style_dim'], camera: camera_lib.Camera, target: Target,
    deviation: Float[Array, 'classes 2 1'], *, num_samples: int, settings: Settings,
) -> tuple[Float[Array, 'classes 2 style_dim'], Float[Array, 'steps']]:
  """Styles that match a target, and the losses on the way. Pure.

  Args:
    generator: the module.
    params: its parameters.
    styles: to begin with.
    camera: that the target is seen by.
    target: what to match.
    deviation: length of a unit step of every row of styles; 0 for rows that stay as they are.
    num_samples: samples along a ray.
    settings: of the descent.
  """
  def objective(move):
    rendering = sampler.render(
        generator, params, styles + deviation * move, camera, image_size=target.painted.shape[0], num_samples=num_samples)
    free = jnp.sum(deviation > 0) * styles.shape[-1]
    return loss(rendering, target, keep=settings.keep) + settings.prior * jnp.sum(jnp.where(deviation > 0, move**2, 0)) / free

  move, losses = descent.minimise(objective, jnp.zeros_like(styles), steps=settings.steps, learning_rates=settings.learning_rate)
  return jnp.where(deviation > 0, styles + deviation * move, styles), losses


def labels(
    model: pretrained.Model, styles: Float[Array, 'classes 2 style_dim'], camera: camera_lib.Camera, *, image_size: int | None = None,
) -> Int[np.ndarray, 'height width']:
  """The label map of a rendering, to draw on."""
  return matching.labels_of(matching.draw(model, styles, camera, image_size).semantic_mask, model.class_set)


def paint(
    model: pretrained.Model, styles: Float[Array, 'classes 2 style_dim'], camera: camera_lib.Camera, target, *,
    classes: regions.Classes | None = None, kind: int | None = latents.SHAPE, settings: Settings = Settings(),
) -> Painting:
  """The person as painted.

  Args:
    model: that draws.
    styles: of the person, one.
    camera: that was painted through.
    target: a label map, whole numbers [height, width], `UNPAINTED` where the person should stay as is; or masks [height, width, classes] in
      [0, 1]. Square; its side is that of the rendering.
    classes: whose styles are free; those of the painted pixels, before and after, if None.
    kind: which of their styles: a shape's draws masks; a texture's too, which may change colours; None for both.
    settings: of the descent.

  Raises:
    ValueError: if a class, a shape, or a label is wrong, or nothing is painted.
  """
  regions.check_styles(styles)
  if np.ndim(styles) != 3:
    raise ValueError(f'styles has shape {np.shape(styles)}; paint one person, styles[i], or vmap paint.match')
  num_classes = model.generator.num_classes
  target = check_target(np.asarray(target), num_classes)
  before = matching.draw(model, styles, camera, len(target))
  wanted = _merge(before, target, num_classes)
  touched = _touched(before, wanted) if classes is None else regions.class_indices(classes, num_classes)
  rows = regions.rows(touched, kind, num_classes)
  deviation = jnp.where(rows, style_deviation(model), 0)[..., None]
  edited, losses = match(
      model.generator, model.params, styles, camera, wanted, deviation, num_samples=matching.samples_of(model), settings=settings)
  after = matching.draw(model, edited, camera, len(target))
  goal = matching.labels_of(wanted.semantic_mask, model.class_set)
  iou = lambda rendering: matching.mean_iou(
      matching.labels_of(rendering.semantic_mask, model.class_set), goal, num_classes, np.isin(np.arange(num_classes), touched))
  outside = matching.weighted_mean(jnp.mean((after.rgb - before.rgb)**2, axis=-1), 1 - wanted.painted)
  return Painting(
      styles=edited, classes=tuple(touched), losses=np.asarray(losses), iou_before=iou(before), iou_after=iou(after),
      outside_change=float(outside**0.5))


def style_deviation(model: pretrained.Model, *, num_people: int = 256) -> Float[Array, 'classes 2']:
  """Standard deviation of people's styles, of each row, in root mean square over its numbers."""
  return jnp.sqrt(jnp.mean(jnp.var(model.draw_styles(jax.random.key(0), num_people), axis=0), axis=-1))


def check_target(target: np.ndarray, num_classes: int) -> np.ndarray:
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


def _merge(before: sampler.Rendering, target: np.ndarray, num_classes: int) -> Target:
  """The target where painted, what is rendered elsewhere; ValueError if nothing is painted."""
  mask = np.asarray(matching.normalised(before.semantic_mask))
  if target.ndim == 2:
    painted = (target != UNPAINTED) & (target != mask.argmax(axis=-1))
    target = np.asarray(matching.one_hot(target, num_classes))
  else:
    target = np.asarray(matching.normalised(target))
    painted = np.abs(target - mask).max(axis=-1) > _CHANGED
  if not painted.any():
    raise ValueError('the label map is empty: every pixel is UNPAINTED or shows what is there already; paint at least one pixel')
  return Target(
      semantic_mask=jnp.where(painted[..., None], target, mask), rgb=before.rgb, painted=jnp.asarray(painted, jnp.float32))


def _touched(before: sampler.Rendering, wanted: Target) -> list[int]:
  """Classes of the painted pixels, before and after."""
  painted = np.asarray(wanted.painted) > 0
  of = lambda mask: np.asarray(mask)[painted].argmax(axis=-1)
  return np.union1d(of(before.semantic_mask), of(wanted.semantic_mask)).tolist()
