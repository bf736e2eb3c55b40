"""Several processes that make one run: joining them, and doing a thing on the first alone so that all learn whether it went well."""

from __future__ import annotations

from collections.abc import Callable

import jax
from jax.experimental import multihost_utils
import numpy as np

AUTO = 'auto'


def join(coordinator: str | None, num_processes: int | None, process_id: int | None) -> None:
  """Makes this process one of a run's; nothing to do without a coordinator.

  Args:
    coordinator: HOST:PORT of the first process, or 'auto' where jax finds it out itself (TPU pods, Slurm, Open MPI).
    num_processes: how many; None under 'auto'.
    process_id: which one this is, from 0; None under 'auto'.

  Raises:
    ValueError: if the three don't fit together, or no cluster is found.
  """
  if coordinator is None:
    if num_processes is not None or process_id is not None:
      raise ValueError('--num_processes and --process_id need --coordinator=HOST:PORT')
    return
  if coordinator == AUTO:
    try:
      jax.distributed.initialize()
    except ValueError as error:
      raise ValueError(
          f'--coordinator=auto found no cluster ({error}); use HOST:PORT with --num_processes and --process_id') from error
    return
  if num_processes is None or process_id is None:
    raise ValueError(f'--coordinator={coordinator} needs --num_processes and --process_id, or use --coordinator=auto')
  if process_id >= num_processes:
    raise ValueError(f'--process_id={process_id} must be below --num_processes={num_processes}; the first is 0')
  jax.distributed.initialize(coordinator, num_processes, process_id)


def wait_for_all(name: str) -> None:
  """Returns when every process has come here; `name` must be the same on all."""
  if jax.process_count() > 1:
    multihost_utils.sync_global_devices(name)


def first_alone(action: Callable[[], None]) -> None:
  """`action()` on the first process while the others wait; where it raises, all do.

  Raises:
    ValueError, OSError: what the action raised; on the other processes, a ValueError that says where to look.
  """
  error = None
  if jax.process_index() == 0:
    try:
      action()
    except (ValueError, OSError) as raised:
      error = raised
  if jax.process_count() > 1:
    went_well = bool(multihost_utils.broadcast_one_to_all(np.int32(error is None)))
    if not went_well and jax.process_index():
      raise ValueError('the first process failed; its output says why')
  if error is not None:
    raise error


def as_first(decision: bool) -> bool:
  """What the first process decided, on all, so that none goes another way by a rounding error."""
  if jax.process_count() == 1:
    return decision
  return bool(multihost_utils.broadcast_one_to_all(np.int32(decision)))
