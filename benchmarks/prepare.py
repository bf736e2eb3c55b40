"""Images a second that preparation takes, and its memory: python -m benchmarks.prepare [--images=1000 --workers=2]

Draws JPEGs of 256 x 256 with label maps of 256 x 256 in a temporary folder, prepares them by the command line as a user would, and
EXTRAPOLATES from these images to 40,000 by the rate after start-up. Memory is the largest sum of what the command and its workers
hold (resident set sizes, pages that they share counted in each, sampled ten times a second). Prints a row and appends it to --output as JSON.
"""

import json
import os
import pathlib
import sys
import tempfile

from absl import app
from absl import flags
from PIL import Image

from benchmarks import drawn_portraits
from benchmarks import machine

_IMAGES = flags.DEFINE_integer('images', 1_000, 'Images to prepare.', lower_bound=2)
_SIZE = flags.DEFINE_integer('image_size', 256, 'Pixels a side of the JPEGs and label maps.', lower_bound=32)
_SIZES = flags.DEFINE_multi_integer('sizes', [64], 'Pixels a side of the records.')
_WORKERS = flags.DEFINE_integer('workers', 2, 'Processes.', lower_bound=1)
_ALIGN = flags.DEFINE_bool('align', False, 'Whether images are cropped by their landmarks.')
_VIEWPOINTS = flags.DEFINE_enum('viewpoints', 'read', ['read', 'none'], 'Whether cameras are read off the label maps.')
_EXTRAPOLATED = flags.DEFINE_integer('extrapolate_to', 40_000, 'Images that the hours are told for.', lower_bound=1)
_OUTPUT = flags.DEFINE_string('output', None, 'JSON lines are appended here.')


def draw_folder(folder: pathlib.Path, count: int, size: int) -> int:
  """images/ and labels/ of drawn people; returns the bytes of an average JPEG."""
  for name in ('images', 'labels'):
    (folder / name).mkdir(parents=True)
  for index in range(count):
    image, labels = drawn_portraits.draw(index, size)
    Image.fromarray(image).save(folder / 'images' / f'{index:05d}.jpg', quality=92)
    Image.fromarray(labels).save(folder / 'labels' / f'{index:05d}.png')
  return sum(path.stat().st_size for path in (folder / 'images').iterdir()) // count


def prepare(folder: pathlib.Path, sizes: list[int], workers: int, align: bool, viewpoints: str) -> tuple[float, int]:
  """(seconds, peak bytes) of the command line on a drawn folder."""
  command = [sys.executable, '-m', 'data_pipeline.prepare', str(folder / 'images'), str(folder / 'data'), '--labels', str(folder / 'labels'),
             '--sizes', *map(str, sizes), '--workers', str(workers), '--viewpoints', viewpoints] + ['--align'] * align
  return machine.timed(command, folder / 'log')


def main(argv):
  del argv
  with tempfile.TemporaryDirectory() as folder:
    few, many = pathlib.Path(folder) / 'few', pathlib.Path(folder) / 'many'
    draw_folder(few, 1, _SIZE.value)
    jpeg_bytes = draw_folder(many, _IMAGES.value, _SIZE.value)
    start_up, _ = prepare(few, _SIZES.value, _WORKERS.value, _ALIGN.value, _VIEWPOINTS.value)
    seconds, most = prepare(many, _SIZES.value, _WORKERS.value, _ALIGN.value, _VIEWPOINTS.value)
    report = json.loads((many / 'data' / 'report' / 'report.json').read_text())
  rate = _IMAGES.value / max(seconds - start_up, 1e-9)
  machine.report(dict(
      benchmark='prepare', images=report['num_kept'], image_size=_SIZE.value, jpeg_bytes=jpeg_bytes, sizes=str(_SIZES.value),
      align=_ALIGN.value, viewpoints=_VIEWPOINTS.value, workers=_WORKERS.value, cores=len(os.sched_getaffinity(0)),
      load=os.getloadavg()[0], seconds=seconds,
      start_up_seconds=start_up, images_per_second=rate, extrapolated_images=_EXTRAPOLATED.value,
      extrapolated_minutes=(start_up + _EXTRAPOLATED.value / rate) / 60, peak_gib=most / 2**30), _OUTPUT.value)


if __name__ == '__main__':
  app.run(main)
