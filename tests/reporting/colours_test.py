"""Depths and differences as colours."""

import numpy as np

from cnerf_jax.reporting import sheets


def test_depth_is_bright_where_it_is_near():
  """Protects the reading of a depth picture: nearer is brighter, ends are clipped."""
  grey = sheets.coloured_depth(np.array([[0.8, 0.9, 1.0, 1.1, 1.2]]), near=0.9, far=1.1)
  assert grey.shape == (1, 5, 3) and (grey == grey[..., :1]).all() and grey.dtype == np.uint8
  assert grey[0, 0, 0] == grey[0, 1, 0] > grey[0, 2, 0] > grey[0, 3, 0] == grey[0, 4, 0] > 0


def test_differences_are_dark_on_white():
  """Protects the row of changes: white where nothing changed, the same whichever picture is first, darker for more, clipped to black."""
  first = np.zeros((1, 3, 3))
  second = first + np.array([0, 0.3, 1])[None, :, None]
  shown = sheets.coloured_difference(second, first)
  np.testing.assert_array_equal(shown, sheets.coloured_difference(first, second))
  assert shown[0, 0].tolist() == [255] * 3 and 0 < shown[0, 1, 0] < 255 and shown[0, 2].tolist() == [0] * 3
