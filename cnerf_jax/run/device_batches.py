"""Batches on the devices one step ahead: the next one is copied while a step runs, so that no device waits for it (grain reads further
ahead, in its own threads)."""

from __future__ import annotations

from collections.abc import Iterator
import copy
from typing import Any

from cnerf_jax.training import sharding


class DeviceBatches:
  """Global batches from this process's iterator; `prefetch` puts the next one under way while the devices work.

  The position to save (`get_state`) is that after the batch given out last, not of the one that is under way.
  """

  def __init__(self, iterator: Any, mesh):
    """Reads nothing yet.

    Args:
      iterator: of this process's part of each batch, with `get_state`.
      mesh: of devices.
    """
    self._iterator = iterator
    self._mesh = mesh
    self._position = copy.deepcopy(iterator.get_state())
    self._ahead = None

  def __iter__(self) -> Iterator:
    return self

  def __next__(self):
    self.prefetch()
    (batch, self._position), self._ahead = self._ahead, None
    return batch

  def prefetch(self) -> None:
    """Begins to copy the next batch, if that is not under way; call it when a step has been dispatched."""
    if self._ahead is None:
      batch = sharding.put_batch(next(self._iterator), self._mesh)
      self._ahead = batch, copy.deepcopy(self._iterator.get_state())

  def get_state(self) -> Any:
    """Position after the batch given out last."""
    return self._position
