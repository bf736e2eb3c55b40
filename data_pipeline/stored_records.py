"""Records of any data set of ours as arrays: how pictures are stored, and which vocabulary their labels are of.

A record holds an 8-bit image, a label map and, where they are known, a viewpoint (and, for procedural sets, depth and identity). The data
set's metadata names the vocabulary of its labels; sets without metadata are procedural portraits, whose labels are the twelve classes.

Shards that are missing or cut short are refused when a split is opened. A single record that fails its checksum, or can't be decoded, is
named in a warning and replaced by the next sound one: a function of the files alone, so that a resumed run still sees the same batches.
"""

import bisect
from collections.abc import Sequence
import io
import itertools
import json
import os
import pathlib
import struct
from typing import Any
import zlib

from absl import logging
from array_record.python import array_record_data_source
from array_record.python import array_record_module
from google.protobuf import json_format
from google.protobuf import message
import numpy as np
from PIL import Image
import tensorflow_datasets as tfds
from tensorflow_datasets.proto import tf_example_pb2

from cnerf_jax import semantics
from cnerf_jax.persistence import atomic_files
from data_pipeline import vocabularies

REQUIRED_FEATURES = ('image', 'label')
MAX_DAMAGED_FRACTION = 0.01  # of a split's records; one damaged record is always allowed
_PHOTOGRAPHS = 'real_portraits'  # what `python -m data_pipeline.prepare` calls its data sets
_DRAWN = ('portraits', 'people')
# What array_record (RuntimeError), protobuf, zlib, Pillow and NumPy raise for bytes that are not those that were written. An OSError of
# the disk is none of them: another read may go well, so that replacing the record would make a resumed run another run.
_DAMAGE = (RuntimeError, ValueError, LookupError, TypeError, EOFError, SyntaxError, struct.error, zlib.error, message.DecodeError,
           Image.DecompressionBombError)


