"""The pictures of a run: fixed people seen from fixed views, what each local generator draws, and curves."""

from __future__ import annotations

import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from PIL import Image

from cnerf_jax import camera as camera_lib
from cnerf_jax import sampler
from cnerf_jax import semantics
from cnerf_jax.models import generator as generator_lib
from cnerf_jax.reporting import curves
from cnerf_jax.reporting import sheets

NUM_IDENTITIES = 6
NUM_VIEWS = 5


class Sheet(NamedTuple):
  """A sheet that was written: where, and the picture."""

  path: pathlib.Path
  image: Image.Image


class Pictures:
  """Draws the sheets of a run into `workdir/sheets`, always of the same latents."""

  def __init__(self, generator: generator_lib.Generator, config: ml_collections.ConfigDict, workdir: pathlib.Path):
    self._workdir = workdir
    self._class_set = semantics.class_set(config.data.class_set)
    self._z = jax.random.normal(jax.random.key(config.seed + 1), (NUM_IDENTITIES, generator.latent_dim))
    self._azimuths = camera_lib.multi_view_azimuths()[::2]
    settings = dict(image_size=config.image_size, num_samples=config.num_samples)

    @jax.jit
    def draw_view(params, azimuth):
      camera = camera_lib.orbit(azimuth, 0.0)
      styles = sampler.map_latents(generator, params, self._z)
      rendering = sampler.render(generator, params, styles, camera, **settings)
      surface = sampler.surface(generator, params, styles, camera, rendering)
      return rendering.rgb, rendering.semantic_mask, surface.normal * surface.opacity[..., None]

    @jax.jit
    def draw_part(params, class_weights):
      styles = sampler.map_latents(generator, params, self._z[:NUM_VIEWS])
      camera = camera_lib.orbit(0.0, 0.0)
      return sampler.render(generator, params, styles, camera, class_weights=class_weights, **settings).rgb

    self._draw_view, self._draw_part = draw_view, draw_part

  def draw(self, params, step: int) -> Sheet:
    """Writes the sample sheet and the sheet of classes of this step; returns the sample sheet."""
    views = [self._draw_view(params, azimuth) for azimuth in self._azimuths]
    images, masks, normals = (np.stack(of_views, axis=1) for of_views in zip(*jax.device_get(views)))
    path = self._workdir / 'sheets' / f'samples_{step:07d}.png'
    sheet = sheets.sample_sheet(
        images, masks, normals, self._class_set, azimuths=np.asarray(self._azimuths), title=f'step {step}')
    sheets.save(sheet, path)
    parts = np.stack([np.asarray(self._draw_part(params, row)) for row in jnp.eye(self._class_set.num_classes)])
    frontal = masks[:NUM_VIEWS, masks.shape[1] // 2]
    sheets.save(sheets.class_sheet(parts, frontal, self._class_set, title=f'local generators, step {step}'),
                self._workdir / 'sheets' / f'classes_{step:07d}.png')
    return Sheet(path, sheet)

  def draw_curves(self) -> None:
    """Draws the curves of `metrics.jsonl`."""
    curves.loss_plot(self._workdir / 'metrics.jsonl', self._workdir / 'losses.png')
