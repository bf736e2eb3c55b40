"""The viewpoint loss: the discriminator reads the camera off the image, and the generator must let it."""

import jax.numpy as jnp
from jaxtyping import Array, Float
import optax


def viewpoint_loss(predicted: Float[Array, 'batch 2'], viewpoint: Float[Array, 'batch 2']) -> Float[Array, '']:
  """Smooth L1 (Huber, delta 1) of azimuth and elevation, radians, unweighted."""
  return jnp.mean(optax.huber_loss(predicted, viewpoint, delta=1.0))