class StoredRecords:
  """A split, by number; records are dicts of arrays: `image` and `label` of 8 bits, `viewpoint` where it is stored, and all else if asked.

  Attributes:
    vocabulary: of the labels.
    splits: of the data set.
    has_viewpoints: whether records have `viewpoint`; `prepare` leaves it out where fewer than two are known.
    has_confidences: whether they have `viewpoint_confidence` too: 1 where the viewpoint was given, 0 where nothing is known of it.
    viewpoint_moments: of the whole data set: mean (azimuth, elevation) and standard deviations, radians; None if it doesn't say.
    record_size: pixels a side.
  """

  def __init__(self, folder: str | os.PathLike, split: str, *, with_all: bool = False):
    """Opens a split of the data set whose dataset_info.json is in `folder`.

    Args:
      folder: of the data set.
      split: such as `train`.
      with_all: whether all that is stored is decoded, as depth and identity; else only what training needs, several times as fast.

    Raises:
      ValueError: if there is no such split, the records are of another format, or a shard of the split is missing or damaged.
    """
    info = _read_info(folder)
    stored = info.features
    if split not in info.splits:
      raise ValueError(f'no split {split!r} in {folder}; use one of {", ".join(info.splits)}')
    missing = [name for name in REQUIRED_FEATURES if name not in stored]
    if missing:
      raise ValueError(f'records in {folder} lack {", ".join(missing)}; write all of {", ".join(REQUIRED_FEATURES)} '
                       '(the format is in data_pipeline/prepare/records.py)')
    metadata = info.metadata or {}
    self.vocabulary = vocabularies.vocabulary(metadata.get('vocabulary', semantics.FFHQ12.name))
    if tuple(metadata.get('labels', self.vocabulary.labels)) != self.vocabulary.labels:
      raise ValueError(f'records in {folder} name {self.vocabulary.name} labels in another order than this code; prepare them again')
    self.splits = tuple(info.splits)
    self.has_viewpoints = 'viewpoint' in stored
    self.has_confidences = 'viewpoint_confidence' in stored
    self.viewpoint_moments = _viewpoint_moments(metadata, folder)
    self.record_size = stored['image'].shape[0]
    self._png = [name for name in stored if isinstance(stored[name], tfds.features.Image)]
    self._pictures = {*REQUIRED_FEATURES, *self._png}
    # a PNG of one channel is decoded without an axis for it
    self._shapes = {name: stored[name].shape[:2] if name == 'label' else stored[name].shape for name in self._pictures}
    self._features = stored
    self._decode = self._decode_all if with_all else self._decode_needed
    self._folder, self._remedy = folder, _remedy(info, folder)
    self._shards = _checked_shards(info, split, self._remedy)
    self._source = array_record_data_source.ArrayRecordDataSource(self._shards)
    self._damaged: set[int] = set()

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> dict[str, Any]:
    """A record, or the next sound one if it is damaged; ValueError in one line if too many are."""
    try:
      return self._decode(self._source[index])
    except _DAMAGE as error:
      return self._next_sound(index, error)

  def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
    """Several records, as one by one but faster."""
    try:
      return [self._decode(serialized) for serialized in self._source.__getitems__(indices)]
    except _DAMAGE:
      return [self[index] for index in indices]

  def _next_sound(self, index: int, error: Exception) -> dict[str, Any]:
    """The record that takes the place of a damaged one: the first sound one after it, from the start again after the last."""
    if not 0 <= index < len(self):
      raise IndexError(f'no record {index} of {len(self)} in {self._folder}') from error
    damaged = {index: error}
    for other in itertools.chain(range(index + 1, len(self)), range(index)):
      self._count_damaged(damaged)
      try:
        record = self._decode(self._source[other])
      except _DAMAGE as also:
        damaged[other] = also
        continue
      for one in sorted(damaged.keys() - self._damaged):
        logging.warning('skipping damaged %s (%s); record %d of the split takes its place; %s',
                        self._place(one), atomic_files.one_line(damaged[one]), other, self._remedy)
      self._damaged |= damaged.keys()
      return record
    self._count_damaged(damaged)
    raise ValueError(f'no sound record in {self._folder}; {self._remedy}')

  def _count_damaged(self, found: dict[int, Exception]) -> None:
    """ValueError if these, with what was found before, are too many."""
    count = len(self._damaged | found.keys())
    if count > max(1, MAX_DAMAGED_FRACTION * len(self)):
      raise ValueError(f'at least {count} of the {len(self)} records of a split in {self._folder} are damaged, more than '
                       f'{MAX_DAMAGED_FRACTION:.0%}, among them {self._place(max(found))}; {self._remedy}') from found[max(found)]

  def _place(self, index: int) -> str:
    """Where a record is, in words."""
    starts = [0, *itertools.accumulate(shard.take for shard in self._shards)]
    shard = bisect.bisect_right(starts, index) - 1
    return f'record {index - starts[shard]} of {self._shards[shard].filename}'

  def _decode_all(self, serialized: bytes) -> dict[str, Any]:
    decoders = {name: tfds.decode.SkipDecoding() for name in self._pictures}
    record = self._features.deserialize_example_np(serialized, decoders=decoders)
    absent = [name for name, value in record.items() if value is None]
    if absent:
      raise ValueError(f'record lacks {", ".join(absent)}')
    return record | {name: self._picture(name, record[name]) for name in self._pictures}

  def _decode_needed(self, serialized: bytes) -> dict[str, np.ndarray]:
    """What training needs of a record; TFDS's own parsing spends most of its time on what it knows nothing about."""
    stored = tf_example_pb2.Example.FromString(serialized).features.feature
    record = {name: self._picture(name, stored[name].bytes_list.value[0]) for name in REQUIRED_FEATURES}
    if self.has_viewpoints:
      record['viewpoint'] = np.array(stored['viewpoint'].float_list.value, np.float32).reshape(2)
    if self.has_confidences:
      record['viewpoint_confidence'] = np.array(stored['viewpoint_confidence'].float_list.value, np.float32).reshape(())
    return record

  def _picture(self, name: str, stored: bytes) -> np.ndarray:
    """A picture stored as PNG; or else the image's raw bytes, the label map's compressed ones. ValueError if it has another shape."""
    if name in self._png:
      try:
        pixels = np.asarray(Image.open(io.BytesIO(stored)))
      except OSError as error:  # Pillow's word for bytes that are no picture
        raise ValueError(f'{name} is no PNG ({error})') from error
      if pixels.shape != self._shapes[name] or pixels.dtype != np.uint8:
        raise ValueError(f'{name} has {pixels.dtype} pixels of shape {pixels.shape}, not uint8 of {self._shapes[name]}')
      return pixels
    raw = stored if name == 'image' else zlib.decompress(stored)
    return np.frombuffer(raw, np.uint8).reshape(self._shapes[name])


