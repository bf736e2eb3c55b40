"""Inversion: a portrait in, with or without label map and camera; styles and viewpoint out that draw it.

  inversion = invert.invert(model, image, label_map=labels, encoder=pretrained.load_encoder('runs/mine'))
  sideways = model.render(inversion.styles, camera.orbit(0.4, 0.0))

Begins at the encoder's guess, else at z = 0, turned to the azimuth of a few that fits best. Then two descents on

  |rgb - image|^2 + mask KL(label map || mask) + prior mean |.|^2

first over z and viewpoint, so that what is found is one of the model's people, then over all styles around them, each class's own
(`pivotal_tuning` goes on to the parameters). A viewpoint that is given stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax import sampler
from cnerf_jax.editing import descent
from cnerf_jax.editing import matching
from cnerf_jax.editing import paint
from cnerf_jax.editing import targets
from cnerf_jax.losses import reconstruction

GUESSED_AZIMUTHS = (-0.4, -0.2, 0.0, 0.2, 0.4)  # radians


@dataclasses.dataclass(frozen=True)
class Settings:
  """How invert descends.

  Attributes:
    latent_steps: over z and viewpoint.
    style_steps: over styles and viewpoint, after that; 0 leaves them one of the model's people.
    latent_rate: Adam's rate of z, in standard deviations.
    style_rate: of styles, in standard deviations.
    viewpoint_rate: of the viewpoint, radians.
    mask: weight of the masks, where a label map is given.
    prior: weight of the squared z, and of the squared move of the styles from the person that z drew.
  """

  latent_steps: int = 100
  style_steps: int = 60
  latent_rate: float = 0.1
  style_rate: float = 0.05
  viewpoint_rate: float = 0.02
  mask: float = 0.5
  prior: float = 0.005


@dataclasses.dataclass(frozen=True, eq=False)
class Inversion:
  """What invert found.

  Attributes:
    styles: of the person.
    viewpoint: azimuth and elevation, radians.
    psnr: of what they draw, against the image, dB.
    mean_iou: of its label map, against the one given; None if none was.
    losses: before every step, of both descents.
  """

  styles: Float[Array, 'classes 2 style_dim']
  viewpoint: Float[Array, '2']
  psnr: float
  mean_iou: float | None
  losses: Float[np.ndarray, 'steps']

  @property
  def camera(self) -> camera_lib.Camera:
    """The camera of the viewpoint."""
    return camera_lib.orbit(*self.viewpoint)


def invert(
    model: pretrained.Model, image: Float[Array, 'size size 3'], *, label_map=None, viewpoint=None,
    encoder: pretrained.Encoder | None = None, settings: Settings = Settings(), on_step: Callable | None = None,
) -> Inversion:
  """The person in a portrait, and where it was seen from.

  Args:
    model: that should draw it.
    image: in [-1, 1], framed as those of the model's training.
    label_map: whole numbers [size, size], `paint.UNPAINTED` where unknown, or masks [size, size, classes]; helps, above all without encoder.
    viewpoint: azimuth and elevation, radians; found if None.
    encoder: of the run that made the model (`pretrained.load_encoder`); needs a label map.
    settings: of the descents.
    on_step: called with the loss of each step, to show how far it is; another function is another program to compile.

  Raises:
    ValueError: if a shape or a label is wrong, or an encoder is given without a label map.
  """
  image, mask = check_portrait(image, label_map, model.generator.num_classes)
  z, viewpoints = beginning(model, image, mask, viewpoint=viewpoint, encoder=encoder)
  styles, viewpoint, losses = refine(
      model.generator, model.params, image, mask, z, viewpoints, paint.style_deviation(model)[..., None],
      num_samples=matching.samples_of(model), settings=settings, fixed_viewpoint=viewpoint is not None, on_step=on_step)
  return report(model, image, mask, styles, viewpoint, losses=losses)


def beginning(
    model: pretrained.Model, image: Float[Array, 'size size 3'], mask: Float[Array, 'size size classes'] | None, *, viewpoint=None,
    encoder: pretrained.Encoder | None = None) -> tuple[Float[Array, 'latents'], Float[Array, 'guesses 2']]:
  """Where the descents begin: z, and viewpoints of which the best is taken; arguments and errors as of `invert`."""
  z, guess = jnp.zeros(model.generator.latent_dim), None
  if encoder is not None:
    if mask is None:
      raise ValueError('an encoder reads image and label map together; give label_map too, or leave the encoder out')
    gaussian, guess = encoder(image[None], mask[None])
    z, guess = gaussian.mean[0], None if guess is None else guess[0]
  if viewpoint is not None:
    if np.shape(viewpoint) != (2,) or not np.isfinite(np.asarray(viewpoint, float)).all():
      raise ValueError(f'viewpoint {viewpoint!r} must be two finite numbers, azimuth and elevation in radians')
    return z, jnp.asarray(viewpoint, jnp.float32)[None]
  if guess is not None:
    return z, guess[None]
  elevation = model.elevation_mean or 0.0
  return z, jnp.array([(azimuth, elevation) for azimuth in GUESSED_AZIMUTHS])


def report(
    model: pretrained.Model, image: Float[Array, 'size size 3'], mask: Float[Array, 'size size classes'] | None,
    styles: Float[Array, 'classes 2 style_dim'], viewpoint: Float[Array, '2'], *, losses=(),
) -> Inversion:
  """Styles and viewpoint with how well they draw the image."""
  drawn = matching.draw(model, styles, camera_lib.orbit(*viewpoint), len(image))
  mean_iou = None
  if mask is not None:
    known = np.asarray(mask).sum(axis=-1) > 0
    labels = (matching.labels_of(x, model.class_set)[known] for x in (drawn.semantic_mask, mask))
    mean_iou = matching.mean_iou(*labels, model.generator.num_classes)
  return Inversion(
      styles=styles, viewpoint=viewpoint, psnr=float(matching.psnr(drawn.rgb, image)), mean_iou=mean_iou, losses=np.asarray(losses))


def error(
    rendering: sampler.Rendering, image: Float[Array, 'size size 3'], mask: Float[Array, 'size size classes'] | None, *, mask_weight: float,
) -> Float[Array, '']:
  """How far a rendering is from a portrait; pixels whose mask is all zero are unknown, and count by their colour alone."""
  squared = reconstruction.image_error(rendering.rgb, image)
  if mask is None:
    return squared
  known = (jnp.sum(mask, axis=-1) > 0).astype(jnp.float32)
  return squared + mask_weight * matching.weighted_mean(matching.mask_divergence(rendering.semantic_mask, mask), known)


@functools.partial(jax.jit, static_argnames=('generator', 'num_samples', 'settings', 'fixed_viewpoint', 'on_step'))
def refine(
    generator: sampler.Generator, params, image: Float[Array, 'size size 3'], mask: Float[Array, 'size size classes'] | None,
    z: Float[Array, 'latents'], viewpoints: Float[Array, 'guesses 2'], deviation: Float[Array, 'classes 2 1'], *, num_samples: int,
    settings: Settings, fixed_viewpoint: bool, on_step: Callable | None = None,
) -> tuple[Float[Array, 'classes 2 style_dim'], Float[Array, '2'], Float[Array, 'steps']]:
  """Styles, viewpoint and losses of the descents. Pure.

  Args:
    generator: the module.
    params: its parameters.
    image: the portrait.
    mask: its masks, if known.
    z: where to begin.
    viewpoints: where to begin, that one of them which fits best.
    deviation: standard deviation of every row of styles.
    num_samples: samples along a ray.
    settings: of the descents.
    fixed_viewpoint: whether the viewpoint stays as it is.
    on_step: as of `descent.minimise`.
  """
  parts = Objectives(generator, params, image, mask, num_samples, settings, fixed_viewpoint)
  viewpoint = parts.best_viewpoint(z, viewpoints)
  (z, viewpoint), losses = descent.minimise(
      parts.of_latents, (z, viewpoint), steps=settings.latent_steps, learning_rates=parts.latent_rates, on_step=on_step)
  person = parts.people(z)
  if not settings.style_steps:
    return person, viewpoint, losses
  (move, viewpoint), more_losses = descent.minimise(
      parts.of_styles(person, deviation), (jnp.zeros_like(person), viewpoint), steps=settings.style_steps,
      learning_rates=parts.style_rates, on_step=on_step)
  return person + deviation * move, viewpoint, jnp.concatenate([losses, more_losses])


@dataclasses.dataclass(frozen=True, eq=False)
class Objectives:
  """What `refine` descends on, first over z, then over styles; attributes as its arguments."""

  generator: sampler.Generator
  params: object
  image: Float[Array, 'size size 3']
  mask: Float[Array, 'size size classes'] | None
  num_samples: int
  settings: Settings
  fixed_viewpoint: bool

  def misfit(self, styles, viewpoint):
    camera = camera_lib.orbit(viewpoint[0], viewpoint[1])
    rendering = sampler.render(
        self.generator, self.params, styles, camera, image_size=len(self.image), num_samples=self.num_samples)
    return error(rendering, self.image, self.mask, mask_weight=self.settings.mask)

  def people(self, z):
    return sampler.map_latents(self.generator, self.params, z)

  def best_viewpoint(self, z, viewpoints):
    return viewpoints[jnp.argmin(jax.lax.map(lambda viewpoint: self.misfit(self.people(z), viewpoint), viewpoints))]

  def of_latents(self, variables):
    z, viewpoint = variables
    return self.misfit(self.people(z), viewpoint) + self.settings.prior * jnp.mean(z**2)

  def of_styles(self, person, deviation):
    def of_move(variables):
      move, viewpoint = variables
      return self.misfit(person + deviation * move, viewpoint) + self.settings.prior * jnp.mean(move**2)
    return of_move

  @property
  def _viewpoint_rate(self):
    return 0.0 if self.fixed_viewpoint else self.settings.viewpoint_rate

  @property
  def latent_rates(self):
    return self.settings.latent_rate, self._viewpoint_rate

  @property
  def style_rates(self):
    return self.settings.style_rate, self._viewpoint_rate / 4


def check_portrait(image, label_map, num_classes: int) -> tuple[Float[Array, 'size size 3'], Float[Array, 'size size classes'] | None]:
  """Image and masks of a portrait; ValueError in one line if they can't be."""
  image = _check_image(image)
  return image, None if label_map is None else _check_mask(label_map, len(image), num_classes)


def _check_image(image) -> Float[Array, 'size size 3']:
  image = np.asarray(image)
  if image.ndim != 3 or image.shape[-1] != 3 or image.shape[0] != image.shape[1] or not image.size:
    raise ValueError(f'image has shape {image.shape}; give one square image, [size, size, 3]')
  if not np.issubdtype(image.dtype, np.floating) or not np.isfinite(image).all() or np.abs(image).max() > 1.001:
    raise ValueError(f'image reaches from {image.min()} to {image.max()} ({image.dtype}); give numbers in [-1, 1], such as bytes / 127.5 - 1')
  return jnp.asarray(image, jnp.float32)


def _check_mask(label_map, size: int, num_classes: int) -> Float[Array, 'size size classes']:
  target = targets.check(np.asarray(label_map), num_classes)
  if len(target) != size:
    raise ValueError(f'the label map has side {len(target)}, the image {size}; give both at one size')
  if target.ndim == 2:
    if (target == targets.UNPAINTED).all():
      raise ValueError('the label map is empty: every pixel is UNPAINTED; leave label_map out, or give labels')
    return matching.one_hot(jnp.asarray(target), num_classes)
  return jnp.asarray(target, jnp.float32)
