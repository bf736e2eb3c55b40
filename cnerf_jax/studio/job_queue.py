"""Jobs, which take seconds or minutes: one at a time in all, one for each page. Others wait in a bounded queue and are told their place.

A job is a function that runs in a thread of its own. It computes in short steps, before each of which it asks for the device (`Work.device`),
for which drawing asks too: they come in turn, so that neither starves the other.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable, Iterator
import concurrent.futures
import contextlib
import dataclasses
import logging
import threading

from cnerf_jax.persistence import atomic_files
from cnerf_jax.studio import drawing
from cnerf_jax.studio import messages
from cnerf_jax.studio import pages as pages_lib

MOST_WAITING = 16
CANCELLED = 'dropped'  # the error of what nobody wants any more, as pages know it


class Cancelled(Exception):
  """A job that nobody wants any more."""


class Work:
  """What a running job asks of the server, from its own thread."""

  def __init__(self, page: pages_lib.Page, number: int, device: asyncio.Lock):
    self._page, self._number, self._device = page, number, device
    self._loop = asyncio.get_running_loop()
    self._cancelled, self._closing = threading.Event(), threading.Event()

  def cancel(self, closing: bool = False) -> None:
    """Ends the job at its next step; `closing` also while it waits for the device."""
    self._cancelled.set()
    if closing:
      self._closing.set()

  @contextlib.contextmanager
  def device(self) -> Iterator[None]:
    """The device, for one step.

    Raises:
      Cancelled: if nobody wants the job any more.
    """
    self.check()
    acquired = asyncio.run_coroutine_threadsafe(self._device.acquire(), self._loop)
    while True:
      try:
        acquired.result(0.5)
        break
      except concurrent.futures.TimeoutError:
        if self._closing.is_set():
          raise Cancelled from None
    try:
      self.check()
      yield
    finally:
      self._loop.call_soon_threadsafe(self._device.release)

  def check(self) -> None:
    if self._cancelled.is_set():
      raise Cancelled

  def tell(self, fraction: float, doing: str, header: dict | None = None, *arrays) -> None:
    """Says how far it is, with a picture if there is one; a page that takes nothing now misses it. Raises Cancelled as `device`."""
    self.check()
    said = drawing.packed(
        {'id': self._number, 'kind': 'progress', 'fraction': round(fraction, 4), 'doing': doing} | (header or {}), *arrays)
    self._loop.call_soon_threadsafe(lambda: self._page.has_room and self._page.send(said))


@dataclasses.dataclass(eq=False)
class _Job:
  page: pages_lib.Page
  request: messages.Request
  work: Work


class Jobs:
  """The queue, and the job that runs."""

  def __init__(self, run: Callable[[messages.Request, Work], tuple], device: asyncio.Lock, most_waiting: int = MOST_WAITING):
    """An empty queue.

    Args:
      run: does a request, in a thread; (header, parts) of the answer.
      device: held by who computes.
      most_waiting: jobs, besides the one that runs.
    """
    self._run, self._device, self._most_waiting = run, device, most_waiting
    self._waiting: collections.deque[_Job] = collections.deque()
    self._running: _Job | None = None
    self._some = asyncio.Event()

  def add(self, page: pages_lib.Page, request: messages.Request) -> None:
    """Lets a job wait.

    Raises:
      ValueError: in one line, if the page has one already, or too many wait.
    """
    if any(job.page is page for job in self._all()):
      raise ValueError('this page has a job already; wait for it, or cancel it')
    if len(self._waiting) >= self._most_waiting:
      raise ValueError(f'{self._most_waiting} jobs wait already; try again later')
    self._waiting.append(_Job(page, request, Work(page, request.number, self._device)))
    self._some.set()
    if self._running is not None:
      self._tell_places()

  def _all(self) -> list[_Job]:
    return ([] if self._running is None else [self._running]) + list(self._waiting)

  def _tell_places(self) -> None:
    for place, job in enumerate(self._waiting, start=1):
      job.page.send(drawing.packed({'id': job.request.number, 'kind': 'place', 'place': place}))

  def cancel(self, page: pages_lib.Page, number: int | None = None) -> None:
    """Ends the page's job of that number, or whatever it has; one that runs ends at its next step."""
    for job in self._all():
      if job.page is page and number in (None, job.request.number):
        job.work.cancel()
        if job is not self._running:
          self._waiting.remove(job)
          page.send({'id': job.request.number, 'error': CANCELLED})
          self._tell_places()

  def close(self) -> None:
    """Ends all, for the server's end."""
    for job in self._all():
      job.work.cancel(closing=True)

  async def keep_working(self) -> None:
    while True:
      while not self._waiting:
        self._some.clear()
        await self._some.wait()
      job = self._running = self._waiting.popleft()
      self._tell_places()
      number = job.request.number
      try:
        header, parts = await asyncio.to_thread(self._run, job.request, job.work)
        job.page.send(drawing.packed({'id': number} | header, *parts))
      except Cancelled:
        job.page.send({'id': number, 'error': CANCELLED})
      except ValueError as error:
        job.page.send({'id': number, 'error': atomic_files.one_line(error, 400), 'missing': getattr(error, 'step', None)})
      except ImportError as error:
        job.page.send({'id': number, 'error': f'this needs {error.name}, which is not installed here; pip install {error.name}'})
      except Exception as error:  # pylint: disable=broad-except
        logging.exception('a job failed')
        job.page.send({'id': number, 'error': atomic_files.one_line(error)})
      finally:
        self._running = None
