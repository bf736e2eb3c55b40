"""Strips of rays are the picture that the sampler draws, at any size, from any part."""

import dataclasses

import jax
import numpy as np
import pytest

from cnerf_jax import camera as camera_lib
from cnerf_jax import sampler
from cnerf_jax.draw import pyramid
from cnerf_jax.draw import renderer as renderer_lib

pytestmark = pytest.mark.usefixtures('quick_compilation')

ALL = ('rgb', 'semantic_mask', 'depth', 'normal', 'opacity')
SIZES = dict(image_size=5, num_samples=4)


def test_strips_are_the_picture_of_the_sampler(model, styles, monkeypatch):
  """Protects every quantity: image, mask, depth, normals and opacity of small strips are those of `sampler.render` and `surface`."""
  monkeypatch.setattr(renderer_lib, 'STRIP_RAYS', 8)
  renderer = renderer_lib.Renderer(model, num_importance=3, quantities=ALL, **SIZES)
  assert renderer.strips_per_view > 1
  strips = []
  view = renderer.draw(renderer_lib.Shot(styles[0], 0.3, 0.1), lambda: strips.append(1))
  assert len(strips) == renderer.strips_per_view
  camera = camera_lib.orbit(0.3, 0.1)

  @jax.jit
  def draw(styles):
    rendering = sampler.render(model.generator, model.params, styles, camera, num_importance=3, **SIZES)
    return rendering, sampler.surface(model.generator, model.params, styles, camera, rendering)

  rendering, surface = draw(styles[0])
  for name in ALL:
    expected = np.asarray(getattr(surface if name in ('normal', 'opacity') else rendering, name))
    np.testing.assert_allclose(getattr(view, name), expected, atol=2e-4, err_msg=name)
  assert np.ptp(view.rgb) > 0.01


def test_only_what_is_wanted_is_there(model, styles):
  """Protects time and meaning: other quantities are None; a class alone has its mask and no other's; unknown names are refused."""
  renderer = renderer_lib.Renderer(model, **SIZES)
  whole, part = (renderer.draw(renderer_lib.Shot(styles[0], semantic_class=k)) for k in (None, 8))
  assert whole.depth is None and whole.normal is None
  np.testing.assert_allclose(part.semantic_mask[..., 8], whole.semantic_mask[..., 8], atol=1e-6)
  assert (np.delete(part.semantic_mask, 8, axis=-1) == 0).all()
  with pytest.raises(ValueError, match=r"quantities \['colour'\] are not known; use some of rgb"):
    renderer_lib.Renderer(model, quantities=['colour'], **SIZES)


@pytest.mark.parametrize('num_rays, activations', [(16, 384), (4096, 3072), (512**2, 3072), (509**2, 36864), (1, 2**24)])
@pytest.mark.parametrize('num_devices', [1, 2, 3, 8])
def test_strips_cover_the_picture(num_rays, activations, num_devices):
  """Protects bits from the number of devices, and time from empty strips: the same chunk for all, little beyond the picture."""
  chunk, chunks = renderer_lib._cut(num_rays, activations, num_devices)
  assert chunk == renderer_lib._cut(num_rays, activations, 1)[0]
  assert chunk * activations <= max(2**20, activations)
  strip = chunk * chunks * num_devices
  num_strips = -(-num_rays // strip)
  assert num_strips * strip <= num_rays + chunk * (4 + num_strips * num_devices)
  assert strip <= 2 * max(renderer_lib.STRIP_RAYS, chunk * num_devices)


def test_pyramid_grows_to_the_picture(model, styles):
  """Protects previews: sides double up to the whole, and the last is the picture itself."""
  assert pyramid.sizes(100) == [32, 64, 100] and pyramid.sizes(16) == [16] and pyramid.sizes(64) == [32, 64]
  shot = renderer_lib.Shot(styles[0], 0.2)
  options = dict(num_samples=4, num_importance=2)
  views = list(pyramid.Pyramid(model, image_size=4, first=2, **options).draw(shot))
  assert [view.rgb.shape for view in views] == [(2, 2, 3), (4, 4, 3)]
  expected = renderer_lib.Renderer(model, image_size=4, **options).draw(shot)
  for name, value in dataclasses.asdict(expected).items():
    np.testing.assert_array_equal(getattr(views[-1], name), value)
  with pytest.raises(ValueError, match='image_size 0 and first 32 must be at least 1'):
    pyramid.sizes(0)
