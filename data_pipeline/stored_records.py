"""Records of any data set of ours as arrays: how pictures are stored, and which vocabulary their labels are of.

A record holds an 8-bit image, a label map and, where they are known, a viewpoint (and, for `portraits`, depth and identity). The data
set's metadata names the vocabulary of its labels; sets without metadata are procedural portraits, whose labels are the twelve classes.
"""

from collections.abc import Sequence
import io
import os
from typing import Any
import zlib

import numpy as np
from PIL import Image
import tensorflow_datasets as tfds
from tensorflow_datasets.proto import tf_example_pb2

from cnerf_jax import semantics
from data_pipeline import vocabularies

REQUIRED_FEATURES = ('image', 'label')


class StoredRecords:
  """A split, by number; records are dicts of arrays: `image` and `label` of 8 bits, `viewpoint` where it is stored, and all else if asked.

  Attributes:
    vocabulary: of the labels.
    splits: of the data set.
    has_viewpoints: whether records hold `viewpoint`.
    record_size: pixels a side.
  """

  def __init__(self, folder: str | os.PathLike, split: str, *, with_all: bool = False):
    """Opens a split of the data set whose dataset_info.json is in `folder`.

    Args:
      folder: of the data set.
      split: such as `train`.
      with_all: whether all that is stored is decoded, as depth and identity; else only what training needs, several times as fast.

    Raises:
      ValueError: if there is no such split, or the records are of another format.
    """
    builder = tfds.builder_from_directory(str(folder))
    stored = builder.info.features
    if split not in builder.info.splits:
      raise ValueError(f'no split {split!r} in {folder}; use one of {", ".join(builder.info.splits)}')
    missing = [name for name in REQUIRED_FEATURES if name not in stored]
    if missing:
      raise ValueError(f'records in {folder} lack {", ".join(missing)}; write all of {", ".join(REQUIRED_FEATURES)} '
                       '(the format is in data_pipeline/prepare/records.py)')
    metadata = builder.info.metadata or {}
    self.vocabulary = vocabularies.vocabulary(metadata.get('vocabulary', semantics.FFHQ12.name))
    if tuple(metadata.get('labels', self.vocabulary.labels)) != self.vocabulary.labels:
      raise ValueError(f'records in {folder} name {self.vocabulary.name} labels in another order than this code; prepare them again')
    self.splits = tuple(builder.info.splits)
    self.has_viewpoints = 'viewpoint' in stored
    self.record_size = stored['image'].shape[0]
    self._png = [name for name in REQUIRED_FEATURES if isinstance(stored[name], tfds.features.Image)]
    self._shapes = {name: stored[name].shape for name in REQUIRED_FEATURES}
    self._with_all = with_all
    how = (dict(decoders={name: tfds.decode.SkipDecoding() for name in REQUIRED_FEATURES}) if with_all else
           dict(deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES))
    self._source = builder.as_data_source(split, **how)

  def __len__(self) -> int:
    return len(self._source)

  def __getitem__(self, index: int) -> dict[str, Any]:
    record = self._source[index]
    return self._whole(record) if self._with_all else self._needed(record)

  def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
    records = self._source.__getitems__(indices)
    return [self._whole(record) if self._with_all else self._needed(record) for record in records]

  def _whole(self, record: dict[str, Any]) -> dict[str, Any]:
    return record | {name: self._picture(name, record[name]) for name in REQUIRED_FEATURES}

  def _needed(self, serialized: bytes) -> dict[str, np.ndarray]:
    """What training needs of a record; TFDS's own parsing spends most of its time on what it knows nothing about."""
    stored = tf_example_pb2.Example.FromString(serialized).features.feature
    record = {name: self._picture(name, stored[name].bytes_list.value[0]) for name in REQUIRED_FEATURES}
    if self.has_viewpoints:
      record['viewpoint'] = np.array(stored['viewpoint'].float_list.value, np.float32)
    return record

  def _picture(self, name: str, stored: bytes) -> np.ndarray:
    """A picture stored as PNG; or else the image's raw bytes, the label map's compressed ones."""
    if name in self._png:
      return np.asarray(Image.open(io.BytesIO(stored)))
    raw = stored if name == 'image' else zlib.decompress(stored)
    return np.frombuffer(raw, np.uint8).reshape(self._shapes[name])
