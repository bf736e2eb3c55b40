import numpy as np

from benchmarks import editing
from cnerf_jax.semantics import SemanticClass

SKIN, NOSE, HAIR = SemanticClass.SKIN, SemanticClass.NOSE, SemanticClass.HAIR


def test_classes_grow_over_what_they_may():
  """Protects what paint is asked for: a nose a pixel wider along one axis, over skin and not over hair; more pixels, more steps."""
  labels = np.full((5, 7), SKIN)
  labels[2, 3], labels[2, 4] = NOSE, HAIR
  grown = editing.grow(labels, NOSE, (SKIN,), 1, (1,))
  expected = labels.copy()
  expected[2, 2] = NOSE
  np.testing.assert_array_equal(grown, expected)
  twice = editing.grow(labels, NOSE, (SKIN,), 2, (0, 1))
  assert twice[2, 4] == HAIR and (twice == NOSE).sum() == 12  # all but the hair of a diamond of 13
  assert (labels == NOSE).sum() == 1
