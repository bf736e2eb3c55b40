"""The reconstruction losses of VAE pretraining (not in the paper): a portrait drawn from its encoded latent should look like itself,
and the encoded latents together should look like the prior N(0, I).
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

_SMALLEST = 1e-4
# The logarithm of a mask is cut off here, where masks of float32 end, and no sooner: a class below that teaches nothing any more. Cut off at
# 1e-4 a small class that had faded by then, earrings say, never came back, since its gradient was zero everywhere.
_SMALLEST_MASK = 1e-12


def _mean(errors: Float[Array, '*batch'], weights: Float[Array, '...'] | None) -> Float[Array, '']:
  """Mean over pixels; with weights [batch], the weighted mean over portraits of their means, 0 where none counts."""
  if weights is None:
    return jnp.mean(errors)
  of_portraits = jnp.mean(errors.reshape(errors.shape[0], -1), axis=-1)
  return jnp.sum(weights * of_portraits) / jnp.maximum(jnp.sum(weights), _SMALLEST)


def image_error(
    image: Float[Array, '*batch 3'], real_image: Float[Array, '*batch 3'], weights: Float[Array, '...'] | None = None,
) -> Float[Array, '']:
  """Squared error summed over colours, mean over pixels; `weights` of portraits, if not all count the same."""
  return _mean(jnp.sum((image - real_image)**2, axis=-1), weights)


def mask_error(
    semantic_mask: Float[Array, '*batch classes'], real_mask: Float[Array, '*batch classes'], weights: Float[Array, '...'] | None = None,
    pixel_weights: Float[Array, '*batch'] | None = None,
) -> Float[Array, '']:
  """Cross-entropy of masks that sum to one, nats, mean over pixels; `weights` as those of `image_error`, `pixel_weights` of each pixel."""
  errors = -jnp.sum(real_mask * jnp.log(jnp.maximum(semantic_mask, _SMALLEST_MASK)), axis=-1)
  return _mean(errors if pixel_weights is None else errors * pixel_weights, weights)


def reconstruction_loss(
    image: Float[Array, '*batch 3'], real_image: Float[Array, '*batch 3'],
    semantic_mask: Float[Array, '*batch classes'], real_mask: Float[Array, '*batch classes'],
    *, image_weight: float = 1.0, weights: Float[Array, '...'] | None = None, mask_weights: Float[Array, '*batch'] | None = None,
) -> Float[Array, '']:
  """`image_error`, weighted, plus `mask_error`; `weights` of portraits, if not all count the same.

  `mask_weights` of pixels: where those of small classes are drawn more often than others, colours count by that, but masks that did would
  be too large.
  """
  return image_weight * image_error(image, real_image, weights) + mask_error(semantic_mask, real_mask, weights, mask_weights)


def prior_divergence(
    mean: Float[Array, 'batch latents'], log_variance: Float[Array, 'batch latents'], *, free_nats: float = 0.0, group: int = 1,
) -> Float[Array, '']:
  """Mean Kullback-Leibler divergence from N(mean, variance) to N(0, I), nats per portrait, unweighted.

  Args:
    mean: of the Gaussians.
    log_variance: of them.
    free_nats: what each group of latents may say for nothing, on average over the batch ("free bits", Kingma et al. 2016): without it a
      latent that says little at first is silenced for good.
    group: latents that follow each other and belong together.
  """
  divergence = 0.5 * (mean**2 + jnp.exp(log_variance) - 1 - log_variance)
  if not free_nats:
    return jnp.mean(jnp.sum(divergence, axis=-1))
  of_groups = jnp.sum(divergence.reshape(len(mean), -1, group), axis=-1)
  return jnp.sum(jnp.maximum(jnp.mean(of_groups, axis=0), free_nats))
