"""The semantic classification loss: the semantic discriminator names the class of the region it is shown."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import optax


def semantic_classification_loss(
    class_logits: Float[Array, 'batch classes'], semantic_class: Int[Array, 'batch']
) -> Float[Array, '']:
  """Mean cross-entropy, nats, unweighted."""
  return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(class_logits, semantic_class))
