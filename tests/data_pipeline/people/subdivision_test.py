"""Catmull-Clark subdivision against its definition and against shapes whose limit is known."""

import numpy as np

from data_pipeline.people import subdivision

CUBE = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
CUBE_QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]], np.int32)


def test_cube_against_the_rules():
  """Face, edge and vertex points of a cube, computed by hand."""
  matrix, quads = subdivision.catmull_clark(CUBE_QUADS, 8)
  fine = matrix @ CUBE
  assert len(fine) == 8 + 12 + 6 and quads.shape == (24, 4)
  np.testing.assert_allclose(np.abs(fine[:8]), 5 / 9, atol=1e-6)  # corner of valence 3: (F + 2 R) / 3 with F = 1/3, R = 2/3
  np.testing.assert_allclose(np.sort(np.abs(fine[8:20]), axis=1), np.tile([0, 0.75, 0.75], (12, 1)), atol=1e-6)
  np.testing.assert_allclose(np.sort(np.abs(fine[20:]), axis=1), np.tile([0, 0, 1], (6, 1)), atol=1e-6)


def test_weights_of_a_point_sum_to_one():
  """Moving all of a mesh moves all of the fine one as far."""
  matrix, _ = subdivision.catmull_clark(CUBE_QUADS, 8)
  np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-6)


def test_flat_grid_stays_flat_and_keeps_its_border():
  """Linear functions are reproduced inside; the border is a spline of itself, so a straight one stays straight."""
  x, y = np.meshgrid(np.arange(5.0), np.arange(5.0), indexing='ij')
  points = np.stack([x.ravel(), y.ravel(), 2 * x.ravel() - y.ravel()], axis=1)
  index = np.arange(25).reshape(5, 5)
  quads = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], -1).reshape(-1, 4).astype(np.int32)
  matrix, fine_quads = subdivision.catmull_clark(quads, 25)
  fine = matrix @ points
  np.testing.assert_allclose(fine[:, 2], 2 * fine[:, 0] - fine[:, 1], atol=1e-5)
  bottom = fine[np.isclose(fine[:, 1], 0, atol=1e-6)]
  assert len(bottom) == 7  # three vertices and four edge points; the spline cuts the corners


def test_orientation_is_kept():
  """Fine quads turn the way the coarse ones do: normals of the cube point outwards."""
  matrix, quads = subdivision.catmull_clark(CUBE_QUADS, 8)
  fine = matrix @ CUBE
  coarse_normal = np.cross(CUBE[CUBE_QUADS[:, 1]] - CUBE[CUBE_QUADS[:, 0]], CUBE[CUBE_QUADS[:, 2]] - CUBE[CUBE_QUADS[:, 0]])
  sign = np.sign((coarse_normal * CUBE[CUBE_QUADS].mean(axis=1)).sum(axis=1))
  a, b, c = (fine[quads[:, i]] for i in range(3))
  outward = np.sign((np.cross(b - a, c - a) * fine[quads].mean(axis=1)).sum(axis=1))
  assert (outward.reshape(4, 6) == sign).all()
