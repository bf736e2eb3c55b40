"""What a run will take, said before it starts: parameters, FLOPs an image, memory, the largest batch that fits, hours.

Memory is what the compiler says of the very step that would run; hours come from the seconds of a step that was run.
"""

from __future__ import annotations

from collections.abc import Callable
import dataclasses
import functools
import os
import time

import jax
from jax.experimental import multihost_utils
import jax.numpy as jnp
import ml_collections
import numpy as np

from cnerf_jax.models import players as players_lib
from cnerf_jax.run import flops
from cnerf_jax.training import accumulation
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import sharding
from cnerf_jax.training import train_state
from cnerf_jax.training import train_step

AUTO = 0  # config.num_micro_batches: as few as fit
# of a device's memory, left to the backend and to fragmentation
_HEADROOM = 0.1
_LARGEST_TRIED = 256  # images of a micro-batch on one device; every size costs a compilation
Note = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class StepMemory:
  """What a compiled step takes on one device.

  Attributes:
    micro_batch: images of a micro-batch, on all devices together.
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


@dataclasses.dataclass(frozen=True)
class Plan:
  """What a run will take.

  Attributes:
    parameters: number of them, by player.
    flops_per_image: of the model, in a step: all players, all losses.
    limit_bytes: what the run may use of each device.
    memory: of growing micro-batches, up to the first that does not fit.
    num_micro_batches: as in the config, or as few as fit; None if no number of them does.
    seconds_per_step: None if nothing fits.
  """

  parameters: dict[str, int]
  flops_per_image: float
  limit_bytes: float
  memory: list[StepMemory]
  num_micro_batches: int | None
  seconds_per_step: float | None


def device_memory_limit() -> float:
  """Bytes that a run may use on one device: the least of all processes; on CPU, a part of the machine's memory."""
  stats = jax.local_devices()[0].memory_stats() or {}
  machine = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / jax.local_device_count()
  own = (1 - _HEADROOM) * stats.get('bytes_limit', machine)
  if jax.process_count() == 1:
    return own
  return float(np.min(multihost_utils.process_allgather(np.float32(own))))


def compile_step(config: ml_collections.ConfigDict, mesh):
  """The compiled training step of a config, made without data or state."""
  return _compile_step(ml_collections.FrozenConfigDict(config), mesh)


@functools.lru_cache(maxsize=1)  # the step whose memory was found to fit is the one that is timed next
def _compile_step(config, mesh):
  players, optimizers = players_lib.make_players(config), optimizers_lib.make_optimizers(config)
  step = sharding.jit_step(train_step.make_train_step(config, players, optimizers), mesh)
  return step.lower(*_abstract(config, players, optimizers, mesh)).compile()


def step_memory(config: ml_collections.ConfigDict, mesh) -> StepMemory:
  """Compiles the training step of a config, without data or state, and asks what memory it takes."""
  memory = compile_step(config, mesh).memory_analysis()
  if memory is None:
    raise ValueError(f'the compiler of {jax.devices()[0].device_kind} does not tell the memory of a step; set num_micro_batches yourself')
  # the state is donated, so that results reuse its memory
  return StepMemory(
      micro_batch=config.batch_size // config.num_micro_batches, state_bytes=memory.argument_size_in_bytes,
      temporary_bytes=memory.temp_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes)


