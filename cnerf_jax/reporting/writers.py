"""Metrics of a run as files: `metrics.jsonl`, and TensorBoard event files written through tensorboardX, without TensorFlow.

Health checks and plots use the names that training steps give: `generator/TERM`,
`global_discriminator/TERM`, `semantic_discriminator/TERM` with `.../accuracy`, `generator_gradient_norm/TERM`,
`mask_area/fake/CLASS`, `mask_area/real/CLASS`, and `score/NAME` for scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
import os
import pathlib
import time
from typing import Any, Protocol

import jax
import numpy as np
import tensorboardX.event_file_writer
import tensorboardX.summary
from tensorboardX.proto import event_pb2
from tensorboardX.proto import summary_pb2

from cnerf_jax.persistence import atomic_files
from cnerf_jax.persistence import jsonl


def scalars(metrics: Mapping[str, Any], class_names: Sequence[str]) -> dict[str, float]:
  """Metrics as Python floats: a vector over classes becomes one number per class, None (not measured) is left out."""
  flat = {}
  for name, value in metrics.items():
    if value is None:
      continue
    value = np.asarray(value)
    if value.ndim == 0:
      flat[name] = float(value)
    elif value.shape == (len(class_names),):
      flat.update({f'{name}/{class_name}': float(item) for class_name, item in zip(class_names, value, strict=True)})
    else:
      raise ValueError(f'metric {name} has shape {value.shape}; report a scalar or one number for each of the '
                       f'{len(class_names)} classes')
  return flat


class MetricWriter(Protocol):
  """What a run writes its metrics through; names and signatures are those of clu's `MetricWriter`, so that clu's writers fit too."""

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
    """Writes numbers by name."""

  def write_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
    """Writes images [H, W, C] by name."""

  def flush(self) -> None:
    """Returns when all that was written is with the disk."""

  def close(self) -> None:
    """Flushes and ends."""


class MultiWriter:
  """Writes to each of several writers; to none, writes nothing."""

  def __init__(self, writers: Sequence[MetricWriter]):
    self._writers = tuple(writers)

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
    for writer in self._writers:
      writer.write_scalars(step, scalars)

  def write_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
    for writer in self._writers:
      writer.write_images(step, images)

  def flush(self) -> None:
    for writer in self._writers:
      writer.flush()

  def close(self) -> None:
    for writer in self._writers:
      writer.close()


class JsonlWriter:
  """Scalars as one JSON object a line: `{"step": 10, "seconds": 3.2, "loss/eikonal": 0.1}`; each step has one line.

  `jsonl.read` reads it back. A line is with the operating system when `write_scalars` returns.
  """

  def __init__(self, path: str | os.PathLike, *, start_step: int = 0):
    """Opens `path` for appending and drops lines of steps after `start_step`, and half a line a kill left behind.

    Args:
      path: the file; its folder must exist.
      start_step: the step the run goes on from, 0 for a new run.
    """
    self._path = pathlib.Path(path)
    kept = list(jsonl.lines(self._path, last_step=start_step).values())
    text = ''.join(kept)
    if self._path.exists() and self._path.read_bytes() != text.encode():
      atomic_files.write_text(self._path, text)
    self._last = json.loads(kept[-1]) if kept else None
    self._last_offset = len(text.encode()) - len(kept[-1].encode()) if kept else 0
    self._earlier_seconds = float(self._last.get('seconds', 0.)) if self._last else 0.
    self._started = time.monotonic()
    try:
      self._file = open(self._path, 'r+b' if self._path.exists() else 'w+b')
      self._file.seek(0, os.SEEK_END)
    except OSError as error:
      raise atomic_files.explained(error, 'write', self._path) from error

  def write_scalars(self, step: int, scalars: Mapping[str, Any]) -> None:
    """Adds the line of `step`, or adds to it if it is the last one; OSError in one line if the disk is full."""
    step = int(step)
    if self._last is not None and step == self._last['step']:
      record, offset = dict(self._last), self._last_offset
    else:
      seconds = round(self._earlier_seconds + time.monotonic() - self._started, 3)
      record, offset = {'step': step, 'seconds': seconds}, self._file.seek(0, os.SEEK_END)
    record.update(scalars)
    line = jsonl.line(record).encode()
    try:
      self._file.seek(offset)
      self._file.write(line)
      self._file.truncate()
      self._file.flush()
    except OSError as error:
      raise atomic_files.explained(error, 'write', self._path) from error
    self._last, self._last_offset = json.loads(line), offset

  def write_images(self, step: int, images: Mapping[str, np.ndarray]) -> None:
    """Leaves images out."""

  def flush(self) -> None:
    os.fsync(self._file.fileno())

  def close(self) -> None:
    if not self._file.closed:
      self._file.close()


class EventFileWriter:
  """Scalars and images as a TensorBoard event file, written in place rather than from a thread, so
  that a full disk is told."""

  def __init__(self, folder: str | os.PathLike, *, start_step: int = 0):
    """Opens a new event file in `folder`; TensorBoard then ignores what earlier files say of later steps than
    `start_step`."""
    self._folder = pathlib.Path(folder)
    try:
      self._folder.mkdir(parents=True, exist_ok=True)
      self._events = tensorboardX.event_file_writer.EventsWriter(
          str(self._folder / 'events'), filename_suffix=f'.{os.getpid()}.{time.monotonic_ns()}')
    except OSError as error:
      raise atomic_files.explained(error, 'write event files in', self._folder) from error
    if start_step:
      start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
      self._write(event_pb2.Event(wall_time=time.time(), step=start_step + 1, session_log=start))

  def write_scalars(self, step, scalars):
    values = [summary_pb2.Summary.Value(tag=name, simple_value=float(value)) for name, value in scalars.items()]
    self._add(step, summary_pb2.Summary(value=values))

  def write_images(self, step, images):
    """Images [H, W, C], uint8."""
    for name, image in images.items():
      self._add(step, tensorboardX.summary.image(name, np.asarray(image), rescale=1, dataformats='HWC'))

  def flush(self):
    try:
      self._events.flush()
    except OSError as error:
      raise atomic_files.explained(error, 'write event files in', self._folder) from error

  def close(self):
    try:
      self._events.close()
    except OSError as error:
      raise atomic_files.explained(error, 'write event files in', self._folder) from error

  def _add(self, step: int, summary: summary_pb2.Summary) -> None:
    self._write(event_pb2.Event(wall_time=time.time(), step=int(step), summary=summary))

  def _write(self, event: event_pb2.Event) -> None:
    try:
      self._events.write_event(event)
    except OSError as error:
      raise atomic_files.explained(error, 'write event files in', self._folder) from error


def create_writer(workdir: str | os.PathLike, *, start_step: int = 0) -> MetricWriter:
  """The writers of a run: `metrics.jsonl` and event files in `workdir` on the first process, nothing on the others.

  Args:
    workdir: the folder of the run.
    start_step: the step the run goes on from; what was written of later steps is dropped.
  """
  if jax.process_index() != 0:
    return MultiWriter([])
  workdir = pathlib.Path(workdir)
  return MultiWriter([
      JsonlWriter(workdir / 'metrics.jsonl', start_step=start_step),
      EventFileWriter(workdir / 'tensorboard', start_step=start_step),
  ])
