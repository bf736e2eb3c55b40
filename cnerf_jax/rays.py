"""Rays through pixel centres, and the distances sampled along them.

A ray is origin + distance * direction; directions are unnormalised (camera-frame z component -1), so that a distance is
a depth along the camera's axis; viewdirs are the same directions at unit length.
"""

from __future__ import annotations

import flax.struct
import jax
from jax import lax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cnerf_jax import camera as camera_lib


@flax.struct.dataclass
class Rays:
  """A batch of rays, flattened over the image in row-major order (rays = height * width).

  Attributes:
    origins: [..., rays, 3] world units.
    directions: [..., rays, 3] unnormalised, camera-frame z component -1.
    viewdirs: [..., rays, 3] unit length.
  """

  origins: Float[Array, '*batch rays 3']
  directions: Float[Array, '*batch rays 3']
  viewdirs: Float[Array, '*batch rays 3']


def cast_rays(camera: camera_lib.Camera, *, image_size: int) -> Rays:
  """Rays of every pixel of a square image, through the pixel centres, top row first, left column first."""
  pixel = jnp.arange(image_size, dtype=jnp.float32) + 0.5 - image_size / 2
  x, y = jnp.meshgrid(pixel, -pixel, indexing='xy')
  return _cast_rays_through(camera, x.reshape(-1), y.reshape(-1), image_size)


def cast_pixel_rays(camera: camera_lib.Camera, pixels: Int[Array, 'rays'], *, image_size: int) -> Rays:
  """Rays of some pixels of a square image, by row-major index, the same pixels for each camera; the others are not computed."""
  x = (pixels % image_size).astype(jnp.float32) + 0.5 - image_size / 2
  y = image_size / 2 - 0.5 - (pixels // image_size).astype(jnp.float32)
  return _cast_rays_through(camera, x, y, image_size)


def _cast_rays_through(camera: camera_lib.Camera, x: Float[Array, 'rays'], y: Float[Array, 'rays'], image_size: int) -> Rays:
  """Rays through points of the image, pixels from its centre, y up."""
  focal_pixels = image_size * camera.focal[..., None]
  in_camera = jnp.stack([x / focal_pixels, y / focal_pixels, jnp.broadcast_to(-1.0, x.shape) * jnp.ones_like(focal_pixels)], axis=-1)
  rotation, position = camera.cam_to_world[..., :3], camera.cam_to_world[..., 3]
  directions = jnp.einsum('...ij,...rj->...ri', rotation, in_camera, precision=lax.Precision.HIGHEST)  # less is a pixel off
  origins = jnp.broadcast_to(position[..., None, :], directions.shape)
  return Rays(origins, directions, directions / jnp.linalg.norm(directions, axis=-1, keepdims=True))


def sample_rays(
    camera: camera_lib.Camera, jitter: Float[Array, '*batch rays'], *, image_size: int, num_samples: int,
    pixels: Int[Array, '*batch rays'] | None = None,
) -> tuple[Rays, Float[Array, '*batch rays samples']]:
  """The rays of a square image, all or those of some pixels, and the distances sampled along each (offset sampling).

  Args:
    camera: of each image.
    jitter: in [0, 1), one number per ray.
    image_size: side of the image in pixels.
    num_samples: samples along a ray.
    pixels: row-major indices of the pixels whose rays are wanted; all of them if None.
  """
  rays = cast_rays(camera, image_size=image_size)
  if pixels is not None:
    rays = take_pixels(rays, pixels)
  return rays, offset_distances(camera.near, camera.far, jitter, num_samples=num_samples)


def take_pixels(tree, pixels: Int[Array, 'batch rays']):
  """Some pixels, by row-major index, of every leaf [batch, num_pixels, channels]."""
  return jax.tree.map(lambda x: jnp.take_along_axis(x, pixels[..., None], axis=1), tree)


def offset_distances(
    near: Float[Array, '*batch'],
    far: Float[Array, '*batch'],
    jitter: Float[Array, '*batch rays'],
    *,
    num_samples: int,
) -> Float[Array, '*batch rays samples']:
  """Distances near + (far - near) * (j + jitter) / samples, j = 0 .. samples - 1 (offset sampling).

  Args:
    near: first distance, world units.
    far: end of the last interval, world units.
    jitter: in [0, 1), one number per ray, shared by all its samples.
    num_samples: samples along a ray.

  Returns:
    Increasing distances, world units along the unnormalised ray.
  """
  fraction = (jnp.arange(num_samples, dtype=jnp.float32) + jitter[..., None]) / num_samples
  return near[..., None, None] + (far - near)[..., None, None] * fraction


def stratified_distances(
    near: Float[Array, '*batch'],
    far: Float[Array, '*batch'],
    jitter: Float[Array, '*batch rays samples'],
) -> Float[Array, '*batch rays samples']:
  """One distance in each stratum: between the midpoints that surround near + (far - near) * j / samples.

  Args:
    near: first distance, world units.
    far: end of the last interval, world units.
    jitter: in [0, 1), one number per sample: where in its stratum it lies.
  """
  num_samples = jitter.shape[-1]
  fraction = jnp.arange(num_samples, dtype=jnp.float32) / num_samples
  middles = (fraction[1:] + fraction[:-1]) / 2
  lower = jnp.concatenate([fraction[:1], middles])
  upper = jnp.concatenate([middles, fraction[-1:]])
  return near[..., None, None] + (far - near)[..., None, None] * (lower + (upper - lower) * jitter)
