"""The colours of an eyeball: pupil, iris with its fibres and its dark rim, white with faint veins, as a texture around the gaze."""

import dataclasses

from jaxtyping import Float32
import numpy as np

from data_pipeline.people import srgb
from data_pipeline.people import traits as traits_lib

RADII, ANGLES = 32, 64
IRIS_RADIANS = 0.5  # half the angle of the iris seen from the eye's centre: 11.8 mm on a ball of 12.3 mm
# sRGB near the pupil and of the rest of the iris, and how often among those who may have it.
_BROWN = ((70, 42, 26), (48, 28, 18))
_COLOURS = (((96, 62, 34), (74, 46, 28)), ((122, 88, 46), (104, 88, 52)), ((130, 104, 60), (88, 104, 80)), ((124, 124, 110), (92, 124, 150)),
            ((110, 130, 150), (70, 112, 158)), ((128, 132, 132), (116, 132, 142)))
_CHANCES = (0.27, 0.15, 0.15, 0.2, 0.14, 0.09)


@dataclasses.dataclass(frozen=True)
class Eyes:
  """Both eyes.

  Attributes:
    inner: linear RGB of the iris around the pupil.
    outer: linear RGB of the rest of the iris.
    rim: how dark the ring around the iris is, [0, 1].
    pupil: half the angle of the pupil seen from the eye's centre, radians.
    redness: of the white, [0, 1].
    yellowness: of the white, [0, 1].
    key: of random details.
  """

  inner: tuple[float, float, float]
  outer: tuple[float, float, float]
  rim: float
  pupil: float
  redness: float
  yellowness: float
  key: int


def draw(rng: np.random.Generator, traits: traits_lib.Traits) -> Eyes:
  """Eyes that go with somebody's ancestry and age: light ones where skin is pale."""
  light = traits.ancestry[2] * np.clip(1.35 - 2.2 * traits.melanin, 0, 1)
  choice, may_be_light = rng.choice(len(_COLOURS), p=_CHANCES), rng.random() < light
  inner, outer = _COLOURS[choice] if may_be_light else _BROWN
  varied = lambda colour: tuple(float(v) for v in srgb.to_linear(np.clip(np.array(colour) * rng.uniform(0.85, 1.2), 5, 230)))
  return Eyes(
      inner=varied(inner), outer=varied(outer), rim=float(rng.uniform(0.35, 0.9)), pupil=float(rng.uniform(0.13, 0.24)),
      redness=float(rng.beta(1.5, 4)), yellowness=float(np.clip(rng.normal(0.2 + 0.4 * traits.melanin, 0.15), 0, 1)),
      key=int(rng.integers(2 ** 31)))


def paint(eyes: Eyes) -> Float32[np.ndarray, 'radii angles 3']:
  """Linear albedo around the gaze.

  Row i holds the angle (i + 0.5) / RADII * pi / 2 from the gaze, column j the direction (j + 0.5) / ANGLES * 2 pi around it, counted
  from the eye's x axis towards its y axis; columns wrap around.
  """
  rng = np.random.default_rng(eyes.key)
  radius = ((np.arange(RADII) + 0.5) / RADII * np.pi / 2)[:, None]
  step = np.pi / 2 / RADII
  fibres = rng.standard_normal(ANGLES)
  fibres = (fibres + 0.5 * np.roll(fibres, 1) + 0.5 * np.roll(fibres, -1))[None] * 0.13
  white = np.array([0.74, 0.71, 0.67]) * np.exp(-eyes.yellowness * np.array([0.03, 0.05, 0.22]))
  veins = rng.standard_normal((RADII, ANGLES))
  veins = np.clip((veins + np.roll(veins, 1, axis=0) + np.roll(veins, -1, axis=0)) / 1.7 - 0.9, 0, 1.5) * (0.15 + 0.6 * eyes.redness)
  blood = (0.1 * eyes.redness + veins) * np.clip((radius - 0.55) / 0.4, 0, 1)
  white = white * np.exp(-blood[..., None] * np.array([0.08, 0.7, 0.6]))
  towards_rim = np.clip((radius - eyes.pupil) / (IRIS_RADIANS - eyes.pupil), 0, 1)
  collar = np.clip(1.6 - 3 * towards_rim + fibres, 0, 1)[..., None]
  iris = np.array(eyes.outer) + collar * (np.array(eyes.inner) - np.array(eyes.outer))
  iris = iris * np.exp(fibres * 1.6 * (towards_rim > 0))[..., None]
  iris *= (1 - 0.75 * eyes.rim * np.exp(-np.square((radius - IRIS_RADIANS + 0.03) / 0.06)))[..., None]
  inside = lambda edge, softness: np.clip(0.5 - (radius - edge) / (softness * step), 0, 1)[..., None]
  colour = white + inside(IRIS_RADIANS, 2.0) * (iris - white)
  colour = colour + inside(eyes.pupil, 1.2) * (0.006 - colour)
  return np.clip(colour, 0, 1).astype(np.float32)
