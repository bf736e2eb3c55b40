"""What photographs have and rendered portraits lack: other crops, cameras, exposures and papers, things in front of faces."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8
import numpy as np

from data_pipeline import vocabularies

# how each portrait is changed: uniform within +- the value
SHIFT, ZOOM, STRETCH, ROLL = 0.08, 0.2, 0.06, 0.15  # sides; logarithm; logarithm, of width over height; radians
GAIN, GAMMA, TINT, OFFSET = 0.35, 0.4, 0.15, 0.15  # logarithm; logarithm; logarithm, of each colour; of [-1, 1]
SHADE = 0.35  # a slope of brightness over half of the picture, logarithm
GREY = 0.15  # probability of black and white; between that and twice the saturation for others
NOISE = 0.06  # largest standard deviation
BLUR = 0.35  # largest weight of the neighbours, twice
HIDDEN, HIDDEN_SIDE = 0.3, 0.3  # probability and largest side of a plain rectangle, whose labels are not asked for
UNKNOWN = 255  # label of what is not asked for


def augment(
    key: Array, image: UInt8[Array, 'batch size size 3'], labels: UInt8[Array, 'batch size size'],
) -> tuple[Float[Array, 'batch size size 3'], UInt8[Array, 'batch size size']]:
  """Changed portraits in [-1, 1] and their label maps; half are mirrored, left and right labels with them."""
  keys = jax.random.split(key, 3)
  image, labels = _reframe(keys[0], image.astype(jnp.float32) / 127.5 - 1, labels)
  image = _expose(keys[1], image)
  return _hide(keys[2], image, labels)


def _uniform(key, batch, most, shape=()):
  return jax.random.uniform(key, (batch, *shape), minval=-1.0, maxval=1.0) * most


def _reframe(key, image, labels):
  batch, side, _, _ = image.shape
  keys = jax.random.split(key, 5)
  roll, zoom, stretch = (
      _uniform(k, batch, most)[:, None, None] for k, most in zip(keys, (ROLL, ZOOM, STRETCH)))
  shift = _uniform(keys[3], batch, SHIFT, (2, 1, 1))
  mirrored = jax.random.bernoulli(keys[4], 0.5, (batch,))
  middle = (jnp.arange(side) + 0.5) / side - 0.5
  x, y = jnp.meshgrid(middle, middle, indexing='xy')
  x = jnp.where(mirrored[:, None, None], -x, x)
  wide, high = jnp.exp(zoom + stretch / 2), jnp.exp(zoom - stretch / 2)
  column = (jnp.cos(roll) * x - jnp.sin(roll) * y) * wide + shift[:, 0] + 0.5
  row = (jnp.sin(roll) * x + jnp.cos(roll) * y) * high + shift[:, 1] + 0.5
  place = jnp.stack([row, column], axis=1) * side - 0.5
  nearest = jnp.clip(jnp.round(place), 0, side - 1).astype(jnp.int32)
  sampled = jax.vmap(lambda labels, place: labels[place[0], place[1]])(labels, nearest)
  other_side = jnp.asarray(vocabularies.CELEBAMASK_HQ.mirrored())
  labels = jnp.where(mirrored[:, None, None], other_side[sampled], sampled)
  resample = jax.vmap(lambda image, place: jnp.stack(
      [jax.scipy.ndimage.map_coordinates(image[..., c], place, order=1, mode='nearest') for c in range(3)], axis=-1))
  return resample(image, place), labels


def _expose(key, image):
  batch, side, _, _ = image.shape
  keys = jax.random.split(key, 9)
  each = lambda key, most, shape=(1, 1, 1): _uniform(key, batch, most, shape)
  light = jnp.clip((image + 1) / 2, 1e-3, 1) ** jnp.exp(each(keys[0], GAMMA))
  along = jnp.linspace(-1, 1, side)
  slope = each(keys[1], SHADE, (2, 1, 1))
  shade = slope[:, 0] * along + slope[:, 1] * along[:, None]
  light = light * jnp.exp(each(keys[2], GAIN) + each(keys[3], TINT, (1, 1, 3)) + shade[..., None])
  grey = light.mean(axis=-1, keepdims=True)
  saturation = jnp.where(
      jax.random.bernoulli(keys[4], GREY, (batch, 1, 1, 1)), 0.0, jax.random.uniform(keys[5], (batch, 1, 1, 1), minval=0.3, maxval=1.7))
  image = 2 * jnp.clip(grey + saturation * (light - grey), 0, 1.2) - 1 + each(keys[6], OFFSET)
  weight = jnp.maximum(_uniform(keys[7], batch, BLUR, (1, 1, 1)), 0)
  for axis in (1, 2):
    image = (1 - weight) * image + weight / 2 * (jnp.roll(image, 1, axis) + jnp.roll(image, -1, axis))
  noise = jax.random.normal(keys[8], image.shape) * jnp.maximum(_uniform(keys[8], batch, NOISE, (1, 1, 1)), 0)
  return jnp.clip(image + noise, -1, 1)


def _hide(key, image, labels):
  """Plain rectangles in front of some portraits: hands, microphones and letters hide faces."""
  batch, side, _, _ = image.shape
  keys = jax.random.split(key, 4)
  centre = jax.random.uniform(keys[0], (batch, 2, 1, 1))
  half = jax.random.uniform(keys[1], (batch, 2, 1, 1), minval=0.02, maxval=HIDDEN_SIDE / 2)
  place = (jnp.arange(side) + 0.5) / side
  covered = (jnp.abs(place[None, :, None] - centre[:, 0]) < half[:, 0]) & (jnp.abs(place[None, None, :] - centre[:, 1]) < half[:, 1])
  covered &= jax.random.bernoulli(keys[2], HIDDEN, (batch, 1, 1))
  colour = jax.random.uniform(keys[3], (batch, 1, 1, 3), minval=-1, maxval=1)
  return jnp.where(covered[..., None], colour, image), jnp.where(covered, np.uint8(UNKNOWN), labels)
