"""How far a rendering is from what is wanted: the terms that paint and invert descend on."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import numpy as np

from cnerf_jax import pretrained
from cnerf_jax import sampler
from cnerf_jax import semantics
from cnerf_jax.evaluation import agreement
from cnerf_jax.evaluation import label_map as label_map_lib
from cnerf_jax.losses import reconstruction

_SMALLEST = 1e-4


def samples_of(model: pretrained.Model) -> int:
  """Samples along a ray of a model's training; ValueError if its weights don't say."""
  if model.num_samples is None:
    raise ValueError('these weights do not say their num_samples; give it, such as dataclasses.replace(model, num_samples=24)')
  return model.num_samples


def draw(
    model: pretrained.Model, styles: Float[Array, 'classes 2 style_dim'], camera, image_size: int | None = None) -> sampler.Rendering:
  """A rendering, compiled once for each size; those of training unless given."""
  if image_size is None and model.image_size is None:
    raise ValueError('these weights do not say their image_size; give image_size')
  return _render(
      model.generator, model.params, styles, camera, image_size=image_size or model.image_size, num_samples=samples_of(model))


_render = jax.jit(sampler.render, static_argnums=0, static_argnames=('image_size', 'num_samples'))


def one_hot(labels: Int[Array, '*image'], num_classes: int) -> Float[Array, '*image classes']:
  """Masks of a label map; all zero where the label is no class."""
  return (labels[..., None] == jnp.arange(num_classes)).astype(jnp.float32)


def normalised(semantic_mask: Float[Array, '*image classes']) -> Float[Array, '*image classes']:
  """Masks that sum to one, whatever the fusion: rendered ones under raw fusion don't, nor real ones that overlap."""
  positive = jnp.maximum(semantic_mask, _SMALLEST)
  return positive / jnp.sum(positive, axis=-1, keepdims=True)


def mask_divergence(semantic_mask: Float[Array, '*image classes'], target: Float[Array, '*image classes']) -> Float[Array, '*image']:
  """Kullback-Leibler divergence of the target masks from the rendered ones, per pixel, nats; 0 where they agree."""
  semantic_mask, target = normalised(semantic_mask), normalised(target)
  return jnp.sum(target * (jnp.log(target) - jnp.log(semantic_mask)), axis=-1)


def weighted_mean(errors: Float[Array, '*image'], weights: Float[Array, '*image']) -> Float[Array, '']:
  """Mean over the pixels that count; 0 where none does."""
  return jnp.sum(weights * errors) / jnp.maximum(jnp.sum(weights), _SMALLEST)


def psnr(image: Float[Array, '*image 3'], target: Float[Array, '*image 3']) -> Float[Array, '']:
  """Peak signal-to-noise ratio of images in [-1, 1], dB: 10 log10(2^2 / mean squared error)."""
  squared = reconstruction.image_error(jnp.asarray(image), jnp.asarray(target)) / 3
  return 10 * jnp.log10(4 / jnp.maximum(squared, 1e-12))


def labels_of(semantic_mask: Float[np.ndarray, '*image classes'], class_set: str | None) -> Int[np.ndarray, '*image']:
  """Label of each pixel (`evaluation.label_map`); the largest mask if the class set is not known."""
  if class_set is None:
    return np.argmax(np.asarray(semantic_mask), axis=-1)
  return label_map_lib.label_map(np.asarray(semantic_mask), semantics.class_set(class_set))


def mean_iou(labels: Int[np.ndarray, '*image'], target: Int[np.ndarray, '*image'], num_classes: int, of=None) -> float:
  """Intersection over union of two label maps, mean over the classes that occur, or over those of them marked in `of`."""
  return agreement.mean_iou(agreement.class_iou(labels, target, num_classes), of)
