"""The generator's turn: draw, render, score by both discriminators, losses, gradients (paper section 3, training).

Rendering and scoring are apart: `render_fakes` maps parameters to what the losses see, `loss_terms` maps that to scalars. So
one rendering serves all players where fakes are shared, and the gradient of every single term can be asked for.
"""

from __future__ import annotations

import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import ml_collections

from cnerf_jax import camera as camera_lib
from cnerf_jax import latents as latents_lib
from cnerf_jax import rays as rays_lib
from cnerf_jax import sampler
from cnerf_jax.losses import adversarial
from cnerf_jax.losses import eikonal
from cnerf_jax.losses import minimal_surface
from cnerf_jax.losses import semantic_classification
from cnerf_jax.losses import viewpoint as viewpoint_lib
from cnerf_jax.models import semantic_discriminator
from cnerf_jax.rendering import volume_rendering
from cnerf_jax.training import draws
from cnerf_jax.training import progressive
from cnerf_jax.training import train_state


@flax.struct.dataclass
class Fakes:
  """A batch of fakes, and what geometry losses say of it.

  Attributes:
    image: [batch, size, size, 3] in [-1, 1].
    semantic_mask: [batch, size, size, classes].
    eikonal_loss: scalar, unweighted.
    minimal_surface_loss: scalar, unweighted.
  """

  image: Float[Array, 'batch size size 3']
  semantic_mask: Float[Array, 'batch size size classes']
  eikonal_loss: Float[Array, '']
  minimal_surface_loss: Float[Array, '']


def render_fakes(
    players: train_state.Players, params, draw: draws.FakeDraw, config: ml_collections.ConfigDict, *, render_size: int
) -> Fakes:
  """Fakes from latents and cameras, rendered at render_size and brought to image_size; differentiable by params."""
  generator = players.generator
  batch, num_rays = draw.jitter.shape
  w = generator.apply(params, draw.latents.z, method='map_latents')
  portrait = sampler.portrait(generator, params, latents_lib.mix_styles(w, draw.latents.choice))
  camera = camera_lib.orbit(draw.viewpoint[:, 0], draw.viewpoint[:, 1], image_size=render_size)
  rays = rays_lib.cast_rays(camera, image_size=render_size)
  distances = rays_lib.offset_distances(camera.near, camera.far, draw.jitter, num_samples=config.num_samples)
  num_chunks = config.num_chunks or sampler.choose_num_chunks(
      num_rays, batch * config.num_samples * generator.num_classes * generator.width)
  rendering, eikonal_loss, minimal_surface_loss = render_with_geometry(
      portrait, rays, distances, draw.eikonal_indices, num_chunks=num_chunks, eikonal_of=config.eikonal_of)
  to_image = lambda x: progressive.enlarge(
      x.reshape(batch, render_size, render_size, x.shape[-1]), config.image_size)
  return Fakes(
      image=to_image(rendering.rgb),
      semantic_mask=to_image(rendering.semantic_mask),
      eikonal_loss=eikonal_loss,
      minimal_surface_loss=minimal_surface_loss)


def render_with_geometry(
    portrait, rays: rays_lib.Rays, distances: Float[Array, 'batch rays samples'], eikonal_indices: Int[Array, 'batch points'], *,
    num_chunks: int, eikonal_of: str,
) -> tuple[volume_rendering.Rendering, Float[Array, ''], Float[Array, '']]:
  """(rendering of the rays, eikonal loss, minimal surface loss), both losses of the samples on them, unweighted.

  Args:
    portrait: the field of each portrait.
    rays: of any pixels.
    distances: samples along them.
    eikonal_indices: the samples of a portrait that the eikonal loss holds; empty: all of them.
    num_chunks: rays are rendered in this many chunks; so are the points of the eikonal loss, as many to a chunk as its rays have samples.
    eikonal_of: 'whole' signed distance or its 'residual' part.
  """
  if eikonal_indices.shape[-1]:
    rendering = volume_rendering.render_in_chunks(portrait, rays, distances, num_chunks=num_chunks)
    points = volume_rendering.sample_points(rays, distances)
    held = jnp.take_along_axis(points.reshape(points.shape[0], -1, 3), eikonal_indices[..., None], axis=1)
    sdf = {'whole': portrait.sdf, 'residual': portrait.residual_sdf}[eikonal_of]
    samples_per_chunk = distances.shape[1] * distances.shape[2] // num_chunks
    errors = volume_rendering.map_in_chunks(
        lambda points: eikonal.eikonal_errors(eikonal.sdf_gradient(sdf, points)), held,
        num_chunks=_num_chunks_of_points(held.shape[1], samples_per_chunk))
  else:
    rendering, errors = _render_with_errors(portrait, rays, distances, num_chunks, eikonal_of)
  return rendering, jnp.mean(errors), minimal_surface.minimal_surface_loss(rendering.sdf)


def _num_chunks_of_points(num_points: int, largest: int) -> int:
  """The fewest equal chunks of at most `largest` points."""
  return next(n for n in range(1, num_points + 1) if num_points % n == 0 and num_points // n <= largest)


def _render_with_errors(portrait, rays, distances, num_chunks, eikonal_of):
  """The rendering, and the eikonal error at every one of its samples: one evaluation of the field serves both."""
  def render(chunk):
    rays, distances = chunk
    points = volume_rendering.sample_points(rays, distances)
    sample, gradient = portrait.query_with_gradient(points, rays.viewdirs, of=eikonal_of)
    return volume_rendering.aggregate(sample, portrait.density_beta, rays, distances), eikonal.eikonal_errors(gradient)

  return volume_rendering.map_in_chunks(render, (rays, distances), num_chunks=num_chunks)


def loss_terms(
    players: train_state.Players,
    global_discriminator_params,
    semantic_discriminator_params,
    fakes: Fakes,
    viewpoint: Float[Array, 'batch 2'],
    semantic_class: Int[Array, 'batch'],
) -> dict[str, Float[Array, '']]:
  """Every term of the generator's loss, unweighted. Gradients reach the fakes through both discriminators."""
  verdict = players.global_discriminator.apply(global_discriminator_params, fakes.image, fakes.semantic_mask)
  region, mask = semantic_discriminator.cut_out(fakes.image, fakes.semantic_mask, semantic_class)
  semantic_verdict = players.semantic_discriminator.apply(semantic_discriminator_params, region, mask)
  return {
      'adversarial_global': adversarial.generator_loss(verdict.realness),
      'adversarial_semantic': adversarial.generator_loss(semantic_verdict.realness),
      'viewpoint': viewpoint_lib.viewpoint_loss(verdict.viewpoint, viewpoint),
      'semantic_class': semantic_classification.semantic_classification_loss(
          semantic_verdict.class_logits, semantic_class),
      'eikonal': fakes.eikonal_loss,
      'minimal_surface': fakes.minimal_surface_loss,
  }


def weighted(terms: dict[str, Float[Array, '']], weights: ml_collections.ConfigDict) -> Float[Array, '']:
  """Sum of the terms by their weights in the config; the adversarial terms weigh 1 unless it says otherwise."""
  return sum(weights[name] * value for name, value in terms.items())
