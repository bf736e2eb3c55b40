"""All the randomness of one batch, drawn before anything is computed.

Drawn for the whole batch at once and then cut into micro-batches or laid over devices, so that neither changes the result.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import ml_collections

from cnerf_jax import camera
from cnerf_jax import latents as latents_lib
from cnerf_jax import semantics
from cnerf_jax.models import generator as generator_lib

# Points of an eikonal loss are a multiple of this, where they are more, so that they can be cut into equal chunks.
_MULTIPLE_OF_POINTS = 64


@flax.struct.dataclass
class FakeDraw:
  """What a batch of fakes is made from.

  Attributes:
    latents: two z's and the mixing choice of every class.
    viewpoint: [batch, 2] azimuth and elevation, radians.
    jitter: [batch, rays] in [0, 1), shift of a ray's samples.
    eikonal_indices: [batch, points] the samples of a portrait at which the eikonal loss is evaluated; empty: all of them.
  """

  latents: latents_lib.Latents
  viewpoint: Float[Array, 'batch 2']
  jitter: Float[Array, 'batch rays']
  eikonal_indices: Int[Array, 'batch points']


def draw_fakes(
    key: Array, batch: int, config: ml_collections.ConfigDict, *, num_classes: int, render_size: int
) -> FakeDraw:
  """Fresh latents, cameras and jitter."""
  latent_key, view_key, jitter_key, eikonal_key = jax.random.split(key, 4)
  num_rays = render_size**2
  return FakeDraw(
      latents=latents_lib.draw_latents(
          latent_key, batch, num_classes=num_classes, latent_dim=generator_lib.latent_dim(config.generator, num_classes),
          mixing_probability=config.mixing_probability),
      viewpoint=camera.draw_viewpoints(
          view_key, batch, azimuth_std=config.camera.azimuth_std, elevation_std=config.camera.elevation_std,
          elevation_mean=config.camera.elevation_mean),
      jitter=jax.random.uniform(jitter_key, (batch, num_rays)),
      eikonal_indices=draw_eikonal_indices(
          eikonal_key, batch, num_points=num_rays * config.num_samples, fraction=config.eikonal_fraction))


def draw_eikonal_indices(key: jax.Array, batch: int, *, num_points: int, fraction: float) -> Int[Array, 'batch points']:
  """Random points of each portrait, a fraction of them, with replacement; none are drawn where it is 1 and all are meant.

  More than 64 points are rounded up to a multiple of 64.
  """
  count = 0 if fraction >= 1 else max(1, round(fraction * num_points))
  if count > _MULTIPLE_OF_POINTS:
    count = -(-count // _MULTIPLE_OF_POINTS) * _MULTIPLE_OF_POINTS
  return jax.random.randint(key, (batch, count), 0, num_points)


@flax.struct.dataclass
class ClassDraw:
  """Which class of each portrait the semantic discriminator is shown.

  Attributes:
    noise: [batch, classes] Gumbel noise: among any set of classes, the one of the largest is a uniform draw.
    of_reals: [batch] the class of each real portrait.
  """

  noise: Float[Array, 'batch classes']
  of_reals: Int[Array, 'batch']


def draw_classes(key: Array, real_mask: Float[Array, 'batch size size classes'], class_draw: str) -> ClassDraw:
  """One class per real portrait, and the noise that draws those of fakes.

  Args:
    key: random key.
    real_mask: masks of the real portraits.
    class_draw: 'uniform' over all classes, as published; else uniform over the classes in the real portrait.
  """
  noise = jax.random.gumbel(key, (real_mask.shape[0], real_mask.shape[-1]))
  of_reals = jnp.argmax(noise, axis=-1) if class_draw == 'uniform' else _draw_present(noise, real_mask)
  return ClassDraw(noise=noise, of_reals=of_reals)


def classes_of_fakes(
    draw: ClassDraw, fake_mask: Float[Array, 'batch size size classes'], class_draw: str) -> Int[Array, 'batch']:
  """One class per fake: the class of the real portrait in its place, or with 'own' uniform over the classes in the fake itself.

  Asked for the class of another portrait, a generator learns to paint a little of it into everyone.
  """
  return _draw_present(draw.noise, fake_mask) if class_draw == 'own' else draw.of_reals


def _draw_present(noise, semantic_mask):
  present = jnp.max(semantic_mask, axis=(1, 2)) > semantics.PRESENT
  return jnp.argmax(jnp.where(present, noise, -jnp.inf), axis=-1)
