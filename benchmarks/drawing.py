"""The scene that benchmarks of rendering draw."""

import jax
import jax.numpy as jnp

from cnerf_jax import camera as camera_lib
from cnerf_jax import sampler


def make_draw(config, generator, batch: int, num_chunks: int | None = None, mesh=None):
  """params → images and masks of `batch` portraits, rays in chunks and cut over the devices of a mesh as `sampler.render` does."""
  camera = camera_lib.orbit(jnp.linspace(-0.3, 0.3, batch), jnp.zeros(batch))
  z = jax.random.normal(jax.random.key(1), (batch, generator.latent_dim))

  def draw(params):
    rendering = sampler.render(
        generator, params, sampler.map_latents(generator, params, z), camera, image_size=config.image_size,
        num_samples=config.num_samples, num_chunks=num_chunks, mesh=mesh)
    return rendering.rgb, rendering.semantic_mask

  return draw
