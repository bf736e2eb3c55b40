"""The signed distance at which rays stop: where a picture shows a head, that is where its mesh must be.

A density that fades with distance (`rendering.density`) draws more than its surface. A ray that meets a surface head on has lost half of its
light at distance 0; one that grazes a head loses it outside, in the fog; and what a network has painted into fog alone, as shoulders often are,
lies further out still. So the level of a mesh varies in space. Each ray of a few views that sees the head stops where it meets distance 0, or
else where it comes nearest to it within the head's outlines (`visual_hull`); the signed distance there is the level that its pixel asks for.
Between such points the level is bounded from below by theirs less `SLOPE` times the way, slower than a distance rises, and smoothed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses

from jaxtyping import Float
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import rays as rays_lib
from cnerf_jax.meshing import distance_grid
from cnerf_jax.meshing import extras

SLOPE = 0.75  # of the level in space; that of a distance is 1
LEAST_IN_BETAS = 1.0  # of a level: further in, a field that was trained with few samples along its rays is uneven
LARGEST_IN_BETAS = 8.0  # of a level: further out, density is less than a thousandth of what it is inside
MARGIN_IN_PIXELS = 1.5  # more for rays that miss, so that neither smoothing nor the gap between two rays opens a hole
_STEPS = 48  # of a ray
_NEIGHBOURS = 48  # stops whose levels a point averages
_WIDTH_IN_PIXELS = 2.5  # standard deviation of their weights
_LINKS = 16  # stops that a stop hands its level on to


@dataclasses.dataclass(frozen=True, eq=False)
class Stops:
  """Where rays stop.

  Attributes:
    points: world.
    levels: signed distance that a mesh must not leave out there, world units, at least 0.
    pixel: side of a pixel of the views, world units.
    least: of any level, world units.
  """

  points: Float[np.ndarray, 'stops 3']
  levels: Float[np.ndarray, 'stops']
  pixel: float
  least: float = 0.0


def find(
    distance: Callable[[np.ndarray], np.ndarray], density_beta: float, renderings: Sequence, views: Sequence[camera_lib.Camera],
    heads: Sequence[np.ndarray], outside: Callable[[np.ndarray], np.ndarray], box: distance_grid.Box,
) -> Stops:
  """The stops of all views.

  Args:
    distance: signed distance [points] of world points [points, 3].
    density_beta: width of the surface, world units.
    renderings: of the views, with sdf and distances of samples along each ray.
    views: cameras.
    heads: [height, width] of each view, which pixels see the head.
    outside: of points, positive outside of the head's outlines in any view.
    box: what lies outside of it does not count.
  """
  pixel = 1 / (len(heads[0]) * float(views[0].focal))
  points, levels = [], []
  for rendering, view, head in zip(renderings, views, heads):
    rays = rays_lib.cast_rays(view, image_size=len(head))
    seen = head.reshape(-1)
    origins, directions = np.asarray(rays.origins)[seen], np.asarray(rays.directions)[seen]
    along = np.linspace(float(view.near), float(view.far), _STEPS + 1)
    flat = lambda x: np.asarray(x).reshape(seen.size, -1)[seen]
    sdf = np.array([np.interp(along, *ray) for ray in zip(flat(rendering.distances), flat(rendering.sdf))]).reshape(-1, len(along))
    steps = (origins[:, None] + along[:, None] * directions[:, None]).reshape(-1, 3)
    inside = (outside(steps) < 0) & ((steps >= box.lower) & (steps <= box.upper)).all(axis=-1)
    met, missed, where = nearest_approach(sdf, inside.reshape(sdf.shape), along)
    stops = (origins + where[:, None] * directions).astype(np.float32)
    points.append(stops[met | missed])
    asked = np.clip(distance(stops), 0, LARGEST_IN_BETAS * density_beta) + MARGIN_IN_PIXELS * pixel
    levels.append(np.where(met, 0.0, asked)[met | missed])
  return Stops(np.concatenate(points), np.concatenate(levels), pixel, LEAST_IN_BETAS * density_beta)


def nearest_approach(
    sdf: Float[np.ndarray, 'rays steps'], inside: np.ndarray, along: Float[np.ndarray, 'steps'],
) -> tuple[np.ndarray, np.ndarray, Float[np.ndarray, 'rays']]:
  """(which rays meet distance 0 inside, which only come near it, where), world units along the ray.

  Args:
    sdf: signed distance at steps of each ray, world units.
    inside: [rays, steps] whether a step counts.
    along: distances of the steps.
  """
  solid = inside & (sdf <= 0)
  met = solid.any(axis=-1)
  missed = ~met & inside.any(axis=-1)
  row, first = np.arange(len(sdf)), solid.argmax(axis=-1)
  before = np.maximum(first - 1, 0)
  here, there = sdf[row, before], sdf[row, first]
  part = np.where(here > 0, here / np.where(here > there, here - there, 1.0), 1.0)  # a ray that begins in the solid stops at once
  nearest = np.where(inside, sdf, np.inf).argmin(axis=-1)
  return met, missed, np.where(met, along[before] + part * (along[first] - along[before]), along[nearest])


def interpolate(stops: Stops) -> Callable[[Float[np.ndarray, 'points 3']], Float[np.ndarray, 'points']]:
  """The level of any points, world units, `least` where no stop asks for more."""
  if not len(stops.points):
    return lambda points: np.full(len(points), stops.least, np.float32)
  tree = extras.load('scipy.spatial', 'scikit-image').cKDTree(stops.points)
  nearest = lambda points, count: tree.query(points, k=np.arange(1, min(count, len(stops.points)) + 1), workers=-1)
  distances, index = nearest(stops.points, _LINKS)
  levels, before = stops.levels, None
  while before is None or (levels > before).any():  # each stop hands its level on, so that near ones speak for all
    levels, before = np.maximum(levels, (levels[index] - SLOPE * distances).max(axis=-1)), levels

  def level(points):
    distances, index = nearest(points, _NEIGHBOURS)
    weights = np.exp((distances[:, :1]**2 - distances**2) / (2 * (_WIDTH_IN_PIXELS * stops.pixel)**2))
    mean = np.sum(weights * levels[index], axis=-1) / weights.sum(axis=-1)
    return np.maximum(mean - SLOPE * distances[:, 0], stops.least).astype(np.float32)

  return level
