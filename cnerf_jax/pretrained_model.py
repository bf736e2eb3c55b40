"""A trained generator together with what drawing needs besides its parameters: its sizes, its cameras, its mean w."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

import jax
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import latents
from cnerf_jax import sampler
from cnerf_jax import semantics
from cnerf_jax.models import generator as generator_lib


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
  """A trained generator and what it was trained for.

  Published weights and files of the first version hold parameters alone: the other fields are then None, but for w_mean, which is
  computed, and `render` must be told its sizes.

  Attributes:
    generator: the module.
    params: its parameters, as they draw: a run's averages, usually.
    class_set: name of its semantic classes, for `semantics.class_set`.
    image_size: side of the images that it was trained on, pixels.
    num_samples: samples along a ray in training; fewer or more change what is drawn.
    azimuth_std: standard deviation of the cameras of training, radians; for `camera.draw_viewpoints`.
    elevation_std: likewise.
    elevation_mean: likewise, their mean.
    w_mean: mean style code of these parameters, for `latents.truncate`.
    provenance: what made it: `config` or `run` (the name of its folder), `step`, `seed`, `data` (the name of the set), `averaged`
      (whether params are the run's averages), `version` of this package.

  Raises:
    ValueError: if a field doesn't fit the generator or is out of range.
  """

  generator: generator_lib.Generator
  params: Mapping[str, object]
  class_set: str | None = None
  image_size: int | None = None
  num_samples: int | None = None
  azimuth_std: float | None = None
  elevation_std: float | None = None
  elevation_mean: float | None = None
  w_mean: Float[Array, 'style_dim'] | None = None
  provenance: Mapping[str, object] | None = None

  def __post_init__(self):
    if self.class_set is not None:
      count = semantics.class_set(self.class_set).num_classes
      if count != self.generator.num_classes:
        raise ValueError(
            f'class_set {self.class_set} has {count} classes, the generator {self.generator.num_classes}; use the set of its training')
    for name, least in (('image_size', 1), ('num_samples', 2)):
      value = getattr(self, name)
      if value is not None and not (isinstance(value, int) and value >= least):
        raise ValueError(f'{name} {value!r} must be a whole number of at least {least}')
    for name in ('azimuth_std', 'elevation_std'):
      value = getattr(self, name)
      if value is not None and not (isinstance(value, (int, float)) and value >= 0):
        raise ValueError(f'{name} {value!r} must be a number of radians of at least 0')
    style_shape = (self.generator.style_dim,)
    if self.generator.region_dim:
      style_shape = (self.generator.num_classes, 2, *style_shape)
    if self.w_mean is not None and np.shape(self.w_mean) != style_shape:
      raise ValueError(f'w_mean has shape {np.shape(self.w_mean)}, this generator needs {style_shape}; see sampler.mean_style')

  def map_latents(self, z: Float[Array, '*batch latent_dim']) -> Float[Array, '*batch classes 2 style_dim']:
    """`sampler.map_latents` of this model."""
    return sampler.map_latents(self.generator, self.params, z)

  def draw_styles(self, key: Array, count: int, *, truncation: float = 1.0) -> Float[Array, 'count classes 2 style_dim']:
    """Styles of random people.

    Args:
      key: random key; the same one draws the same people.
      count: how many.
      truncation: 1 draws as trained, 0 the mean of all people (`latents.truncate`).

    Raises:
      ValueError: if a truncation other than 1 is asked for of weights that hold no mean.
    """
    styles = self.map_latents(jax.random.normal(key, (count, self.generator.latent_dim)))
    if truncation == 1:
      return styles
    if self.w_mean is None:
      raise ValueError('these weights hold no w_mean to truncate to; see sampler.mean_style')
    return latents.truncate(styles, self.w_mean, truncation)

  def render(
      self, styles: Float[Array, '*batch classes 2 style_dim'], camera: camera_lib.Camera, *,
      image_size: int | None = None, num_samples: int | None = None, **options) -> sampler.Rendering:
    """`sampler.render` of this model, with its `options`; sizes are those of training unless given.

    Raises:
      ValueError: if a size is neither given nor known, and as `sampler.render`.
    """
    sizes = {
        'image_size': self.image_size if image_size is None else image_size,
        'num_samples': self.num_samples if num_samples is None else num_samples}
    for name, value in sizes.items():
      if value is None:
        raise ValueError(f'these weights do not say their {name}; give that of their training, render(..., {name}=...)')
    return sampler.render(self.generator, self.params, styles, camera, **sizes, **options)


def with_w_mean(model: Model) -> Model:
  """The model with the mean style code of its own parameters, where it has none yet."""
  if model.w_mean is not None:
    return model
  return dataclasses.replace(model, w_mean=sampler.mean_style(model.generator, model.params, jax.random.key(0)))
