"""What a photograph shows, as one function of its pixels: its label map, and where the camera stood.

The shipped parser (`face_parser`) and reader (`label_viewpoints`), one after the other, as `prepare --parser people` uses them; a function that
other programs can trace, compile and export.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from data_pipeline import vocabularies
from data_pipeline.face_parser import network as parser_network
from data_pipeline.face_parser import parsing
from data_pipeline.label_viewpoints import network as viewpoint_network
from data_pipeline.label_viewpoints import reading

SIDE = parsing.OUTPUT_SIDE  # of photographs and label maps, pixels

# What photographs of faces have, all of 200 of CelebA-HQ but for 1% of them that the parser is less sure of. Pictures of other things fail one
# or the other, mostly: the parser has seen nothing but faces.
_LEAST_CERTAINTY = 0.7  # mean probability of the likeliest label
_LEAST_NOSE, _LEAST_MOUTH, _LEAST_EYES, _LEAST_GLASSES = 2e-3, 2e-3, 4e-3, 2e-2  # of the picture; eyes and brows together

Read = Callable[[Float[Array, 'side side 3']], tuple[Int[Array, 'side side'], Float[Array, '2'], Float[Array, '']]]


def load() -> Read:
  """photograph [SIDE, SIDE, 3] in [-1, 1], framed as a portrait → (labels, viewpoint, confidence).

  Labels are the 19 of CelebAMask-HQ; the viewpoint is azimuth and elevation, radians; confidence, of `label_viewpoints.reading`, is 0 where the
  camera can't be read or there seems to be no face.
  """
  parser, viewpoints = parsing.load().params, reading.load().params

  def read(photograph):
    factor = SIDE // parser_network.SIZE
    small = photograph.reshape(parser_network.SIZE, factor, parser_network.SIZE, factor, 3).mean(axis=(1, 3))
    logits = parsing.logits(parser, small[None])
    labels = parsing.label_maps(logits)[0]
    certainty = jnp.mean(jnp.max(jax.nn.softmax(logits), axis=-1))
    viewpoint, confidence = _camera(viewpoints, labels)
    return labels, viewpoint, jnp.where((certainty >= _LEAST_CERTAINTY) & _has_features(labels), confidence, 0.0)

  return read


def _has_features(labels: Int[Array, 'side side']) -> Bool[Array, '']:
  share = lambda *names: sum(jnp.mean((labels == vocabularies.CELEBAMASK_HQ.labels.index(name)).astype(jnp.float32)) for name in names)
  sees = (share('l_eye', 'r_eye', 'l_brow', 'r_brow') >= _LEAST_EYES) | (share('eye_g') >= _LEAST_GLASSES)
  return sees & (share('nose') >= _LEAST_NOSE) & (share('mouth', 'u_lip', 'l_lip') >= _LEAST_MOUTH)


def _camera(params: Any, labels: Int[Array, 'side side']) -> tuple[Float[Array, '2'], Float[Array, '']]:
  """As `reading.Reader.read`, of one map, by operations that any runtime has."""
  table = jnp.array(viewpoint_network.CLASSES.celebamask_hq)
  middle = jnp.arange(viewpoint_network.STORED) * SIDE // viewpoint_network.STORED + SIDE // viewpoint_network.STORED // 2
  masks = (table[labels][middle][:, middle][..., None] == jnp.arange(viewpoint_network.CLASSES.num_classes)).astype(jnp.float32)
  places = (jnp.arange(viewpoint_network.STORED) + 0.5) / viewpoint_network.STORED
  nearest = lambda place: jnp.clip(jnp.floor(place * viewpoint_network.STORED), 0, viewpoint_network.STORED - 1).astype(jnp.int32)
  half, moved, signs = viewpoint_network.SIZE, [], []
  for right, down in reading.MOVED:
    for turned in (1.0, -1.0):
      sampled = masks[nearest(places + down)][:, nearest(turned * (places + right - 0.5) + 0.5)]
      moved.append(sampled.reshape(half, 2, half, 2, -1).mean(axis=(1, 3)))
      signs.append(turned)
  found = viewpoint_network.ViewpointNetwork().apply(params, jnp.stack(moved))
  azimuth = jnp.mean(found.angles[:, 0] * jnp.array(signs))
  viewpoint = jnp.stack([azimuth, jnp.mean(found.angles[:, 1])])
  share = lambda *names: sum(jnp.mean(masks[..., viewpoint_network.CLASSES.index(name)]) for name in names)
  confidence = reading.confidence(jnp.mean(found.spread[:, 0]), share('nose'), share('eyes', 'glasses'))
  return jnp.where(confidence > 0, viewpoint, 0.0), confidence
