"""Shards that are made one by one and become a data set when all are there: array_record files without TensorFlow.

A shard has its name only when it is whole, so that a run killed at any moment leaves whole shards and a temporary file. A finished shard
enters the data set under a second name, which takes no space.
"""

from collections.abc import Mapping, Sequence
import contextlib
import errno
import io
import os
import pathlib
import shutil
from typing import Any

from array_record.python import array_record_module
from jaxtyping import UInt8
import numpy as np
from PIL import Image
import tensorflow_datasets as tfds

from cnerf_jax.persistence import atomic_files

_LARGEST_RAW = 128  # pixels a side


class ShardFile:
  """One shard under a temporary name until it is closed.

  Attributes:
    count: records so far.
    num_bytes: of these records.
  """

  def __init__(self, path: str | os.PathLike, features: tfds.features.FeaturesDict):
    """Opens the shard at `path` for records of these features; OSError if its folder can't be written."""
    self._path, self._temporary = str(path), f'{path}.{os.getpid()}.tmp'
    self._features = features
    self._serializer = tfds.core.example_serializer.ExampleSerializer(features.get_serialized_info())
    with open(self._temporary, 'wb'):  # a folder that can't be written is told in Python's words
      pass
    self._writer = array_record_module.ArrayRecordWriter(self._temporary, 'group_size:1')
    self.count = self.num_bytes = 0

  def write(self, example: Mapping[str, Any]) -> None:
    """Adds a record; OSError if the disk is full."""
    example = self._serializer.get_tf_example(self._features.encode_example(example))
    record = example.SerializeToString(deterministic=True)  # else the order of the features is another in every process
    with _as_os_error():
      self._writer.write(record)
    self.count += 1
    self.num_bytes += len(record)

  def close(self) -> None:
    """Gives the shard its name; OSError if the disk took less than was written."""
    with _as_os_error():
      self._writer.close()
    if self.count and count_records(self._temporary) != self.count:
      raise OSError(f'{self._temporary} lacks records')
    os.replace(self._temporary, self._path)

  def abandon(self) -> None:
    """Removes what was written so far."""
    pathlib.Path(self._temporary).unlink(missing_ok=True)


def count_records(path: str | os.PathLike) -> int:
  """Records of a shard; 0 for a file that is not there or not whole."""
  try:
    reader = array_record_module.ArrayRecordReader(str(path))
    count = reader.num_records()
    reader.close()
  except RuntimeError:  # cut off: the index is at the end
    return 0
  return count


class ShardsBuilder(tfds.core.dataset_builder.FileReaderBuilder, skip_registration=True):
  """A TFDS builder that puts finished shards together: its config's `parts`, by split (path, number of records, bytes of records)."""

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'First release.'}
  url_infos = None  # nothing is downloaded; TFDS would look for checksums through a package it does not install

  def _download_and_prepare(self, dl_manager, download_config=None) -> None:
    del dl_manager, download_config
    _set_splits(self, self.builder_config.parts)

  def _as_dataset(self, *args, **kwargs):
    raise NotImplementedError('records are in array_record files; use as_data_source()')


def image_feature(record_size: int) -> tfds.features.FeatureConnector:
  """Square images as raw bytes if `is_raw`, else as PNG."""
  if is_raw(record_size):
    return tfds.features.Tensor(shape=(record_size, record_size, 3), dtype=np.uint8, encoding=tfds.features.Encoding.BYTES)
  return tfds.features.Image(shape=(record_size, record_size, 3), encoding_format='png')


def is_raw(record_size: int) -> bool:
  """Whether images of this many pixels a side are stored as they are: fastest to read, until PNG saves too much space to pass over."""
  return record_size <= _LARGEST_RAW


def png(pixels: UInt8[np.ndarray, 'height width channels'], *, compress_level: int) -> bytes:
  """An image as a PNG file; level 1 is fast, 3 smaller."""
  buffer = io.BytesIO()
  Image.fromarray(pixels).save(buffer, 'PNG', compress_level=compress_level)
  return buffer.getvalue()


def _set_splits(builder: tfds.core.DatasetBuilder, parts: Mapping[str, Sequence[tuple[str, int, int]]]) -> None:
  """Gives finished shards their names in the folder that a builder prepares, and tells the builder of them.

  Args:
    builder: while it prepares its data set; TFDS renames the folder when all is there.
    parts: the shards of each split, in order: (path, number of records, bytes of records).
  """
  splits = []
  for split, shards in parts.items():
    template = tfds.core.ShardedFileTemplate(
        data_dir=builder.data_path, dataset_name=builder.name, split=split, filetype_suffix='array_record')
    for index, (path, _, _) in enumerate(shards):
      _link(path, template.sharded_filepath(shard_index=index, num_shards=len(shards)))
    splits.append(tfds.core.SplitInfo(
        name=split, shard_lengths=[count for _, count, _ in shards], num_bytes=sum(size for _, _, size in shards),
        filename_template=template))
  builder.info.set_splits(tfds.core.splits.SplitDict(splits))


@contextlib.contextmanager
def _as_os_error():
  """array_record's errors of writing, which are RuntimeErrors, as what they are."""
  try:
    yield
  except RuntimeError as error:
    code = errno.ENOSPC if atomic_files.is_no_space(error) else errno.EIO
    raise OSError(code, os.strerror(code)) from error


def _link(source: str | os.PathLike, target: str | os.PathLike) -> None:
  """A second name for a finished shard, or a copy where the file system has no links."""
  try:
    os.link(source, target)
  except OSError:
    shutil.copyfile(source, target)
