"""Workers answer in order, raise what tasks raise, and leave nobody behind."""

import itertools
import os
import signal
import subprocess
import sys
import time

import pytest

from data_pipeline.people import workers


def test_results_come_in_order_and_tasks_are_read_only_a_few_ahead():
  """Protects order, and memory: an endless source of tasks is no burden."""
  read = []

  def tasks():
    for i in itertools.count():
      read.append(i)
      yield -i

  results = workers.in_order(abs, tasks(), 2)
  assert [next(results) for _ in range(20)] == list(range(20))
  assert len(read) < 30
  results.close()


def test_tasks_run_in_other_processes_or_in_this_one():
  """Protects both cores, and tests that replace what draws."""
  assert os.getpid() not in set(workers.in_order(_pid, range(8), 2))
  assert set(workers.in_order(_pid, range(3), 0)) == {os.getpid()}


def _pid(task):
  del task
  return os.getpid()


def test_what_a_task_raises_is_raised():
  """Protects one line for a fault: the error of the task itself."""
  with pytest.raises(ValueError, match='invalid literal') as raised:
    list(workers.in_order(int, ['1', 'x', '3'], 2))
  assert 'Traceback' in raised.value.__notes__[0] and '\n' not in str(raised.value)


def test_a_killed_worker_is_told_in_one_line():
  """Protects long drawings where memory is short."""
  with pytest.raises(ChildProcessError, match='a drawing process was killed, probably for want of memory; run the same command') as raised:
    list(workers.in_order(os._exit, [1], 1))
  assert '\n' not in str(raised.value)


def test_workers_end_with_a_killed_parent():
  """Protects the machine: kill -9 reaches the parent alone."""
  program = """
import os, time
from data_pipeline.people import workers
for pid in workers.in_order(eval, ['__import__("os").getpid()'] * 2 + ['__import__("time").sleep(0.2)'] * 1000, 1):
  print(pid, flush=True)
"""
  parent = subprocess.Popen([sys.executable, '-c', program], stdout=subprocess.PIPE, text=True)
  worker = int(parent.stdout.readline())
  os.kill(parent.pid, signal.SIGKILL)
  parent.wait()
  deadline = time.monotonic() + 20
  while os.path.exists(f'/proc/{worker}') and time.monotonic() < deadline:
    time.sleep(0.05)
  assert not os.path.exists(f'/proc/{worker}')
