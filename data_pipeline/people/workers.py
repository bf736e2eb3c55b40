"""Drawing in several processes, in order, a few tasks ahead.

The workers are `python -m data_pipeline.people.workers`: a fork would copy the threads of JAX in whatever state they are, and
multiprocessing's spawn would import the caller's main module again, a whole trainer in each worker. A worker reads pickled
(function, task) pairs from its standard input, answers on its standard output, and ends when its input does: nobody is left
behind when the parent is killed. Each computes with one thread, so that as many as there are cores don't get in each other's way.
"""

from collections.abc import Callable, Iterable, Iterator
import collections
import concurrent.futures
import os
import pathlib
import pickle
import queue
import signal
import subprocess
import sys
import traceback
from typing import Any

PROCESSES = os.cpu_count() or 1  # the default of everything that draws people
_ROOT = pathlib.Path(__file__).resolve().parents[2]
_ONE_THREAD = {name: '1' for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS', 'NUMBA_NUM_THREADS')}
_ENVIRONMENT = _ONE_THREAD | {'JAX_PLATFORMS': 'cpu'}  # whatever asks JAX for a device in a worker must not take the trainer's
_TASKS_AHEAD = 2  # per process


def in_order(function: Callable[[Any], Any], tasks: Iterable[Any], processes: int) -> Iterator[Any]:
  """`map(function, tasks)`, by several processes.

  Args:
    function: of a module, so that workers can import it. What it raises is raised here.
    tasks: picklable; read only a few ahead of the results.
    processes: how many; 0 runs the tasks in this process.

  Raises:
    ChildProcessError: in one line, if a worker was killed.
  """
  if processes == 0:
    yield from map(function, tasks)
    return
  if not any(pathlib.Path(os.environ['NUMBA_CACHE_DIR']).glob('*/shading.illuminate-*')):
    print('compiling the renderer: about a minute, the first time', file=sys.stderr)
  workers = [_Worker() for _ in range(processes)]
  idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
  for worker in workers:
    idle.put(worker)

  def run(task):
    worker = idle.get()
    try:
      return worker.call(function, task)
    finally:
      idle.put(worker)

  threads = concurrent.futures.ThreadPoolExecutor(processes)
  try:
    pending = collections.deque()
    for task in tasks:
      pending.append(threads.submit(run, task))
      if len(pending) > _TASKS_AHEAD * processes:
        yield pending.popleft().result()
    while pending:
      yield pending.popleft().result()
  finally:
    threads.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
      worker.end()


class _Worker:
  """A worker as its parent sees it."""

  def __init__(self):
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get('PYTHONPATH')])])
    self._process = subprocess.Popen(
        [sys.executable, '-m', 'data_pipeline.people.workers'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=os.environ | _ENVIRONMENT | {'PYTHONPATH': path})

  def call(self, function: Callable[[Any], Any], task: Any) -> Any:
    """What the function returns, or raises, in the worker."""
    try:
      pickle.dump((function, task), self._process.stdin)
      self._process.stdin.flush()
      went_well, result = pickle.load(self._process.stdout)
    except (EOFError, BrokenPipeError, pickle.UnpicklingError):
      raise ChildProcessError('a drawing process was killed, probably for want of memory; run the same command again, it goes on '
                              'from here, with fewer processes if it may choose') from None
    if not went_well:
      raise result
    return result

  def end(self) -> None:
    """Ends the worker, in the middle of a task too."""
    self._process.kill()
    self._process.wait()
    for stream in (self._process.stdin, self._process.stdout):
      try:
        stream.close()
      except OSError:
        pass  # what the killed worker did not read


def serve() -> None:
  """Runs tasks from the standard input until it ends."""
  signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends this process
  tasks, answers = sys.stdin.buffer, os.fdopen(os.dup(1), 'wb')
  os.dup2(2, 1)  # so that nothing that is printed gets among the answers
  while True:
    try:
      function, task = pickle.load(tasks)
    except EOFError:
      return
    try:
      answer = True, function(task)
    except Exception as error:  # pylint: disable=broad-exception-caught
      error.add_note(traceback.format_exc())  # for who looks into it; the error's own words stay one line
      answer = False, error
    try:
      try:
        written = pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)
      except Exception as error:  # pylint: disable=broad-exception-caught
        written = pickle.dumps((False, RuntimeError(f'{type(answer[1]).__name__} that cannot be sent: {error}')))
      answers.write(written)
      answers.flush()
    except BrokenPipeError:  # the parent was killed
      os._exit(1)


if __name__ == '__main__':
  serve()
