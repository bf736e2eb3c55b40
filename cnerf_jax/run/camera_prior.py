"""How the cameras of a run spread: as its config says, or as those of its data do where they were read from label maps."""

from __future__ import annotations

from typing import Any

import ml_collections
import numpy as np

_SMALLEST_STD = 0.01  # radians: viewpoints are read in this unit, so that it must not be 0, even of one photograph
_LARGEST = {'azimuth_std': 1.5, 'elevation_std': 0.75, 'elevation_mean': 0.75}  # radians, within what `config.camera` may be


def resolve(config: ml_collections.ConfigDict, data: Any) -> ml_collections.ConfigDict:
  """The config with the data's own numbers in `camera`, if `camera.from_data` asks for them and the data has them.

  They are rounded to a thousandth of a radian, and belong to the run from now on (`config.json`). Faces turn left as often as right, so
  azimuths spread about 0.

  Args:
    config: of the run.
    data: with `viewpoint_moments`: None, or ((mean azimuth, mean elevation), (their standard deviations)) in radians.
  """
  if not config.camera.from_data or data.viewpoint_moments is None:
    return config
  (mean_azimuth, mean_elevation), (azimuth_std, elevation_std) = data.viewpoint_moments
  numbers = dict(
      azimuth_std=max(np.hypot(mean_azimuth, azimuth_std), _SMALLEST_STD), elevation_std=max(elevation_std, _SMALLEST_STD),
      elevation_mean=mean_elevation)
  config = config.copy_and_resolve_references().unlock()
  for name, number in numbers.items():
    config.camera[name] = round(float(np.clip(number, -_LARGEST[name], _LARGEST[name])), 3)
  return config.lock()
