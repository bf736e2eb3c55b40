"""The TFDS builder of `real_portraits`: records of one size in array_record files, without TensorFlow.

Shards are written one at a time by `shard.py`; the builder puts finished ones together and describes them. Its metadata names the
vocabulary of the labels, so that a reader knows how they merge.
"""

import contextlib
import dataclasses
import errno
import filecmp
import io
import json
import os
import pathlib
import shutil

import numpy as np
from array_record.python import array_record_module
from PIL import Image
import tensorflow_datasets as tfds

from cnerf_jax.persistence import atomic_files
from data_pipeline import quiet_tfds
from data_pipeline import vocabularies

NAME = 'real_portraits'
# Raw bytes are the fastest to read; above this many pixels a side PNG saves too much space to pass over.
_LARGEST_RAW = 128


@dataclasses.dataclass
class RealPortraitsConfig(tfds.core.BuilderConfig):
  """One size of records.

  Attributes:
    record_size: pixels a side.
    has_viewpoints: whether records have the camera's azimuth and elevation.
    parts: finished shards of each split, in order: (path, number of records, bytes of records).
    fingerprint: hash of the bytes of all shards.
  """

  record_size: int = 64
  has_viewpoints: bool = False
  parts: dict[str, list[tuple[str, int, int]]] = dataclasses.field(default_factory=dict)
  fingerprint: str = ''


class RealPortraits(tfds.core.dataset_builder.FileReaderBuilder):
  """Photographs of people with label maps of the 19 CelebAMask-HQ labels."""

  name = NAME
  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'First release.'}
  url_infos = None  # nothing is downloaded; TFDS would look for checksums through a package it does not install

  def _info(self) -> tfds.core.DatasetInfo:
    config = self.builder_config
    return tfds.core.DatasetInfo(
        builder=self,
        description='Portraits and label maps of the 19 CelebAMask-HQ labels.',
        features=features(config.record_size, config.has_viewpoints),
        metadata=tfds.core.MetadataDict(
            vocabulary=vocabularies.CELEBAMASK_HQ.name, labels=list(vocabularies.CELEBAMASK_HQ.labels), fingerprint=config.fingerprint),
        disable_shuffling=True)

  def _download_and_prepare(self, dl_manager, download_config=None) -> None:
    """Gives finished shards their place and name in the data set's folder; TFDS renames that folder when all is there."""
    del dl_manager, download_config
    splits = []
    for split, parts in self.builder_config.parts.items():
      template = tfds.core.ShardedFileTemplate(
          data_dir=self.data_path, dataset_name=self.name, split=split, filetype_suffix='array_record')
      for index, (path, _, _) in enumerate(parts):
        _link(path, template.sharded_filepath(shard_index=index, num_shards=len(parts)))
      splits.append(tfds.core.SplitInfo(
          name=split, shard_lengths=[count for _, count, _ in parts], num_bytes=sum(size for _, _, size in parts),
          filename_template=template))
    self.info.set_splits(tfds.core.splits.SplitDict(splits))

  def _as_dataset(self, *args, **kwargs):
    raise NotImplementedError('records are in array_record files; use as_data_source()')


def features(record_size: int, has_viewpoints: bool) -> tfds.features.FeaturesDict:
  """What a record contains. `label` are CelebAMask-HQ labels, `viewpoint` (azimuth, elevation) in radians."""
  square = (record_size, record_size)
  if record_size <= _LARGEST_RAW:
    image = tfds.features.Tensor(shape=(*square, 3), dtype=np.uint8, encoding=tfds.features.Encoding.BYTES)
  else:
    image = tfds.features.Image(shape=(*square, 3), encoding_format='png')
  found = dict(
      image=image,
      label=tfds.features.Tensor(shape=square, dtype=np.uint8, encoding=tfds.features.Encoding.ZLIB),
      name=tfds.features.Text())
  if has_viewpoints:
    found['viewpoint'] = tfds.features.Tensor(shape=(2,), dtype=np.float32)
  return tfds.features.FeaturesDict(found)


class ShardWriter:
  """One shard of one size, under a temporary name until it is closed."""

  def __init__(self, path: str, record_size: int, has_viewpoints: bool):
    self._path, self._temporary = path, f'{path}.{os.getpid()}.tmp'
    self._features = features(record_size, has_viewpoints)
    self._serializer = tfds.core.example_serializer.ExampleSerializer(self._features.get_serialized_info())
    self._raw = record_size <= _LARGEST_RAW
    with open(self._temporary, 'wb'):  # a folder that can't be written is told in Python's words
      pass
    self._writer = array_record_module.ArrayRecordWriter(self._temporary, 'group_size:1')
    self.count = self.num_bytes = 0

  def write(self, image: np.ndarray, labels: np.ndarray, name: str, viewpoint: tuple[float, float] | None) -> None:
    """Adds a record."""
    example = dict(image=image if self._raw else _png(image), label=labels, name=name)
    if viewpoint is not None:
      example['viewpoint'] = np.array(viewpoint, np.float32)
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
    if self.count:
      reader = array_record_module.ArrayRecordReader(self._temporary)
      complete = reader.num_records() == self.count
      reader.close()
      if not complete:
        raise OSError(f'{self._temporary} lacks records')
    os.replace(self._temporary, self._path)

  def abandon(self) -> None:
    """Removes what was written so far."""
    pathlib.Path(self._temporary).unlink(missing_ok=True)


def assemble(data_dir: str, config: RealPortraitsConfig) -> pathlib.Path:
  """Makes the data set of one size from its finished shards; one that consists of these very shards is left alone."""
  folder = pathlib.Path(data_dir) / NAME / config.name / str(RealPortraits.VERSION)
  if _fingerprint(folder) == config.fingerprint and _has_shards(folder, config):
    return folder
  if folder.exists():
    shutil.rmtree(folder)
  with quiet_tfds.quiet():
    RealPortraits(data_dir=data_dir, config=config, file_format='array_record').download_and_prepare(
        download_dir=os.path.join(data_dir, '.prepare', 'downloads'))
  return folder


@contextlib.contextmanager
def _as_os_error():
  """array_record's errors of writing, which are RuntimeErrors, as what they are."""
  try:
    yield
  except RuntimeError as error:
    code = errno.ENOSPC if atomic_files.is_no_space(error) else errno.EIO
    raise OSError(code, os.strerror(code)) from error


def _fingerprint(folder: pathlib.Path) -> str | None:
  """Of the data set in a folder; None if there is none, or not a whole one."""
  if not (folder / 'dataset_info.json').exists():
    return None
  try:
    return json.loads((folder / 'metadata.json').read_text()).get('fingerprint')
  except (OSError, ValueError, AttributeError):
    return None


def _has_shards(folder: pathlib.Path, config: RealPortraitsConfig) -> bool:
  """Whether the finished shards are in the data set's folder, byte for byte: second names at once, copies by their contents."""
  for split, parts in config.parts.items():
    for index, (path, _, _) in enumerate(parts):
      target = folder / f'{NAME}-{split}.array_record-{index:05d}-of-{len(parts):05d}'
      try:
        if not os.path.samefile(path, target) and not filecmp.cmp(path, target, shallow=False):
          return False
      except OSError:
        return False
  return True


def _png(pixels: np.ndarray) -> bytes:
  buffer = io.BytesIO()
  Image.fromarray(pixels).save(buffer, 'PNG', compress_level=3)
  return buffer.getvalue()


def _link(source: str, target: os.PathLike) -> None:
  """A second name for a finished shard, or a copy where the file system has no links."""
  try:
    os.link(source, target)
  except OSError:
    shutil.copyfile(source, target)
