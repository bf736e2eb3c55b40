"""Do heads have true relief? The depth of each class seen from the front, of fakes against a data set that knows its depth.

Pictures and masks may be right while the head behind them is a painted board or a hollow mold: nothing of what other scores look at would
tell. So the expected depth of a class's pixels, of people seen from (nearly) the front, is put beside that of real people: noses lie before
eyes, eyes before hair, hair before ears. It is a median, because thin classes are dilated over what lies behind them. The slope of the
fake depths over the real ones is 1 where the relief is true, near 0 where the head is flat, and negative where it is hollow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from cnerf_jax import semantics
from cnerf_jax.evaluation import label_map

BEHIND = 'background'  # a class without a surface: stored depth is that of the far plane, rendered depth wherever the fog ends
SMALLEST_AREA = 1e-3  # of the pictures: a class that takes less has too few pixels for a median


def class_depths(
    depth: Float[np.ndarray, 'examples height width'], semantic_mask: Float[np.ndarray, 'examples height width classes'],
    class_set: semantics.ClassSet,
) -> Float[np.ndarray, 'classes']:
  """Median depth of each class's pixels, world units along the camera's axis; NaN for a class that has hardly any."""
  labels = label_map.label_map(semantic_mask, class_set)
  of_classes = [np.asarray(depth)[labels == k] for k in range(class_set.num_classes)]
  return np.array([np.median(values) if len(values) >= max(1, SMALLEST_AREA * labels.size) else np.nan for values in of_classes])


def relief(
    fake_depths: Float[np.ndarray, 'classes'], real_depths: Float[np.ndarray, 'classes'], class_set: semantics.ClassSet,
) -> dict[str, Any]:
  """How well fake class depths follow the real ones.

  Args:
    fake_depths: `class_depths` of samples.
    real_depths: of real people, at the same viewpoints.
    class_set: of both.

  Returns:
    `slope` of a line through the fake depths over the real ones, `error`, their mean absolute difference in world units, both over classes
    that have a surface and are seen in both (NaN with fewer than two such classes); and `classes`, by name: `fake` and `real` depth.
  """
  both = np.isfinite(fake_depths) & np.isfinite(real_depths) & (np.array(class_set.classes) != BEHIND)
  fake, real = fake_depths[both], real_depths[both]
  slope = error = np.nan
  if len(real) > 1 and np.ptp(real) > 0:
    slope, error = np.polyfit(real, fake, 1)[0], np.abs(fake - real).mean()
  return {
      'slope': float(slope), 'error': float(error),
      'classes': {name: {'fake': float(a), 'real': float(b)} for name, a, b in zip(class_set.classes, fake_depths, real_depths)}}
