"""Density of a signed distance: sigma = sigmoid(-sdf / beta) / beta. No noise is added and no ReLU follows."""

import jax
from jaxtyping import Array, Float

# World units. Far below the distance of two samples, so that a narrower surface could not be seen; at zero, density would change its sign.
SMALLEST_BETA = 1e-4


def density_from_sdf(sdf: Float[Array, '*shape'], beta: Float[Array, '']) -> Float[Array, '*shape']:
  """Volume density (1 / world unit) of a signed distance (world units, negative inside).

  Args:
    sdf: signed distance.
    beta: positive width of the surface, world units; density is 1/beta deep inside and 1/(2 beta) on the surface.
  """
  return jax.nn.sigmoid(-sdf / beta) / beta
