"""Colour and class of points of a surface: what a short ray along the normal sees there.

The ray starts outside, passes the point and ends deep inside; it is volume rendered as a camera's rays are, so that colours are those of
pictures and not those of one depth. Where heads depend on the view direction they are told the normal's, or the nearest to it that cameras of
training had: no camera looked at the back of a head, and what a linear head says of such a view is made up.
"""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax import rays as rays_lib
from cnerf_jax.meshing import point_chunks
from cnerf_jax.rendering import volume_rendering

NUM_SAMPLES = 8  # of a short ray: twice as many change colours by less than a 255th
REACH_IN_BETAS = 4.0  # how far from distance 0 a ray starts and ends: a plane stops less than 2% before, and lets less than 2% through
_POINTS_PER_CHUNK = 2**11  # of a device


def make_query(
    field, *, reach: float, largest_azimuth: float, largest_elevation: float,
) -> Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
  """(points, normals, levels) → (rgb in [0, 1], semantic_mask) of one portrait, for any number of points.

  Levels are the signed distances of the points, world units; those above `reach` count as that.

  Args:
    field: a `volume_rendering.Field` of a batch of one.
    reach: signed distance at which rays start, and less 0 at which they end, world units; at least a quarter of it lies outside of the points.
    largest_azimuth: of the views that the heads are told, radians.
    largest_elevation: likewise.
  """
  def query(field, points_normals_and_levels):
    points, normals, level = (points_normals_and_levels[None, :, some] for some in (slice(0, 3), slice(3, 6), slice(6, 7)))
    level = jnp.minimum(level, reach)
    above, below = jnp.maximum(reach - level, reach / 4), reach + level
    viewdirs = -limit_view(normals, largest_azimuth, largest_elevation)
    rays = rays_lib.Rays(origins=points + above * normals, directions=-normals, viewdirs=viewdirs)
    distances = (above + below) * jnp.linspace(0.0, 1.0, NUM_SAMPLES)
    rendering = volume_rendering.render_rays(field, rays, distances)
    return (rendering.rgb[0] + 1) / 2, rendering.semantic_mask[0]

  of_any = point_chunks.make(query, field, size=_POINTS_PER_CHUNK)
  return lambda points, normals, levels: of_any(np.concatenate([points, normals, levels[:, None]], axis=-1).astype(np.float32))


def limit_view(normals: Float[Array, '*points 3'], largest_azimuth: float, largest_elevation: float) -> Float[Array, '*points 3']:
  """Unit vectors towards the viewer, their azimuth and elevation limited to what is given, radians (world axes as `cnerf_jax.camera`)."""
  x, y, z = jnp.moveaxis(normals, -1, 0)
  azimuth = jnp.clip(jnp.arctan2(x, z), -largest_azimuth, largest_azimuth)
  elevation = jnp.clip(jnp.arcsin(jnp.clip(y, -1, 1)), -largest_elevation, largest_elevation)
  return jnp.stack([jnp.cos(elevation) * jnp.sin(azimuth), jnp.sin(elevation), jnp.cos(elevation) * jnp.cos(azimuth)], axis=-1)
