"""Pivotal tuning: the generator's parameters bent around an inversion, so that it draws what its people don't have (Roich et al., 2021).

Styles and viewpoint stay: the pivot. A few steps over the field's parameters lower the error of the portrait; a second term holds what the
parameters draw of other people, a new one at every step, so that edits still mean what they meant.
"""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp

from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax import sampler
from cnerf_jax.editing import descent
from cnerf_jax.editing import invert
from cnerf_jax.editing import matching


@dataclasses.dataclass(frozen=True)
class Settings:
  """How parameters are tuned.

  Attributes:
    steps: of Adam.
    learning_rate: of the field's parameters.
    keep: weight of other people's portraits.
    mask: weight of the masks.
  """

  steps: int = 60
  learning_rate: float = 5e-4
  keep: float = 1.0
  mask: float = 0.5


def tune(
    model: pretrained.Model, inversion: invert.Inversion, image, *, label_map=None, key: jax.Array | None = None,
    settings: Settings = Settings(),
) -> tuple[pretrained.Model, invert.Inversion]:
  """The model tuned around an inversion, and the inversion as that model draws it.

  Args:
    model: that was inverted; it is not changed.
    inversion: of `invert.invert`.
    image: the portrait, as there.
    label_map: as there; `keep`s masks to the portrait's.
    key: random key of the other people.
    settings: of the descent.

  Raises:
    ValueError: as `invert.invert`.
  """
  image, mask = invert.check_portrait(image, label_map, model.generator.num_classes)
  spread = [getattr(model, name) for name in ('azimuth_std', 'elevation_std', 'elevation_mean')]
  defaults = camera_lib.AZIMUTH_STD_RADIANS, camera_lib.ELEVATION_STD_RADIANS, 0.0
  azimuth_std, elevation_std, elevation_mean = (known if known is not None else default for known, default in zip(spread, defaults))
  key = jax.random.key(0) if key is None else key
  others = model.draw_styles(jax.random.fold_in(key, 0), settings.steps)
  viewpoints = camera_lib.draw_viewpoints(
      jax.random.fold_in(key, 1), settings.steps, azimuth_std=azimuth_std, elevation_std=elevation_std, elevation_mean=elevation_mean)
  params, losses = bend(
      model.generator, model.params, image, mask, inversion.styles, inversion.viewpoint, others, viewpoints,
      num_samples=matching.samples_of(model), settings=settings)
  tuned = dataclasses.replace(model, params=params)
  return tuned, invert.report(tuned, image, mask, inversion.styles, inversion.viewpoint, losses=losses)


@functools.partial(jax.jit, static_argnames=('generator', 'num_samples', 'settings'))
def bend(generator, params, image, mask, styles, viewpoint, others, viewpoints, *, num_samples: int, settings: Settings):
  """Parameters and losses of the descent. Pure; one of `others` and `viewpoints` for every step."""
  draw = functools.partial(sampler.render, generator, image_size=len(image), num_samples=num_samples)

  def objective(field, step):
    bent = {**params, 'params': {**params['params'], 'field': field}}
    camera = camera_lib.orbit(viewpoints[step, 0], viewpoints[step, 1])
    before, after = jax.lax.stop_gradient(draw(params, others[step], camera)), draw(bent, others[step], camera)
    divergence = jnp.mean(matching.mask_divergence(after.semantic_mask, before.semantic_mask))
    kept = jnp.mean(jnp.sum((after.rgb - before.rgb)**2, axis=-1)) + settings.mask * divergence
    pivot = draw(bent, styles, camera_lib.orbit(viewpoint[0], viewpoint[1]))
    return invert.error(pivot, image, mask, mask_weight=settings.mask) + settings.keep * kept

  field, losses = descent.descend(
      objective, params['params']['field'], steps=settings.steps, learning_rates=settings.learning_rate)
  return {**params, 'params': {**params['params'], 'field': field}}, losses
