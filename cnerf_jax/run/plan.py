"""What a run will take, said before it starts: parameters, FLOPs an image, memory, the largest batch that fits, hours; pretraining included.

Memory is what the compiler says of the very step that would run; hours come from the seconds of a step that was run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import dataclasses
import functools
import os

import jax
from jax.experimental import multihost_utils
import ml_collections
import numpy as np

from cnerf_jax.models import players as players_lib
from cnerf_jax.run import compiled_steps
from cnerf_jax.run import flops
from cnerf_jax.run import pretraining_plan
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
class Plan:
  """What a run will take.

  Attributes:
    parameters: number of them, by player.
    flops_per_image: of the model, in a step: all players, all losses.
    limit_bytes: what the run may use of each device.
    memory: of growing micro-batches, up to the first that does not fit.
    num_micro_batches: as in the config, or as few as fit; None if no number of them does.
    seconds_per_step: None if nothing fits.
    pretraining: what pretraining will take; None without any.
  """

  parameters: dict[str, int]
  flops_per_image: float
  limit_bytes: float
  memory: list[compiled_steps.StepMemory]
  num_micro_batches: int | None
  seconds_per_step: float | None
  pretraining: pretraining_plan.PretrainingPlan | None = None


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


def step_memory(config: ml_collections.ConfigDict, mesh) -> compiled_steps.StepMemory:
  """Compiles the training step of a config, without data or state, and asks what memory it takes."""
  return compiled_steps.memory_of(compile_step(config, mesh), config.batch_size // config.num_micro_batches)


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


def growing_memory(
    config: ml_collections.ConfigDict, mesh, limit_bytes: float, note: Note = lambda text: None,
) -> list[compiled_steps.StepMemory]:
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
  return compiled_steps.seconds_of_second_call(compile_step(timed, mesh), state, abstract_batch) * config.num_micro_batches / timed_batches


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
      seconds_per_step=seconds,
      pretraining=pretraining_plan.make(config, mesh, limit_bytes=limit_bytes, waiting_bytes=_state_bytes(config), note=note))


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
  lines += [row(name, text) for name, text in _pretraining_rows(plan)]
  if plan.seconds_per_step is not None:
    lines.append(row('hours', _hours(plan, config)))
  return '\n'.join(lines)


def _pretraining_rows(plan: Plan) -> Iterator[tuple[str, str]]:
  """(name, text) of each line about pretraining; none without any."""
  pretraining = plan.pretraining
  if pretraining is None:
    return
  memory, seconds = pretraining.memory, pretraining.seconds_per_step
  yield 'pretraining: parameters', f'encoder {pretraining.encoder_parameters:,}'
  yield 'memory on a device', (
      f'{_gib(pretraining.total_bytes)} for {memory.micro_batch} portraits at once: state {_gib(memory.state_bytes)}, temporary '
      f'{_gib(memory.temporary_bytes)}, {_gib(pretraining.waiting_bytes)} for what is trained later'
      f'{"" if seconds is not None else "; does not fit"}')
  if seconds is not None:
    yield 'seconds a step', f'{seconds:.2f}: {memory.micro_batch / seconds:.2f} portraits/s'
    refit = pretraining.num_refit_steps
    later = f' and, at the end, {refit:,} of the encoder alone, at most' if refit else ''
    yield 'minutes', f'{pretraining.seconds / 60:.1f} for {pretraining.num_steps:,} steps{later}'


def _hours(plan: Plan, config) -> str:
  """Hours of a run whose adversarial steps fit, with those of its pretraining where it has one that fits."""
  adversarial = plan.seconds_per_step * config.num_steps / 3600
  if plan.pretraining is None or plan.pretraining.seconds is None:
    return f'{adversarial:.1f} for {config.num_steps:,} steps, pretraining apart'
  before = plan.pretraining.seconds / 3600
  return (f'{before + adversarial:.2f} in all: {before:.2f} of pretraining, {adversarial:.2f} for {config.num_steps:,} steps; '
          'data, compilation and scores apart')


def _gib(size: float) -> str:
  return f'{size / 2**30:.2f} GiB'


def _with(config, **changes):
  config = config.copy_and_resolve_references().unlock()
  config.update(changes)
  return config.lock()


def _state_bytes(config) -> int:
  """Bytes of the state of the adversarial training."""
  players, optimizers = players_lib.make_players(config), optimizers_lib.make_optimizers(config)
  state = jax.eval_shape(lambda: train_state.create(jax.random.key(0), players, optimizers, image_size=config.image_size))
  return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))


def _abstract(config, players, optimizers, mesh):
  """Shapes of state and batch, laid out as a run would have them."""
  state = jax.eval_shape(lambda: train_state.create(jax.random.key(0), players, optimizers, image_size=config.image_size))
  batch = compiled_steps.abstract_batch(config.batch_size, config.image_size, players.generator.num_classes)
  return compiled_steps.abstract(state, batch, mesh)
