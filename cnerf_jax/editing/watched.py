"""Paintings and inversions that can be watched and stopped: the descents of `paint` and `invert`, a few steps at a time.

  session = watched.Painting(model, styles, camera, labels)
  while session.step < session.num_steps:
    session.advance(4)
    show(session.styles)
  painting = session.finish()
"""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import latents
from cnerf_jax import pretrained
from cnerf_jax.editing import descent
from cnerf_jax.editing import invert
from cnerf_jax.editing import matching
from cnerf_jax.editing import paint
from cnerf_jax.editing import partial_rendering


class Painting:
  """`paint.paint` by steps.

  Attributes:
    step: how many are done.
    num_steps: of how many.
    styles: the best so far.
    phase: which descent; the first step of each is compiled.
  """

  phase = 'painting'

  def __init__(self, model: pretrained.Model, styles: Float[Array, 'classes 2 style_dim'], camera: camera_lib.Camera, target, *,
               classes=None, kind: int | None = latents.SHAPE, settings: paint.Settings = paint.Settings()):
    """Arguments and errors as of `paint.paint`."""
    self._plan = paint.make_plan(model, styles, camera, target, classes=classes, kind=kind)
    self._model, self._begin, self._camera, self._settings = model, jnp.asarray(styles), camera, settings
    self._scene = _prepare(
        model.generator, model.params, self._begin, camera, self._plan.pixels, self._plan.classes,
        image_size=len(self._plan.labels_before), num_samples=matching.samples_of(model))
    self._way = descent.begin(paint.no_move(self._begin, self._plan.classes))
    self._losses = []
    self.step, self.num_steps = 0, settings.steps

  @property
  def styles(self) -> Float[Array, 'classes 2 style_dim']:
    return paint.moved(self._begin, self._plan.deviation, self._plan.classes, self._way.best)

  def advance(self, steps: int) -> None:
    """So many steps more, or those that are left."""
    steps = min(steps, self.num_steps - self.step)
    if steps:
      self._way, losses = _paint_on(
          self._model.generator, self._model.params, self._begin, self._plan.watched, self._plan.deviation, self._scene, self._way,
          steps=steps, settings=self._settings)
      self._losses.append(np.asarray(losses))
      self.step += steps

  def finish(self) -> paint.Painting:
    """What was found."""
    return paint.report(
        self._model, self._begin, self._camera, self._plan, self.styles, np.concatenate(self._losses or [np.zeros(0, np.float32)]))


_prepare = jax.jit(partial_rendering.prepare, static_argnums=0, static_argnames=('image_size', 'num_samples'))


@functools.partial(jax.jit, static_argnums=0, static_argnames=('steps', 'settings'))
def _paint_on(generator, params, styles, target, deviation, scene, way, *, steps, settings):
  return descent.advance(
      paint.objective(generator, params, styles, target, deviation, scene, settings), way, steps=steps, total_steps=settings.steps,
      learning_rates=settings.learning_rate)


class Inversion:
  """`invert.invert` by steps.

  Attributes:
    step: how many are done.
    num_steps: of how many.
    styles: the best so far.
    viewpoint: likewise.
    phase: which descent comes next; the first step of each is compiled.
  """

  def __init__(self, model: pretrained.Model, image: Float[Array, 'size size 3'], *, label_map=None, viewpoint=None,
               encoder: pretrained.Encoder | None = None, settings: invert.Settings = invert.Settings()):
    """Arguments and errors as of `invert.invert`."""
    self._model, self._settings, self._fixed = model, settings, viewpoint is not None
    self._image, self._mask = invert.check_portrait(image, label_map, model.generator.num_classes)
    z, viewpoints = invert.beginning(model, self._image, self._mask, viewpoint=viewpoint, encoder=encoder)
    self._deviation = paint.style_deviation(model)[..., None]
    self._fixed_arguments = {
        'num_samples': matching.samples_of(model), 'settings': settings, 'fixed_viewpoint': self._fixed}
    viewpoint = viewpoints[0] if len(viewpoints) == 1 else _best_viewpoint(
        model.generator, model.params, self._image, self._mask, z, viewpoints, **self._fixed_arguments)
    self._way, self._person = descent.begin((z, viewpoint)), None
    self._losses = []
    self.step, self.num_steps = 0, settings.latent_steps + settings.style_steps

  @property
  def styles(self) -> Float[Array, 'classes 2 style_dim']:
    if self._person is None:
      return self._model.map_latents(self._way.best[0])
    return self._person + self._deviation * self._way.best[0]

  @property
  def phase(self) -> str:
    return 'people' if self.step < self._settings.latent_steps else 'styles'

  @property
  def viewpoint(self) -> Float[Array, '2']:
    return self._way.best[1]

  def advance(self, steps: int) -> None:
    """So many steps more, or those that are left of z, then of the styles."""
    latent_steps = self._settings.latent_steps
    if self.step >= latent_steps and self._person is None and self.step < self.num_steps:
      self._person = self.styles
      self._way = descent.begin((jnp.zeros_like(self._person), self.viewpoint))
    left = (latent_steps if self._person is None else self.num_steps) - self.step
    steps = min(steps, left)
    if steps:
      self._way, losses = _invert_on(
          self._model.generator, self._model.params, self._image, self._mask, self._person, self._deviation, self._way, steps=steps,
          **self._fixed_arguments)
      self._losses.append(np.asarray(losses))
      self.step += steps

  def finish(self) -> invert.Inversion:
    """What was found."""
    return invert.report(
        self._model, self._image, self._mask, self.styles, self.viewpoint,
        losses=np.concatenate(self._losses or [np.zeros(0, np.float32)]))


_STATIC = ('num_samples', 'settings', 'fixed_viewpoint')


@functools.partial(jax.jit, static_argnums=0, static_argnames=_STATIC)
def _best_viewpoint(generator, params, image, mask, z, viewpoints, *, num_samples, settings, fixed_viewpoint):
  return invert.Objectives(generator, params, image, mask, num_samples, settings, fixed_viewpoint).best_viewpoint(z, viewpoints)


@functools.partial(jax.jit, static_argnums=0, static_argnames=('steps', *_STATIC))
def _invert_on(generator, params, image, mask, person, deviation, way, *, steps, num_samples, settings, fixed_viewpoint):
  parts = invert.Objectives(generator, params, image, mask, num_samples, settings, fixed_viewpoint)
  if person is None:
    objective, rates, total = parts.of_latents, parts.latent_rates, settings.latent_steps
  else:
    objective, rates, total = parts.of_styles(person, deviation), parts.style_rates, settings.style_steps
  return descent.advance(objective, way, steps=steps, total_steps=total, learning_rates=rates)
