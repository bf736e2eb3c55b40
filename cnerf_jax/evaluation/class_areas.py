"""How much of the picture each semantic class takes, among fakes and among real examples.

The area of a class is the mean of its mask over pixels and examples; its presence is the share of examples in which
its mask exceeds 0.3 somewhere. A generator that has dropped a class, or lets one eat the others, shows here first.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

PRESENT = 0.3  # a class is present in an example where its mask exceeds this in one pixel
LARGE_SHARE = 0.03  # classes of at least this real area are the ones that are judged
AREA_FACTOR = 2.0  # and must be within this factor of it


def class_areas(semantic_mask: Float[np.ndarray, 'examples height width classes']) -> Float[np.ndarray, 'classes']:
  """Mean area of each class, as a share of the picture."""
  return np.asarray(semantic_mask).mean(axis=(0, 1, 2), dtype=np.float64)


def class_presence(semantic_mask: Float[np.ndarray, 'examples height width classes']) -> Float[np.ndarray, 'classes']:
  """Share of the examples in which each class is present."""
  return (np.asarray(semantic_mask).max(axis=(1, 2)) > PRESENT).mean(axis=0)


def area_error(first: Float[np.ndarray, 'classes'], second: Float[np.ndarray, 'classes']) -> float:
  """Mean over classes of the absolute difference of their areas; 0 where every class is there in equal measure."""
  return float(np.abs(np.asarray(first) - np.asarray(second)).mean())


def large_classes(areas: Float[np.ndarray, 'classes']) -> Bool[np.ndarray, 'classes']:
  """Which classes take at least 3% of the real picture."""
  return np.asarray(areas) >= LARGE_SHARE


def within_factor(
    fake_areas: Float[np.ndarray, 'classes'], real_areas: Float[np.ndarray, 'classes'], factor: float = AREA_FACTOR,
) -> Bool[np.ndarray, 'classes']:
  """Which classes have an area within `factor` of the real one. A class that no real example has passes below 0.1%."""
  fake_areas, real_areas = np.asarray(fake_areas), np.asarray(real_areas)
  inside = (fake_areas * factor >= real_areas) & (fake_areas <= real_areas * factor)
  return np.where(real_areas > 0, inside, fake_areas < 1e-3)
