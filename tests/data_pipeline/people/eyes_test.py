"""Eyeballs: a dark pupil within a coloured iris within a white."""

import numpy as np

from data_pipeline.people import eyes as eyes_lib
from data_pipeline.people import traits as traits_lib


def draw(seed):
  rng = np.random.default_rng(seed)
  traits = traits_lib.draw(rng)
  return traits, eyes_lib.draw(rng, traits)


def test_pupil_iris_and_white():
  """From the gaze outwards: black, the iris's colours, white."""
  angle = (np.arange(eyes_lib.RADII) + 0.5) / eyes_lib.RADII * np.pi / 2
  for seed in range(20):
    eyes = draw(seed)[1]
    texture = eyes_lib.paint(eyes)
    assert texture.shape == (eyes_lib.RADII, eyes_lib.ANGLES, 3) and texture.dtype == np.float32
    assert texture.min() >= 0 and texture.max() <= 1
    assert texture[angle < eyes.pupil - 0.05].max() < 0.02
    iris = texture[(angle > eyes.pupil + 0.08) & (angle < eyes_lib.IRIS_RADIANS - 0.1)].mean(axis=(0, 1))
    colours = np.array([eyes.inner, eyes.outer])
    assert (iris > 0.4 * colours.min(axis=0)).all() and (iris < 1.6 * colours.max(axis=0)).all()
    assert texture[angle > eyes_lib.IRIS_RADIANS + 0.1].mean() > 0.5


def test_the_same_eyes_are_the_same_bytes():
  """Determinism."""
  eyes = draw(1)[1]
  assert eyes_lib.paint(eyes).tobytes() == eyes_lib.paint(eyes).tobytes()


def test_dark_skinned_people_have_dark_eyes():
  """Light irises are drawn where skin is pale."""
  people = [draw(seed) for seed in range(400)]
  light = lambda low, high: np.mean([np.mean(eyes.outer) > 0.06 for traits, eyes in people if low <= traits.melanin < high])
  assert light(0.6, 1.1) < 0.05 < 0.3 < light(0.0, 0.25)
