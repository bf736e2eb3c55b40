import numpy as np
import pytest

from cnerf_jax.evaluation import agreement


def test_iou_matches_a_loop_over_pixels():
  """Oracle: count the pixels that both, and that either, give to a class."""
  generator = np.random.default_rng(0)
  first, second = generator.integers(0, 4, (2, 3, 5, 5))
  expected = [np.sum((first == k) & (second == k)) / np.sum((first == k) | (second == k)) for k in range(4)]
  np.testing.assert_allclose(agreement.class_iou(first, second, 5), [*expected, np.nan])


def test_mean_iou_of_the_classes_that_exist():
  """A class that is nowhere has no IoU and does not pull the mean down; a marked choice of classes is kept to."""
  iou = np.array([0.5, 1.0, np.nan, 0.0])
  assert agreement.mean_iou(iou) == 0.5
  assert agreement.mean_iou(iou, of=np.array([True, True, True, False])) == 0.75
  assert agreement.mean_iou(iou, of=np.array([False, False, True, False])) == 0


def test_correlation_is_signed():
  """A head that turns the wrong way must score -1, not 1."""
  azimuth = np.random.default_rng(0).normal(size=50)
  assert agreement.signed_correlation(3 * azimuth + 1, azimuth) == pytest.approx(1)
  assert agreement.signed_correlation(-azimuth, azimuth) == pytest.approx(-1)
  noisy = azimuth + np.random.default_rng(1).normal(size=50)
  assert agreement.signed_correlation(noisy, azimuth) == pytest.approx(np.corrcoef(noisy, azimuth)[0, 1])


def test_reading_the_same_pose_everywhere_is_no_agreement():
  """Pictures that do not turn give 0 rather than NaN."""
  assert agreement.signed_correlation(np.ones(9), np.arange(9.0)) == 0
