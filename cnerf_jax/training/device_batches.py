"""Batches on the devices one step ahead: the next one is copied while a step runs, so that no device waits for it (grain reads further
ahead, in its own threads)."""

from __future__ import annotations

from collections.abc import Iterator
import copy
from typing import Any

from cnerf_jax.training import sharding


class DeviceBatches:
  """Global batches from this process's iterator, the next one always under way.

  The position to save (`get_state`) is that after the batch given out last, not of the one that is under way.
  """

  def __init__(self, iterator: Any, mesh):
    """Reads nothing yet.

    Args:
      iterator: of this process's share of each batch, with `get_state`.
      mesh: of devices.
    """
    self._iterator = iterator
    self._mesh = mesh
    self._position = copy.deepcopy(iterator.get_state())
    self._ahead = None

  def __iter__(self) -> Iterator:
    return self

  def __next__(self):
    batch = self._fetch() if self._ahead is None else self._ahead
    self._position = copy.deepcopy(self._iterator.get_state())
    self._ahead = self._fetch()
    return batch

  def get_state(self) -> Any:
    """Position after the batch given out last."""
    return self._position

  def _fetch(self):
    return sharding.put_batch(next(self._iterator), self._mesh)
