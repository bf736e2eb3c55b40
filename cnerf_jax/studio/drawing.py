"""Answers to pages: people and pictures, drawn by JAX, as bytes.

An answer is the length of a JSON text (four bytes, little-endian), the text, and arrays one after another: of a person its styles as float32;
of a checkpoint its mean styles; of a picture rgb and masks as bytes, then depth as float32.
"""

from __future__ import annotations

import functools
import json
import pathlib
import struct

import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax.studio import checkpoints
from cnerf_jax.studio import description
from cnerf_jax.studio import directions
from cnerf_jax.studio import messages


class Drawer:
  """Models that draw: the newest of a run, which is followed, and others of its checkpoints.

  Attributes:
    models: the models.
    described: what the page must know of the newest, as JSON.
  """

  def __init__(self, path: str | pathlib.Path, *, num_directions: int):
    self._num_directions = num_directions
    self.models = checkpoints.Models(path)
    self.described = self._describe(self.models.newest, self.models.newest_step)

  def _describe(self, model: pretrained.Model, step: int | None) -> bytes:
    found = directions.named(model, jax.random.key(0), count=self._num_directions)
    return json.dumps(description.describe(model, found) | {
        'server': True, 'step': step, 'steps': self.models.list_steps(), 'imageSize': model.image_size}).encode()

  @property
  def step(self) -> int | None:
    """Of the newest model; None for a file of parameters."""
    return self.models.newest_step

  @property
  def shapes(self) -> messages.Shapes:
    model = self.models.newest
    return messages.Shapes((model.generator.num_classes, 2, model.generator.style_dim), model.image_size)

  def follow(self) -> bool:
    """Takes the newest checkpoint if there is one that is newer; whether it did. A damaged one is passed over as in `pretrained.load`."""
    model = self.models.read_newer()
    if model is None:
      return False
    self.described = self._describe(model, model.provenance['step'])
    self.models.take(model)
    return True

  def answer(self, request: messages.Request) -> bytes:
    """The answer to a person or a picture that is asked for.

    Raises:
      checkpoints.NotHeld: if the step is not in memory.
    """
    model = self.models.at(request.step)
    if request.kind == 'person':
      return packed({'id': request.number}, np.asarray(model.draw_styles(jax.random.key(request.seed), 1)[0], np.float32))
    sizes = description.sizes(model)[request.size]
    return packed({'id': request.number, 'size': sizes['imageSize']}, *picture(model, request.styles, request.view, **sizes))

  def load(self, request: messages.Request) -> bytes:
    """The answer to a checkpoint that is asked for: its mean styles. Then it is in memory."""
    model = self.models.load(request.step)
    mean = jnp.broadcast_to(model.w_mean, self.shapes.styles)
    return packed({'id': request.number, 'step': request.step}, np.asarray(mean, np.float32))


def picture(
    model: pretrained.Model, styles: np.ndarray, view: tuple[float, float, float], *, imageSize: int, numSamples: int,
) -> list[np.ndarray]:
  """rgb and masks as bytes, depth as float32; sizes by the page's names."""
  return [np.asarray(x) for x in _draw(model.generator, imageSize, numSamples, model.params, styles, *map(jnp.float32, view))]


def camera(view: tuple[float, float, float]) -> camera_lib.Camera:
  """The camera of azimuth and elevation, radians, and zoom."""
  azimuth, elevation, zoom = view
  half_field_of_view = jnp.arctan(jnp.tan(camera_lib.HALF_FIELD_OF_VIEW_RADIANS) / zoom)
  return camera_lib.orbit(azimuth, elevation, half_field_of_view=half_field_of_view)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _draw(generator, image_size, num_samples, params, styles, *view):
  model = pretrained.Model(generator=generator, params=params)
  drawn = model.render(styles, camera(view), image_size=image_size, num_samples=num_samples)
  byte = lambda x: jnp.clip(x, 0, 255).astype(jnp.uint8)
  return byte(127.5 * (drawn.rgb + 1)), byte(255 * drawn.semantic_mask + 0.5), drawn.depth


def packed(header: dict[str, object], *parts: np.ndarray | bytes) -> bytes:
  """An answer."""
  text = json.dumps(header).encode()
  as_bytes = (part if isinstance(part, bytes) else np.ascontiguousarray(part).tobytes() for part in parts)
  return b''.join([struct.pack('<I', len(text)), text, *as_bytes])
