"""Cameras on the unit sphere that look at the origin (paper section 3, volume rendering; constants of its supplement).

Axes: world y is up, the face looks along +z; camera axes are OpenGL's (x right, y up, the camera looks along -z).
azimuth turns the camera around y (positive: towards +x), elevation lifts it. Angles are radians; focal lengths are in sides
of the square image, so that one camera draws at any size; distances are world units measured along unnormalised rays whose
camera-frame z component is -1.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

AZIMUTH_STD_RADIANS = 0.3
ELEVATION_STD_RADIANS = 0.15
HALF_FIELD_OF_VIEW_RADIANS = 6.0 * jnp.pi / 180.0
NEAR = 0.88
FAR = 1.12


@flax.struct.dataclass
class Camera:
  """A pinhole camera, or a batch of them.

  Attributes:
    cam_to_world: [..., 3, 4] rotation and position; columns are the camera's x, y, z axes and its centre, in the world.
    focal: [...] focal length in sides of the image, 1 / (2 tan(half field of view)).
    near: [...] first sampled distance, world units along the unnormalised ray.
    far: [...] last sampled distance.
  """

  cam_to_world: Float[Array, '*batch 3 4']
  focal: Float[Array, '*batch']
  near: Float[Array, '*batch']
  far: Float[Array, '*batch']


def orbit(
    azimuth: Float[Array, '*batch'],
    elevation: Float[Array, '*batch'],
    *,
    half_field_of_view: float = HALF_FIELD_OF_VIEW_RADIANS,
    near: float = NEAR,
    far: float = FAR,
) -> Camera:
  """Cameras at (azimuth, elevation) on the unit sphere, looking at the origin.

  Args:
    azimuth: radians; positive moves the camera towards world +x.
    elevation: radians; positive lifts the camera, must stay inside (-pi/2, pi/2).
    half_field_of_view: radians.
    near: distance of the first sample, world units.
    far: distance of the last sample, world units.

  Returns:
    A Camera whose leading axes are the broadcast of both angles.

  Raises:
    ValueError: if near is not below far.
  """
  if not 0 < near < far:
    raise ValueError(f'near {near} and far {far} must satisfy 0 < near < far')
  azimuth, elevation = jnp.broadcast_arrays(jnp.asarray(azimuth, jnp.float32), jnp.asarray(elevation, jnp.float32))
  position = jnp.stack(
      [jnp.cos(elevation) * jnp.sin(azimuth), jnp.sin(elevation), jnp.cos(elevation) * jnp.cos(azimuth)], axis=-1)
  z_axis = position  # the camera looks along -z, at the origin
  x_axis = jnp.stack([jnp.cos(azimuth), jnp.zeros_like(azimuth), -jnp.sin(azimuth)], axis=-1)
  y_axis = jnp.cross(z_axis, x_axis)
  focal = jnp.full(azimuth.shape, 0.5 / jnp.tan(half_field_of_view), jnp.float32)
  return Camera(
      cam_to_world=jnp.stack([x_axis, y_axis, z_axis, position], axis=-1),
      focal=focal,
      near=jnp.full_like(focal, near),
      far=jnp.full_like(focal, far),
  )


def draw_viewpoints(
    key: Array, batch: int, *,
    azimuth_std: float = AZIMUTH_STD_RADIANS,
    elevation_std: float = ELEVATION_STD_RADIANS,
    elevation_mean: float = 0.0,
) -> Float[Array, 'batch 2']:
  """Random viewpoints (azimuth, elevation) in radians: two independent Gaussians, that of the azimuth centred."""
  return jax.random.normal(key, (batch, 2)) * jnp.array([azimuth_std, elevation_std]) + jnp.array([0.0, elevation_mean])


def multi_view_azimuths() -> Float[Array, '10']:
  """The ten azimuths, in radians, of every multi-view sheet."""
  return AZIMUTH_STD_RADIANS * jnp.linspace(-1.5, 1.5, 10)
