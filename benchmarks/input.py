"""Images a second that the loader gives to a training step: python -m benchmarks.input [--image_size=64 --seconds=20]

Records of drawn portraits are made in a temporary folder, as `python -m data_pipeline.prepare` would write them, and read as
configs/ffhq12.py reads them: shuffled, mirrored, 19 labels merged to twelve classes, thin classes dilated, batched. Prints a row and appends
it to --output as JSON. Nothing else runs in this process, so the figure is what the input alone can reach on the cores there are.
"""

import os
import tempfile
import time

from absl import app
from absl import flags
import numpy as np

from benchmarks import drawn_portraits
from benchmarks import machine
from configs import ffhq12
from data_pipeline import loader
from data_pipeline.prepare import records

_RECORD_SIZE = flags.DEFINE_integer('record_size', 64, 'Pixels a side of the stored records.', lower_bound=8)
_IMAGE_SIZE = flags.DEFINE_integer('image_size', 64, 'Pixels a side of the batches.', lower_bound=8)
_BATCH_SIZE = flags.DEFINE_integer('batch_size', 24, 'Images a batch.', lower_bound=1)
_RECORDS = flags.DEFINE_integer('records', 20_000, 'Records in the data set; grain shuffles small sets more slowly.', lower_bound=1)
_SECONDS = flags.DEFINE_float('seconds', 20.0, 'How long to read, after a second that is not counted.', lower_bound=0.1)
_OUTPUT = flags.DEFINE_string('output', None, 'JSON lines are appended here.')
_PEOPLE = 200  # drawn; each is stored many times


def write_records(folder: str, count: int, record_size: int) -> None:
  """A data set of drawn portraits with viewpoints."""
  path = os.path.join(folder, 'part.array_record')
  writer = records.ShardWriter(path, record_size, has_viewpoints=True)
  rng = np.random.default_rng(0)
  people = [drawn_portraits.draw(index, record_size) for index in range(_PEOPLE)]
  for index in range(count):
    writer.write(*people[index % _PEOPLE], str(index), tuple(rng.normal(0, 0.2, 2)))
  writer.close()
  records.assemble(folder, records.RealPortraitsConfig(
      name=f'size{record_size}', record_size=record_size, has_viewpoints=True, parts={'train': [(path, count, writer.num_bytes)]},
      fingerprint='benchmark'))


def measure(data_config, image_size: int, batch_size: int, seconds: float) -> dict:
  """Reads batches for so long; the median over seconds, and the slowest and fastest one."""
  iterator = loader.open(data_config).training_iterator(image_size=image_size, batch_size=batch_size, seed=0)
  warm = time.perf_counter() + 1
  while time.perf_counter() < warm:
    next(iterator)
  rates = []
  end = time.perf_counter() + seconds
  while (started := time.perf_counter()) < end:
    images = 0
    while time.perf_counter() < started + min(1, seconds):
      next(iterator)
      images += batch_size
    rates.append(images / (time.perf_counter() - started))
  return dict(images_per_second=float(np.median(rates)), slowest_second=min(rates), fastest_second=max(rates))


def main(argv):
  del argv
  config = ffhq12.get_config().unlock()
  with tempfile.TemporaryDirectory() as folder:
    write_records(folder, _RECORDS.value, _RECORD_SIZE.value)
    config.data.dir, config.data.record_size = folder, _RECORD_SIZE.value
    metrics = measure(config.data, _IMAGE_SIZE.value, _BATCH_SIZE.value, _SECONDS.value)
  machine.report(dict(
      benchmark='input', record_size=_RECORD_SIZE.value, image_size=_IMAGE_SIZE.value, batch_size=_BATCH_SIZE.value, flip=config.data.flip,
      cores=len(os.sched_getaffinity(0)), load=os.getloadavg()[0], **metrics, peak_resident_gib=machine.peak_resident_gib()),
      _OUTPUT.value)


if __name__ == '__main__':
  app.run(main)
