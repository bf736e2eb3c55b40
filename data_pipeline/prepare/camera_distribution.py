"""Where the cameras of a data set stand: what a run draws its fakes' cameras from, and whether they are enough to learn a head from."""

from collections.abc import Sequence
import dataclasses
import math

import numpy as np

from data_pipeline.prepare import journal

# Turned heads are what depth is learnt from: photographs have a standard deviation of 12 to 17 degrees.
_LEAST_STD = math.radians(3.0)
_MANY_UNREADABLE = 0.1  # of the pictures


@dataclasses.dataclass(frozen=True)
class Cameras:
  """Mean elevation and standard deviations of viewpoints, radians. Azimuths are spread about 0: every portrait has a mirror image."""

  elevation_mean: float
  azimuth_std: float
  elevation_std: float


def measure(kept: Sequence[journal.Kept]) -> Cameras | None:
  """The distribution of the known cameras, each as often as it is sure; None with fewer than two."""
  found = _known(kept)
  if found is None:
    return None
  (azimuth, elevation), weights = found
  elevation_mean, elevation_std = _moments(elevation, weights)
  azimuth_std = float(np.sqrt(np.average(azimuth**2, weights=weights)))
  return Cameras(elevation_mean=round(elevation_mean, 5), azimuth_std=round(azimuth_std, 5), elevation_std=round(elevation_std, 5))


def training(manifests: Sequence[journal.ShardManifest]) -> list[journal.Kept]:
  """The pictures of the train split."""
  return [one for manifest in manifests if manifest.split == 'train' for one in manifest.kept]


def warnings(kept: Sequence[journal.Kept]) -> list[str]:
  """One line for each thing about the cameras that a person should know before training; for pictures that should have one."""
  if not kept:
    return []
  unknown, lines = sum(one.viewpoint is None for one in kept) / len(kept), []
  if unknown > _MANY_UNREADABLE:
    lines.append(f'no camera can be read off {unknown:.0%} of the label maps: no face, or only a part of one; they are kept, and teach the '
                 'discriminators, but no depth; look whether they are portraits')
  found = _known(kept)
  if found is None:
    return [*lines, 'fewer than two cameras are known, so that the records have none: VAE pretraining must guess them, or be left out']
  (azimuth, _), weights = found
  mean, std = _moments(azimuth, weights)
  if std < _LEAST_STD:
    numbers = (f'(azimuths have a standard deviation of {math.degrees(std):.1f} degrees; {math.degrees(_LEAST_STD):.0f} or more are needed, '
               '12 to 17 are usual)')
    if abs(mean) < _LEAST_STD:
      lines.append(f'all heads look straight ahead {numbers}: depth can not be learnt from them; add turned heads')
    else:
      lines.append(f'all heads are turned alike, by {math.degrees(mean):+.0f} degrees {numbers}: with their mirror images these are two views, '
                   'and nothing tells what lies between; add heads that are turned otherwise')
  return lines


def _known(kept: Sequence[journal.Kept]) -> tuple[np.ndarray, np.ndarray] | None:
  """((azimuths, elevations), weights) of the known cameras, None with fewer than two."""
  known = [one for one in kept if one.viewpoint is not None and one.confidence > 0]
  if len(known) < 2:
    return None
  return np.array([one.viewpoint for one in known], np.float64).T, np.array([one.confidence for one in known])


def _moments(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
  mean = np.average(values, weights=weights)
  return float(mean), float(np.sqrt(np.average((values - mean)**2, weights=weights)))
