"""Answers to pages: people and pictures, drawn by JAX, as bytes.

An answer is the length of a JSON text (four bytes, little-endian), the text, and arrays one after another: of a person its styles as float32;
of a picture rgb and masks as bytes, then depth as float32.
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
from cnerf_jax.studio import description
from cnerf_jax.studio import directions
from cnerf_jax.studio import messages


class Drawer:
  """A model that draws, and follows the newest checkpoint of a run.

  Attributes:
    model: the model.
    described: what the page must know of it, as JSON.
    step: of the run; None for a file of parameters.
  """

  def __init__(self, path: str | pathlib.Path, *, num_directions: int):
    self._path = pathlib.Path(path).expanduser()
    self._num_directions = num_directions
    self._set(pretrained.load(self._path))

  def _set(self, model: pretrained.Model) -> None:
    description.check(model)
    found = directions.named(model, jax.random.key(0), count=self._num_directions)
    step = None if self._path.is_file() else model.provenance['step']
    described = json.dumps(description.describe(model, found) | {'server': True, 'step': step}).encode()
    self.model, self.described, self.step = model, described, step

  @property
  def styles_shape(self) -> tuple[int, int, int]:
    generator = self.model.generator
    return generator.num_classes, 2, generator.style_dim

  def follow(self) -> bool:
    """Takes the newest checkpoint if there is one that is newer; whether it did. A damaged one is passed over as in `pretrained.load`."""
    if self.step is None:
      return False
    from cnerf_jax.persistence import checkpoints  # pylint: disable=g-import-not-at-top
    with checkpoints.Checkpoints(self._path) as saved:
      if max(saved.list_steps(), default=self.step) <= self.step:
        return False
    model = pretrained.load(self._path)
    if model.provenance['step'] <= self.step:
      return False
    self._set(model)
    return True

  def answer(self, request: messages.Request) -> bytes:
    """The answer to a person or a picture that is asked for."""
    model = self.model  # a newer one may come meanwhile
    if request.kind == 'person':
      styles = np.asarray(model.draw_styles(jax.random.key(request.seed), 1)[0], np.float32)
      return _packed({'id': request.number}, styles)
    sizes = description.sizes(model)[request.size]
    arrays = _draw(
        model.generator, sizes['imageSize'], sizes['numSamples'], model.params, request.styles, *map(jnp.float32, request.view))
    return _packed({'id': request.number, 'size': sizes['imageSize']}, *map(np.asarray, arrays))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _draw(generator, image_size, num_samples, params, styles, azimuth, elevation, zoom):
  half_field_of_view = jnp.arctan(jnp.tan(camera_lib.HALF_FIELD_OF_VIEW_RADIANS) / zoom)
  view = camera_lib.orbit(azimuth, elevation, half_field_of_view=half_field_of_view)
  model = pretrained.Model(generator=generator, params=params)
  drawn = model.render(styles, view, image_size=image_size, num_samples=num_samples)
  byte = lambda x: jnp.clip(x, 0, 255).astype(jnp.uint8)
  return byte(127.5 * (drawn.rgb + 1)), byte(255 * drawn.semantic_mask + 0.5), drawn.depth


def _packed(header, *arrays: np.ndarray) -> bytes:
  text = json.dumps(header).encode()
  return b''.join([struct.pack('<I', len(text)), text, *(np.ascontiguousarray(x).tobytes() for x in arrays)])
