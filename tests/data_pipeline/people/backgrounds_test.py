"""Places behind people: one panorama for all views, out of focus."""

import dataclasses

import numpy as np
import pytest

from cnerf_jax import camera as camera_lib
from data_pipeline.people import backgrounds

SIZE = 96
HALF_A_PICTURE = 0.5 * backgrounds.FIELD_OF_VIEW_RADIANS


def place(kind, seed=0):
  return dataclasses.replace(backgrounds.draw(np.random.default_rng(seed)), kind=kind, busyness=0.8)


def test_the_field_of_view_is_the_camera_s():
  """A place pans by as much as the camera turns."""
  assert backgrounds.FIELD_OF_VIEW_RADIANS == pytest.approx(2 * float(camera_lib.HALF_FIELD_OF_VIEW_RADIANS))


@pytest.mark.parametrize('kind', backgrounds.KINDS)
def test_turning_the_camera_pans(kind):
  """Half a picture to the side: what was in the left half is now in the right one (azimuth), the lower half is the upper one (elevation)."""
  background = place(kind)
  front = backgrounds.paint(background, SIZE, 0.0, 0.0)
  aside, above = backgrounds.paint(background, SIZE, HALF_A_PICTURE, 0.0), backgrounds.paint(background, SIZE, 0.0, HALF_A_PICTURE)
  np.testing.assert_allclose(aside[:, SIZE // 2:], front[:, :SIZE // 2], atol=2e-3)
  np.testing.assert_allclose(above[:SIZE // 2], front[SIZE // 2:], atol=2e-3)


@pytest.mark.parametrize('kind', backgrounds.KINDS)
def test_places_are_light(kind):
  """Finite, not negative, the same bytes again, and different for another key and far to the side."""
  background = place(kind)
  for view in ((0.0, 0.0), (1.2, -0.5), (-3.0, 1.4)):
    picture = backgrounds.paint(background, SIZE, *view)
    assert picture.shape == (SIZE, SIZE, 3) and picture.dtype == np.float32
    assert np.isfinite(picture).all() and picture.min() >= -1e-4 and picture.max() < 20
  assert backgrounds.paint(background, SIZE, 0.1, 0.2).tobytes() == backgrounds.paint(background, SIZE, 0.1, 0.2).tobytes()


def test_sizes_show_the_same():
  """A small picture is the large one reduced."""
  background = place('foliage')
  large, small = (backgrounds.paint(background, size, 0.2, 0.1) for size in (192, 64))
  assert np.abs(large.reshape(64, 3, 64, 3, 3).mean(axis=(1, 3)) - small).mean() < 0.01


def test_framing_moves_the_place():
  """Shift, zoom and roll act on the place as on the picture."""
  background = place('bokeh', 3)
  front = backgrounds.paint(background, SIZE, 0.0, 0.0)
  shifted = backgrounds.paint(background, SIZE, 0.0, 0.0, shift=(0.25, -0.125))
  np.testing.assert_allclose(shifted[:SIZE * 7 // 8, SIZE // 4:], front[SIZE // 8:, :SIZE * 3 // 4], atol=2e-3)
  turned = backgrounds.paint(background, SIZE, 0.0, 0.0, roll=np.pi / 2)
  np.testing.assert_allclose(turned, np.rot90(front, -1), atol=2e-3)
  zoomed = backgrounds.paint(background, 2 * SIZE, 0.0, 0.0, zoom=2.0)[::2, ::2]
  assert np.abs(zoomed[SIZE // 2, SIZE // 2] - front[SIZE // 2, SIZE // 2]).max() < 0.1


def test_every_kind_is_drawn_and_an_unknown_light_is_an_error():
  """All kinds of places occur among the lights; each light is known."""
  rng = np.random.default_rng(0)
  lights = ('studio', 'window', 'overcast', 'sunny', 'evening', 'flash', 'stage', 'backlit')
  assert {backgrounds.draw(rng, light).kind for light in lights for _ in range(60)} == set(backgrounds.KINDS)
  with pytest.raises(KeyError):
    backgrounds.draw(rng, 'dusk')
