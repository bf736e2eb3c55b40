"""Trains the face parser on an export of synthetic people."""

from __future__ import annotations

from collections.abc import Callable
import functools
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8
import numpy as np
import optax

from data_pipeline.face_parser import augmentation
from data_pipeline.face_parser import network

_RARITY = 0.3  # power of a label's share of all pixels, of which its weight is the inverse
_SMOOTHING = 0.05  # of labels: borders are not known to the pixel
_LARGEST_WEIGHT = 4.0


def label_weights(labels: UInt8[np.ndarray, 'portraits size size']) -> Float[np.ndarray, 'labels']:
  """How much a pixel of each label counts: rare ones more, the mean over all pixels 1."""
  share = np.bincount(labels.reshape(-1), minlength=network.NUM_LABELS)[:network.NUM_LABELS] / labels.size
  weight = np.minimum(np.maximum(share, 1e-6) ** -_RARITY, _LARGEST_WEIGHT * np.max(share) ** -_RARITY)
  return (weight / np.sum(share * weight)).astype(np.float32)


def train(
    images: UInt8[np.ndarray, 'portraits size size 3'], labels: UInt8[np.ndarray, 'portraits size size'], *, steps: int, batch_size: int,
    seed: int, learning_rate: float = 2e-3, on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> Any:
  """Parameters of a `ParserNetwork` that has seen `steps` batches of augmented portraits.

  Args:
    images: portraits, of `network.SIZE`.
    labels: the 19 CelebAMask-HQ labels of each pixel.
    steps: of Adam, its rate rising over a twentieth of them, then falling to zero.
    batch_size: portraits a step.
    seed: of parameters and draws.
    learning_rate: the highest.
    on_step: called with (steps done, loss) after each.
  """
  init_key, key = jax.random.split(jax.random.key(seed, impl='rbg'))
  params = jax.jit(network.init)(init_key)
  schedule = optax.warmup_cosine_decay_schedule(0.0, learning_rate, max(1, steps // 20), max(2, steps))
  optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, weight_decay=1e-3))
  weights = jnp.asarray(label_weights(labels))

  def loss(params, key, images, labels):
    images, labels = augmentation.augment(key, images, labels)
    return cross_entropy(network.ParserNetwork().apply(params, images), labels, weights)

  @functools.partial(jax.jit, donate_argnums=(0, 1))
  def step(params, opt_state, key, images, labels):
    value, gradients = jax.value_and_grad(loss)(params, key, images, labels)
    updates, opt_state = optimizer.update(gradients, opt_state, params)
    return optax.apply_updates(params, updates), opt_state, value

  opt_state, rng = optimizer.init(params), np.random.default_rng(seed)
  for done in range(steps):
    chosen = rng.integers(len(labels), size=batch_size)
    params, opt_state, value = step(params, opt_state, jax.random.fold_in(key, done), images[chosen], labels[chosen])
    on_step(done + 1, value)
  return params


def cross_entropy(
    logits: Float[Array, 'batch size size labels'], labels: UInt8[Array, 'batch size size'], weights: Float[Array, 'labels'],
) -> Float[Array, '']:
  """Mean over the pixels that are asked for, smoothed and weighted by label."""
  known = labels != augmentation.UNKNOWN
  index = jnp.where(known, labels, 0).astype(jnp.int32)
  targets = optax.smooth_labels(jax.nn.one_hot(index, logits.shape[-1]), _SMOOTHING)
  each = optax.softmax_cross_entropy(logits, targets) * weights[index]
  return jnp.sum(jnp.where(known, each, 0)) / jnp.maximum(jnp.sum(known), 1)
