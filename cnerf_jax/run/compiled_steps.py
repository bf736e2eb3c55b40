"""What a compiled training step takes, adversarial or of pretraining: memory on a device as its compiler tells it, seconds as a clock does."""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import time

import jax
import jax.numpy as jnp

from cnerf_jax.training import sharding


@dataclasses.dataclass(frozen=True)
class StepMemory:
  """What a compiled step takes on one device.

  Attributes:
    micro_batch: images at once, on all devices together.
    state_bytes: parameters, averages, optimisers.
    temporary_bytes: activations and the like.
  """

  micro_batch: int
  state_bytes: int
  temporary_bytes: int

  @property
  def total_bytes(self) -> int:
    """State and temporaries."""
    return self.state_bytes + self.temporary_bytes


def memory_of(compiled: jax.stages.Compiled, micro_batch: int) -> StepMemory:
  """Memory of a compiled step that donates its state; ValueError if the compiler does not tell."""
  memory = compiled.memory_analysis()
  if memory is None:
    raise ValueError(f'the compiler of {jax.devices()[0].device_kind} does not tell the memory of a step; set num_micro_batches yourself')
  # the state is donated, so that results reuse its memory
  return StepMemory(
      micro_batch=micro_batch, state_bytes=memory.argument_size_in_bytes,
      temporary_bytes=memory.temp_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes)


def abstract(state, batch, mesh):
  """Shapes of (state, batch), laid out over devices as a run would have them."""
  place = lambda tree, where: jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where), tree)
  return place(state, sharding.replicated(mesh)), place(batch, sharding.over_batch(mesh))


def abstract_batch(num_portraits: int, image_size: int, num_classes: int) -> dict[str, jax.ShapeDtypeStruct]:
  """Shapes of a batch of real portraits whose cameras are known."""
  real = lambda *axes: jax.ShapeDtypeStruct((num_portraits, *axes), jnp.float32)
  return dict(image=real(image_size, image_size, 3), semantic_mask=real(image_size, image_size, num_classes), viewpoint=real(2))


def seconds_of_second_call(step: Callable, state, placed_batch) -> float:
  """Seconds of a step (state, batch) → (state, metrics) on grey portraits, after one that is not timed.

  Args:
    step: compiled; it may donate its state.
    state: on the devices.
    placed_batch: shapes, with where they are.
  """
  batch = jax.tree.map(lambda x: jax.device_put(jnp.full(x.shape, 0.1, x.dtype), x.sharding), placed_batch)
  state, _ = jax.block_until_ready(step(state, batch))
  started = time.perf_counter()
  jax.block_until_ready(step(state, batch))
  return time.perf_counter() - started
