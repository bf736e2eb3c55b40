"""The sheet of an inverted photograph: photograph | encoder's guess | refined | turned, and what was found as .npz."""

from __future__ import annotations

from collections.abc import Mapping
import io
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax.draw import photograph
from cnerf_jax.draw import renderer as renderer_lib
from cnerf_jax.draw import sheets as draw_sheets
from cnerf_jax.editing import invert
from cnerf_jax.export import model_card
from cnerf_jax.reporting import progress as progress_lib
from cnerf_jax.reporting import sheets


class Inversion(draw_sheets.Sheet):
  """A photograph and the person that was found in it; rows are image, mask, difference from the photograph."""

  def __init__(self, settings: Mapping[str, object], class_set: semantics.ClassSet, model: pretrained.Model):
    """Reads the files and inverts; ValueError or OSError in one line if a file is wrong."""
    self.settings, self.class_set, self.names = settings, class_set, ['portrait']
    if model.image_size is None or model.num_samples is None:
      raise ValueError('this model does not say what images it was trained on; give one that cnerf_jax.pretrained.save wrote, or a run')
    self._image = photograph.read_image(settings['photo'], image_size=model.image_size)
    self._shown = photograph.read_image(settings['photo'], image_size=settings['size'])
    self._masks = self._shown_masks = None
    if settings['labels']:
      self._masks, self._shown_masks = (photograph.read_masks(
          settings['labels'], class_set, image_size=size, order=settings['label_order']) for size in (model.image_size, settings['size']))
    encoder = load_encoder(settings['encoder'], model) if settings['encoder'] else None
    self._parameters = model_card.parameters_sha256(model)
    self._guessed = encoder is not None
    self._guess = self._first_guess(model, encoder)
    self._found = self._invert(model, encoder)

  def _first_guess(self, model: pretrained.Model, encoder: pretrained.Encoder | None) -> renderer_lib.Shot:
    """Where the search begins: what the encoder reads, else the mean of all latents."""
    z, viewpoint = jnp.zeros(model.generator.latent_dim), (0.0, model.elevation_mean or 0.0)
    if encoder is not None:
      gaussian, read = encoder(self._image[None], self._masks[None])
      z, viewpoint = gaussian.mean[0], viewpoint if read is None else read[0]
    given = self.settings['azimuth'], self.settings['elevation']
    viewpoint = viewpoint if None in given else given
    return renderer_lib.Shot(np.asarray(model.map_latents(z)), float(viewpoint[0]), float(viewpoint[1]))

  def _invert(self, model: pretrained.Model, encoder: pretrained.Encoder | None) -> invert.Inversion:
    settings = self.settings
    given = settings['azimuth'], settings['elevation']
    steps = settings['latent_steps'] + settings['style_steps']
    with progress_lib.Progress(steps, description='invert') as progress:
      begins = 'what the encoder reads' if encoder else 'the mean of all people, as there is no encoder'
      progress.note(f'invert: {steps} steps, which begin at {begins}')
      done = itertools.count(1)

      def on_step(loss):
        progress.update(next(done), {'loss': loss})

      found = invert.invert(
          model, self._image, label_map=self._masks, viewpoint=None if None in given else given, encoder=encoder,
          settings=invert.Settings(latent_steps=settings['latent_steps'], style_steps=settings['style_steps']), on_step=on_step)
      jax.effects_barrier()
    return found

  def shots(self):
    azimuth, elevation = map(float, self._found.viewpoint)
    styles = np.asarray(self._found.styles)
    return [self._guess] + [
        renderer_lib.Shot(styles, where, elevation) for where in (azimuth, azimuth - self.settings['turn'], azimuth + self.settings['turn'])]

  def sheet(self, views):
    blank = np.full((*self._shown.shape[:2], 3), 255, np.uint8)
    masks = blank if self._shown_masks is None else sheets.coloured_mask(self._shown_masks, self.class_set)
    changes = [sheets.coloured_difference(view.rgb, self._shown) for view in views[:2]]
    rows = [
        [sheets.pixels(self._shown)] + [sheets.pixels(view.rgb) for view in views], [masks] + [self.mask(view) for view in views],
        [blank, *changes] + [blank] * (len(views) - 2)]
    turn = f'{math.degrees(self.settings["turn"]):.0f}°'
    begin = "encoder's guess" if self._guessed else 'the mean'
    headings = ['photograph', begin, 'refined', f'turned -{turn} ', f'turned +{turn} ']  # a degree at the end would be an azimuth
    azimuth, elevation = (math.degrees(angle) for angle in self._found.viewpoint)
    agreement = '' if self._found.mean_iou is None else f', mIoU {self._found.mean_iou:.2f}'
    title = f'PSNR {self._found.psnr:.1f} dB{agreement}; azimuth {azimuth:+.0f}°, elevation {elevation:+.0f}°'
    return sheets.grid(np.array(rows), ['image', 'mask', 'difference'], headings, title=title, legend=self.class_set)

  def beside(self) -> dict[str, bytes]:
    """Styles and camera, for `edit --person` and NumPy."""
    found = self._found
    view = camera_lib.orbit(*found.viewpoint)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer, styles=found.styles, viewpoint=found.viewpoint, cam_to_world=view.cam_to_world, focal=view.focal, near=view.near, far=view.far,
        psnr=found.psnr, mean_iou=np.nan if found.mean_iou is None else found.mean_iou, losses=found.losses,
        parameters_sha256=np.array(self._parameters))
    return {'.npz': buffer.getvalue()}


def load_encoder(path: str, model: pretrained.Model) -> pretrained.Encoder:
  """An encoder that fits the model; ValueError or OSError in one line if it doesn't."""
  encoder = pretrained.load_encoder(path)
  for name in ('image_size', 'class_set'):
    if getattr(encoder, name) != getattr(model, name):
      raise ValueError(f'the encoder {path} has {name} {getattr(encoder, name)}, the model {getattr(model, name)}; give that of the same run')
  if len(encoder.latent_mean) != model.generator.latent_dim:
    raise ValueError(f'the encoder {path} reads {len(encoder.latent_mean)} latents, the model has {model.generator.latent_dim}; '
                     'give that of the same run')
  return encoder
