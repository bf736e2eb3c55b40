"""The backdrop loss (not in the paper): what no surface stops is background.

A ray's last interval is endless, so whatever density did not stop before is painted by the last sample, as on a backdrop behind the head.
From the viewpoints of photographs, hair painted there is nearly the same picture as hair with a surface, and a long adversarial phase
prefers it: nothing else in the loss objects, and the head loses its hair, its ears and its neck to a flat picture of them. This asks
that the backdrop shows the background alone; a class that the picture needs must have a surface then.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float


def backdrop_loss(unstopped_mask: Float[Array, '*rays classes'], *, background: int) -> Float[Array, '']:
  """Mean over rays of what the last sample shows of all classes but the background, unweighted; in [0, 1] under softmax fusion.

  Args:
    unstopped_mask: weight of the last sample times its mask (`Rendering.unstopped_mask`).
    background: which class may be there.
  """
  classes = jnp.arange(unstopped_mask.shape[-1])
  return jnp.mean(jnp.sum(jnp.where(classes == background, 0, unstopped_mask), axis=-1))
