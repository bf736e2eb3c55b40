"""The reconstruction losses of VAE pretraining (not in the paper): a portrait drawn from its encoded latent should look like itself,
and the encoded latents together should look like the prior N(0, I).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

_SMALLEST = 1e-4


def image_error(image: Float[Array, '*batch 3'], real_image: Float[Array, '*batch 3']) -> Float[Array, '']:
  """Squared error summed over colours, mean over pixels."""
  return jnp.mean(jnp.sum((image - real_image)**2, axis=-1))


def mask_error(semantic_mask: Float[Array, '*batch classes'], real_mask: Float[Array, '*batch classes']) -> Float[Array, '']:
  """Cross-entropy of masks that sum to one, nats, mean over pixels."""
  return -jnp.mean(jnp.sum(real_mask * jnp.log(jnp.maximum(semantic_mask, _SMALLEST)), axis=-1))


def reconstruction_loss(
    image: Float[Array, '*batch 3'], real_image: Float[Array, '*batch 3'],
    semantic_mask: Float[Array, '*batch classes'], real_mask: Float[Array, '*batch classes'],
    *, image_weight: float = 1.0,
) -> Float[Array, '']:
  """`image_error`, weighted, plus `mask_error`."""
  return image_weight * image_error(image, real_image) + mask_error(semantic_mask, real_mask)


def prior_divergence(
    mean: Float[Array, 'batch style_dim'], log_variance: Float[Array, 'batch style_dim']
) -> Float[Array, '']:
  """Mean Kullback-Leibler divergence from N(mean, variance) to N(0, I), nats per portrait, unweighted."""
  return jnp.mean(0.5 * jnp.sum(mean**2 + jnp.exp(log_variance) - 1 - log_variance, axis=-1))
