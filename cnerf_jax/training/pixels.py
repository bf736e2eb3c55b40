"""Pixels of portraits as training renders them, all of an image or a random few, with the geometry losses of their samples.

The generator's fakes are all pixels of an image, at a coarse or the full size; VAE pretraining reconstructs a few random pixels of many
portraits. Both are this one rendering.
"""

from __future__ import annotations

import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cnerf_jax import camera as camera_lib
from cnerf_jax import rays as rays_lib
from cnerf_jax import sampler
from cnerf_jax import semantics
from cnerf_jax.losses import backdrop
from cnerf_jax.losses import eikonal
from cnerf_jax.losses import minimal_surface
from cnerf_jax.models import generator as generator_lib
from cnerf_jax.rendering import volume_rendering
from cnerf_jax.training import progressive


@flax.struct.dataclass
class Pixels:
  """Rendered pixels of a batch of portraits, and the geometry losses of the samples behind them.

  Attributes:
    image: [batch, ..., 3] in [-1, 1]; the middle axes are `rays`, or `size, size` of a whole image.
    semantic_mask: [batch, ..., classes].
    eikonal_loss: scalar, unweighted.
    minimal_surface_loss: scalar, unweighted.
    backdrop_loss: scalar, unweighted.
  """

  image: Float[Array, 'batch *pixels 3']
  semantic_mask: Float[Array, 'batch *pixels classes']
  eikonal_loss: Float[Array, '']
  minimal_surface_loss: Float[Array, '']
  backdrop_loss: Float[Array, '']


def render_pixels(
    generator: generator_lib.Generator,
    params,
    styles: Float[Array, 'batch classes 2 style_dim'],
    viewpoint: Float[Array, 'batch 2'],
    jitter: Float[Array, 'batch rays'],
    eikonal_indices: Int[Array, 'batch points'],
    *,
    image_size: int,
    num_samples: int,
    eikonal_of: str,
    pixels: Int[Array, 'batch rays'] | None = None,
    num_chunks: int = 0,
) -> Pixels:
  """Pixels of portraits, differentiable with respect to params and styles.

  Args:
    generator: the module.
    params: its parameters.
    styles: of each class of each portrait.
    viewpoint: azimuth and elevation of each portrait's camera, radians.
    jitter: in [0, 1), shift of the samples of each ray.
    eikonal_indices: the samples of each portrait at which the eikonal loss is evaluated; empty: all of them.
    image_size: side of the image in pixels.
    num_samples: along a ray.
    eikonal_of: the signed distance that the eikonal loss is of, 'whole' or its 'residual' part.
    pixels: row-major indices of the pixels to render; None renders the whole image.
    num_chunks: rays are rendered in so many chunks; 0 chooses so that a chunk stays small.
  """
  batch, num_rays = jitter.shape
  field = sampler.radiance_field(generator, params, styles)
  camera = camera_lib.orbit(viewpoint[:, 0], viewpoint[:, 1])
  rays, distances = rays_lib.sample_rays(camera, jitter, image_size=image_size, num_samples=num_samples, pixels=pixels)
  num_chunks = num_chunks or volume_rendering.choose_num_chunks(
      num_rays, batch * num_samples * generator.num_classes * generator.width)
  rendering, eikonal_loss, minimal_surface_loss = render_with_geometry(
      field, rays, distances, eikonal_indices, num_chunks=num_chunks, eikonal_of=eikonal_of)
  return Pixels(
      image=rendering.rgb,
      semantic_mask=rendering.semantic_mask,
      eikonal_loss=eikonal_loss,
      minimal_surface_loss=minimal_surface_loss,
      backdrop_loss=backdrop.backdrop_loss(rendering.unstopped_mask, background=semantics.SemanticClass.BACKGROUND))


def as_images(pixels: Pixels, image_size: int) -> Pixels:
  """All pixels of square images, [batch, rays, ...], as [batch, image_size, image_size, ...], upsampled where they are fewer."""
  size = round(pixels.image.shape[1]**0.5)
  to_image = lambda x: progressive.upsample(x.reshape(x.shape[0], size, size, x.shape[-1]), image_size)
  return pixels.replace(image=to_image(pixels.image), semantic_mask=to_image(pixels.semantic_mask))


def render_with_geometry(
    field, rays: rays_lib.Rays, distances: Float[Array, 'batch rays samples'], eikonal_indices: Int[Array, 'batch points'], *,
    num_chunks: int, eikonal_of: str,
) -> tuple[volume_rendering.Rendering, Float[Array, ''], Float[Array, '']]:
  """(rendering of the rays, eikonal loss, minimal surface loss), both losses of the samples on them, unweighted.

  Args:
    field: the radiance field of each portrait.
    rays: of any pixels.
    distances: samples along them.
    eikonal_indices: the samples of a portrait at which the eikonal loss is evaluated; empty: all of them.
    num_chunks: rays are rendered in this many chunks; so are the points of the eikonal loss, as many to a chunk as its rays have samples.
    eikonal_of: 'whole' signed distance or its 'residual' part.
  """
  if eikonal_indices.shape[-1]:
    rendering = volume_rendering.render_in_chunks(field, rays, distances, num_chunks=num_chunks)
    points = volume_rendering.sample_points(rays, distances)
    chosen = jnp.take_along_axis(points.reshape(points.shape[0], -1, 3), eikonal_indices[..., None], axis=1)
    sdf = {'whole': field.sdf, 'residual': field.residual_sdf}[eikonal_of]
    samples_per_chunk = distances.shape[1] * distances.shape[2] // num_chunks
    errors = volume_rendering.map_in_chunks(
        lambda points: eikonal.eikonal_errors(eikonal.sdf_gradient(sdf, points)), chosen,
        num_chunks=_num_chunks_of_points(chosen.shape[1], samples_per_chunk))
  else:
    rendering, errors = _render_with_errors(field, rays, distances, num_chunks, eikonal_of)
  return rendering, jnp.mean(errors), minimal_surface.minimal_surface_loss(rendering.sdf)


def _num_chunks_of_points(num_points: int, largest: int) -> int:
  """The fewest equal chunks of at most `largest` points."""
  return next(n for n in range(1, num_points + 1) if num_points % n == 0 and num_points // n <= largest)


def _render_with_errors(field, rays, distances, num_chunks, eikonal_of):
  """The rendering, and the eikonal error at every one of its samples: one evaluation of the field serves both."""
  def render(chunk):
    rays, distances = chunk
    points = volume_rendering.sample_points(rays, distances)
    sample, gradient = field.query_with_gradient(points, rays.viewdirs, of=eikonal_of)
    return volume_rendering.aggregate(sample, field.density_beta, rays, distances), eikonal.eikonal_errors(gradient)

  return volume_rendering.map_in_chunks(render, (rays, distances), num_chunks=num_chunks)
