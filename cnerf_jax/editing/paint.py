"""Painting: the styles whose rendering matches a label map drawn over it, everything else unchanged.

  labels = paint.labels(model, styles, camera)
  labels[4:9, 8:24] = SemanticClass.HAIR
  painting = paint.paint(model, styles, camera, labels)

Descends on the styles of the classes that give way (`targets.giving_way`): the painted one, or what skin and background appear behind. The mask
of each pixel's label, painted or as it was, should lead all others by a margin, and what was not painted should keep its colour:

  (sum_painted short^2 + keep sum_others (short^2 + |rgb - rgb0|^2)) / painted + prior mean u^2
  short = max(0, margin - lead),   styles = styles0 + deviation u

Sums, so that a pixel lost elsewhere costs what a painted one brings. Styles that match less than those given are not returned.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools

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
from cnerf_jax.editing import partial_rendering
from cnerf_jax.editing import regions
from cnerf_jax.editing import targets

UNPAINTED = targets.UNPAINTED
Target = targets.Target


@dataclasses.dataclass(frozen=True)
class Settings:
  """How paint descends.

  Attributes:
    steps: of Adam.
    learning_rate: in standard deviations of the styles.
    keep: weight of a pixel that is not painted; that of a painted one is 1.
    prior: weight of the squared move, in standard deviations of the styles.
  """

  steps: int = 120
  learning_rate: float = 0.2
  keep: float = 1.0
  prior: float = 0.001


@dataclasses.dataclass(frozen=True, eq=False)
class Painting:
  """What paint found.

  Attributes:
    styles: of the painted person.
    classes: whose styles were free.
    losses: before every step.
    iou_before: mean intersection over union with the target, of the classes of the painted pixels, before and after, and of those that
      were free.
    iou_after: likewise, of what is rendered now; never less.
    outside_change: root mean squared change of colour of the pixels that were not painted; colours are in [-1, 1].
  """

  styles: Float[Array, 'classes 2 style_dim']
  classes: tuple[int, ...]
  losses: Float[np.ndarray, 'steps']
  iou_before: float
  iou_after: float
  outside_change: float


def loss(rendering: sampler.Rendering, target: Target, *, keep: float) -> Float[Array, '']:
  """How far rendered pixels are from a target; pure."""
  short = jnp.maximum(targets.MARGIN - targets.lead(rendering.semantic_mask, target.labels), 0)**2
  others = short + jnp.sum((rendering.rgb - target.rgb)**2, axis=-1)
  per_pixel = target.painted * short + keep * (1 - target.painted) * others
  return jnp.sum(target.weights * per_pixel) / jnp.maximum(jnp.sum(target.painted), 1)


@functools.partial(jax.jit, static_argnames=('generator', 'image_size', 'num_samples', 'settings'))
def match(
    generator: sampler.Generator, params, styles: Float[Array, 'classes 2 style_dim'], camera: camera_lib.Camera, target: Target,
    deviation: Float[Array, 'classes 2 1'], pixels: Int[Array, 'pixels'], classes: Int[Array, 'several'], *, image_size: int,
    num_samples: int, settings: Settings,
) -> tuple[Float[Array, 'classes 2 style_dim'], Float[Array, 'steps']]:
  """Styles that match a target, and the losses on the way. Pure.

  Args:
    generator: the module.
    params: its parameters.
    styles: to begin with.
    camera: that the target is seen by.
    target: of the pixels.
    deviation: length of a unit step of every row of styles; 0 for rows that stay as they are.
    pixels: row-major indices of those that count.
    classes: those that have rows which move.
    image_size: side of the image, pixels.
    num_samples: samples along a ray.
    settings: of the descent.
  """
  scene = partial_rendering.prepare(
      generator, params, styles, camera, pixels, classes, image_size=image_size, num_samples=num_samples)
  move, losses = descent.minimise(
      objective(generator, params, styles, target, deviation, scene, settings), no_move(styles, classes), steps=settings.steps,
      learning_rates=settings.learning_rate)
  return moved(styles, deviation, classes, move), losses


def no_move(styles: Float[Array, 'classes 2 style_dim'], classes: Int[Array, 'several']) -> Float[Array, 'several 2 style_dim']:
  """Where a descent begins: the move of each row, in deviations."""
  return jnp.zeros((len(classes), *styles.shape[1:]))


def moved(styles, deviation, classes, move) -> Float[Array, 'classes 2 style_dim']:
  """Styles after a move; those that stay are bitwise as they were."""
  return jnp.where(deviation > 0, styles.at[classes].add(deviation[classes] * move), styles)


def objective(
    generator: sampler.Generator, params, styles, target: Target, deviation, scene: partial_rendering.Scene, settings: Settings,
) -> Callable[..., Float[Array, '']]:
  """What `match` descends on: a function of the move. Arguments as of `match`, and its scene."""
  length = deviation[scene.classes]

  def of_move(move):
    rendering = partial_rendering.render(generator, params, styles.at[scene.classes].add(length * move), scene)
    free = jnp.sum(length > 0) * styles.shape[-1]
    return loss(rendering, target, keep=settings.keep) + settings.prior * jnp.sum(jnp.where(length > 0, move**2, 0)) / free

  return of_move


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
    classes: whose styles are free; those that give way if None (`targets.giving_way`).
    kind: which of their styles: a shape's draws masks; a texture's too, which may change colours; None for both.
    settings: of the descent.

  Raises:
    ValueError: if a class, a shape, or a label is wrong, or nothing is painted.
  """
  plan = make_plan(model, styles, camera, target, classes=classes, kind=kind)
  edited, losses = match(
      model.generator, model.params, styles, camera, plan.watched, plan.deviation, plan.pixels, plan.classes,
      image_size=len(plan.labels_before), num_samples=matching.samples_of(model), settings=settings)
  return report(model, styles, camera, plan, edited, losses)


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
  """What a painting asks for, and what moves for it.

  Attributes:
    before: what was rendered before.
    labels_before: its label map.
    wanted: of every pixel.
    watched: of those that the descent looks at.
    pixels: their row-major indices.
    classes: that move.
    deviation: length of a unit step of every row of styles; 0 for rows that stay.
  """

  before: sampler.Rendering
  labels_before: Int[np.ndarray, 'height width']
  wanted: Target
  watched: Target
  pixels: Int[Array, 'pixels']
  classes: Int[Array, 'several']
  deviation: Float[Array, 'classes 2 1']


