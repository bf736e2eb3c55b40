"""The sheets of a run: of which people, from where, with which surfaces."""

import jax
import numpy as np
import pytest

import tiny
from cnerf_jax import camera as camera_lib
from cnerf_jax import sampler
from cnerf_jax.reporting import pictures
from cnerf_jax.reporting import sheets

pytestmark = pytest.mark.usefixtures('quick_compilation')


def test_sheet_shows_the_surfaces_of_its_images(monkeypatch, tmp_path):
  """Protects normals from being of another view: image, mask and normals of a cell are of one rendering, as long as it is opaque."""
  generator, config = tiny.make_generator(num_classes=12), tiny.make_config(num_samples=2)
  params, shown = tiny.make_params(generator), []
  sample_sheet = sheets.sample_sheet
  monkeypatch.setattr(sheets, 'sample_sheet', lambda *a, **k: shown.append((a, k)) or sample_sheet(*a, **k))
  drawn = pictures.Pictures(generator, config, tmp_path).draw(params, 7)
  ((images, masks, normals, class_set), named), = shown
  assert drawn.path == tmp_path / 'sheets' / 'samples_0000007.png' and drawn.path.exists()
  assert (tmp_path / 'sheets' / 'classes_0000007.png').exists()
  assert images.shape == normals.shape == (6, 5, 4, 4, 3) and masks.shape == (6, 5, 4, 4, class_set.num_classes)
  z = jax.random.normal(jax.random.key(config.seed + 1), (6, generator.style_dim))
  styles, camera = sampler.map_latents(generator, params, z), camera_lib.orbit(named['azimuths'][4], 0.0)
  rendering = sampler.render(generator, params, styles, camera, image_size=4, num_samples=2)
  surface = sampler.surface(generator, params, styles, camera, rendering)
  np.testing.assert_allclose(images[:, 4], rendering.rgb, atol=1e-3)
  np.testing.assert_allclose(normals[:, 4], surface.normal * surface.opacity[..., None], atol=1e-2)
  np.testing.assert_allclose(np.linalg.norm(normals[:, 4], axis=-1), 1 - rendering.last_weight, atol=1e-3)
