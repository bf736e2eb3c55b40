"""Batches for training and arrays for evaluation, read from prepared records by grain.

A record holds an 8-bit image, a label map of the twelve `semantics.SemanticClass` values and a viewpoint (and, for
`portraits`, depth and identity). Reading merges the labels into the configured class set, downsamples both to the
training resolution and dilates thin classes. The order of training batches depends on the seed alone, and the
iterator's position can be saved and restored exactly (`get_state`, `set_state`).
"""

from collections.abc import Sequence
import io
import pathlib
from typing import Any

import grain
import numpy as np
from PIL import Image
import tensorflow_datasets as tfds

from cnerf_jax import semantics
from data_pipeline import class_merging
from data_pipeline import quiet_tfds
from data_pipeline import transforms
from data_pipeline.portraits import builder as portraits_builder

DEFAULT_DIR = '~/.cache/cnerf_jax/data'
_REQUIRED_FEATURES = ('image', 'label', 'viewpoint')
_RECORDS_AT_ONCE = 256


def prepare(data_config: Any) -> None:
  """Makes the data set if it can be made and is not there yet; shows a progress bar.

  Raises:
    FileNotFoundError: for a data set other than `portraits` that is not in `data.dir`.
    OSError: if `data.dir` cannot be written.
  """
  if data_config.name != 'portraits':
    _dataset_dir(data_config)
    return
  data_dir = _data_dir(data_config)
  if _prepared(data_config):
    return
  try:
    data_dir.mkdir(parents=True, exist_ok=True)
    with quiet_tfds.quiet():
      portraits_builder.Portraits(
          data_dir=str(data_dir), config=_portraits_config(data_config), file_format='array_record',
      ).download_and_prepare()
  except OSError as error:
    raise OSError(f'cannot write portraits to data.dir {data_dir} ({error.strerror or error}); '
                  'set --config.data.dir to a folder you may write to, with free space') from error


def training_iterator(
    data_config: Any, *, image_size: int, batch_size: int, seed: int, shard_index: int = 0, shard_count: int = 1,
) -> grain.DatasetIterator:
  """Endless shuffled batches of the train split: `image`, `semantic_mask`, `viewpoint`.

  Args:
    data_config: the `data` section of a config.
    image_size: side of the images, a divisor of the records' size.
    batch_size: examples in each batch of this shard.
    seed: sets the order of the examples.
    shard_index: which part of the records this host reads.
    shard_count: number of hosts.

  Raises:
    ValueError: if a size does not fit; FileNotFoundError if the data set is not there.
  """
  source = open_split(data_config, 'train')
  if not 0 <= shard_index < shard_count or len(source) < shard_count:
    raise ValueError(f'shard {shard_index} of {shard_count} does not exist for {len(source)} train examples; '
                     'use shard_index < shard_count <= examples')
  if batch_size < 1:
    raise ValueError(f'batch_size {batch_size} must be at least 1')
  transforms.check_divides(image_size, record_size=_decode(source[0])['image'].shape[0])
  dataset = (
      grain.MapDataset.source(source)[shard_index::shard_count]
      .seed(seed).shuffle().repeat()
      .map(lambda record: to_example(_decode(record), data_config, image_size=image_size))
      .batch(batch_size))
  return iter(dataset.to_iter_dataset(grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)))


