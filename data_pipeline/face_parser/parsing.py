"""Label maps of photographs: each is read as it is and mirrored, and the two readings are averaged."""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, UInt8
import numpy as np

from data_pipeline import network_files
from data_pipeline import vocabularies
from data_pipeline.face_parser import framing
from data_pipeline.face_parser import network
from data_pipeline.face_parser import parameters

OUTPUT_SIDE = 2 * network.SIZE  # of label maps, pixels: borders between the network's own are interpolated
BATCH_SIZE = 8
# What is worn and covers less than this share of the picture is a speck of something else: 98% of synthetic people's cover twice as much.
_SMALLEST_WORN = {'eye_g': 0.02, 'hat': 0.05}


class FaceParser:
  """Reads label maps with one set of parameters.

  Attributes:
    about: what the parameters were trained on, how long, and how accurate they are.
    batch_size: images that are read at once.
    fingerprint: hash of the parameters.
    params: the parameters.
  """

  batch_size = BATCH_SIZE

  def __init__(self, params: Any, about: dict[str, Any] | None = None, fingerprint: str = ''):
    self.about = about or {}
    self.fingerprint = fingerprint
    self.params = params

  def parse(self, images: UInt8[np.ndarray, 'images size size 3']) -> UInt8[np.ndarray, 'images output output']:
    """The 19 CelebAMask-HQ labels of photographs, [images, 256, 256].

    Args:
      images: square, framed as portraits are, of any size of at least 128 pixels that is a multiple of it.

    Raises:
      ValueError: for images of another shape.
    """
    return self._in_batches(_parse, images)

  def see(
      self, images: UInt8[np.ndarray, 'images size size 3'], mirrored: bool,
  ) -> tuple[framing.Evidence, UInt8[np.ndarray, 'images size size']]:
    """What is made of pictures, in brief: evidence of faces, and label maps of the network's own size.

    Args:
      images: as those of `parse`.
      mirrored: whether their mirror images are read too, as `parse` does: it takes twice the time.

    Raises:
      ValueError: for images of another shape.
    """
    return self._in_batches(_see_with_mirror if mirrored else _see, images)

  def parse_and_see(self, images: UInt8[np.ndarray, 'images size size 3']):
    """(`parse`, `see` with mirror images), from one reading."""
    return self._in_batches(_parse_and_see, images)

  def _in_batches(self, function, images):
    """function(params, batch of BATCH_SIZE images of the network's size, in [-1, 1]), without what fills the last batch."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] != images.shape[2] or images.shape[3] != 3 or images.shape[1] % network.SIZE or not images.shape[1]:
      raise ValueError(f'images have shape {images.shape}; give square RGB ones, [images, size, size, 3], of a multiple of {network.SIZE}')
    factor, parts = images.shape[1] // network.SIZE, []
    for start in range(0, max(1, len(images)), BATCH_SIZE):
      chunk = images[start:start + BATCH_SIZE]
      small = chunk.reshape(len(chunk), network.SIZE, factor, network.SIZE, factor, 3).mean(axis=(2, 4), dtype=np.float32)
      padded = np.concatenate([small, np.zeros((BATCH_SIZE - len(chunk), *small.shape[1:]), np.float32)])
      parts.append(jax.tree.map(lambda values: np.asarray(values)[:len(chunk)], function(self.params, padded / 127.5 - 1)))
    return jax.tree.map(lambda *values: np.concatenate(values), *parts)


def logits(params: Any, image: Float[Array, 'batch size size 3']) -> Float[Array, 'batch size size labels']:
  """Log probabilities of each label, of images in [-1, 1] and their mirror images together."""
  other_side = jnp.asarray(vocabularies.CELEBAMASK_HQ.mirrored())
  own = network.ParserNetwork().apply(params, image)
  mirrored = network.ParserNetwork().apply(params, image[:, :, ::-1])[:, :, ::-1][..., other_side]
  return jnp.logaddexp(jax.nn.log_softmax(own), jax.nn.log_softmax(mirrored))


def _brief(found):
  return framing.evidence(jax.nn.softmax(found)), jnp.argmax(found, axis=-1).astype(jnp.uint8)


@jax.jit
def _see(params, image):
  return _brief(network.ParserNetwork().apply(params, image))


@jax.jit
def _see_with_mirror(params, image):
  return _brief(logits(params, image))


@jax.jit
def _parse(params, image):
  return label_maps(logits(params, image)).astype(jnp.uint8)


@jax.jit
def _parse_and_see(params, image):
  found = logits(params, image)
  return label_maps(found).astype(jnp.uint8), *_brief(found)


def label_maps(logits: Float[Array, 'batch size size labels']) -> Int[Array, 'batch output output']:
  """The 19 labels, of `logits`."""
  larger = jax.image.resize(logits, (len(logits), OUTPUT_SIDE, OUTPUT_SIDE, logits.shape[-1]), 'linear')
  return jnp.argmax(without_specks(larger), axis=-1)


def without_specks(logits: Float[Array, 'batch size size labels']) -> Float[Array, 'batch size size labels']:
  """Logits in which glasses and hats that would be too small to be ones are out of the question."""
  likeliest = jnp.argmax(logits, axis=-1)
  for name, smallest in _SMALLEST_WORN.items():
    label = vocabularies.CELEBAMASK_HQ.labels.index(name)
    is_speck = jnp.mean(likeliest == label, axis=(1, 2), keepdims=True) < smallest
    logits = jnp.where(is_speck[..., None] & (jnp.arange(logits.shape[-1]) == label), -jnp.inf, logits)
  return logits


@functools.cache
def load(path: str | os.PathLike = parameters.SHIPPED) -> FaceParser:
  """The face parser of a file that `save` wrote; by default the shipped one. ValueError in one line if it holds no such network."""
  expected = jax.eval_shape(network.init, jax.random.key(0))
  params, about = network_files.load(path, expected, 'parses faces', 'python -m data_pipeline.face_parser train')
  return FaceParser(params, about, hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:16])


def save(path: str | os.PathLike, params: Any, about: dict[str, Any]) -> None:
  """Writes parameters and what is to be known of them; OSError in one line if it can't be done."""
  network_files.save(path, params, about)
