"""Where arrays live: one mesh axis over all devices; batches are cut over it, state is replicated.

The only file that knows how many devices there are.
"""

from __future__ import annotations

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
import numpy as np

BATCH_AXIS = 'batch'


def make_mesh(devices=None) -> jax.sharding.Mesh:
  """One axis over all devices. Axes are `Auto`: under explicit axes minibatch stddev's reshape raises."""
  devices = jax.devices() if devices is None else devices
  return jax.make_mesh((len(devices),), (BATCH_AXIS,), axis_types=(AxisType.Auto,), devices=devices)


def replicated(mesh) -> NamedSharding:
  return NamedSharding(mesh, PartitionSpec())


def over_batch(mesh) -> NamedSharding:
  return NamedSharding(mesh, PartitionSpec(BATCH_AXIS))


def check_batch(batch_size: int, mesh) -> None:
  """ValueError if the batch does not divide over the mesh."""
  if batch_size % mesh.size:
    raise ValueError(f'batch_size {batch_size} does not divide over {mesh.size} devices; use a multiple of {mesh.size}')


def put_batch(batch: dict[str, np.ndarray], mesh):
  """This process's part of the batch → global arrays cut over all devices."""
  sharding = over_batch(mesh)
  return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), batch)


def replicate(tree, mesh):
  """The same arrays on every device of every process; each process passes equal ones."""
  if jax.process_count() == 1:
    return jax.device_put(tree, replicated(mesh))

  def place(x):
    # device_put refuses devices of other processes
    if isinstance(x, jax.Array) and jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
      return jax.random.wrap_key_data(place(jax.random.key_data(x)), impl=jax.random.key_impl(x))
    x = np.asarray(x)
    return jax.make_array_from_callback(x.shape, replicated(mesh), lambda index: x[index])

  return jax.tree.map(place, tree)


def jit_step(step, mesh):
  """Jits (state, batch) → (state, metrics): state replicated and donated, batch cut over devices."""
  return jax.jit(
      step, in_shardings=(replicated(mesh), over_batch(mesh)), out_shardings=replicated(mesh), donate_argnums=0)
