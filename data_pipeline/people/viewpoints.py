"""The cameras that people are seen from: random ones, each a function of the seed and the picture's number alone."""

import dataclasses
import math

import numpy as np
from jaxtyping import Float

from cnerf_jax import camera as camera_lib

_STREAM = 1_000  # of random numbers; a person's parts have their own


@dataclasses.dataclass(frozen=True)
class Spread:
  """Normal distributions of azimuth and elevation, radians."""

  azimuth_std: float = camera_lib.AZIMUTH_STD_RADIANS
  elevation_std: float = camera_lib.ELEVATION_STD_RADIANS
  elevation_mean: float = 0.0

  def __post_init__(self):
    limits = dict(azimuth_std=(0, 1), elevation_std=(0, 0.5), elevation_mean=(-0.7, 0.7))
    for name, (least, most) in limits.items():
      value = getattr(self, name)
      if not least <= value <= most:  # false for NaN too
        raise ValueError(f'{name.replace("_", "-")} {value} must be in {least}..{most} radians')


# Beyond them there is no face to see: the back of the head, the crown.
_MOST_AZIMUTH, _MOST_ELEVATION = 0.5 * math.pi, 1.2


def draw(seed: int, index: int, spread: Spread = Spread()) -> Float[np.ndarray, '2']:
  """The camera (azimuth, elevation), radians, of picture `index`; at most a quarter turn, and 1.2 up or down."""
  azimuth, elevation = np.random.default_rng((seed, index, _STREAM)).normal(size=2)
  drawn = (azimuth * spread.azimuth_std, spread.elevation_mean + elevation * spread.elevation_std)
  return np.clip(drawn, (-_MOST_AZIMUTH, -_MOST_ELEVATION), (_MOST_AZIMUTH, _MOST_ELEVATION)).astype(np.float32)
