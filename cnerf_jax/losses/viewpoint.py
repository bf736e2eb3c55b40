"""The losses of viewpoints. The discriminator reads the camera off the image, and the generator must let it (`viewpoint_loss`); in VAE
pretraining an encoder reads it, and is held to what is known of it (`held_viewpoint_loss`, `spread_loss`: not in the paper).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float
import optax

_SMALLEST_VARIANCE = 1e-4  # keeps the gradient of a standard deviation finite where all viewpoints are the same


def viewpoint_loss(
    predicted: Float[Array, 'batch 2'], viewpoint: Float[Array, 'batch 2'], weights: Float[Array, 'batch'] | None = None,
) -> Float[Array, '']:
  """Smooth L1 (Huber, delta 1) of azimuth and elevation, radians; times weights whose mean is 1, where some portraits count more."""
  errors = optax.huber_loss(predicted, viewpoint, delta=1.0)
  return jnp.mean(errors if weights is None else weights[:, None] * errors)


def relative_weights(confidence: Float[Array, 'batch']) -> Float[Array, 'batch']:
  """Weights of mean 1 in proportion to a confidence in [0, 1]; all 0 where nothing is known."""
  return confidence / jnp.maximum(jnp.mean(confidence), 1e-6)


def held_viewpoint_loss(
    predicted: Float[Array, 'batch 2'], target: Float[Array, 'batch 2'], weights: Float[Array, 'batch #2'], std: Float[Array, '2'],
) -> Float[Array, '']:
  """Smooth L1 (Huber, delta 1) in standard deviations, times weights in [0, 1]; the mean over all portraits, so that half a weight holds half
  as tightly."""
  return jnp.mean(weights * optax.huber_loss(predicted / std, target / std, delta=1.0))


def spread_loss(viewpoint: Float[Array, 'batch 2'], mean: Float[Array, '2'], std: Float[Array, '2']) -> Float[Array, '']:
  """How far a batch's viewpoints are from a spread: squared mean and squared excess of the deviation, in its units, summed over both angles."""
  in_units = (viewpoint - mean) / std
  deviation = jnp.sqrt(jnp.var(in_units, axis=0) + _SMALLEST_VARIANCE)
  return jnp.sum(jnp.mean(in_units, axis=0)**2 + (deviation - 1)**2)
