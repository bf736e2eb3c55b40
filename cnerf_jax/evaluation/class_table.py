"""Each semantic class by itself, among fakes and among real people: how large, how often there, and whether the picture shows it.

A mean area hides how often a class is there: earrings on everyone, a third of the size, have the right area. And the agreement over all
pixels of all fakes hides that of a class which few people wear, because a reading where nothing was rendered counts as well. So a class is
also counted (presence), and compared with the oracle's reading over those alone whose mask shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from cnerf_jax import semantics
from cnerf_jax.evaluation import agreement
from cnerf_jax.evaluation import class_areas
from cnerf_jax.evaluation import label_map

Rows = dict[str, dict[str, Any]]


def iou_where_present(
    labels: Int[np.ndarray, 'examples height width'],
    semantic_mask: Float[np.ndarray, 'examples height width classes'],
    class_set: semantics.ClassSet,
) -> Float[np.ndarray, 'classes']:
  """For each class, the IoU of labels read with a mask's over the examples whose mask shows the class; NaN if none does."""
  present = class_areas.is_present(semantic_mask)
  of_mask = label_map.label_map(semantic_mask, class_set)
  return np.array([
      agreement.class_iou(labels[present[:, k]], of_mask[present[:, k]], class_set.num_classes)[k] for k in range(class_set.num_classes)])


def class_rows(
    fake_mask: Float[np.ndarray, 'fakes height width classes'],
    real_mask: Float[np.ndarray, 'reals height width classes'],
    class_set: semantics.ClassSet,
    labels: Int[np.ndarray, 'fakes height width'] | None = None,
    oracle_accuracy: Mapping[str, Any] | None = None,
) -> Rows:
  """The table, a row for each class name.

  Args:
    fake_mask: rendered masks.
    real_mask: masks of real examples.
    class_set: of both.
    labels: what the oracle reads from the fakes, if there is one.
    oracle_accuracy: `oracle.measure_accuracy` on real examples, if there is one.

  Returns:
    By name: fake_area, real_area, ratio; fake_presence, real_presence; whether the class is large or rare among real people; whether its
    area (within_factor) and presence (within_presence) are near theirs; mask_agreement over all fakes, agreement_where_present over those
    who wear it, and oracle_where_present, what the oracle reaches on real people who do. NaN for what can't be said.
  """
  areas, presence = class_areas.class_areas, class_areas.class_presence
  fake_areas, real_areas, fake_presence, real_presence = areas(fake_mask), areas(real_mask), presence(fake_mask), presence(real_mask)
  unknown = np.full(class_set.num_classes, np.nan)
  iou, worn = unknown, unknown
  if labels is not None:
    iou = agreement.class_iou(labels, label_map.label_map(fake_mask, class_set), class_set.num_classes)
    worn = iou_where_present(labels, fake_mask, class_set)
  of_oracle = (oracle_accuracy or {}).get('class_iou_where_present', {})
  columns = {
      'fake_area': fake_areas,
      'real_area': real_areas,
      'ratio': np.where(real_areas > 0, fake_areas / np.maximum(real_areas, 1e-12), np.nan),
      'fake_presence': fake_presence,
      'real_presence': real_presence,
      'large': class_areas.large_classes(real_areas),
      'rare': class_areas.rare_classes(real_presence),
      'within_factor': class_areas.within_factor(fake_areas, real_areas),
      'within_presence': class_areas.within_presence(fake_presence, real_presence),
      'mask_agreement': iou,
      'agreement_where_present': worn,
      'oracle_where_present': np.array([of_oracle.get(name) for name in class_set.classes], np.float64),  # None becomes NaN
  }
  return {name: {column: values[k].item() for column, values in columns.items()} for k, name in enumerate(class_set.classes)}


def rare_agreement(rows: Rows) -> dict[str, Any] | None:
  """How well fakes who wear a rare class agree with the oracle's reading; None where that can't be said.

  Returns:
    `value`, the mean agreement_where_present over rare classes (0 for one that no fake wears); `on_real`, the mean of what the oracle
    reaches on the same classes; and `classes`, those that it reads at all.
  """
  read = {name: row for name, row in rows.items() if row['rare'] and row['oracle_where_present'] > 0}
  if not read:
    return None
  return {
      'value': float(np.mean([np.nan_to_num(row['agreement_where_present']) for row in read.values()])),
      'on_real': float(np.mean([row['oracle_where_present'] for row in read.values()])),
      'classes': list(read),
  }
