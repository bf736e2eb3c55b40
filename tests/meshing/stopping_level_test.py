"""Where rays stop: on the surface, or where they come nearest to it; levels between stops hold all that pictures show and rise slowly."""

import types

import numpy as np
import pytest

from cnerf_jax import rays as rays_lib
from cnerf_jax.meshing import distance_grid
from cnerf_jax.meshing import stopping_level
from cnerf_jax.meshing import visual_hull

pytest.importorskip('skimage')

BETA = 0.002
BOX = distance_grid.Box((-0.12,) * 3, (0.12,) * 3)
ALONG = np.linspace(0.88, 1.12, 49)


def ball(points, radius=0.06):
  return (np.linalg.norm(points, axis=-1) - radius).astype(np.float32)


@pytest.mark.parametrize('sdf, inside, met, missed, where', [
    (0.9312 - ALONG, ALONG > 0, True, False, 0.9312),
    (np.abs(ALONG - 0.95) + 0.01, ALONG > 0, False, True, 0.95),
    (0.9312 - ALONG, ALONG > 0.97, True, False, 0.97),  # what lies before is cut off
    (np.abs(ALONG - 0.95) + 0.01, ALONG > 0.97, False, True, 0.97),
    (ALONG - 2, ALONG > 0, True, False, 0.88),
    (0.9312 - ALONG, ALONG > 2, False, False, None)],
    ids=['a plane', 'a miss', 'a plane behind the outline', 'a miss behind it', 'within the solid', 'nothing'])
def test_a_ray_stops_on_the_surface_or_nearest_to_it(sdf, inside, met, missed, where):
  """Oracle: a plane is met where it is, between two steps; a ray that misses stops nearest to the solid, within what counts."""
  found_met, found_missed, found = stopping_level.nearest_approach(sdf[None], inside[None], ALONG)
  assert (found_met[0], found_missed[0]) == (met, missed)
  if where:
    assert found[0] == pytest.approx(where, abs=0.0051 if where == 0.97 else 1e-4)


def test_the_level_of_a_ball_holds_what_pictures_show():
  """Oracle: head on the level is the least there is; each ray past the ball that the picture shows as head passes through the level's solid,
  and rays two pixels further out do not."""
  views = visual_hull.cameras(0.6, 0.3)[2:4]
  fog = 0.01  # of what is painted as head, outside of the ball
  renderings, heads, steps = [], [], []
  for view in views:
    rays = rays_lib.cast_rays(view, image_size=32)
    steps.append(np.asarray(rays.origins)[:, None] + ALONG[:, None] * np.asarray(rays.directions)[:, None])
    renderings.append(types.SimpleNamespace(distances=np.broadcast_to(ALONG, steps[-1].shape[:2]), sdf=ball(steps[-1])))
    heads.append((ball(steps[-1]).min(axis=-1) < fog).reshape(32, 32))
  stops = stopping_level.find(ball, BETA, renderings, views, heads, lambda points: ball(points, 0.06 + fog + 0.002), BOX)
  assert len(stops.points) == sum(head.sum() for head in heads) and stops.pixel == pytest.approx(1 / (32 * float(views[0].focal)))
  level = stopping_level.interpolate(stops)
  assert level(np.array([[0, 0, 0.06]]))[0] == pytest.approx(BETA, abs=0.3 * stops.pixel)
  for points, head in zip(steps, heads):
    sdf = ball(points)
    covered = (sdf < level(points.reshape(-1, 3)).reshape(sdf.shape)).any(axis=-1).reshape(32, 32)
    closest = sdf.min(axis=-1).reshape(32, 32)
    assert covered[head].mean() > 0.99 and not covered[closest > fog + 2 * stops.pixel].any()


def test_levels_between_stops_are_bounds_of_little_slope():
  """Property: a single stop's level holds around it and falls off no steeper than a distance rises; the least is everywhere else, and
  everywhere without stops."""
  across = np.linspace(-0.1, 0.1, 60)
  points = np.stack([*np.meshgrid(across, across), np.zeros((60, 60))], axis=-1).reshape(-1, 3)
  points += np.random.default_rng(0).normal(size=(3600, 3)) * 5e-4
  peak = np.linalg.norm(points - [0.02, 0.02, 0], axis=-1).argmin()
  levels = np.zeros(3600)
  levels[peak] = 0.03
  level = stopping_level.interpolate(stopping_level.Stops(points, levels, pixel=0.0033, least=0.001))
  line = np.linspace(points[peak], points[peak] + [0.05, 0, 0.01], 500)
  found = level(line)
  assert found[0] > 0.023 and found[-1] == np.float32(0.001)
  assert np.abs(np.diff(found)).max() < np.linalg.norm(line[1] - line[0]) + 3e-4, 'no folds, but for where other neighbours are asked'
  assert (level(np.full((3, 3), 9.0)) == np.float32(0.001)).all()
  empty = stopping_level.Stops(np.zeros((0, 3)), np.zeros(0), pixel=0.0033, least=0.001)
  assert (stopping_level.interpolate(empty)(line) == np.float32(0.001)).all()
