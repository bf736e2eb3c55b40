"""The data set of a config: `open(config.data)` gives its size, training batches (by grain) and whole splits for evaluation.

A record holds an 8-bit image, a label map in the vocabulary that its data set names, and where it is known a viewpoint
(`stored_records.py`). Reading merges the labels into the configured class set, averages both down to the training resolution
and dilates thin classes; if the config says so, every other example is mirrored. The order of training batches, and which
examples are mirrored, depend on the seed alone, and the iterator's position can be saved and restored exactly
(`get_state`, `set_state`). Damaged shards are refused in one line, single damaged records replaced (`stored_records.py`).
"""

from collections.abc import Iterator, Sequence
import pathlib
from typing import Any

import grain
import numpy as np

from cnerf_jax import semantics
from data_pipeline import depth_codec
from data_pipeline import drawn_splits
from data_pipeline import procedural
from data_pipeline import stored_records
from data_pipeline import transforms
from data_pipeline import vocabularies

DEFAULT_DIR = '~/.cache/cnerf_jax/data'
_REAL = 'real_portraits'  # what `python -m data_pipeline.prepare` calls its data sets
_RECORDS_AT_ONCE = 256
_TRAINED_ON = ('image', 'label', 'viewpoint', 'viewpoint_confidence')


class DataSet:
  """The data set of a config: what it has, training batches, and whole splits.

  Attributes:
    num_train: number of training examples.
    num_validation: number of validation examples; 0 without such a split.
    record_size: side of the stored images, pixels.
    has_viewpoints: whether cameras are known.
    viewpoint_moments: mean (azimuth, elevation) of prepared photographs' cameras and their standard deviations, radians; None where the
      records don't say.
    splits: names of the splits.
    oracle_folder: where oracles trained on it are kept.
  """

  def __init__(self, data_config: Any):
    """Looks at the data set, which procedural ones need not be made for; see `open`."""
    if data_config.dilation not in transforms.DILATIONS:
      raise ValueError(f'data.dilation {data_config.dilation!r} is not known; use one of {", ".join(transforms.DILATIONS)}')
    self._config = data_config
    self.oracle_folder = _data_dir(data_config) / 'oracles'
    self._procedural = procedural.SETS.get(data_config.name)
    self.viewpoint_moments = None
    if self._procedural is not None:
      made = self._procedural.config(data_config)
      self.num_train, self.num_validation = made.num_train, made.num_validation
      self.record_size = data_config.record_size
      self.has_viewpoints, self.splits = True, drawn_splits.SPLITS
      vocabulary = self._procedural.vocabulary
      if _prepared(data_config):
        stored_records.check(_dataset_dir(data_config))
      else:
        self._procedural.builder.check_installed()
    else:
      stored_records.check(_dataset_dir(data_config))
      records = self.open_split('train')
      self.num_train, self.has_viewpoints, self.splits = len(records), records.has_viewpoints, records.splits
      self.num_validation = len(self.open_split('validation')) if 'validation' in self.splits else 0
      self.record_size = records.record_size
      self.viewpoint_moments = records.viewpoint_moments
      vocabulary = records.vocabulary
    self._table = vocabulary.table(semantics.class_set(data_config.class_set))  # for each stored label its channel

  def prepare(self) -> None:
    """Draws a procedural data set that is not there yet; shows a progress bar. ValueError or OSError in one line if it can't be done."""
    if self._procedural is not None and not _prepared(self._config):
      self._procedural.make(_data_dir(self._config), self._procedural.config(self._config))

  def training_iterator(
      self, *, image_size: int, batch_size: int, seed: int, shard_index: int = 0, shard_count: int = 1,
  ) -> grain.DatasetIterator:
    """Endless shuffled batches of the train split: `image`, `semantic_mask` and, where records have them, `viewpoint` and its confidence.

    Args:
      image_size: side of the images, a divisor of the records' size.
      batch_size: examples in each batch of this shard.
      seed: sets the order of the examples, and which are mirrored.
      shard_index: which part of the records this host reads.
      shard_count: number of hosts.

    Raises:
      ValueError: if a size does not fit, or a shard is missing or damaged; while reading, if too many records are damaged.
      FileNotFoundError: if the data set is not there.
    """
    source = self.open_split('train')
    if not 0 <= shard_index < shard_count or len(source) < shard_count:
      raise ValueError(f'shard {shard_index} of {shard_count} does not exist for {len(source)} train examples; '
                       'use shard_index < shard_count <= examples')
    if batch_size < 1:
      raise ValueError(f'batch_size {batch_size} must be at least 1')
    transforms.check_divides(image_size, record_size=source.record_size)
    # Numbers of records go through grain one by one, records a batch at a time: grain's own bookkeeping costs more than reading them.
    dataset = grain.MapDataset.range(len(source))[shard_index::shard_count].seed(seed).shuffle().repeat().batch(batch_size)
    dataset = dataset.map(lambda indices: _stack([source[index] for index in indices]))
    to_batch = lambda records: self.to_example(records, image_size=image_size)
    if self._config.get('flip', False):
      dataset = dataset.random_map(lambda records, rng: mirror(records, rng.random(batch_size) < 0.5, source.vocabulary))
    return iter(dataset.map(to_batch).to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)))

  def load_split(
      self, split: str, *, image_size: int, max_examples: int | None = None, dilate: bool = True,
  ) -> dict[str, np.ndarray]:
    """A split in its own order as stacked arrays: those of a batch and, where the records have them, depth and identity.

    Args:
      split: one of `splits`; the `test` of procedural ones has ten consecutive views of each person.
      image_size: side of the images, a divisor of the records' size. Depth is the block's nearest.
      max_examples: only the first so many.
      dilate: whether thin classes are dilated, if the config dilates at all.

    Raises:
      ValueError: if there is no such split, a shard is missing or damaged, or too many records are damaged.
      FileNotFoundError: if the data set is not there.
    """
    source = self.open_split(split, with_all=True)
    count = len(source) if max_examples is None else min(max_examples, len(source))
    parts = []
    for start in range(0, count, _RECORDS_AT_ONCE):
      records = source.__getitems__(range(start, min(start + _RECORDS_AT_ONCE, count)))
      records = {name: np.stack([record[name] for record in records]) for name in records[0] if name != 'name'}
      part = self.to_example(records, image_size=image_size, dilate=dilate)
      if 'depth' in records:
        part['depth'] = transforms.nearest_in_blocks(depth_codec.decode(records['depth']), image_size)
      if 'identity' in records:
        part['identity'] = records['identity']
      parts.append(part)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

  def image_parts(self, split: str, indices: Sequence[int], *, image_size: int) -> Iterator[np.ndarray]:
    """Images of a split by number, in this order and at most 256 at a time, so that memory stays small; errors as those of `load_split`."""
    source = self.open_split(split)
    for start in range(0, len(indices), _RECORDS_AT_ONCE):
      records = source.__getitems__([int(index) for index in indices[start:start + _RECORDS_AT_ONCE]])
      images = np.stack([record['image'] for record in records])
      yield transforms.area_downsample(transforms.normalise_image(images), image_size)

  def open_split(self, split: str, *, with_all: bool = False) -> stored_records.StoredRecords:
    """Records of a split by number; FileNotFoundError if the data set is not there, ValueError if the split is not or is damaged."""
    return stored_records.StoredRecords(_dataset_dir(self._config), split, with_all=with_all)

  def to_example(self, records: dict[str, np.ndarray], *, image_size: int, dilate: bool = True) -> dict[str, np.ndarray]:
    """A batch of examples from one of records: `image`, `semantic_mask` and, if there, `viewpoint` and its confidence."""
    if records['label'].max() >= len(self._table):
      raise ValueError(f'label {records["label"].max()} is none of the {len(self._table)} labels of the data set; prepare the records again')
    mask = transforms.training_mask(
        self._table[records['label']], semantics.class_set(self._config.class_set), image_size, self._config.dilation if dilate else 'none')
    example = dict(image=transforms.area_downsample(transforms.normalise_image(records['image']), image_size), semantic_mask=mask)
    if 'viewpoint' in records:
      example['viewpoint'] = np.asarray(records['viewpoint'], np.float32)
    if 'viewpoint_confidence' in records:
      example['viewpoint_confidence'] = np.asarray(records['viewpoint_confidence'], np.float32)
    return example


