"""A function of many points as one compiled program for chunks of a fixed size, each chunk cut over the devices.

A device's part of a chunk is the same for any number of devices, and so are its answers. A CPU's cores count as devices where
`jax_num_cpu_devices` says so, and are faster so than together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import numpy as np

POINTS = 2**13  # of a device in a chunk: on a CPU their activations stay near its caches


def make(
    function: Callable, field, *, size: int = POINTS, devices: Sequence[jax.Device] | None = None,
) -> Callable[[np.ndarray], np.ndarray | tuple[np.ndarray, ...]]:
  """(field, points [size, channels]) → an array, or a tuple of arrays, with `size` rows, as a function of any number of points.

  Args:
    function: of a field and points, traceable; rows do not depend on each other.
    field: a tree of arrays.
    size: points of a device in a chunk.
    devices: the chunks are cut over them; this process's own if None.
  """
  devices = jax.local_devices() if devices is None else list(devices)
  mesh, whole, cut = jax.sharding.Mesh(np.array(devices), ('points',)), jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec('points')
  compiled = jax.jit(jax.shard_map(function, mesh=mesh, in_specs=(whole, cut), out_specs=cut, check_vma=False))
  field = jax.device_put(field, jax.sharding.NamedSharding(mesh, whole))
  return in_chunks(lambda points: jax.device_get(compiled(field, points)), size * len(devices))


def in_chunks(function: Callable, size: int) -> Callable[[np.ndarray], np.ndarray | tuple[np.ndarray, ...]]:
  """A function of [size, channels] points as one of any number: the last chunk is filled up.

  Args:
    function: [size, channels] → an array or a tuple of arrays with `size` rows.
    size: of a chunk.
  """
  def apply(points):
    points = np.asarray(points, np.float32)
    parts = []
    for start in range(0, max(len(points), 1), size):
      chunk = points[start:start + size]
      filled = np.concatenate([chunk, np.zeros((size - len(chunk),) + chunk.shape[1:], np.float32)])
      parts.append(jax.tree.map(lambda x: np.asarray(x)[:len(chunk)], function(filled)))
    return jax.tree.map(lambda *column: np.concatenate(column), *parts)

  return apply
