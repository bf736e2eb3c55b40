"""Azimuth, elevation and roll of label maps, and how sure they are.

Each map and its mirror image are read, several times moved by a cell's fraction, and averaged: azimuth and roll come out exactly
antisymmetric, elevation symmetric. A map without a face, or one that the network is unsure of, has no camera: confidence 0.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8
import numpy as np

from data_pipeline import class_merging
from data_pipeline import network_files
from data_pipeline.label_viewpoints import network
from data_pipeline.label_viewpoints import parameters

_AT_ONCE = 16  # maps a call, so that it compiles once and takes little memory
# Faces have a nose of 2% of the picture and eyes of .4%; less than a tenth of both is no face.
_LEAST_NOSE, _LEAST_EYES = 2e-3, 4e-4
# Expected errors in azimuth (radians): up to the first a reading is as good as any; beyond the second it says no more than that people
# look into cameras, whose azimuths have a standard deviation of .3.
_SURE, _UNSURE = 0.02, 0.15
MOVED = ((0.0, 0.0), (0.0, 0.012), (0.0, -0.012), (0.012, 0.0), (-0.012, 0.0))  # sides


@dataclasses.dataclass(frozen=True)
class Readings:
  """What was read from label maps.

  Attributes:
    viewpoint: azimuth and elevation, radians (`cnerf_jax.camera`'s); (0, 0) where they can't be read.
    roll: radians, clockwise; 0 likewise.
    spread: mean absolute error that the network expects of azimuth, elevation and roll, radians.
    confidence: 1 where the azimuth is read as well as from a clear map, less by the square where its expected error is larger; 0: can't be
      read.
  """

  viewpoint: Float[np.ndarray, 'maps 2']
  roll: Float[np.ndarray, 'maps']
  spread: Float[np.ndarray, 'maps 3']
  confidence: Float[np.ndarray, 'maps']


class Reader:
  """Reads label maps with one set of parameters.

  Attributes:
    about: what the parameters were trained on, how long, and how accurate they are.
    params: the parameters.
  """

  def __init__(self, params: Any, about: dict[str, Any] | None = None):
    self.about = about or {}
    self.params = params

  def read(self, labels: UInt8[np.ndarray, 'maps height width']) -> Readings:
    """Cameras of square maps of the 19 CelebAMask-HQ labels, of any size.

    Raises:
      ValueError: if maps are not square, or hold something else than those labels.
    """
    classes = to_classes(labels)
    angles, spread = self.read_angles(classes)
    share = lambda *names: np.isin(classes, [network.CLASSES.index(name) for name in names]).mean(axis=(1, 2))
    certain = np.asarray(confidence(spread[:, 0], share('nose'), share('eyes', 'glasses')), np.float32)
    angles = np.where(certain[:, None] > 0, angles, 0).astype(np.float32)
    return Readings(angles[:, :2], angles[:, 2], spread, certain)

  def read_angles(
      self, classes: UInt8[np.ndarray, 'maps stored stored'],
  ) -> tuple[Float[np.ndarray, 'maps 3'], Float[np.ndarray, 'maps 3']]:
    """Azimuth, elevation and roll of maps as `to_classes` makes them, and the expected error of each, radians, however unsure they are."""
    parts = [self._read(classes[start:start + _AT_ONCE]) for start in range(0, len(classes), _AT_ONCE)]
    angles, spread = zip(*parts) if parts else ([np.zeros((0, 3), np.float32)], [np.zeros((0, 3), np.float32)])
    return np.concatenate(angles), np.concatenate(spread)

  def _read(self, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    padded = np.concatenate([classes, np.zeros((_AT_ONCE - len(classes), *classes.shape[1:]), classes.dtype)])
    reading = _read_averaged(self.params, padded)
    return np.asarray(reading.angles)[:len(classes)], np.asarray(reading.spread)[:len(classes)]


@jax.jit
def _read_averaged(params, classes):
  """Mean of the readings of each map and its mirror image, moved about."""
  x, y = (jnp.broadcast_to(place, classes.shape) for place in network.grid(classes.shape[-1]))

  def read(move):
    right, down, turned = move
    fractions = network.class_fractions(classes, turned * (x + right - 0.5) + 0.5, y + down)
    reading = network.ViewpointNetwork().apply(params, fractions)
    return reading.replace(angles=reading.angles * jnp.stack([turned, jnp.ones_like(turned), turned]))

  moves = jnp.array([(*place, turned) for place in MOVED for turned in (1.0, -1.0)])
  return jax.tree.map(lambda values: values.mean(axis=0), jax.lax.map(read, moves))


def shrink(labels: UInt8[np.ndarray, 'maps size size']) -> UInt8[np.ndarray, 'maps stored stored']:
  """Square maps at the network's size, which is all that is looked at: the label at the middle of each pixel. ValueError for others."""
  labels = np.asarray(labels)
  if labels.ndim != 3 or labels.shape[1] != labels.shape[2] or not labels.shape[1]:
    raise ValueError(f'label maps have shape {labels.shape}; give square ones, [maps, size, size]')
  middle = ((np.arange(network.STORED) + 0.5) * labels.shape[-1] / network.STORED).astype(int)
  return labels[:, middle[:, None], middle]


def to_classes(labels: UInt8[np.ndarray, 'maps size size']) -> UInt8[np.ndarray, 'maps stored stored']:
  """Maps of the 19 labels as the network takes them: of its size and the twelve classes."""
  return class_merging.merge_celebamask_hq(shrink(labels), network.CLASSES)


def confidence(
    azimuth_spread: Float[Array, '*maps'], nose: Float[Array, '*maps'], eyes: Float[Array, '*maps']) -> Float[Array, '*maps']:
  """Of readings: from the expected error of the azimuth, radians, and what part of the map is nose, and eyes or glasses."""
  has_face = (nose >= _LEAST_NOSE) | (eyes >= _LEAST_EYES)
  sure = jnp.clip(_SURE / jnp.maximum(azimuth_spread, 1e-6), 0, 1)**2
  return jnp.where(has_face & (azimuth_spread < _UNSURE), sure, 0.0)


@functools.cache
def load(path: str | os.PathLike = parameters.SHIPPED) -> Reader:
  """The reader of a file that `save` wrote; by default the shipped one. ValueError in one line if it holds no such network."""
  expected = jax.eval_shape(network.init, jax.random.key(0))
  params, about = network_files.load(path, expected, 'reads label maps', 'python -m data_pipeline.label_viewpoints train')
  return Reader(params, about)


def save(path: str | os.PathLike, params: Any, about: dict[str, Any]) -> None:
  """Writes parameters and what is to be known of them; OSError in one line if it can't be done."""
  network_files.save(path, params, about)
