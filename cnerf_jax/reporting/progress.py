"""A progress bar with rate, time left and a few numbers; in a log, whole lines now and then."""

from __future__ import annotations

from collections.abc import Mapping
import math
import sys
import time
from typing import Any

import jax
import tqdm


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
