"""The TFDS builder of `people`: three splits of drawn people in array_record files, without TensorFlow.

`train` shows every person once from a random camera; `validation` people that are not in it, likewise; `test` shows each of its people
from the ten cameras of `camera.multi_view_azimuths`, in that order. Two processes draw, a few tasks ahead, and records go into shards of a
few hundred in `.people`, beside the data set: a run that is killed goes on after the last whole shard, and makes the same files
byte for byte. When all are there TFDS gives them their names, and `.people` goes.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import functools
import itertools
import pathlib
import shutil

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from cnerf_jax import camera as camera_lib
from cnerf_jax.persistence import atomic_files
from cnerf_jax.persistence import folder_lock
from data_pipeline import drawn_splits
from data_pipeline import shard_files
from data_pipeline import vocabularies
from data_pipeline.people import installed
from data_pipeline.people import viewpoints
from data_pipeline.people import workers

NAME = 'people'
NUM_LANDMARKS = 68
_RECORDS_A_SHARD = 256  # a killed run loses at most so many
_PICTURES_A_TASK = 8
_LEAST_RECORD_SIZE = 8  # pixels a side


@dataclasses.dataclass
class PeopleConfig(drawn_splits.DrawnConfig):
  """How many people, how large, and the seed of it all; `vector_size` and `parts` are known when they are drawn.

  Attributes:
    vector_size: numbers of a person's identity vector.
    parts: finished shards of each split, in order: (path, number of records, bytes).
  """

  vector_size: int = 0
  parts: dict[str, list[tuple[str, int, int]]] = dataclasses.field(default_factory=dict)


def data_set_config(record_size: int, num_train: int, **optional: int) -> PeopleConfig:
  """The configuration of so many people, see `drawn_splits.make_config`; ValueError in one line if it can't be."""
  return drawn_splits.make_config(PeopleConfig, record_size, num_train, **optional, least_record_size=_LEAST_RECORD_SIZE)


def check_installed() -> None:
  """ValueError in one line if people can't be drawn here."""
  installed.check(f'data.name {NAME}')


def fetch() -> None:
  """Downloads what people are made of on first use; OSError or ValueError in one line if it can't be had."""
  check_installed()
  from data_pipeline.people import assets  # numba and what it takes are for those who draw, not for those who read records
  assets.load()
  assets.forget()  # the workers read them for themselves; a training has no use for them


class People(shard_files.ShardsBuilder):
  """Drawn people with known camera, label map, depth, normals, landmarks and identity."""

  name = NAME

  def _info(self) -> tfds.core.DatasetInfo:
    config = self.builder_config
    return tfds.core.DatasetInfo(
        builder=self,
        description='People drawn by a program, 19 CelebAMask-HQ labels: image, label map, viewpoint, depth, normals, landmarks, identity.',
        features=record_features(config.record_size, config.vector_size),
        metadata=tfds.core.MetadataDict(vocabulary=vocabularies.CELEBAMASK_HQ.name, labels=list(vocabularies.CELEBAMASK_HQ.labels)),
        disable_shuffling=True)  # the test split keeps people and views in order; training shuffles on reading


def record_features(record_size: int, vector_size: int) -> tfds.features.FeaturesDict:
  """What a record contains; docs/people.md has the meaning and the unit of each."""
  square = (record_size, record_size)
  return tfds.features.FeaturesDict(dict(
      image=shard_files.image_feature(record_size),
      label=tfds.features.Tensor(shape=square, dtype=np.uint8, encoding=tfds.features.Encoding.ZLIB),
      viewpoint=tfds.features.Tensor(shape=(2,), dtype=np.float32),
      depth=tfds.features.Tensor(shape=square, dtype=np.uint16, encoding=tfds.features.Encoding.ZLIB),
      normal=tfds.features.Image(shape=(*square, 3), encoding_format='png'),
      landmarks=tfds.features.Tensor(shape=(NUM_LANDMARKS, 3), dtype=np.float32),
      identity=tfds.features.Tensor(shape=(vector_size,), dtype=np.float32),
      identity_index=np.int64,
  ))


def view(split: str, position: int, config: PeopleConfig) -> tuple[int, tuple[float, float]]:
  """(number of the person, (azimuth, elevation) in radians) of the picture at a position of a split."""
  first = drawn_splits.FIRST_PERSON[split]
  if split == 'test':
    person, turn = divmod(position, len(_turns()))
    return first + person, (_turns()[turn], 0.0)
  return first + position, tuple(viewpoints.draw(config.seed, first + position).tolist())


