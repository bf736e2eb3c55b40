"""Paths of the camera and of people in a film."""

import numpy as np
import pytest

from cnerf_jax.draw import cameras

WIDTH, HEIGHT = 0.4, 0.15


@pytest.mark.parametrize('path, time, expected', [
    ('sweep', 0, (0, 0)), ('sweep', 0.25, (WIDTH, 0)), ('sweep', 0.75, (-WIDTH, 0)),
    ('ellipse', 0, (WIDTH, 0)), ('ellipse', 0.25, (0, HEIGHT)), ('ellipse', 0.5, (-WIDTH, 0)),
    ('orbit', 0, (0, HEIGHT)), ('orbit', 0.5, (np.pi, HEIGHT))])
def test_paths_pass_their_corners(path, time, expected):
  """Protects the meaning of a path: where it is at the quarters of a turn."""
  np.testing.assert_allclose(cameras.position(path, time, azimuth=WIDTH, elevation=HEIGHT), expected, atol=1e-9)


@pytest.mark.parametrize('path', ['sweep', 'ellipse', 'orbit'])
def test_films_close(path):
  """Protects loops: the end of a turn is its beginning."""
  start, end = (cameras.position(path, time, azimuth=WIDTH, elevation=HEIGHT) for time in (0.0, 1.0))
  np.testing.assert_allclose(end, start, atol=1e-9)


def test_unknown_path_is_refused():
  """Protects from a camera that stands still: the right names."""
  with pytest.raises(ValueError, match="path 'spiral' is not known; use one of sweep, ellipse, orbit"):
    cameras.position('spiral', 0, azimuth=0, elevation=0)


def test_people_become_each_other_in_order():
  """Protects films of several people: each in turn, half of both between, the first again at the end, no jump."""
  people = np.arange(3.0)[:, None, None, None] * np.ones((3, 2, 2, 4))
  at = lambda time: cameras.styles_at(people, time).mean()
  np.testing.assert_allclose([at(0), at(1 / 3), at(2 / 3), at(1)], [0, 1, 2, 0], atol=1e-9)
  np.testing.assert_allclose([at(1 / 6), at(5 / 6)], [0.5, 1.0], atol=1e-9)
  assert np.abs(np.diff([at(t) for t in np.linspace(0, 1, 301)])).max() < 0.04
  np.testing.assert_array_equal(cameras.styles_at(people[:1], 0.7), people[0])
