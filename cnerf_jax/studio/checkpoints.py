"""The models of a run: the newest, which is followed, and a few of its other checkpoints, those that were asked for last.

All checkpoints of a run share one generator, so that what is compiled for one draws them all.
"""

from __future__ import annotations

import collections
import pathlib
import threading

from cnerf_jax import pretrained
from cnerf_jax.studio import description

MOST_HELD = 4  # models in memory, the newest among them


class NotHeld(ValueError):
  """A checkpoint that is not in memory; `step` is which."""

  def __init__(self, step: int):
    super().__init__(f'step {step} is not in memory; ask for its checkpoint')
    self.step = step


class Models:
  """The models of a run or a file.

  Attributes:
    newest: the model.
    newest_step: of the run; None for a file of parameters.
  """

  def __init__(self, path: str | pathlib.Path):
    self._path = pathlib.Path(path).expanduser()
    self._held: collections.OrderedDict[int, pretrained.Model] = collections.OrderedDict()
    self._lock = threading.Lock()
    self.newest = self._read(None)
    self.newest_step = None if self._path.is_file() else self.newest.provenance['step']

  def list_steps(self) -> list[int]:
    """Steps that are saved now, oldest first; none of a file."""
    if self.newest_step is None:
      return []
    from cnerf_jax.persistence import checkpoints  # pylint: disable=g-import-not-at-top
    with checkpoints.Checkpoints(self._path) as saved:
      return saved.list_steps()

  def at(self, step: int | None) -> pretrained.Model:
    """A model in memory: the newest if None.

    Raises:
      NotHeld: if it is not.
    """
    with self._lock:
      if step is None or step == self.newest_step:
        return self.newest
      if step not in self._held:
        raise NotHeld(step)
      self._held.move_to_end(step)
      return self._held[step]

  def load(self, step: int) -> pretrained.Model:
    """A model of a saved step, which is in memory now; the one that was asked for longest ago may have to go.

    Raises:
      ValueError: in one line, if there is no such step, or it is damaged.
    """
    try:
      return self.at(step)
    except NotHeld:
      pass
    if self.newest_step is None:
      raise ValueError('a file of parameters has no checkpoints; serve the --workdir of a run')
    try:
      model = self._read(step)
    except OSError as error:
      raise ValueError(str(error)) from error
    with self._lock:
      self._held[step] = model
      while len(self._held) > MOST_HELD - 1:
        self._held.popitem(last=False)
    return model

  def read_newer(self) -> pretrained.Model | None:
    """The newest sound model if it is newer than the one here, for `take`; None if it isn't."""
    if max(self.list_steps(), default=0) <= (self.newest_step or 0):
      return None
    model = self._read(None)
    return model if model.provenance['step'] > self.newest_step else None

  def take(self, model: pretrained.Model) -> None:
    """Makes a model of `read_newer` the newest; the one before goes, unless it is asked for."""
    with self._lock:
      self.newest, self.newest_step = model, model.provenance['step']

  def _read(self, step: int | None) -> pretrained.Model:
    model = pretrained.load(self._path) if step is None else pretrained.load(self._path, step=step)
    description.check(model)
    return model