@functools.cache
def _turns() -> tuple[float, ...]:
  """Azimuths of the test split's views, radians."""
  return tuple(np.asarray(camera_lib.multi_view_azimuths(), np.float32).tolist())


def make(data_dir: str, config: PeopleConfig, processes: int = workers.PROCESSES) -> None:
  """Draws the data set, or what is missing of it, below `data_dir`; shows a progress bar.

  Args:
    data_dir: folder of data sets; exists.
    config: which people.
    processes: that draw; 0 draws in this one.

  Raises:
    ValueError: in one line, if another process is drawing the same.
    OSError: if the folder can't be written; finished shards stay.
    ChildProcessError: if a drawing process was killed; likewise.
  """
  from data_pipeline.people import person as person_lib  # for those who draw, as above
  config = dataclasses.replace(config, vector_size=person_lib.VECTOR_SIZE)
  folder = pathlib.Path(data_dir) / f'.{NAME}' / f'{config.name}-{People.VERSION}'
  folder.mkdir(parents=True, exist_ok=True)
  with folder_lock.held(
      folder / 'lock', f'another process is drawing these people in {folder}; wait for it, or stop it'):
    try:
      parts = _make_shards(folder, config, processes)
    except OSError as error:
      if not atomic_files.is_no_space(error):
        raise
      raise OSError(f'no space left on the disk; {len(list(folder.glob("*.array_record")))} finished shards are kept, and the same '
                    'command goes on from there when there is space') from error
    People(data_dir=data_dir, config=dataclasses.replace(config, parts=parts), file_format='array_record').download_and_prepare(
        download_dir=str(folder / 'downloads'))
    shutil.rmtree(folder)  # the data set's files are these under other names
  with contextlib.suppress(OSError):
    folder.parent.rmdir()  # unless others are being drawn


@dataclasses.dataclass(frozen=True)
class _Shard:
  """Pictures `start` to `stop` of a split."""

  split: str
  path: pathlib.Path
  start: int
  stop: int

  @property
  def count(self) -> int:
    return self.stop - self.start


def _shards(folder: pathlib.Path, config: PeopleConfig) -> list[_Shard]:
  """All shards, split by split."""
  totals = dict(train=config.num_train, validation=config.num_validation, test=len(_turns()) * config.num_test_identities)
  return [_Shard(split, folder / f'{split}-{start:09d}.array_record', start, min(start + _RECORDS_A_SHARD, total))
          for split, total in totals.items() for start in range(0, total, _RECORDS_A_SHARD)]


def _make_shards(folder: pathlib.Path, config: PeopleConfig, processes: int) -> dict[str, list[tuple[str, int, int]]]:
  """Draws the shards that are not finished; (path, number of records, bytes) of all, for each split."""
  for path in folder.glob('*.tmp'):
    path.unlink()  # of a run that was killed
  shards = _shards(folder, config)
  left = [shard for shard in shards if shard_files.count_records(shard.path) != shard.count]
  total = sum(shard.count for shard in shards)
  found = total - sum(shard.count for shard in left)
  with tqdm.tqdm(total=total, initial=found, unit=' images') as progress, contextlib.closing(_drawn(left, config, processes)) as drawn:
    records = itertools.chain.from_iterable(drawn)
    for shard in left:
      progress.set_description(f'{NAME} {shard.split}')
      _write(shard, itertools.islice(records, shard.count), config, progress)
  parts: dict[str, list[tuple[str, int, int]]] = {}
  for shard in shards:
    parts.setdefault(shard.split, []).append((str(shard.path), shard.count, shard.path.stat().st_size))
  return parts


def _drawn(shards: list[_Shard], config: PeopleConfig, processes: int) -> Iterator[list[dict]]:
  """The records of these shards, in order, a task at a time."""
  if not shards:
    return
  from data_pipeline.people import records  # for those who draw, as above
  tasks = (
      records.Task(
          config.seed, tuple(view(shard.split, position, config) for position in range(start, min(start + _PICTURES_A_TASK, shard.stop))),
          config.record_size, shard_files.is_raw(config.record_size))
      for shard in shards for start in range(shard.start, shard.stop, _PICTURES_A_TASK))
  yield from workers.in_order(records.draw, tasks, processes)


def _write(shard: _Shard, records: Iterator[dict], config: PeopleConfig, progress: tqdm.tqdm) -> None:
  """Writes a shard as its records come."""
  file = shard_files.ShardFile(shard.path, record_features(config.record_size, config.vector_size))
  try:
    for record in records:
      file.write(record)
      progress.update()
    file.close()
  except BaseException:
    file.abandon()
    raise