def check(folder: str | os.PathLike) -> None:
  """ValueError in one line, with the file, unless each shard of the data set is there and has the number of records that it should."""
  info = _read_info(folder)
  for split in info.splits:
    _checked_shards(info, split, _remedy(info, folder))


def _read_info(folder: str | os.PathLike) -> tfds.core.DatasetInfo:
  """What the JSON files of a data set say; ValueError in one line if they are damaged or incomplete."""
  try:
    info = tfds.builder_from_directory(str(folder)).info
    info.splits, info.features, info.metadata  # read at first use  # noqa: B018
  except (json_format.Error, ValueError, LookupError, TypeError, AttributeError, ImportError, OSError) as error:
    raise ValueError(f'{_damaged_json(folder)} of the data set is damaged ({atomic_files.one_line(error)}); put back a copy of it, or delete '
                     f'{folder} and make the data set again') from error
  if info.name == _PHOTOGRAPHS and 'vocabulary' not in (info.metadata or {}):
    raise ValueError(f'{pathlib.Path(folder) / "metadata.json"} does not name the vocabulary of the labels; {_remedy(info, folder)}')
  return info


def _viewpoint_moments(metadata: dict[str, Any], folder: str | os.PathLike) -> tuple[tuple[float, float], tuple[float, float]] | None:
  """What the metadata say of the cameras; ValueError in one line if it is not what `prepare` writes."""
  cameras = metadata.get('cameras')
  if cameras is None:
    return None
  try:
    return (0.0, float(cameras['elevation_mean'])), (float(cameras['azimuth_std']), float(cameras['elevation_std']))
  except (LookupError, TypeError, ValueError) as error:
    raise ValueError(f'{pathlib.Path(folder) / "metadata.json"} has cameras {cameras!r}, not {{"elevation_mean", "azimuth_std", '
                     '"elevation_std"} in radians; put back a copy of it, or prepare the photographs again') from error


def _damaged_json(folder: str | os.PathLike) -> str:
  """The JSON file that TFDS can't have read: the first that is not there or holds no JSON object, or else all of them."""
  for name in ('dataset_info.json', 'features.json', 'metadata.json'):
    path = pathlib.Path(folder) / name
    try:
      if json.loads(path.read_text()) or name == 'metadata.json':
        continue
    except FileNotFoundError:
      if name == 'metadata.json':
        continue
    except (OSError, ValueError):
      pass
    return str(path)
  return f'a JSON file in {folder}'


def _checked_shards(info: tfds.core.DatasetInfo, split: str, remedy: str) -> list[Any]:
  """Where TFDS says the shards of a split are; ValueError if one is missing, or has another number of records than it says."""
  shards = info.splits[split].file_instructions
  for shard in shards:
    if not os.path.isfile(shard.filename):
      raise ValueError(f'shard {shard.filename} is missing; {remedy}')
    try:
      reader = array_record_module.ArrayRecordReader(shard.filename)
      count = reader.num_records()
      reader.close()
    except RuntimeError:
      count = 0  # cut off: the index is at the end
    if count != shard.examples_in_shard:
      raise ValueError(f'shard {shard.filename} is damaged: {count} of its {shard.examples_in_shard} records can be found; {remedy}')
  return shards


def _remedy(info: tfds.core.DatasetInfo, folder: str | os.PathLike) -> str:
  if info.name in _DRAWN:
    return f'delete {folder}, and the {info.name} are made again'
  if info.name == _PHOTOGRAPHS:
    return 'put back a copy of it, or prepare the photographs again (the same python -m data_pipeline.prepare command)'
  return 'put back a copy of it, or make the data set again'
