"""How different the people are: standard deviation over identities, seen by (nearly) one camera.

At one camera only the identity moves a pixel, so the standard deviation over examples, per pixel and channel,
measures how many different people there are: 0 for a generator that has collapsed onto one. Real photos each have
their own camera; those nearest to the frontal view stand in for one camera, and fakes are drawn at exactly the same
viewpoints.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from cnerf_jax import camera


def frontal_examples(viewpoint: Float[np.ndarray, 'examples 2'], count: int) -> Int[np.ndarray, 'count']:
  """Indices of the `count` examples nearest to the frontal view nearest first, in standard deviations of cameras."""
  spread = np.array([camera.AZIMUTH_STD_RADIANS, camera.ELEVATION_STD_RADIANS])
  return np.argsort(np.linalg.norm(np.asarray(viewpoint) / spread, axis=-1), kind='stable')[:count]


def diversity_map(examples: Float[np.ndarray, 'examples *pixel']) -> Float[np.ndarray, '*pixel']:
  """Standard deviation over examples of each pixel and channel, in units of pixel values."""
  return np.asarray(examples).std(axis=0, dtype=np.float64)


def diversity(examples: Float[np.ndarray, 'examples *pixel']) -> float:
  """Mean over pixels and channels of the standard deviation over examples."""
  return float(diversity_map(examples).mean())
