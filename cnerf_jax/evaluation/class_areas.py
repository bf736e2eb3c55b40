"""How much of the picture each semantic class takes, among fakes and among real examples.

The area of a class is the mean of its mask over pixels and examples; its presence is the fraction of examples in which
its mask exceeds 0.3 somewhere. A generator that has dropped a class, or lets one eat the others, shows in areas first;
one that gives a little of a class to everyone shows in presence alone.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from cnerf_jax import semantics

LARGE_AREA = 0.03  # classes of at least this real area
AREA_FACTOR = 2.0  # must be within this factor of it
PRESENCE_TOLERANCE = 1 / 3  # every class must be there as often as among real people, within this fraction of it
MOSTLY_ABSENT = 0.01  # below this presence a class counts as not there; fakes must stay below it for a class that no real person has
RARE_BELOW = 0.5  # classes with a smaller real presence, and at least MOSTLY_ABSENT, are rare


def class_areas(semantic_mask: Float[np.ndarray, 'examples height width classes']) -> Float[np.ndarray, 'classes']:
  """Mean area of each class, as a fraction of the picture."""
  return np.asarray(semantic_mask).mean(axis=(0, 1, 2), dtype=np.float64)


def class_presence(semantic_mask: Float[np.ndarray, 'examples height width classes']) -> Float[np.ndarray, 'classes']:
  """Fraction of the examples in which each class is present."""
  return is_present(semantic_mask).mean(axis=0)


def is_present(semantic_mask: Float[np.ndarray, 'examples height width classes']) -> Bool[np.ndarray, 'examples classes']:
  """Whether the mask of an example shows a class."""
  return np.asarray(semantic_mask).max(axis=(1, 2)) > semantics.PRESENT


def area_error(first: Float[np.ndarray, 'classes'], second: Float[np.ndarray, 'classes']) -> float:
  """Mean over classes of the absolute difference of their areas; 0 where every class is there in equal measure."""
  return float(np.abs(np.asarray(first) - np.asarray(second)).mean())


def large_classes(areas: Float[np.ndarray, 'classes']) -> Bool[np.ndarray, 'classes']:
  """Which classes take at least 3% of the real picture."""
  return np.asarray(areas) >= LARGE_AREA


def within_factor(
    fake_areas: Float[np.ndarray, 'classes'], real_areas: Float[np.ndarray, 'classes'], factor: float = AREA_FACTOR,
) -> Bool[np.ndarray, 'classes']:
  """Which classes have an area within `factor` of the real one. A class that no real example has passes below 0.1%."""
  fake_areas, real_areas = np.asarray(fake_areas), np.asarray(real_areas)
  inside = (fake_areas * factor >= real_areas) & (fake_areas <= real_areas * factor)
  return np.where(real_areas > 0, inside, fake_areas < 1e-3)


def within_presence(
    fake_presence: Float[np.ndarray, 'classes'], real_presence: Float[np.ndarray, 'classes'], tolerance: float = PRESENCE_TOLERANCE,
) -> Bool[np.ndarray, 'classes']:
  """Which classes are there as often as among real people, within a third of that. A class that no real example has passes below 1%."""
  fake_presence, real_presence = np.asarray(fake_presence), np.asarray(real_presence)
  inside = np.abs(fake_presence - real_presence) <= tolerance * real_presence
  return np.where(real_presence > 0, inside, fake_presence < MOSTLY_ABSENT)


def rare_classes(real_presence: Float[np.ndarray, 'classes']) -> Bool[np.ndarray, 'classes']:
  """Which classes some real people have, but fewer than half."""
  real_presence = np.asarray(real_presence)
  return (real_presence >= MOSTLY_ABSENT) & (real_presence < RARE_BELOW)
