"""Light: as much on a face as is said, from where it is said, and a tone curve that keeps order."""

import dataclasses

import numpy as np
import pytest

from data_pipeline.people import lighting as lighting_lib

COUNT = 200


def drawn():
  return [lighting_lib.draw(np.random.default_rng(seed)) for seed in range(COUNT)]


def received(lights, normal):
  """Linear RGB irradiance of a surface without shadows: an independent sum."""
  total = np.zeros(3)
  for direction, colour in zip(lights.directions, lights.colours):
    total += max(float(direction @ normal), 0) * colour
  up = 0.5 + 0.5 * normal[1]
  return total + up * lights.sky + (1 - up) * lights.ground


def test_lights_are_well_formed():
  """Unit directions, light that is not negative, the key first."""
  for lighting in drawn():
    lights = lighting_lib.lights(lighting)
    np.testing.assert_allclose(np.linalg.norm(lights.directions, axis=1), 1, atol=1e-5)
    assert len(lights.directions) == len(lights.colours) == len(lights.sizes) <= 9
    assert (lights.colours >= 0).all() and (lights.sizes > 0).all()
    expected = [np.sin(lighting.key_azimuth) * np.cos(lighting.key_elevation), np.sin(lighting.key_elevation)]
    np.testing.assert_allclose(lights.directions[0, :2], expected, atol=1e-5)


def test_faces_are_well_exposed():
  """A mid-grey surface that faces the front is shown in the middle of the scale, whatever the light."""
  shown = []
  for lighting in drawn():
    light = received(lighting_lib.lights(lighting), np.array([0.0, 0.1, 0.995]))
    shown.append(lighting_lib.tone_map((0.35 * light)[None].astype(np.float32), lighting).mean() / 255)
  assert 0.48 < np.median(shown) < 0.65
  assert 0.25 < np.min(shown) and np.max(shown) < 0.85


def test_darker_skin_is_exposed_for():
  """The same draw with more melanin is a brighter picture."""
  fair, dark = (lighting_lib.draw(np.random.default_rng(4), melanin) for melanin in (0.2, 0.9))
  assert dark.exposure > 1.2 * fair.exposure and dataclasses.replace(dark, exposure=fair.exposure) == fair


def test_every_kind_is_drawn():
  """All eight kinds of light occur."""
  assert len({lighting.kind for lighting in drawn()}) == 8


def test_tone_map_is_srgb_without_contrast():
  """Below the shoulder and with neutral settings the curve is sRGB's, to half a level and the table's step."""
  neutral = dataclasses.replace(drawn()[0], contrast=0.0, temperature=0.0, tint=0.0, saturation=1.0)
  light = np.linspace(0, 0.6, 500, dtype=np.float32)
  expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
  shown = lighting_lib.tone_map(np.repeat(light[:, None], 3, axis=1), neutral)
  assert np.abs(shown - expected[:, None]).max() <= 1.0


@pytest.mark.parametrize('seed', range(5))
def test_tone_map_keeps_order(seed):
  """More light is never shown darker, even far beyond white; shapes and dtype are kept; the same bytes again."""
  lighting = lighting_lib.draw(np.random.default_rng(seed))
  grey = np.repeat(np.linspace(0, 50, 4000, dtype=np.float32)[:, None], 3, axis=1).reshape(40, 100, 3)
  shown = lighting_lib.tone_map(grey, lighting)
  assert shown.shape == grey.shape and shown.dtype == np.uint8
  assert (np.diff(shown.reshape(-1, 3).astype(int), axis=0) >= 0).all() and shown[0, 0].max() < 3 and shown[-1, -1].min() > 240
  assert lighting_lib.tone_map(grey, lighting).tobytes() == shown.tobytes()
