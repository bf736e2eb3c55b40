"""How much each portrait of a batch counts, so that what few people wear is learnt too (not in the paper; for VAE pretraining).

Glasses are on one photograph in twenty, so that the mean over pixels hardly sees them and a short pretraining never comes to them. A portrait
therefore weighs (the fraction of the batch that shows its rarest class)^-power: power 0 treats all portraits alike, 1 all classes.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnerf_jax import semantics

_LARGEST = 6.0  # times a portrait of common classes: a single one must not be the whole batch


def portrait_weights(semantic_mask: Float[Array, 'batch size size classes'], power: float) -> Float[Array, 'batch']:
  """Weights of the portraits of a batch, of mean 1, by the rarest class that each shows.

  Args:
    semantic_mask: of real portraits, in [0, 1].
    power: in [0, 1].
  """
  shown = jnp.max(semantic_mask, axis=(1, 2)) > semantics.PRESENT
  fraction = jnp.mean(shown.astype(jnp.float32), axis=0)
  of_classes = jnp.minimum(jnp.maximum(fraction, 1 / len(shown))**-power, _LARGEST)  # a class that nobody shows weighs on nobody
  weights = jnp.max(jnp.where(shown, of_classes, 1.0), axis=-1)
  return weights / jnp.mean(weights)
