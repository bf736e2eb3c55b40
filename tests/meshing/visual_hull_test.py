"""The head's outlines: distances that are distances, holes that count as head, pieces behind the head that go."""

import numpy as np
import pytest

from cnerf_jax import camera as camera_lib
from cnerf_jax.meshing import distance_grid
from cnerf_jax.meshing import rasterizing
from cnerf_jax.meshing import triangles
from cnerf_jax.meshing import visual_hull

pytest.importorskip('skimage')


def disc(radius, size=64, center=(0.5, 0.5)):
  """Mask of a background around a disc, its border soft over a pixel; radius and centre in sides of the picture."""
  row, column = np.mgrid[:size, :size] + 0.5
  distance = np.hypot(row - size * center[0], column - size * center[1]) - size * radius
  return np.clip(distance + 0.5, 0, 1).astype(np.float32), distance / size


def test_an_outline_is_the_signed_distance_of_a_disc():
  """Oracle: the distance of a circle, to a quarter of a pixel near it."""
  mask, expected = disc(0.3)
  found = visual_hull.outline(mask).reshape(64, 4, 64, 4).mean(axis=(1, 3))
  near = np.abs(expected) < 0.15
  np.testing.assert_allclose(found[near], expected[near], atol=0.25 / 64)


def test_holes_are_head_and_the_background_is_not():
  """Protects heads against tunnels: what the head surrounds is head; a picture of nothing but background, or none, has no outline."""
  mask, _ = disc(0.3)
  whole = visual_hull.outline(mask)
  mask[30:34, 30:34] = 1.0
  np.testing.assert_array_equal(visual_hull.outline(mask) < 0, whole < 0)
  assert (visual_hull.outline(np.ones((64, 64), np.float32)) > 0).all() and (visual_hull.outline(np.zeros((64, 64), np.float32)) < 0).all()


def test_pixels_inside_an_outline_are_those_of_the_mask():
  """Protects which rays are followed: pixels of the head, at the picture's own size."""
  mask, distance = disc(0.3)
  found = visual_hull.inner_pixels(visual_hull.outline(mask))
  clear = np.abs(distance) > 0.5 / 64
  np.testing.assert_array_equal(found[clear], (distance < 0)[clear])


def test_the_hull_of_discs_holds_a_sphere_of_their_size():
  """Property: cameras that see a disc carve a solid that contains the sphere and is little larger; its distances are world units."""
  views = visual_hull.cameras(0.6, 0.3)
  camera = views[2]
  radius = 0.06
  outlines = [visual_hull.outline(disc(float(camera.focal) * radius / np.sqrt(1 - radius**2))[0]) for _ in views]
  directions = np.random.default_rng(0).normal(size=(500, 3))
  sphere = radius * directions / np.linalg.norm(directions, axis=-1, keepdims=True)
  assert visual_hull.carve(sphere, outlines, views).max() < 0.001
  across = np.array([[radius + 0.02, 0, 0], [0, radius + 0.02, 0]])
  np.testing.assert_allclose(visual_hull.carve(across, outlines, views)[1], 0.02, atol=0.002)
  assert visual_hull.carve(across, outlines, views)[0] >= 0.018


def test_a_slab_in_the_shadow_of_the_head_goes_and_an_earring_stays():
  """Protects against the detached slab: a piece is kept only if a camera sees it."""
  box = distance_grid.Box((-0.12,) * 3, (0.12,) * 3)
  head = lambda p: np.linalg.norm(p, axis=-1) - 0.06
  slab = lambda p: np.max(np.abs(p - [0, 0, -0.09]) - [0.015, 0.015, 0.01], axis=-1)
  earring = lambda p: np.linalg.norm(p - [0.085, 0, 0], axis=-1) - 0.015
  values = distance_grid.sample(lambda p: np.minimum(head(p), np.minimum(slab(p), earring(p))), box, 48)
  found = triangles.marching_cubes(values, box)
  assert len(triangles.pieces(found)) == 3
  kept = visual_hull.seen_pieces(found, visual_hull.cameras(0.6, 0.3))
  assert len(triangles.pieces(kept)) == 2 and kept.vertices[:, 2].min() > -0.07


def test_projection_and_rasterizing_agree_with_a_sphere():
  """Oracle: a sphere's silhouette is a disc of the size that perspective gives it, its nearest depth 1 - radius."""
  box = distance_grid.Box((-0.12,) * 3, (0.12,) * 3)
  sphere = triangles.marching_cubes(distance_grid.sample(lambda p: np.linalg.norm(p, axis=-1) - 0.06, box, 48), box)
  camera = camera_lib.orbit(np.float32(0.4), np.float32(0.2))
  raster = rasterizing.rasterize(sphere, camera, image_size=64)
  radius = 64 * float(camera.focal) * 0.06 / np.sqrt(1 - 0.06**2)
  assert raster.silhouette.sum() == pytest.approx(np.pi * radius**2, rel=0.03)
  assert raster.depth.min() == pytest.approx(0.94, abs=5e-4)
