"""Checkpoints that a run can trust: state, position in the data and a few words of meta, saved by Orbax.

What a step's folder holds is in `saved_step`. At restore everything is checked; a damaged newest step gives way to the
newest sound one.

Nothing that was saved is thrown away to make room for a step of the same number: damaged steps and steps of an
abandoned continuation move to `checkpoints_set_aside`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import errno
import os
import pathlib
import shutil
from typing import Any

from absl import logging
import jax
import orbax.checkpoint as ocp

from cnerf_jax.persistence import atomic_files
from cnerf_jax.persistence import processes
from cnerf_jax.persistence import saved_step

PyTree = Any


@dataclasses.dataclass(frozen=True)
class LowestScores:
  """Orbax preservation policy: keeps the `n` steps with the lowest score; steps without a score count for nothing."""

  n: int

  def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
    del context
    scores = [(info.metrics or {}).get('score') for info in checkpoints]
    best = sorted((score, index) for index, score in enumerate(scores) if score is not None)[:self.n]
    return [index in {kept for _, kept in best} for index in range(len(scores))]


class Checkpoints:
  """The checkpoints of one run, in `workdir/checkpoints`.

  Attributes:
    directory: the folder that holds one folder per step.
  """

  def __init__(self, workdir: str | os.PathLike, *, max_to_keep: int = 3, keep_best: int = 1, shard_count: int = 1):
    """Touches no file: the folder is made by the first save.

    Args:
      workdir: the folder of the run.
      max_to_keep: how many of the newest steps stay.
      keep_best: how many of the steps with the lowest `score` stay besides.
      shard_count: into how many shards the data is split; a position in the data means nothing under another number.
    """
    if max_to_keep < 1:
      raise ValueError(f'max_to_keep {max_to_keep} would keep no checkpoint; use at least 1')
    self.directory = pathlib.Path(workdir).expanduser().absolute() / 'checkpoints'
    self._max_to_keep = max_to_keep
    self._keep_best = keep_best
    self._shard_count = shard_count
    self._damaged: set[int] = set()
    self._manager: ocp.CheckpointManager | None = None

  def list_steps(self) -> list[int]:
    """Steps that were saved completely, oldest first; none if the folder does not exist."""
    if not self.directory.is_dir():
      return []
    return sorted(ocp.utils.checkpoint_steps(self.directory))

  def save(
      self, step: int, state: PyTree, iterator: Any = None, meta: Mapping[str, Any] | None = None, *,
      score: float | None = None,
  ) -> bool:
    """Saves `state` as `step`; all processes call this together.

    Args:
      step: number of finished training steps.
      state: any pytree of arrays; typed PRNG keys are fine.
      iterator: the grain iterator that feeds the run, or what its `get_state()` gave; None saves no position.
      meta: anything that JSON can hold, given back at restore.
      score: lower is better; the best steps are kept besides the newest.

    Returns:
      True if files were written, False if this very state is already saved as `step`.

    Raises:
      OSError: in one line, if the disk is full or the folder can't be written; earlier steps stay as they were.
    """
    state = saved_step.without_typed_keys(state)
    data = None
    if iterator is not None:
      position = iterator.get_state() if hasattr(iterator, 'get_state') else iterator
      data = {'shard_count': self._shard_count, 'position': saved_step.encode_position(position)}
    record = saved_step.make_record(step, state, data, meta, score)
    if self._already_saved(step, record):
      logging.info('Step %d is already saved in %s with this very state.', step, self.directory)
      return False
    self._check_space(step, state)
    self._make_room_for(step)
    try:
      with saved_step.orbax_silent():
        self._open_manager().save(
            step,
            args=ocp.args.Composite(state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(record)),
            metrics={'score': record['score']},
            force=True,
        )
    except Exception as error:  # Orbax wraps a full disk into ValueError, XlaRuntimeError and others
      self._abandon(step)
      if atomic_files.is_no_space(error):
        error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
      if isinstance(error, OSError):
        raise atomic_files.explained(error, f'save checkpoint step {step} in', self.directory) from error
      raise
    return True

  def restore(self, abstract_state: PyTree, iterator: Any = None, *, step: int | None = None) -> tuple[PyTree, dict]:
    """The newest sound state, in the structure, dtypes and shardings of `abstract_state`.

    Args:
      abstract_state: the state or its `jax.ShapeDtypeStruct`s; shardings may be of any number of devices. Leaves
        without a sharding go to the first device.
      iterator: if given, is set to the saved position.
      step: restores this step and no other.

    Returns:
      (state, meta): meta is what `save` got, and `step`.

    Raises:
      FileNotFoundError: if nothing was saved.
      ValueError: if no step is sound, or the state or the number of data shards is not the saved one.
    """
    state, record = self._newest_sound(lambda path, record: saved_step.read_state(path, record, abstract_state), step)
    if iterator is not None:
      self._set_position(iterator, record)
    return state, {**record['meta'], 'step': record['step']}

  def restore_part(self, names: Sequence[str] = ('ema_params',), *, step: int | None = None) -> tuple[dict, dict]:
    """Some fields of the newest sound state as plain nested dicts of NumPy arrays, wherever they were saved.

    Args:
      names: top-level fields of the state, such as `ema_params`.
      step: reads this step and no other.

    Returns:
      (parts, meta): parts maps each name to its tree.
    """
    parts, record = self._newest_sound(lambda path, record: saved_step.read_part(path, record, tuple(names)), step)
    return parts, {**record['meta'], 'step': record['step']}

  def close(self) -> None:
    """Lets go of Orbax's threads; the object may be used again afterwards."""
    if self._manager is not None:
      with saved_step.orbax_silent():
        self._manager.close()
      self._manager = None

  def __enter__(self) -> Checkpoints:
    return self

  def __exit__(self, *exception) -> None:
    self.close()

  def _open_manager(self) -> ocp.CheckpointManager:
    if self._manager is None:
      policies = ocp.checkpoint_managers
      self.directory.mkdir(parents=True, exist_ok=True)
      self._manager = ocp.CheckpointManager(self.directory, options=ocp.CheckpointManagerOptions(
          # max_to_keep together with best_fn would delete the newest step, from which a run goes on.
          preservation_policy=policies.AnyPreservationPolicy([
              policies.LatestN(self._max_to_keep),
              LowestScores(self._keep_best),
          ]),
          best_fn=lambda metrics: metrics['score'],  # makes Orbax keep the scores; the policies decide
          best_mode='min',
          cleanup_tmp_directories=True,  # what kill -9 left behind
          enable_async_checkpointing=False,  # the step donates the state, and a full disk must be told at once
      ))
    return self._manager

  def _already_saved(self, step: int, record: dict) -> bool:
    if step in self._damaged or step not in self.list_steps():
      return False
    try:
      return saved_step.read_record(self.directory / str(step))['arrays'] == record['arrays']
    except saved_step.DamagedCheckpoint:
      return False

  def _make_room_for(self, step: int) -> None:
    """Moves aside what would shadow `step`: known damaged steps, and those of a continuation that was given up."""
    in_the_way = [other for other in self.list_steps() if other in self._damaged or other >= step]
    processes.wait_for_all('checkpoints_listed')  # so that all have seen the same before the first moves any
    if not in_the_way:
      return
    self.close()
    aside = self.directory.with_name('checkpoints_set_aside')
    processes.first_alone(lambda: self._set_aside(in_the_way, aside))
    self._damaged.difference_update(in_the_way)
    logging.warning('Saving step %d: %s, damaged or of an earlier continuation, moved to %s.',
                    step, _steps_in_words(in_the_way), aside)

  def _set_aside(self, steps: Sequence[int], aside: pathlib.Path) -> None:
    try:
      aside.mkdir(exist_ok=True)
      for step in steps:
        target, attempt = aside / str(step), 1
        while target.exists():
          attempt += 1
          target = aside / f'{step}-{attempt}'
        os.rename(self.directory / str(step), target)
    except OSError as error:
      raise atomic_files.explained(error, 'move a superseded checkpoint to', aside) from error

  def _check_space(self, step: int, state: PyTree) -> None:
    try:
      self.directory.mkdir(parents=True, exist_ok=True)
      needed = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
      if shutil.disk_usage(self.directory).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as error:
      raise atomic_files.explained(error, f'save checkpoint step {step} in', self.directory) from error

  def _abandon(self, step: int) -> None:
    """Removes what a failed save of `step` left behind, so that it neither counts as a step nor fills the disk."""
    manager, self._manager = self._manager, None
    try:
      if manager is not None:
        manager.close()
    except Exception:  # pylint: disable=broad-except; the error of the save is the one to tell
      pass
    if jax.process_index() == 0 and self.directory.is_dir():
      for path in self.directory.glob(f'{step}.orbax-checkpoint-tmp*'):
        shutil.rmtree(path, ignore_errors=True)
      if step not in self.list_steps():
        shutil.rmtree(self.directory / str(step), ignore_errors=True)

  def _newest_sound(self, read: Callable[[pathlib.Path, dict], Any], step: int | None) -> tuple[Any, dict]:
    steps = self.list_steps()
    if not steps:
      raise FileNotFoundError(f'no checkpoint in {self.directory}; give the folder of a run that has saved one')
    if step is not None and step not in steps:
      raise ValueError(f'no checkpoint of step {step} in {self.directory}; saved steps are {_listed(steps)}')
    damage: dict[int, str] = {}
    for candidate in reversed(steps) if step is None else [step]:
      path = self.directory / str(candidate)
      try:
        record = saved_step.read_record(path)
        result = read(path, record)
      except saved_step.DamagedCheckpoint as error:
        damage[candidate] = str(error)
        continue
      if damage:
        logging.warning('In %s %s damaged (%s); going on from step %d.',
                        self.directory, _steps_in_words(list(damage), verb=True), '; '.join(damage.values()), candidate)
        self._damaged.update(damage)
      return result, record
    found = '; '.join(f'step {candidate}: {reason}' for candidate, reason in damage.items())
    remedy = ('put back a copy of the folder, or train again in a new workdir' if step is None else
              'ask for another step, or put back a copy of the folder')
    raise ValueError(f'no sound checkpoint in {self.directory} ({found}); {remedy}')

  def _set_position(self, iterator: Any, record: dict) -> None:
    data = record['data']
    where = f'checkpoint step {record["step"]} in {self.directory}'
    if data is None:
      raise ValueError(f'{where} holds no position in the data; start a new workdir, or restore without an iterator')
    if data['shard_count'] != self._shard_count:
      raise ValueError(f'{where} was written with {data["shard_count"]} data shards, this run has {self._shard_count}; '
                       f'run with {data["shard_count"]} processes, as before')
    try:
      iterator.set_state(saved_step.decode_position(data['position']))
    except Exception as error:
      raise ValueError(f'{where} has a position that this data does not know ({atomic_files.one_line(error)}); '
                       'use the data set and loader settings of the run that saved it') from error


def _listed(steps: Sequence[int]) -> str:
  return ', '.join(map(str, sorted(steps)))


def _steps_in_words(steps: Sequence[int], *, verb: bool = False) -> str:
  plural = len(steps) > 1
  words = f'step{"s" * plural} {_listed(steps)}'
  return f'{words} {"are" if plural else "is"}' if verb else words
