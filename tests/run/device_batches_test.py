"""Batches are ready a step ahead, in order, and the position that is saved is not ahead."""

import numpy as np

from cnerf_jax.run import device_batches
from cnerf_jax.training import sharding


class Counter:
  """An iterator of numbered batches that knows its position."""

  def __init__(self, position=0):
    self.position = position

  def __next__(self):
    self.position += 1
    return {'number': np.full(2, self.position)}

  def get_state(self):
    return {'next': self.position}


def test_batches_come_in_order_and_resume_where_they_were():
  """Protects bitwise resuming: a run that goes on from the saved position gets the batch that would have come next."""
  mesh = sharding.make_mesh()
  counter = Counter()
  batches = device_batches.DeviceBatches(counter, mesh)
  assert batches.get_state() == {'next': 0} and counter.position == 0
  for expected in (1, 2, 3):
    assert (np.asarray(next(batches)['number']) == expected).all()
    assert batches.get_state() == {'next': expected} and counter.position == expected
    for _ in range(2):
      batches.prefetch()
    assert batches.get_state() == {'next': expected} and counter.position == expected + 1
  resumed = device_batches.DeviceBatches(Counter(batches.get_state()['next']), mesh)
  np.testing.assert_array_equal(next(resumed)['number'], next(batches)['number'])
