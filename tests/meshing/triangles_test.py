"""Surfaces as triangles: what smoothing takes away and what it keeps."""

import numpy as np
import pytest

from cnerf_jax.meshing import distance_grid
from cnerf_jax.meshing import triangles

pytest.importorskip('trimesh')
RADIUS = 0.3


def ball(noise):
  """A ball whose distances are off by independent noise, world units, at the points of a grid."""
  box = distance_grid.Box((-0.5,) * 3, (0.5,) * 3)
  line = np.linspace(-0.5, 0.5, 40)
  distance = np.linalg.norm(np.stack(np.meshgrid(line, line, line, indexing='ij'), axis=-1), axis=-1) - RADIUS
  return triangles.marching_cubes(distance + noise * np.random.default_rng(0).standard_normal(distance.shape), box)


def test_smoothing_takes_noise_and_keeps_the_solid():
  """Protects meshes of uneven fields: the roughness of a ball falls by a third or more, its volume and faces stay."""
  noisy = ball(0.004)
  smooth = triangles.smoothed(noisy)
  roughness = lambda surface: (np.linalg.norm(surface.vertices, axis=-1) - RADIUS).std()
  assert roughness(smooth) < 0.67 * roughness(noisy)
  assert smooth.volume == pytest.approx(ball(0.0).volume, rel=0.02)
  np.testing.assert_array_equal(smooth.faces, noisy.faces)
