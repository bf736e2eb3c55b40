"""The z-buffer against ray casting by hand: which triangle, where on it, how far."""

import numpy as np

from data_pipeline.people import rasterizer

SIZE = 24


def test_triangles_against_ray_casting():
  """Random triangles: nearest hit, depth and corner weights of every sample from the plane equations."""
  rng = np.random.default_rng(0)
  corners = np.concatenate([rng.uniform(-4, SIZE + 4, (30, 2)), rng.uniform(0.9, 1.1, (30, 1))], axis=1).astype(np.float32)
  triangles = np.arange(30, dtype=np.int32).reshape(10, 3)
  depth, primitive, weights = rasterizer.buffers(SIZE)
  rasterizer.draw_triangles(corners, triangles, 5, depth, primitive, weights, True)
  # In a pinhole camera (x, y) = (X, Y) / Z, so a sample's ray is (x, y, 1) Z and a corner is (x Z, y Z, Z).
  space = np.concatenate([corners[:, :2] * corners[:, 2:], corners[:, 2:]], axis=1).astype(np.float64)
  checked = 0
  for y in range(SIZE):
    for x in range(SIZE):
      ray = np.array([x + 0.5, y + 0.5, 1.0])
      hits = []
      for t, triangle in enumerate(triangles):
        bary = np.linalg.solve(space[triangle].T, ray)
        bary_sum = bary.sum()
        if (bary / bary_sum > 1e-3).all():
          hits.append((1 / bary_sum, t, bary / bary_sum))
        elif (bary / bary_sum > -1e-3).all():
          hits = None  # on an edge: either answer is right
          break
      if hits is None:
        continue
      checked += 1
      if not hits:
        assert primitive[y, x] == rasterizer.NOTHING and depth[y, x] == np.float32(rasterizer.FAR)
        continue
      nearest = min(hits, key=lambda hit: hit[0])
      if sorted(hit[0] for hit in hits)[1:2] and sorted(hit[0] for hit in hits)[1] - nearest[0] < 1e-5:
        continue
      assert primitive[y, x] == 5 + nearest[1]
      np.testing.assert_allclose(depth[y, x], nearest[0], rtol=1e-5)
      np.testing.assert_allclose(weights[y, x], nearest[2][:2], atol=1e-4)
  assert checked > 0.9 * SIZE * SIZE


def test_back_faces_are_left_out():
  """Counter-clockwise in space (y up) is the front; it is clockwise on a picture whose y runs down."""
  corners = np.array([[2, 20, 1], [20, 20, 1], [2, 2, 1]], np.float32)  # y up: lower left, lower right, upper left
  for order, seen in (((0, 1, 2), True), ((0, 2, 1), False)):
    depth, primitive, weights = rasterizer.buffers(SIZE)
    rasterizer.draw_triangles(corners, np.array([order], np.int32), 0, depth, primitive, weights, False)
    assert (primitive >= 0).any() == seen


def test_shared_edge_leaves_no_hole():
  """Two triangles of one square cover all of its samples."""
  corners = np.array([[1.3, 1.1, 1], [22.2, 2.7, 1], [21.1, 22.9, 1], [2.2, 20.3, 1]], np.float32)
  depth, primitive, weights = rasterizer.buffers(SIZE)
  rasterizer.draw_triangles(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32), 0, depth, primitive, weights, True)
  rows = (primitive >= 0).sum(axis=1)
  for y in range(4, 19):
    covered = np.flatnonzero(primitive[y] >= 0)
    assert len(covered) == covered[-1] - covered[0] + 1 == rows[y]


def test_strand_is_as_wide_as_its_radius():
  """A level strand of radius 2 covers four rows; weights tell how far along and how far off its middle."""
  points = np.array([[[4, 12, 1.0], [20, 12, 1.2]]], np.float32)
  depth, primitive, weights = rasterizer.buffers(SIZE)
  rasterizer.draw_strands(points, np.full((1, 2), 2.0, np.float32), 7, depth, primitive, weights, 0.5, np.full_like(depth, np.inf))
  column = primitive[:, 12]
  assert list(np.flatnonzero(column == 7)) == [10, 11, 12, 13]
  np.testing.assert_allclose(weights[11, 12], [(12.5 - 4) / 16, 0.25], atol=1e-5)
  np.testing.assert_allclose(depth[11, 12], 1 + 0.2 * (12.5 - 4) / 16, atol=1e-5)


def test_thin_strand_is_not_lost():
  """However thin, a strand is drawn as wide as `narrowest`, without gaps."""
  points = np.array([[[3, 2, 1.0], [20, 21, 1.0]]], np.float32)
  depth, primitive, weights = rasterizer.buffers(SIZE)
  rasterizer.draw_strands(points, np.full((1, 2), 1e-4, np.float32), 0, depth, primitive, weights, 0.6, np.full_like(depth, np.inf))
  assert ((primitive[3:20] >= 0).sum(axis=1) >= 1).all()


def crossing_strands():
  """Sloping strands that cross in depth, [strands, points, 3], and their radii."""
  rng = np.random.default_rng(1)
  points = np.concatenate([rng.uniform(0, SIZE, (12, 3, 2)), rng.uniform(0.9, 1.1, (12, 3, 1))], axis=-1).astype(np.float32)
  return points, np.full((12, 3), 1.5, np.float32)


def test_the_nearest_strand_is_seen_whatever_is_drawn_first():
  """Strands drawn one after another, in either order, leave the nearest depth of each alone."""
  points, radius = crossing_strands()
  nowhere = np.full((SIZE, SIZE), np.inf, np.float32)
  draw = lambda order, depth: rasterizer.draw_strands(points[order], radius[order], 0, depth, None, None, 0.5, nowhere)
  alone = []
  for i in range(len(points)):
    alone.append(rasterizer.empty_depth(SIZE))
    draw([i], alone[-1])
  assert (np.sum(np.stack(alone) < rasterizer.FAR, axis=0) > 1).sum() > 20, 'they cross'
  for order in (np.arange(12), np.arange(12)[::-1]):
    depth = rasterizer.empty_depth(SIZE)
    draw(order, depth)
    np.testing.assert_array_equal(depth, np.min(alone, axis=0))


def test_depth_alone_is_the_depth_of_the_whole():
  """Shadow maps leave out who is seen, and get the same depth."""
  points, radius = crossing_strands()
  corners, triangles = points.reshape(-1, 3), np.arange(36, dtype=np.int32).reshape(12, 3)
  whole, alone = rasterizer.buffers(SIZE), (rasterizer.empty_depth(SIZE), None, None)
  for depth, primitive, weights in (whole, alone):
    rasterizer.draw_triangles(corners, triangles, 0, depth, primitive, weights, True)
    rasterizer.draw_strands(points, radius, 36, depth, primitive, weights, 0.5, np.full_like(depth, np.inf))
  assert (whole[1] >= 0).any()
  np.testing.assert_allclose(alone[0], whole[0], rtol=1e-6)
