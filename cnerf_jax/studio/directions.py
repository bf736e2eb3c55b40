"""Directions of styles for sliders: the principal components of random people's styles, class by class, shape and texture apart.

Each is named by what it does to its class in pictures: the measure that it changes most, in standard deviations of that measure over random
people.
"""

from __future__ import annotations

import collections
import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import latents
from cnerf_jax import pretrained

# measures of a class in a picture, in the order of `_measure`, as the name of a slider whose right end has more of it
SHAPE_MEASURES = ('size', 'width', 'height', 'lift', 'depth')
TEXTURE_MEASURES = ('lightness', 'warmth', 'colourfulness')
_SMALLEST_EFFECT = 0.25  # standard deviations over people that two of the direction must change, or it has no name
_FAR_STRONGER = 0.4  # a measure of less than this part of the strongest does not name a direction
_PEOPLE_FOR_SPREAD = 32
_LARGEST_PICTURE = 24  # pixels: enough to measure, quick to draw
_SMALLEST_AREA = 1e-3  # of the picture: what is less is not there


@dataclasses.dataclass(frozen=True, eq=False)
class Directions:
  """Directions to move a class's style along.

  Attributes:
    vectors: [classes, 2, directions, style_dim] one standard deviation of random people each; `latents.SHAPE` and `TEXTURE` on axis 1.
    names: [classes][2][directions], each unlike the others of its class and part.
  """

  vectors: Float[np.ndarray, 'classes 2 directions style_dim']
  names: list[list[list[str]]]


def principal(styles: Float[Array, 'people classes 2 style_dim'], count: int) -> Float[np.ndarray, 'classes 2 count style_dim']:
  """The first principal components of each class's shape and texture styles, as long as one standard deviation."""
  styles = np.asarray(styles, np.float64)
  centred = styles - styles.mean(axis=0)
  covariance = np.einsum('nkpi,nkpj->kpij', centred, centred) / len(centred)
  variances, axes = np.linalg.eigh(covariance)
  vectors = axes[..., ::-1].swapaxes(-1, -2) * np.sqrt(np.maximum(variances[..., ::-1, None], 0))
  vectors = vectors[:, :, :count]
  largest = np.take_along_axis(vectors, np.argmax(np.abs(vectors), axis=-1, keepdims=True), axis=-1)
  return (vectors * np.where(largest < 0, -1, 1)).astype(np.float32)  # the same signs wherever it is computed


def named(model: pretrained.Model, key: Array, *, count: int, num_people: int = 2048) -> Directions:
  """Principal directions of a model's people, turned and named by what they do.

  Args:
    model: whose people.
    key: random key.
    count: directions of each class and part; no more than style_dim.
    num_people: random people whose styles are analysed.

  Raises:
    ValueError: if the model does not know its sizes, or count is not in 1 to style_dim.
  """
  if not 1 <= count <= model.generator.style_dim:
    raise ValueError(f'{count} directions of styles of {model.generator.style_dim} numbers; use 1 to {model.generator.style_dim}')
  people = model.draw_styles(key, num_people)
  vectors = principal(people, count)
  measures, spread = _effects(model, people, vectors)
  names = []
  for semantic_class in range(len(vectors)):
    names.append([])
    for part, wanted in ((latents.SHAPE, SHAPE_MEASURES), (latents.TEXTURE, TEXTURE_MEASURES)):
      columns = [(SHAPE_MEASURES + TEXTURE_MEASURES).index(name) for name in wanted]
      effects = measures[semantic_class, part][:, columns] / spread[semantic_class, columns]
      chosen = _choose(np.abs(effects))
      vectors[semantic_class, part] *= np.where([i is not None and e[i] < 0 for i, e in zip(chosen, effects)], -1, 1)[:, None]
      names[-1].append(_unlike(['detail' if i is None else wanted[i] for i in chosen]))
  return Directions(vectors=vectors, names=names)


def _choose(effects: Float[np.ndarray, 'directions measures']) -> list[int | None]:
  """The measure that names each direction: the strongest that names none yet, unless another is far stronger; None if all are weak."""
  chosen = []
  for effect in effects:
    fresh = np.where(np.isin(np.arange(len(effect)), [i for i in chosen if i is not None]), 0, effect)
    best = int(np.argmax(fresh if fresh.max() > _FAR_STRONGER * effect.max() else effect))
    chosen.append(best if effect[best] > _SMALLEST_EFFECT else None)
  return chosen


def _unlike(names: list[str]) -> list[str]:
  """The names, numbered where one occurs again."""
  seen = collections.Counter()
  numbered = []
  for name in names:
    seen[name] += 1
    numbered.append(name if seen[name] == 1 else f'{name} {seen[name]}')
  return numbered


def _effects(model: pretrained.Model, people, vectors):
  """[classes, 2, directions, measures] what two standard deviations change in a person, and [classes, measures] how people differ."""
  image_size = min(model.image_size or _LARGEST_PICTURE, _LARGEST_PICTURE)
  measure = jax.jit(lambda styles: _measure(model.render(styles, camera_lib.orbit(0.0, 0.0), image_size=image_size)))
  spread = np.std([measure(styles) for styles in people[:_PEOPLE_FOR_SPREAD]], axis=0)
  mean = jnp.mean(people, axis=0)
  classes, parts, count, _ = vectors.shape
  effects = np.zeros((classes, parts, count, spread.shape[-1]))
  for semantic_class in range(classes):
    for part in range(parts):
      for i in range(count):
        less, more = (
            measure(mean.at[semantic_class, part].add(sign * 2 * vectors[semantic_class, part, i]))[semantic_class] for sign in (-1, 1))
        effects[semantic_class, part, i] = np.asarray(more) - np.asarray(less)
  return effects, np.maximum(spread, 1e-3)


def _measure(rendering) -> Float[Array, 'classes measures']:
  """Measures of each class in a picture; all zero for a class that is not there."""
  size = rendering.depth.shape[-1]
  masks = jnp.moveaxis(jnp.maximum(rendering.semantic_mask, 0), -1, 0)
  area = jnp.mean(masks, axis=(1, 2))
  average = lambda values: jnp.sum(masks * values, axis=(1, 2)) / (size**2 * jnp.maximum(area, _SMALLEST_AREA))
  x = jnp.linspace(-1, 1, size)
  y = -x[:, None]
  deviation = lambda values: jnp.sqrt(jnp.maximum(average(values**2) - average(values)**2, 0))
  red, _, blue = jnp.moveaxis(rendering.rgb, -1, 0)
  colourfulness = jnp.max(rendering.rgb, axis=-1) - jnp.min(rendering.rgb, axis=-1)
  measures = jnp.stack([
      area, deviation(x + 0 * y), deviation(y + 0 * x), average(y + 0 * x), 10 * average(1 - rendering.depth),
      average(jnp.mean(rendering.rgb, axis=-1)), average(red - blue), average(colourfulness)], axis=-1)
  return jnp.where(area[:, None] > _SMALLEST_AREA, measures, 0.0)
