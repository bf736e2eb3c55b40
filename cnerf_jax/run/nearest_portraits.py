"""Training portraits that a run's samples are held against: read once, reduced; and a sheet of samples beside what they are nearest to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
import pathlib
from typing import Any, Protocol

from jaxtyping import Float
import ml_collections
import numpy as np

from cnerf_jax.evaluation import nearest
from cnerf_jax.reporting import sheets

MOST_PORTRAITS = 10_000  # of the train split, evenly spread: reading all of a large one would take minutes
MOST_HELD_OUT = 1_000  # of the validation split, likewise
LEAST_HELD_OUT = 16  # of fewer, a median says nothing


class Data(Protocol):
  """What this needs of a data set."""

  num_train: int
  num_validation: int

  def image_parts(self, split: str, indices: Sequence[int], *, image_size: int) -> Iterator[np.ndarray]:
    """Images of a split by number, some at a time."""


class NearestPortraits:
  """Compares samples with training portraits, beside those of the validation split; reads both at the first comparison."""

  def __init__(self, data: Data, config: ml_collections.ConfigDict, note: Callable[[str], None] = print):
    """Reads nothing yet.

    Args:
      data: of the run, with at least LEAST_HELD_OUT people in its validation split.
      config: of the run; `data.flip` says whether mirror images were trained on.
      note: says what is going on.
    """
    self._data, self._image_size, self._is_mirrored = data, config.image_size, bool(config.data.get('flip', False))
    self._indices = nearest.spread_evenly(data.num_train, MOST_PORTRAITS)
    self._note = note
    self._portraits = self._held_out = self._of_held_out = None

  def compare(self, images: Float[np.ndarray, 'samples size size 3'], step: int, workdir: pathlib.Path) -> dict[str, Any]:
    """`nearest` of the scores, see `nearest.summarise`, with `num_train` and `mirrored`; also a sheet of the nearest and of random samples,
    each beside its training portrait, `sheets/nearest_STEP.png`."""
    if self._portraits is None:
      self._note(f'nearest: reading {len(self._indices):,} of {self._data.num_train:,} training portraits')
      reduced = lambda split, indices: np.concatenate([nearest.reduce(part) for part in self._read(split, indices)])
      self._portraits = reduced('train', self._indices)
      self._held_out = reduced('validation', nearest.spread_evenly(self._data.num_validation, MOST_HELD_OUT))
      self._of_held_out = self._find(self._held_out, self._portraits)
    samples = nearest.reduce(images)
    found = self._find(samples, self._portraits)
    sheets.save(self._sheet(images, found, step), pathlib.Path(workdir) / 'sheets' / f'nearest_{step:07d}.png')
    summary = nearest.summarise(found, self._of_held_out, self._find(samples, self._held_out), len(self._portraits))
    return summary | dict(num_train=self._data.num_train, mirrored=self._is_mirrored)

  def _read(self, split, indices) -> Iterator[np.ndarray]:
    return self._data.image_parts(split, indices, image_size=self._image_size)

  def _find(self, pictures, portraits) -> nearest.Neighbours:
    return nearest.find(pictures, portraits, mirror=self._is_mirrored)

  def _sheet(self, images, found, step):
    columns = nearest.choose_shown(found)
    pairs = []
    for shown in columns:
      portraits = np.concatenate([*self._read('train', [self._indices[place] for place in found.portrait[shown]]), images[:0]])
      portraits = np.where(found.is_mirrored[shown, None, None, None], portraits[:, :, ::-1], portraits)
      pairs.append((images[shown], portraits, found.distance[shown]))
    return sheets.nearest_sheet(*pairs, title=f'step {step}: a sample, and the training portrait nearest to it')
