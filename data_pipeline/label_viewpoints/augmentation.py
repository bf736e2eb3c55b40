"""What label maps of photographs have and rendered ones lack: other crops, frayed borders, parts and whole classes that are missing."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8

from data_pipeline.label_viewpoints import network

# how each map is changed: uniform within +- the value
SHIFT, ZOOM, STRETCH, ROLL = 0.06, 0.08, 0.06, 0.1  # sides; logarithm; logarithm, of width over height; radians
WARP = 0.012  # standard deviation of a smooth displacement, sides
FRAY = 0.01  # of an independent displacement of each pixel, uniform within +- the value, sides

# (class, what it becomes, probability): things that a label map of a photograph may lack
LOST = (
    ('glasses', 'skin', 0.4), ('hat', 'hair', 0.2), ('hat', 'background', 0.2), ('earrings', 'hair', 0.2), ('earrings', 'skin', 0.1),
    ('earrings', 'background', 0.2), ('ears', 'hair', 0.1), ('ears', 'skin', 0.1), ('brows', 'skin', 0.05), ('eyes', 'skin', 0.03),
    ('neck', 'background', 0.05), ('hair', 'background', 0.03), ('background', 'hair', 0.02))


def augment(
    key: Array, labels: UInt8[Array, 'batch stored stored'], angles: Float[Array, 'batch 3'],
) -> tuple[Float[Array, 'batch size size classes'], Float[Array, 'batch 3']]:
  """Changed label maps as class fractions, and their azimuth, elevation and roll: half are mirrored, all shifted, zoomed and rolled."""
  batch, side, _ = labels.shape
  keys = jax.random.split(key, 8)
  uniform = lambda key, most, shape=(): jax.random.uniform(key, (batch, *shape), minval=-1.0, maxval=1.0)[..., None, None] * most
  x, y = (place[None] - 0.5 for place in network.grid(side))
  roll, zoom, stretch = uniform(keys[0], ROLL), uniform(keys[1], ZOOM), uniform(keys[2], STRETCH)
  wide, high = jnp.exp(zoom + stretch / 2), jnp.exp(zoom - stretch / 2)
  shift = uniform(keys[3], SHIFT, (2,))
  x, y = ((jnp.cos(roll) * x - jnp.sin(roll) * y) * wide + shift[:, 0], (jnp.sin(roll) * x + jnp.cos(roll) * y) * high + shift[:, 1])
  warp = jax.image.resize(WARP * jax.random.normal(keys[4], (batch, 8, 8, 2)), (batch, side, side, 2), 'linear')
  fray = jax.random.uniform(keys[5], (2, batch, side, side), minval=-FRAY, maxval=FRAY)
  x, y = x + warp[..., 0] + fray[0], y + warp[..., 1] + fray[1]
  turned = jnp.where(jax.random.bernoulli(keys[6], 0.5, (batch,)), -1.0, 1.0)
  fractions = network.class_fractions(labels, turned[:, None, None] * x + 0.5, y + 0.5, _lose(keys[7], batch))
  # what is sampled along axes turned by `roll` appears turned the other way
  azimuth, elevation = turned * angles[:, 0], angles[:, 1]
  return fractions, jnp.stack([azimuth, elevation, turned * angles[:, 2] - roll[:, 0, 0]], axis=-1)


def _lose(key: Array, batch: int) -> Int[Array, 'batch classes']:
  """For each map, what each class becomes."""
  becomes = jnp.tile(jnp.arange(network.CLASSES.num_classes), (batch, 1))
  for (name, other, probability), lost in zip(LOST, jax.random.uniform(key, (len(LOST), batch))):
    k = network.CLASSES.index(name)
    becomes = becomes.at[:, k].set(jnp.where(lost < probability, network.CLASSES.index(other), becomes[:, k]))
  return becomes