def open(data_config: Any) -> DataSet:  # pylint: disable=redefined-builtin
  """The data set of the `data` section of a config; a procedural one may not be made yet (`DataSet.prepare`).

  Raises:
    FileNotFoundError: for a data set that is not procedural and not in `data.dir`.
    ValueError: if its labels don't merge into the config's class set, the config names what can't be, a shard is missing or damaged, or what
      drawing a procedural one needs is not installed.
  """
  return DataSet(data_config)


def mirror(records: dict[str, np.ndarray], chosen: np.ndarray, vocabulary: vocabularies.Vocabulary) -> dict[str, np.ndarray]:
  """A batch of records, the chosen ones left to right: left and right labels change places, and the azimuth its sign."""
  image, label = records['image'].copy(), records['label'].copy()
  image[chosen] = image[chosen][:, :, ::-1]
  label[chosen] = vocabulary.mirrored()[label[chosen][:, :, ::-1]]
  mirrored = dict(image=image, label=label)
  if 'viewpoint' in records:
    mirrored['viewpoint'] = records['viewpoint'] * np.where(chosen[:, None], np.float32([-1, 1]), np.float32(1))
  return records | mirrored


def _stack(records: list[dict[str, Any]]) -> dict[str, np.ndarray]:
  return {name: np.stack([record[name] for record in records]) for name in _TRAINED_ON if name in records[0]}


def _data_dir(data_config: Any) -> pathlib.Path:
  return pathlib.Path(data_config.get('dir') or DEFAULT_DIR).expanduser()


def _prepared(data_config: Any) -> list[pathlib.Path]:
  """Every dataset_info.json of the data set; a version folder starts with a digit, an unfinished one does not."""
  data_dir, name = _data_dir(data_config), data_config.name
  if name in procedural.SETS:
    patterns = (f'{name}/{procedural.SETS[name].config(data_config).name}/[0-9]*/',)
  else:
    patterns = ('', f'{name}/', f'{name}/[0-9]*/', f'{name}/*/[0-9]*/', f'{_REAL}/size{data_config.record_size}/[0-9]*/')
  return [path for pattern in patterns for path in sorted(data_dir.glob(f'{pattern}dataset_info.json'))]


def _dataset_dir(data_config: Any) -> pathlib.Path:
  found = _prepared(data_config)
  if found:
    return found[-1].parent
  data_dir = _data_dir(data_config)
  sizes = sorted(int(path.parent.name.removeprefix('size')) for path in data_dir.glob(f'{_REAL}/size*/[0-9]*'))
  if data_config.name in procedural.SETS:
    remedy = 'make it with data_pipeline.loader.open(config.data).prepare()'
  elif sizes:
    remedy = (f'there are records of {", ".join(map(str, sizes))} pixels: set --config.data.record_size to one of them, '
              f'or prepare them again with --sizes {data_config.record_size}')
  else:
    remedy = ('prepare it there (python -m data_pipeline.prepare --help), or set --config.data.dir to the folder of its '
              'dataset_info.json')
  raise FileNotFoundError(f'no data set {data_config.name!r} in data.dir {data_dir}; {remedy}')
