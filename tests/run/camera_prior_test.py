import types

import numpy as np

import tiny

from cnerf_jax.run import camera_prior
from configs import checks
from configs import default

MOMENTS = ((0.03, 0.1923), (0.2234, 0.2651))


def resolve(moments, **changes):
  return camera_prior.resolve(tiny.make_config(**dict(camera__from_data=True) | changes), types.SimpleNamespace(viewpoint_moments=moments))


def test_cameras_spread_as_those_of_the_data():
  """Protects fakes from views that no photograph has: deviations and mean elevation of the data, azimuths about 0, in the run's config."""
  config = resolve(MOMENTS)
  assert config.camera.to_dict() == dict(
      azimuth_std=round(float(np.hypot(0.03, 0.2234)), 3), elevation_std=0.265, elevation_mean=0.192, from_data=True)
  assert config.is_locked and resolve(MOMENTS, camera__azimuth_std=0.1) == config


def test_what_the_data_does_not_know_stays():
  """Protects runs whose data has no cameras, or whose config does not ask: its own numbers, and data that need not know of any."""
  assert resolve(None).camera.azimuth_std == default.get_config().camera.azimuth_std
  config = tiny.make_config()
  assert camera_prior.resolve(config, None) is config


def test_odd_data_still_makes_a_sound_config():
  """Protects from a single photograph, or cameras far out: the numbers stay within what a config may say."""
  for moments in (((0.0, 0.0), (0.0, 0.0)), ((3.0, -2.0), (2.0, 2.0))):
    config = resolve(moments)
    checks.check_fields(config)
    assert config.camera.azimuth_std > 0 and config.camera.elevation_std > 0