def micro_batch_counts(config: ml_collections.ConfigDict, mesh) -> list[int]:
  """Numbers of equal micro-batches that a batch may be cut into on these devices, ascending."""
  counts = []
  for count in range(1, config.batch_size + 1):
    try:
      accumulation.check(config.batch_size, count, config.r1_fraction)
      sharding.check_batch(config.batch_size // count, mesh)
    except ValueError:
      continue
    counts.append(count)
  return counts


def choose_num_micro_batches(config: ml_collections.ConfigDict, mesh, limit_bytes: float, note: Note = lambda text: None) -> int:
  """The fewest micro-batches whose step fits.

  Raises:
    ValueError: if no number of them does.
  """
  for count in micro_batch_counts(config, mesh):
    memory = step_memory(_with(config, num_micro_batches=count), mesh)
    note(f'{count} micro-batches of {memory.micro_batch} images take {_gib(memory.total_bytes)} a device')
    if memory.total_bytes <= limit_bytes:
      return count
  raise ValueError(
      f'batch_size {config.batch_size} fits in no number of micro-batches: {memory.micro_batch} images need '
      f'{_gib(memory.total_bytes)} a device, {_gib(limit_bytes)} may be used; use smaller images, fewer samples, narrower networks, or, '
      'where it keeps micro-batches large, r1_fraction 1')


def resolve(
    config: ml_collections.ConfigDict, mesh, note: Note = lambda text: None, *, earlier: int | None = None
) -> ml_collections.ConfigDict:
  """The config with `num_micro_batches` chosen, where it is 0 (automatic): as `earlier`, so that a resumed run stays the same, or what fits."""
  if config.num_micro_batches != AUTO:
    return config
  if earlier is not None:
    return _with(config, num_micro_batches=earlier)
  chosen = choose_num_micro_batches(config, mesh, device_memory_limit(), note)
  _compile_step.cache_clear()  # the run compiles its own, and this one would stay in memory beside it
  return _with(config, num_micro_batches=chosen)


def growing_memory(config: ml_collections.ConfigDict, mesh, limit_bytes: float, note: Note = lambda text: None) -> list[StepMemory]:
  """Memory of the step for 4, 16, 64, 256 images a device, until one does not fit."""
  rows = []
  images = 4
  while images <= _LARGEST_TRIED and (not rows or rows[-1].total_bytes <= limit_bytes):
    note(f'compiling the step for {images * mesh.size} images')
    rows.append(step_memory(_with(config, batch_size=images * mesh.size, num_micro_batches=1), mesh))
    images *= 4
  return rows


def count_parameters(config: ml_collections.ConfigDict) -> dict[str, int]:
  """Parameters of each player."""
  state = jax.eval_shape(lambda: train_state.create(
      jax.random.key(0), players_lib.make_players(config), optimizers_lib.make_optimizers(config), image_size=config.image_size))
  params = dict(
      generator=state.generator_params, global_discriminator=state.global_discriminator_params,
      semantic_discriminator=state.semantic_discriminator_params)
  return {name: sum(leaf.size for leaf in jax.tree.leaves(tree)) for name, tree in params.items()}


def count_flops_per_image(config: ml_collections.ConfigDict) -> float:
  """FLOPs of the model per image of a step: three players, all losses, nothing computed twice to save memory."""
  config = _with(config, num_micro_batches=1, num_chunks=1)
  players, optimizers = players_lib.make_players(config), optimizers_lib.make_optimizers(config)
  abstract = _abstract(config, players, optimizers, sharding.make_mesh())
  return flops.count(train_step.make_train_step(config, players, optimizers), *abstract) / config.batch_size


def time_step(config: ml_collections.ConfigDict, mesh) -> float:
  """Seconds of one step, from a step of at most two micro-batches, made as much longer as the batch is larger."""
  timed_batches = min(config.num_micro_batches, 2)
  timed = _with(
      config, batch_size=config.batch_size // config.num_micro_batches * timed_batches, num_micro_batches=timed_batches)
  players, optimizers = players_lib.make_players(timed), optimizers_lib.make_optimizers(timed)
  _, abstract_batch = _abstract(timed, players, optimizers, mesh)
  state = jax.device_put(
      train_state.create(jax.random.key(0), players, optimizers, image_size=timed.image_size), sharding.replicated(mesh))
  batch = jax.tree.map(lambda x: jax.device_put(jnp.full(x.shape, 0.1, x.dtype), x.sharding), abstract_batch)
  step = compile_step(timed, mesh)
  state, _ = jax.block_until_ready(step(state, batch))
  started = time.perf_counter()
  jax.block_until_ready(step(state, batch))
  return (time.perf_counter() - started) * config.num_micro_batches / timed_batches


def make(config: ml_collections.ConfigDict, mesh, note: Note = lambda text: None) -> Plan:
  """The plan of a run on these devices."""
  limit_bytes = device_memory_limit()
  memory = growing_memory(config, mesh, limit_bytes, note)
  try:
    fitting = choose_num_micro_batches(config, mesh, limit_bytes, note)
  except ValueError as error:
    note(str(error))
    fitting = None
  count = config.num_micro_batches if config.num_micro_batches != AUTO else fitting
  seconds = None
  if fitting is not None and count >= fitting:
    note('timing a step')
    seconds = time_step(_with(config, num_micro_batches=count), mesh)
  return Plan(
      parameters=count_parameters(config),
      flops_per_image=count_flops_per_image(config), limit_bytes=limit_bytes, memory=memory, num_micro_batches=fitting,
      seconds_per_step=seconds)


def format_plan(plan: Plan, config: ml_collections.ConfigDict, mesh) -> str:
  """The plan as a table for the terminal."""
  row = lambda name, text: f'{name:26s} {text}'
  lines = [row('devices', f'{mesh.size} x {jax.devices()[0].device_kind}, {_gib(plan.limit_bytes)} each to use')]
  lines += [row('parameters', f'{name.replace("_", " ")} {size:,}') for name, size in plan.parameters.items()]
  lines.append(row('FLOPs an image', f'{plan.flops_per_image / 1e12:.4f} T (all players, all losses)'))
  lines += [
      row('memory on a device', f'{_gib(memory.total_bytes)} for {memory.micro_batch} images at once: state {_gib(memory.state_bytes)}, '
          f'temporary {_gib(memory.temporary_bytes)}{"" if memory.total_bytes <= plan.limit_bytes else "; does not fit"}')
      for memory in plan.memory]
  asked = config.num_micro_batches
  if plan.num_micro_batches is None:
    lines.append(row('micro-batches', f'no number of them makes batch_size {config.batch_size} fit'))
  else:
    asks = '' if asked in (AUTO, plan.num_micro_batches) else f'; the config asks for {asked}' + (
        ', which does not fit' if asked < plan.num_micro_batches else '')
    lines.append(row('micro-batches', f'{plan.num_micro_batches} for batch_size {config.batch_size}{asks}'))
  if plan.seconds_per_step is not None:
    seconds = plan.seconds_per_step
    lines.append(row('seconds a step', f'{seconds:.2f}: {config.batch_size / seconds:.2f} images/s, '
                     f'{plan.flops_per_image * config.batch_size / seconds / 1e12:.3f} TFLOP/s'))
    lines.append(row('hours', f'{seconds * config.num_steps / 3600:.1f} for {config.num_steps:,} steps, pretraining apart'))
  return '\n'.join(lines)


def _gib(size: float) -> str:
  return f'{size / 2**30:.2f} GiB'


def _with(config, **changes):
  config = config.copy_and_resolve_references().unlock()
  config.update(changes)
  return config.lock()


def _abstract(config, players, optimizers, mesh):
  """Shapes of state and batch, laid out as a run would have them."""
  state = jax.eval_shape(lambda: train_state.create(jax.random.key(0), players, optimizers, image_size=config.image_size))
  place = lambda tree, where: jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=where), tree)
  shape = (config.batch_size, config.image_size, config.image_size)
  real = lambda *axes: jax.ShapeDtypeStruct(axes, jnp.float32)
  batch = dict(
      image=real(*shape, 3), semantic_mask=real(*shape, players.generator.num_classes), viewpoint=real(config.batch_size, 2))
  return place(state, sharding.replicated(mesh)), place(batch, sharding.over_batch(mesh))
