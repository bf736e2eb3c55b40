"""What the benchmark of inverted people's depth compares."""

import numpy as np
import pytest

from benchmarks import inverted_depth


def test_a_depth_that_is_off_by_a_percent():
  """Protects the figures: 1% of every depth is .01, and correlates fully; people without a head are left out."""
  true = np.random.default_rng(0).uniform(0.9, 1.0, (3, 8, 8))
  head = np.ones((3, 8, 8), bool)
  head[2] = False
  found = inverted_depth.compare(1.01 * true, true, head)
  assert found['people'] == 2
  np.testing.assert_allclose([found['relative'], found['correlation']], [0.01, 1], rtol=1e-6)
  assert found['head_depths'] == pytest.approx(0.0095 / 0.09, rel=0.1)
  assert inverted_depth.compare(true, true, np.zeros_like(head)) == dict(people=0)
