"""How well portraits are drawn again from what an encoder says of them: image and masks, each a mean over pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses

import jax
from jaxtyping import Array, Float
import ml_collections
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax import sampler
from cnerf_jax.losses import reconstruction
from cnerf_jax.models import generator as generator_lib

_AT_ONCE = 32
Batch = Mapping[str, Array]
Encode = Callable[[Batch], tuple[Float[Array, 'batch classes 2 style_dim'], Float[Array, 'batch 2'] | None]]


@dataclasses.dataclass(frozen=True)
class Errors:
  """Of portraits drawn again; lower is better.

  Attributes:
    image: squared error summed over colours.
    mask: cross-entropy of masks, nats.
  """

  image: float
  mask: float


def encoded_by(model: pretrained.Model, encoder: pretrained.Encoder) -> Encode:
  """Styles of the mean latents that an encoder reads, and its viewpoints where it reads any: where an inversion begins."""
  def encode(batch):
    z, viewpoint = encoder(batch['image'], batch['semantic_mask'])
    return model.map_latents(z.mean), viewpoint

  return encode


def measure(
    generator: generator_lib.Generator, params, encode: Encode, portraits: Mapping[str, np.ndarray], config: ml_collections.ConfigDict,
) -> Errors:
  """Errors of portraits, seen from the viewpoints that are read, or else from their own.

  Args:
    generator: the module.
    params: of it.
    encode: from some portraits to their styles and viewpoints; the latter None where none are read.
    portraits: `image`, `semantic_mask`, and `viewpoint` unless it is read; at least one of them.
    config: of the run.
  """

  @jax.jit
  def errors(batch):
    styles, viewpoint = encode(batch)
    viewpoint = batch['viewpoint'] if viewpoint is None else viewpoint
    drawn = sampler.render(
        generator, params, styles, camera_lib.orbit(viewpoint[:, 0], viewpoint[:, 1]), image_size=config.image_size,
        num_samples=config.num_samples)
    return (jax.vmap(reconstruction.image_error)(drawn.rgb, batch['image']),
            jax.vmap(reconstruction.mask_error)(drawn.semantic_mask, batch['semantic_mask']))

  names = [name for name in ('image', 'semantic_mask', 'viewpoint') if name in portraits]
  count, rows = len(portraits['image']), []
  for start in range(0, count, _AT_ONCE):
    some = {name: portraits[name][start:start + _AT_ONCE] for name in names}
    padded = {name: np.resize(values, (_AT_ONCE, *values.shape[1:])) for name, values in some.items()}  # one program for all
    rows.append(np.stack(jax.device_get(errors(padded)))[:, :len(some['image'])])
  image, mask = np.concatenate(rows, axis=1).mean(axis=1)
  return Errors(image=float(image), mask=float(mask))
