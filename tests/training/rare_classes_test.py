import numpy as np
import pytest

from cnerf_jax.training import rare_classes


def make_masks(shown, value=0.9):
  """Masks [portraits, 2, 2, classes] in which each portrait shows the given classes, in one pixel each."""
  masks = np.full((len(shown), 2, 2, 4), 0.02, np.float32)
  for i, classes in enumerate(shown):
    for k in classes:
      masks[i, k // 2, k % 2, k] = value
  return masks


@pytest.mark.parametrize('power', [0.0, 0.5, 1.0])
def test_weights_are_those_of_the_rarest_class_shown(power):
  """Protects the formula: eight portraits, class 1 on two and class 3 on one of them, which shows class 1 too; the mean is 1."""
  weights = rare_classes.portrait_weights(make_masks([(0,)] * 6 + [(0, 1), (0, 1, 3)]), power)
  expected = np.array([1.0] * 6 + [4**power, min(8**power, 6)])
  np.testing.assert_allclose(weights, expected / expected.mean(), rtol=1e-6)


def test_one_portrait_is_never_the_whole_batch():
  """Protects training from a single pair of glasses: of sixty-four portraits one weighs six times the others, not sixty-four."""
  weights = np.asarray(rare_classes.portrait_weights(make_masks([(0,)] * 63 + [(0, 2)]), 1.0))
  np.testing.assert_allclose(weights[-1] / weights[0], 6, rtol=1e-6)


def test_a_trace_of_a_class_is_not_shown():
  """Protects from soft edges: what stays below the threshold of presence everywhere weighs nothing, and no class at all is no fault."""
  np.testing.assert_allclose(rare_classes.portrait_weights(make_masks([(0,), (0,), (0, 1)], value=0.25), 1.0), 1)
