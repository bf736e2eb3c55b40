"""Skin: colours of people, painted where they belong, the same every time."""

import dataclasses

import numpy as np
import pytest

from data_pipeline.people import head_model
from data_pipeline.people import noise
from data_pipeline.people import skin as skin_lib
from data_pipeline.people import skin_regions as regions_lib
from data_pipeline.people import traits as traits_lib


@pytest.fixture(scope='module')
def model(people_assets):
  del people_assets  # they are there
  return head_model.load()


def draw(seed):
  rng = np.random.default_rng(seed)
  traits = traits_lib.draw(rng)
  return traits, skin_lib.draw(rng, traits)


def plain(melanin=0.2):
  """Skin without make-up or blemishes."""
  return dataclasses.replace(draw(0)[1], melanin=melanin, moles=0, blemishes=0, foundation=0.0, lipstick=0.0, blush=0.0, eye_shadow=0.0,
                             eyeliner=0.0, stubble=0.0, freckles=0.0)


def srgb(linear):
  return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize('size, shape', [(256, (400, 640)), (192, (400, 640)), (128, (200, 320)), (64, (200, 320))])
def test_textures_are_within_range(model, size, shape):
  """Shapes, dtypes and ranges that the shader relies on, for many people."""
  for seed in range(12):
    texture = skin_lib.paint(draw(seed)[1], model, size)
    assert texture.albedo.shape == (*shape, 3) and texture.height.shape == texture.gloss.shape == shape
    for part in dataclasses.astuple(texture):
      assert part.dtype == np.float32 and np.isfinite(part).all()
    assert texture.albedo.min() > 0 and texture.albedo.max() <= 1 and texture.gloss.min() > 0
    assert np.abs(texture.height).max() < 0.03  # 3 mm


def test_the_same_skin_is_the_same_bytes(model):
  """Determinism, and that details come from the key alone."""
  skin = draw(3)[1]
  first, second = skin_lib.paint(skin, model, 256), skin_lib.paint(skin, model, 256)
  for a, b in zip(dataclasses.astuple(first), dataclasses.astuple(second)):
    assert a.tobytes() == b.tobytes()
  other = skin_lib.paint(dataclasses.replace(skin, key=skin.key + 1), model, 256)
  assert other.albedo.tobytes() != first.albedo.tobytes()


def test_resolutions_show_the_same_person(model):
  """The small texture is the large one seen from further away."""
  skin = plain()
  large, small = skin_lib.paint(skin, model, 256).albedo, skin_lib.paint(skin, model, 128).albedo
  reduced = large.reshape(200, 2, 320, 2, 3).mean(axis=(1, 3))
  face = regions_lib.regions(model, 200, 320).masks[:, regions_lib.FACE] > 0.5
  assert np.abs(reduced - small)[face].mean() < 0.01
  assert np.corrcoef(reduced[face][:, 1], small[face][:, 1])[0, 1] > 0.9


@pytest.mark.parametrize('melanin, colour', [(0.15, (226, 181, 156)), (0.45, (191, 142, 112)), (0.8, (110, 75, 55))])
def test_tones_are_those_of_people(melanin, colour):
  """Anchors: sRGB of fair, medium and dark skin."""
  tone = skin_lib.tone(dataclasses.replace(plain(melanin), haemoglobin=0.0, warmth=0.0))
  np.testing.assert_allclose(srgb(tone), colour, atol=1)


def test_pigments_darken_as_they_do():
  """More melanin is darker in every band; more blood takes green more than red."""
  tones = [skin_lib.tone(plain(melanin)) for melanin in (0.0, 0.2, 0.5, 0.9)]
  assert all((a > b).all() for a, b in zip(tones, tones[1:]))
  pale, ruddy = (skin_lib.tone(dataclasses.replace(plain(), haemoglobin=amount)) for amount in (0.0, 0.3))
  assert ruddy[1] / pale[1] < ruddy[0] / pale[0] < 1


@pytest.mark.parametrize('field, region', [('lipstick', regions_lib.LIPS), ('stubble', regions_lib.BEARD), ('blush', regions_lib.BLUSH),
                                           ('eye_shadow', regions_lib.LIDS), ('eyeliner', regions_lib.LINER)])
def test_what_is_put_on_stays_where_it_belongs(model, field, region):
  """Lipstick colours lips, stubble the beard's area, ..., and nothing outside changes."""
  without, worn = (skin_lib.paint(dataclasses.replace(plain(), **{field: amount}), model, 256).albedo for amount in (0.0, 1.0))
  mask = regions_lib.regions(model, 400, 640).masks[:, region]
  assert (without[mask == 0] == worn[mask == 0]).all()
  assert np.abs(worn - without)[mask > 0.8].mean() > 0.03


def test_lips_are_redder_than_skin(model):
  """Lips are found in the chart, between nose and chin, without make-up."""
  texture = skin_lib.paint(plain(), model, 256)
  regions = regions_lib.regions(model, 400, 640)
  lips, cheeks = regions.masks[:, regions_lib.LIPS] > 0.9, regions.masks[:, regions_lib.CHEEKS] > 0.8
  redness = texture.albedo[..., 0] / texture.albedo[..., 1]
  assert redness[lips].mean() > 1.2 * redness[cheeks].mean()
  height = regions.positions[lips][:, 1]
  assert 6.4 < height.min() and height.max() < 6.8


def test_make_up_and_stubble_go_with_sex_and_wrinkles_with_age():
  """Men draw no make-up, women no stubble; old skin is more wrinkled."""
  people = [draw(seed) for seed in range(300)]
  assert all(skin.lipstick == skin.eye_shadow == skin.foundation == 0 for traits, skin in people if not traits.female)
  assert all(skin.stubble == 0 for traits, skin in people if traits.female)
  assert 0.4 < np.mean([skin.lipstick > 0 for traits, skin in people if traits.female]) < 0.9
  wrinkles = lambda low, high: np.mean([skin.wrinkles for traits, skin in people if low <= traits.age < high])
  assert wrinkles(16, 30) < 0.2 < wrinkles(55, 90)


def test_noise_is_normalised_and_wraps_around():
  """Octaves have mean 0 and standard deviation 1, and no seam at the borders."""
  bank = noise.bank()
  np.testing.assert_allclose(bank.mean(axis=(1, 2)), 0, atol=1e-3)
  np.testing.assert_allclose(bank.std(axis=(1, 2)), 1, atol=1e-3)
  inside = np.abs(np.diff(bank, axis=2)).mean(axis=(1, 2))
  assert (np.abs(bank[:, :, 0] - bank[:, :, -1]).mean(axis=1) < 2 * inside).all()
  assert noise.bank(320).shape == (len(noise.WAVELENGTHS), 200, 320)
  with pytest.raises(ValueError, match='100 columns'):
    noise.bank(100)
