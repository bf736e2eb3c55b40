"""The R1 penalty: squared gradient of the discriminator at real inputs (Mescheder et al. 2018)."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def r1_penalties(score: Callable[..., Float[Array, 'batch']], *inputs) -> tuple[Float[Array, ''], ...]:
  """Mean over the batch of |d score / d input|^2, one per input, unweighted (the customary factor 1/2 is in the weights).

  Args:
    score: inputs → [batch] realness logits.
    *inputs: [batch, ...] real images, masks.
  """
  gradients = jax.grad(lambda *x: jnp.sum(score(*x)), argnums=tuple(range(len(inputs))))(*inputs)
  return tuple(jnp.mean(jnp.sum(g**2, axis=tuple(range(1, g.ndim)))) for g in gradients)
