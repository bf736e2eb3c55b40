"""The sphere loss: before GAN training the base SDF network is fitted to a sphere."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnerf_jax.models import base_sdf


def sphere_loss(sdf: Float[Array, '*points'], points: Float[Array, '*points 3']) -> Float[Array, '']:
  """Mean |sdf - (|x| - (far - near) / 4)|, world units."""
  return jnp.mean(jnp.abs(sdf - base_sdf.sphere_sdf(points)))
