"""People drawn a second by one core, and the memory that takes: python -m benchmarks.people_rendering [--sizes=128 --sizes=256 --people=40]

Draws people one after another in this process with one thread, from random cameras, after two that are not timed (numba compiles, the head
is read): the whole of `person.draw` and `rendering.render`. Then, with --export, a folder of them by the command line, as a user would, start
to end, with the largest sum of what the command and its workers hold (resident set sizes, sampled ten times a second). Prints a row for
each and appends it to --output as JSON.
"""

import os

os.environ['OMP_NUM_THREADS'] = os.environ['OPENBLAS_NUM_THREADS'] = os.environ['NUMBA_NUM_THREADS'] = '1'  # read when NumPy is loaded

# pylint: disable=wrong-import-position
import pathlib
import sys
import tempfile
import time

from absl import app
from absl import flags
import numpy as np

from benchmarks import machine
from data_pipeline.people import person as person_lib
from data_pipeline.people import rendering
from data_pipeline.people import viewpoints

_SIZES = flags.DEFINE_multi_integer('sizes', [128, 256], 'Pixels a side.')
_PEOPLE = flags.DEFINE_integer('people', 40, 'People to time at each size.', lower_bound=2)
_SEED = flags.DEFINE_integer('seed', 0, 'Of the people.', lower_bound=0)
_EXPORT = flags.DEFINE_integer('export', 0, 'Pictures to export at each size by the command line; 0: none.', lower_bound=0)
_PROCESSES = flags.DEFINE_integer('processes', 2, 'Of the export.', lower_bound=1)
_OUTPUT = flags.DEFINE_string('output', None, 'JSON lines are appended here.')


def draw(seed: int, index: int, size: int) -> tuple[float, float]:
  """Seconds of (the person's parameters, the picture)."""
  viewpoint = tuple(viewpoints.draw(seed, index).tolist())
  started = time.perf_counter()
  person = person_lib.draw(seed, index)
  drawn = time.perf_counter()
  rendering.render(person, viewpoint, image_size=size)
  return drawn - started, time.perf_counter() - drawn


def one_core(size: int, count: int, seed: int) -> dict:
  """The row of drawing in this process."""
  for index in range(2):
    draw(seed, count + index, size)
  seconds = np.array([draw(seed, index, size) for index in range(count)])
  whole = seconds.sum(axis=1)
  return dict(
      benchmark='people_rendering', image_size=size, people=count, images_per_second=count / whole.sum(), mean_milliseconds=1e3 * whole.mean(),
      slowest_milliseconds=1e3 * whole.max(), person_milliseconds=1e3 * seconds[:, 0].mean(), peak_gib=machine.peak_resident_gib(),
      cores=len(os.sched_getaffinity(0)), load=os.getloadavg()[0])


def export(size: int, count: int, seed: int, processes: int) -> dict:
  """The row of an export by the command line; its rate is that after the start, which an export of one picture takes."""
  with tempfile.TemporaryDirectory() as folder:
    command = lambda name, number: [
        sys.executable, '-m', 'data_pipeline.people', 'export', f'{folder}/{name}', '--count', str(number), '--size', str(size), '--seed',
        str(seed), '--processes', str(processes)]
    start_up, _ = machine.timed(command('one', 1), pathlib.Path(folder) / 'log')
    seconds, most = machine.timed(command('people', count), pathlib.Path(folder) / 'log')
    kilobytes = sum(path.stat().st_size for path in pathlib.Path(folder, 'people').rglob('*') if path.is_file()) / count / 1e3
  rate = count / max(seconds - start_up, 1e-9)
  return dict(
      benchmark='people_export', image_size=size, images=count, processes=processes, seconds=seconds, start_up_seconds=start_up,
      images_per_second=rate, extrapolated_minutes_for_10000=(start_up + 1e4 / rate) / 60, kilobytes_an_image=kilobytes,
      peak_gib=most / 2**30, cores=len(os.sched_getaffinity(0)), load=os.getloadavg()[0])


def main(argv):
  del argv
  for size in _SIZES.value:
    machine.report(one_core(size, _PEOPLE.value, _SEED.value), _OUTPUT.value)
  if _EXPORT.value:
    for size in _SIZES.value:
      machine.report(export(size, _EXPORT.value, _SEED.value, _PROCESSES.value), _OUTPUT.value)


if __name__ == '__main__':
  app.run(main)
