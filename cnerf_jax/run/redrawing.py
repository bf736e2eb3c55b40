"""How well portraits are drawn again from what an encoder says of them: image and masks, each a mean over pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any

import jax
from jaxtyping import Array, Float
import ml_collections
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import sampler
from cnerf_jax.losses import reconstruction
from cnerf_jax.models import generator as generator_lib

_AT_ONCE = 32
Encode = Callable[[Any, Mapping[str, Array]], tuple[Float[Array, 'batch classes 2 style_dim'], Float[Array, 'batch 2'] | None]]


@dataclasses.dataclass(frozen=True)
class Errors:
  """Of portraits drawn again; lower is better.

  Attributes:
    image: squared error summed over colours.
    mask: cross-entropy of masks, nats.
  """

  image: float
  mask: float


def make_measure(
    generator: generator_lib.Generator, config: ml_collections.ConfigDict, encode: Encode,
) -> Callable[[Any, Mapping[str, np.ndarray]], Errors]:
  """`measure(params, portraits)`: errors of portraits seen from the viewpoints that are read, or else from their own.

  `params` are those of (generator, encoder). `portraits` are arrays `image` and `semantic_mask`, and `viewpoint` unless it is read; of at
  least one portrait.

  Args:
    generator: the module.
    config: of the run.
    encode: from params and some portraits to their styles and viewpoints; the latter None where none are read.
  """

  @jax.jit
  def errors(params, batch):
    styles, viewpoint = encode(params, batch)
    viewpoint = batch['viewpoint'] if viewpoint is None else viewpoint
    drawn = sampler.render(
        generator, params[0], styles, camera_lib.orbit(viewpoint[:, 0], viewpoint[:, 1]), image_size=config.image_size,
        num_samples=config.num_samples)
    return (jax.vmap(reconstruction.image_error)(drawn.rgb, batch['image']),
            jax.vmap(reconstruction.mask_error)(drawn.semantic_mask, batch['semantic_mask']))

  def measure(params, portraits):
    names = [name for name in ('image', 'semantic_mask', 'viewpoint') if name in portraits]
    rows = []
    for start in range(0, len(portraits['image']), _AT_ONCE):
      some = {name: portraits[name][start:start + _AT_ONCE] for name in names}
      padded = {name: np.resize(values, (_AT_ONCE, *values.shape[1:])) for name, values in some.items()}  # one program for all
      rows.append(np.stack(jax.device_get(errors(params, padded)))[:, :len(some['image'])])
    image, mask = np.concatenate(rows, axis=1).mean(axis=1)
    return Errors(image=float(image), mask=float(mask))

  return measure
