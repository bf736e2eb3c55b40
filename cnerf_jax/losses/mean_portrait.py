"""The mean portrait loss: whatever its latent, a portrait should look like the average person seen from its camera.

Not in the paper. As a warm start it puts every class in its place before the discriminators begin; its minimiser is the mean image and,
at every pixel, the shares of the classes.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

_SMALLEST = 1e-4


def mean_portrait_loss(
    image: Float[Array, '*batch 3'], real_image: Float[Array, '*batch 3'],
    semantic_mask: Float[Array, '*batch classes'], real_mask: Float[Array, '*batch classes'],
) -> Float[Array, '']:
  """Squared error of the image plus cross-entropy of the masks, each a mean over pixels, unweighted."""
  image_term = jnp.mean(jnp.sum((image - real_image)**2, axis=-1))
  mask_term = -jnp.mean(jnp.sum(real_mask * jnp.log(jnp.maximum(semantic_mask, _SMALLEST)), axis=-1))
  return image_term + mask_term