def load_split(
    data_config: Any, split: str, *, image_size: int, max_examples: int | None = None, dilate: bool = True,
) -> dict[str, np.ndarray]:
  """A split in its own order as stacked arrays: those of a batch and, where the records have them, depth and identity.

  Args:
    data_config: the `data` section of a config.
    split: `train`, `validation` or `test`; `test` has ten consecutive views of each person.
    image_size: side of the images, a divisor of the records' size. Depth is the block's nearest.
    max_examples: only the first so many.
    dilate: whether thin classes are dilated, if the config dilates at all.
  """
  source = open_split(data_config, split, with_depth=True)
  count = len(source) if max_examples is None else min(max_examples, len(source))
  parts = []
  for start in range(0, count, _RECORDS_AT_ONCE):
    records = [_decode(record) for record in source.__getitems__(range(start, min(start + _RECORDS_AT_ONCE, count)))]
    records = {name: np.stack([record[name] for record in records]) for name in records[0]}
    part = to_example(records, data_config, image_size=image_size, dilate=dilate)
    if 'depth' in records:
      part['depth'] = transforms.nearest_in_blocks(portraits_builder.decode_depth(records['depth']), image_size)
    if 'identity' in records:
      part['identity'] = records['identity']
    parts.append(part)
  return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def to_example(
    record: dict[str, np.ndarray], data_config: Any, *, image_size: int, dilate: bool = True) -> dict[str, np.ndarray]:
  """One example, or a batch of them, from decoded records: `image`, `semantic_mask`, `viewpoint`."""
  class_set = semantics.class_set(data_config.class_set)
  mask = transforms.one_hot(class_merging.merge_ffhq12(record['label'], class_set), class_set.num_classes)
  mask = transforms.area_downsample(mask, image_size)
  if dilate and data_config.dilation != 'none':
    mask = transforms.dilate_thin_classes(mask, class_set)
    if data_config.dilation == 'exclusive':
      mask = transforms.make_exclusive(mask, class_set)
  image = transforms.area_downsample(transforms.normalise_image(record['image']), image_size)
  return dict(image=image, semantic_mask=mask, viewpoint=np.asarray(record['viewpoint'], np.float32))


def open_split(data_config: Any, split: str, *, with_depth: bool = False) -> Sequence[dict[str, Any]]:
  """Records of a split by number, pictures still as PNG.

  Raises:
    FileNotFoundError: if the data set is not there.
    ValueError: if it has no such split, or its records are of another format.
  """
  builder = tfds.builder_from_directory(str(_dataset_dir(data_config)))
  if split not in builder.info.splits:
    raise ValueError(f'no split {split!r} in {data_config.name}; use one of {", ".join(builder.info.splits)}')
  missing = [name for name in _REQUIRED_FEATURES if name not in builder.info.features]
  if missing:
    raise ValueError(f'records in {builder.data_path} lack {", ".join(missing)}; write all of '
                     f'{", ".join(_REQUIRED_FEATURES)} (the format is in data_pipeline/portraits/builder.py)')
  encoded = ('image', 'label') if with_depth else ('image', 'label', 'depth')
  return builder.as_data_source(
      split, decoders={name: tfds.decode.SkipDecoding() for name in encoded if name in builder.info.features})


def _decode(record: dict[str, Any]) -> dict[str, np.ndarray]:
  """A record with its pictures as 8-bit arrays."""
  pictures = {name: np.asarray(Image.open(io.BytesIO(record[name]))) for name in ('image', 'label')}
  return record | pictures


def _data_dir(data_config: Any) -> pathlib.Path:
  return pathlib.Path(data_config.get('dir') or DEFAULT_DIR).expanduser()


def _portraits_config(data_config: Any) -> portraits_builder.PortraitsConfig:
  optional = {name: data_config[name] for name in ('num_validation', 'num_test_identities') if name in data_config}
  return portraits_builder.portraits_config(data_config.record_size, data_config.num_train, **optional)


def _prepared(data_config: Any) -> list[pathlib.Path]:
  """Every dataset_info.json of the data set; a version folder starts with a digit, an unfinished one does not."""
  data_dir, name = _data_dir(data_config), data_config.name
  if name == 'portraits':
    patterns = (f'{name}/{_portraits_config(data_config).name}/[0-9]*/',)
  else:
    patterns = ('', f'{name}/', f'{name}/[0-9]*/', f'{name}/*/[0-9]*/')
  return [path for pattern in patterns for path in sorted(data_dir.glob(f'{pattern}dataset_info.json'))]


def _dataset_dir(data_config: Any) -> pathlib.Path:
  found = _prepared(data_config)
  if found:
    return found[-1].parent
  remedy = ('make it with data_pipeline.loader.prepare(config.data)' if data_config.name == 'portraits' else
            'prepare it there, or set --config.data.dir to the folder that holds its dataset_info.json')
  raise FileNotFoundError(f'no data set {data_config.name!r} in data.dir {_data_dir(data_config)}; {remedy}')
