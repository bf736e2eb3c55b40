"""Sliced Wasserstein distance between two sets of images or masks (Rabin et al. 2011; Bonneel et al. 2015).

Flatten every example to x in R^D and project it on random unit vectors u. Along one u the optimal transport between
two equally large sets is the sorted order, so W1(u) = mean_i |sort(A u)_i - sort(B u)_i|, and the distance reported
is the mean of W1(u) over u. As |u| = 1 and u is spread over D values, a projection has the scale of one value of one
pixel (its mean square is |x|^2 / D): distances are in units of pixel values and comparable across resolutions. Two
sets that differ by a constant vector c are E|u.c| = sqrt(2 / (pi D)) |c| apart, 0.8 times the root mean square of c.
Two finite samples of one distribution are not 0 apart; scores therefore subtract a floor, the distance between two
sets of real examples. On `portraits` at 32x32 with 256 examples a set: floor 0.041 (images) and 0.017 (12-class
masks), flat grey 0.35, equal masks 0.23.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

NUM_DIRECTIONS = 512
_CHUNK_VALUES = 1 << 24  # directions held at a time: 64 MB of float32, whatever the resolution


def sliced_wasserstein(
    first: Float[np.ndarray, 'examples *values'],
    second: Float[np.ndarray, 'examples *values'],
    *,
    num_directions: int = NUM_DIRECTIONS,
    seed: int = 0,
) -> float:
  """Sliced W1 distance between two equally large sets, in units of one pixel value.

  Args:
    first: images in [-1, 1] or masks in [0, 1]; examples along the leading axis, all others are flattened.
    second: as many examples of the same shape.
    num_directions: random directions averaged over.
    seed: of the directions; the same seed and shape give the same directions, so that distances compare.

  Returns:
    The distance, 0 for equal sets.

  Raises:
    ValueError: if the sets differ in shape or are empty.
  """
  first, second = np.asarray(first, np.float32), np.asarray(second, np.float32)
  if first.shape != second.shape or not first.size:
    raise ValueError(f'sets of shapes {first.shape} and {second.shape} have no sliced Wasserstein distance; '
                     'give two equally large, non-empty sets of one shape')
  first, second = first.reshape(len(first), -1), second.reshape(len(second), -1)
  generator = np.random.default_rng(seed)
  chunk = max(1, _CHUNK_VALUES // first.shape[1])
  total = 0.0
  for start in range(0, num_directions, chunk):
    directions = generator.standard_normal((min(chunk, num_directions - start), first.shape[1]), np.float32).T
    directions /= np.linalg.norm(directions, axis=0)
    difference = np.sort(first @ directions, axis=0) - np.sort(second @ directions, axis=0)
    total += np.abs(difference).mean(axis=0, dtype=np.float64).sum()
  return float(total / num_directions)
