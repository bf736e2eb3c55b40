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

CLASS_DRAWS = ('uniform', 'present')
# A class is present in a real portrait if its mask exceeds this somewhere.
PRESENT = 0.3


@flax.struct.dataclass
class FakeDraw:
  """What a batch of fakes is made from.

  Attributes:
    latents: two z's and the mixing choice of every class.
    viewpoint: [batch, 2] azimuth and elevation, radians.
    jitter: [batch, rays] in [0, 1), shift of a ray's samples.
    eikonal_indices: [batch, points] which of a portrait's samples the eikonal loss holds; empty: all of them.
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
          latent_key, batch, num_classes=num_classes, style_dim=config.generator.style_dim,
          mixing_probability=config.mixing_probability),
      viewpoint=camera.draw_viewpoints(
          view_key, batch, azimuth_std=config.camera.azimuth_std, elevation_std=config.camera.elevation_std),
      jitter=jax.random.uniform(jitter_key, (batch, num_rays)),
      eikonal_indices=draw_eikonal_indices(
          eikonal_key, batch, num_points=num_rays * config.num_samples, share=config.eikonal_share))


def draw_eikonal_indices(key: jax.Array, batch: int, *, num_points: int, share: float) -> Int[Array, 'batch points']:
  """A random share of each portrait's points, with replacement; none are drawn where the share is 1 and all are meant."""
  held = 0 if share >= 1 else max(1, round(share * num_points))
  return jax.random.randint(key, (batch, held), 0, num_points)


def draw_classes(key: Array, semantic_mask: Float[Array, 'batch size size classes'], class_draw: str) -> Int[Array, 'batch']:
  """One class per portrait for the semantic discriminator.

  Args:
    key: random key.
    semantic_mask: real masks.
    class_draw: 'uniform' over all classes, as published, or 'present': uniform over the classes in the real portrait.
  """
  batch, num_classes = semantic_mask.shape[0], semantic_mask.shape[-1]
  if class_draw == 'uniform':
    return jax.random.randint(key, (batch,), 0, num_classes)
  present = jnp.max(semantic_mask, axis=(1, 2)) > PRESENT
  return jax.random.categorical(key, jnp.where(present, 0.0, -1e9))
