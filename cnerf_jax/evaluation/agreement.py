"""Whether a picture shows what its generator says it shows.

An oracle reads labels and a viewpoint from an image alone. Mask agreement is the intersection over union (IoU) of the
labels read with the labels of the rendered mask, per class; pose agreement is the signed correlation of the viewpoint
read with the viewpoint of the camera, so that heads which turn the wrong way score below 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int


def class_iou(
    first: Int[np.ndarray, '*pixels'], second: Int[np.ndarray, '*pixels'], num_classes: int,
) -> Float[np.ndarray, 'classes']:
  """IoU per class of two label maps, over all pixels of all examples; NaN for a class that neither has."""
  first, second = np.asarray(first).ravel(), np.asarray(second).ravel()
  confusion = np.bincount(first * num_classes + second, minlength=num_classes**2).reshape(num_classes, num_classes)
  intersection = np.diag(confusion).astype(np.float64)
  union = confusion.sum(axis=0) + confusion.sum(axis=1) - intersection
  return np.where(union > 0, intersection / np.maximum(union, 1), np.nan)


def mean_iou(iou: Float[np.ndarray, 'classes'], of=None) -> float:
  """Mean over the classes that have an IoU, or over those of them marked in `of`; 0 if there are none."""
  chosen = np.isfinite(iou) if of is None else np.isfinite(iou) & np.asarray(of)
  return float(np.asarray(iou)[chosen].mean()) if chosen.any() else 0.0


def signed_correlation(first: Float[np.ndarray, 'examples'], second: Float[np.ndarray, 'examples']) -> float:
  """Pearson correlation in [-1, 1]; 0 where one of both does not vary, for then nothing was read."""
  first = np.asarray(first, np.float64) - np.mean(first, dtype=np.float64)
  second = np.asarray(second, np.float64) - np.mean(second, dtype=np.float64)
  scale = np.sqrt((first**2).sum() * (second**2).sum())
  return float((first * second).sum() / scale) if scale > 1e-12 else 0.0
