"""The TFDS builder of `real_portraits`: records of one size in array_record files, without TensorFlow.

Shards are written one at a time by `shard.py`; the builder puts finished ones together and describes them. Its metadata names the
vocabulary of the labels, so that a reader knows how they merge.
"""

import dataclasses
import filecmp
import json
import os
import pathlib
import shutil

import numpy as np
import tensorflow_datasets as tfds

from data_pipeline import quiet_tfds
from data_pipeline import shard_files
from data_pipeline import vocabularies

NAME = 'real_portraits'


@dataclasses.dataclass
class RealPortraitsConfig(tfds.core.BuilderConfig):
  """One size of records.

  Attributes:
    record_size: pixels a side.
    has_viewpoints: whether records have the camera's azimuth and elevation, and how sure they are.
    parts: finished shards of each split, in order: (path, number of records, bytes of records).
    fingerprint: hash of the bytes of all shards.
    cameras: mean and standard deviation of the viewpoints (`camera_distribution.Cameras` as a dict), None where they are unknown.
  """

  record_size: int = 64
  has_viewpoints: bool = False
  parts: dict[str, list[tuple[str, int, int]]] = dataclasses.field(default_factory=dict)
  fingerprint: str = ''
  cameras: dict[str, float] | None = None


class RealPortraits(shard_files.ShardsBuilder):
  """Photographs of people with label maps of the 19 CelebAMask-HQ labels."""

  name = NAME

  def _info(self) -> tfds.core.DatasetInfo:
    config = self.builder_config
    cameras = {} if config.cameras is None else {'cameras': config.cameras}
    return tfds.core.DatasetInfo(
        builder=self,
        description='Portraits and label maps of the 19 CelebAMask-HQ labels.',
        features=features(config.record_size, config.has_viewpoints),
        metadata=tfds.core.MetadataDict(
            vocabulary=vocabularies.CELEBAMASK_HQ.name, labels=list(vocabularies.CELEBAMASK_HQ.labels), fingerprint=config.fingerprint,
            **cameras),
        disable_shuffling=True)


def features(record_size: int, has_viewpoints: bool) -> tfds.features.FeaturesDict:
  """What a record contains. `label` are CelebAMask-HQ labels, `viewpoint` (azimuth, elevation) in radians.

  `viewpoint_confidence` is how sure it is: 1 where it was given, 0 where nothing is known and the viewpoint is (0, 0).
  """
  square = (record_size, record_size)
  found = dict(
      image=shard_files.image_feature(record_size),
      label=tfds.features.Tensor(shape=square, dtype=np.uint8, encoding=tfds.features.Encoding.ZLIB),
      name=tfds.features.Text())
  if has_viewpoints:
    found['viewpoint'] = tfds.features.Tensor(shape=(2,), dtype=np.float32)
    found['viewpoint_confidence'] = np.float32
  return tfds.features.FeaturesDict(found)


class ShardWriter:
  """One shard of one size, under a temporary name until it is closed."""

  def __init__(self, path: str, record_size: int, has_viewpoints: bool):
    self._file = shard_files.ShardFile(path, features(record_size, has_viewpoints))
    self._raw = shard_files.is_raw(record_size)

  @property
  def num_bytes(self) -> int:
    """Of the records so far."""
    return self._file.num_bytes

  def write(
      self, image: np.ndarray, labels: np.ndarray, name: str, viewpoint: tuple[float, float] | None, confidence: float = 1.0) -> None:
    """Adds a record."""
    example = dict(image=image if self._raw else shard_files.png(image, compress_level=3), label=labels, name=name)
    if viewpoint is not None:
      example |= dict(viewpoint=np.array(viewpoint, np.float32), viewpoint_confidence=np.float32(confidence))
    self._file.write(example)

  def close(self) -> None:
    """Gives the shard its name; OSError if the disk took less than was written."""
    self._file.close()

  def abandon(self) -> None:
    """Removes what was written so far."""
    self._file.abandon()


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
