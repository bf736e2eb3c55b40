import numpy as np

from cnerf_jax.training import pretraining_optimizers


def test_rates_rise_over_the_warm_up():
  """Protects the start: a schedule and a number alike begin at a part of themselves, and are themselves afterwards; 0 steps change nothing."""
  schedule = lambda step: 2.0 - 0.1 * step
  assert pretraining_optimizers.warmed_up(schedule, 0) is schedule and pretraining_optimizers.warmed_up(0.5, 0) == 0.5
  np.testing.assert_allclose(
      [pretraining_optimizers.warmed_up(schedule, 4)(step) for step in range(6)], [0.5, 0.95, 1.35, 1.7, 1.6, 1.5], rtol=1e-6)
  np.testing.assert_allclose([pretraining_optimizers.warmed_up(0.5, 2)(step) for step in range(3)], [0.25, 0.5, 0.5])
