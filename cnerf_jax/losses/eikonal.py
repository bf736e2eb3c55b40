"""The eikonal loss: a signed distance has a gradient of length one everywhere (Gropp et al. 2020).

The gradient is of the whole signed distance, base included; the published code takes the residual part alone, which asks the
residuals to be distances themselves (docs/differences.md).
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def sdf_gradient(sdf: Callable, points: Float[Array, '*points 3']) -> Float[Array, '*points 3']:
  """Gradient of sdf(points) with respect to world points."""
  return jax.grad(lambda x: jnp.sum(sdf(x)))(points)


def eikonal_errors(gradient: Float[Array, '*points 3']) -> Float[Array, '*points']:
  """(|grad sdf| - 1)^2 at each point."""
  squared = jnp.sum(gradient**2, axis=-1)
  return (jnp.sqrt(squared + 1e-12) - 1)**2


def eikonal_loss(sdf: Callable, points: Float[Array, '*points 3']) -> Float[Array, '']:
  """Mean of `eikonal_errors`, unweighted.

  Args:
    sdf: world points [..., 3] → signed distances [...], world units, each of its own point alone.
    points: where it is evaluated.
  """
  return jnp.mean(eikonal_errors(sdf_gradient(sdf, points)))