def make_plan(
    model: pretrained.Model, styles: Float[Array, 'classes 2 style_dim'], camera: camera_lib.Camera, target, *,
    classes: regions.Classes | None = None, kind: int | None = latents.SHAPE) -> Plan:
  """The plan of a painting; arguments and errors as of `paint`."""
  regions.check_styles(styles)
  if np.ndim(styles) != 3:
    raise ValueError(f'styles has shape {np.shape(styles)}; paint one person, styles[i], or vmap paint.match')
  num_classes = model.generator.num_classes
  target = targets.check(np.asarray(target), num_classes)
  before = matching.draw(model, styles, camera, len(target))
  labels_before = matching.labels_of(before.semantic_mask, model.class_set)
  wanted = targets.merge(before, target, labels_before)
  free = targets.giving_way(labels_before, wanted) if classes is None else sorted(set(regions.class_indices(classes, num_classes)))
  deviation = jnp.where(regions.rows(free, kind, num_classes), style_deviation(model), 0)[..., None]
  pixels, watched = targets.watched(before, wanted, free)
  return Plan(
      before=before, labels_before=labels_before, wanted=wanted, watched=watched, pixels=jnp.asarray(pixels), classes=jnp.array(free),
      deviation=deviation)


def report(
    model: pretrained.Model, styles: Float[Array, 'classes 2 style_dim'], camera: camera_lib.Camera, plan: Plan,
    edited: Float[Array, 'classes 2 style_dim'], losses) -> Painting:
  """How well styles that were found match; those given, if these match less."""
  num_classes, free = model.generator.num_classes, np.asarray(plan.classes).tolist()
  after = matching.draw(model, edited, camera, len(plan.labels_before))
  counted = np.isin(np.arange(num_classes), [*targets.touched(plan.labels_before, plan.wanted), *free])
  iou_before, iou_after = (
      matching.mean_iou(one, np.asarray(plan.wanted.labels), num_classes, counted)
      for one in (plan.labels_before, matching.labels_of(after.semantic_mask, model.class_set)))
  if iou_after < iou_before:
    edited, after, iou_after = jnp.asarray(styles), plan.before, iou_before
  outside = matching.weighted_mean(jnp.mean((after.rgb - plan.before.rgb)**2, axis=-1), 1 - plan.wanted.painted)
  return Painting(
      styles=edited, classes=tuple(free), losses=np.asarray(losses), iou_before=iou_before, iou_after=iou_after,
      outside_change=float(outside**0.5))


def style_deviation(model: pretrained.Model, *, num_people: int = 256) -> Float[Array, 'classes 2']:
  """Standard deviation of people's styles, of each row, in root mean square over its numbers."""
  return jnp.sqrt(jnp.mean(jnp.var(model.draw_styles(jax.random.key(0), num_people), axis=0), axis=-1))
