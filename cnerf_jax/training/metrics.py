"""What a run reports: numbers to `metrics.jsonl` and TensorBoard event files, and a progress bar.

Both writers stand behind clu's `MetricWriter`, without TensorFlow: event files are written through tensorboardX's
protocol buffers. Health checks and plots go by the names that training steps give: `generator/TERM`,
`global_discriminator/TERM`, `semantic_discriminator/TERM` with `.../accuracy`, `generator_gradient_norm/TERM`,
`mask_area/fake/CLASS`, `mask_area/real/CLASS`, and `score/NAME` for scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import importlib
import json
import math
import os
import pathlib
import sys
import time
import types
from typing import Any

import jax
import numpy as np
import tensorboardX.event_file_writer
import tensorboardX.summary
from tensorboardX.proto import event_pb2
from tensorboardX.proto import summary_pb2
import tqdm

from cnerf_jax import atomic_files
from cnerf_jax import jsonl


def _import_clu_writers() -> types.ModuleType:
  """clu.metric_writers, with a stand-in for its TensorFlow writer, which alone needs TensorFlow."""
  name = 'clu.metric_writers.summary_writer'
  if 'clu.metric_writers' not in sys.modules:
    stand_in = types.ModuleType(name)

    class SummaryWriter:  # pylint: disable=unused-variable
      def __init__(self, *unused_args, **unused_kwargs):
        raise ImportError('this process writes event files through cnerf_jax.training.metrics, without TensorFlow')

    stand_in.SummaryWriter = SummaryWriter
    sys.modules[name] = stand_in
    try:
      importlib.import_module('clu.metric_writers')
    finally:
      del sys.modules[name]
  return sys.modules['clu.metric_writers']


metric_writers = _import_clu_writers()
MetricWriter = metric_writers.MetricWriter


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


class _QuietWriter(MetricWriter):
  """A MetricWriter that leaves out what it has no place for."""

  def write_summaries(self, step, values, metadata=None):
    pass

  def write_scalars(self, step, scalars):
    pass

  def write_images(self, step, images):
    pass

  def write_videos(self, step, videos):
    pass

  def write_audios(self, step, audios, *, sample_rate):
    pass

  def write_texts(self, step, texts):
    pass

  def write_histograms(self, step, arrays, num_buckets=None):
    pass

  def write_hparams(self, hparams):
    pass

  def flush(self):
    pass

  def close(self):
    pass


class JsonlWriter(_QuietWriter):
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

  def flush(self) -> None:
    os.fsync(self._file.fileno())

  def close(self) -> None:
    if not self._file.closed:
      self._file.close()


class EventFileWriter(_QuietWriter):
  """Scalars, images, histograms and texts as a TensorBoard event file, written in place rather than from a thread, so
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
    """Images [H, W, C] or [N, H, W, C]: uint8, or floats in [0, 1]."""
    for name, stack in images.items():
      stack = np.asarray(stack)
      stack = stack[None] if stack.ndim == 3 else stack
      for index, image in enumerate(stack):
        tag = name if len(stack) == 1 else f'{name}/{index}'
        self._add(step, tensorboardX.summary.image(tag, image, rescale=1 if image.dtype == np.uint8 else 255,
                                                   dataformats='HWC'))

  def write_histograms(self, step, arrays, num_buckets=None):
    for name, array in arrays.items():
      array = np.asarray(array).reshape(-1)
      array = array[np.isfinite(array)]
      if array.size:
        self._add(step, tensorboardX.summary.histogram(name, array, (num_buckets or {}).get(name) or 30))

  def write_texts(self, step, texts):
    for name, text in texts.items():
      self._add(step, tensorboardX.summary.text(name, text))

  def write_hparams(self, hparams):
    rows = '\n'.join(f'| {name} | {value} |' for name, value in hparams.items())
    self.write_texts(0, {'config': f'| field | value |\n|---|---|\n{rows}'})

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
    return metric_writers.MultiWriter([])
  workdir = pathlib.Path(workdir)
  return metric_writers.MultiWriter([
      JsonlWriter(workdir / 'metrics.jsonl', start_step=start_step),
      EventFileWriter(workdir / 'tensorboard', start_step=start_step),
  ])


class Progress:
  """A progress bar with rate, time left and a few numbers; without a terminal, a line every `every_seconds`."""

  def __init__(self, total: int, *, initial: int = 0, description: str = 'train', every_seconds: float = 30.,
               stream: Any = None, enabled: bool | None = None):
    """Starts the clock.

    Args:
      total: steps of the whole run.
      initial: steps that were done before.
      description: what the steps do.
      every_seconds: pause between lines where there is no terminal.
      stream: where to write; standard error by default.
      enabled: by default only on the first process.
    """
    self._stream = stream or sys.stderr
    self._enabled = jax.process_index() == 0 if enabled is None else enabled
    self._total, self._initial, self._description = total, initial, description
    self._every_seconds = every_seconds
    self._started = time.monotonic()
    self._last_line = -math.inf
    self._last_printed = None
    self._step, self._numbers = initial, ''
    self._bar = None
    if self._enabled and self._stream.isatty():
      self._bar = tqdm.tqdm(total=total, initial=initial, desc=description, file=self._stream, dynamic_ncols=True,
                            smoothing=0.05)

  def update(self, step: int, numbers: Mapping[str, Any] | None = None) -> None:
    """Says that `step` steps are done.

    Args:
      step: counted from the start of the run, not of this process.
      numbers: a few values to show; without them the last ones stay.
    """
    if numbers:
      self._numbers = ' '.join(f'{name} {float(value):.3g}' for name, value in numbers.items())
    advanced, self._step = step - self._step, step
    if self._bar is not None:
      self._bar.set_postfix_str(self._numbers, refresh=False)
      self._bar.update(advanced)
    elif self._enabled and time.monotonic() - self._last_line >= self._every_seconds:
      self._print_line()

  def note(self, words: str) -> None:
    """Prints a line without tearing the bar."""
    if self._bar is not None:
      self._bar.write(words, file=self._stream)
    elif self._enabled:
      print(words, file=self._stream, flush=True)

  def close(self) -> None:
    """Shows the last step and ends."""
    if self._bar is not None:
      self._bar.close()
    elif self._enabled and self._last_printed != self._step:
      self._print_line()
    self._enabled, self._bar = False, None

  def __enter__(self) -> Progress:
    return self

  def __exit__(self, *exception) -> None:
    self.close()

  def _print_line(self) -> None:
    self._last_line, self._last_printed = time.monotonic(), self._step
    done = self._step - self._initial
    seconds = self._last_line - self._started
    words = [f'{self._description} {self._step}/{self._total} ({self._step / max(self._total, 1):.0%})']
    if done > 0 and seconds > 0:
      rate = done / seconds
      words.append(f'{rate:.2f} steps/s' if rate >= 1 else f'{1 / rate:.2f} s/step')
      left = max(self._total - self._step, 0) / rate
      words.append(f'{tqdm.tqdm.format_interval(seconds)} gone, {tqdm.tqdm.format_interval(left)} left')
    print(' | '.join(words + [self._numbers] * bool(self._numbers)), file=self._stream, flush=True)
