"""Renderings in which a few classes move and all others stay, for descents on the styles of a region.

What a class says of a point (mask score, colour logit, residual signed distance) depends on its own styles alone. So the terms of the classes
that stay are computed once, for the pixels that are looked at, and every step costs no more than the classes that move.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cnerf_jax import camera as camera_lib
from cnerf_jax import rays as rays_lib
from cnerf_jax import sampler
from cnerf_jax.models import local_generator
from cnerf_jax.rendering import volume_rendering


@flax.struct.dataclass
class Scene:
  """Some pixels of a portrait, and what all classes say along their rays.

  Attributes:
    rays: [1, pixels] of the pixels.
    distances: of the samples along them, world units.
    answers: of every class at every sample, [1, pixels, classes, ...]: those of the classes that move are replaced.
    classes: those that move.
  """

  rays: rays_lib.Rays
  distances: Float[Array, '1 pixels samples']
  answers: local_generator.LocalQuery
  classes: Int[Array, 'several']


def prepare(
    generator: sampler.Generator, params, styles: Float[Array, 'classes 2 style_dim'], camera: camera_lib.Camera, pixels: Int[Array, 'pixels'],
    classes: Int[Array, 'several'], *, image_size: int, num_samples: int,
) -> Scene:
  """The scene of one portrait.

  Args:
    generator: the module.
    params: its parameters.
    styles: of the portrait; those of `classes` don't matter.
    camera: that it is seen by.
    pixels: row-major indices of those that are looked at.
    classes: those that will move.
    image_size: side of the image, pixels.
    num_samples: samples along a ray.
  """
  field = sampler.radiance_field(generator, params, styles[None])
  rays = jax.tree.map(lambda x: x[None], rays_lib.cast_pixel_rays(camera, pixels, image_size=image_size))
  distances = rays_lib.offset_distances(
      camera.near[None], camera.far[None], jnp.zeros((1, len(pixels))), num_samples=num_samples)

  def ask(chunk):
    answers = field.local_queries(volume_rendering.sample_points(*chunk), chunk[0].viewdirs)
    return jax.tree.map(lambda x: jnp.moveaxis(x, 0, 2), answers)

  answers = _in_chunks(ask, (rays, distances), num_samples * generator.num_classes * generator.width)
  return Scene(rays=rays, distances=distances, answers=answers, classes=classes)


def render(
    generator: sampler.Generator, params, styles: Float[Array, 'classes 2 style_dim'], scene: Scene) -> sampler.Rendering:
  """The pixels of a scene, [pixels, ...], with these styles of the classes that move: as `sampler.render` of all styles draws them."""
  field = sampler.radiance_field(generator, params, styles[None])

  def draw(chunk):
    rays, distances, answers = chunk
    points = volume_rendering.sample_points(rays, distances)
    moved = field.local_queries(points, rays.viewdirs, scene.classes)
    answers = jax.tree.map(lambda old, new: jnp.moveaxis(old, 2, 0).at[scene.classes].set(new), answers, moved)
    return volume_rendering.aggregate(field.fuse(points, answers), field.density_beta, rays, distances)

  activations_per_ray = scene.distances.shape[-1] * len(scene.classes) * generator.width
  rendering = _in_chunks(draw, (scene.rays, scene.distances, scene.answers), activations_per_ray)
  return jax.tree.map(lambda x: x[0], rendering)


def _in_chunks(function, arguments, activations_per_ray: int):
  num_pixels = jax.tree.leaves(arguments)[0].shape[1]
  num_chunks, padded = volume_rendering.plan_chunks(num_pixels, activations_per_ray)
  found = volume_rendering.map_in_chunks(function, volume_rendering.pad_rays(arguments, padded), num_chunks=num_chunks)
  return volume_rendering.drop_padding(found, num_pixels)
