"""The TFDS builder of `portraits`: three splits of rendered heads in array_record files, without TensorFlow.

`train` shows every person once from a random camera; `validation` people that are not in it, likewise; `test` shows
each of its people from the ten cameras of `camera.multi_view_azimuths`, in that order. TFDS writes to a temporary
folder and renames it when all is written: an interrupted generation leaves nothing that looks complete.
"""

from collections.abc import Iterator
import concurrent.futures
import dataclasses
import io

import numpy as np
from PIL import Image
import tensorflow_datasets as tfds
import tqdm

from cnerf_jax import camera as camera_lib
from data_pipeline import depth_codec
from data_pipeline import drawn_splits
from data_pipeline.portraits import identity as identity_lib
from data_pipeline.portraits import rendering

_THREADS = 2


@dataclasses.dataclass
class PortraitsConfig(drawn_splits.DrawnConfig):
  """How many people, how large, and the seed of it all."""


def data_set_config(record_size: int, num_train: int, **optional: int) -> PortraitsConfig:
  """The configuration of so many people, see `drawn_splits.make_config`; ValueError in one line if it can't be."""
  return drawn_splits.make_config(PortraitsConfig, record_size, num_train, **optional)


def check_installed() -> None:
  """Nothing but what training needs is needed."""


def fetch() -> None:
  """There is nothing to get."""


def make(data_dir: str, config: PortraitsConfig) -> None:
  """Draws the data set below `data_dir`, if it is not there; OSError if that can't be written."""
  Portraits(data_dir=data_dir, config=config, file_format='array_record').download_and_prepare()


class Portraits(tfds.core.GeneratorBasedBuilder):
  """Procedural 3D heads with known label map, viewpoint, depth and identity parameters."""

  name = 'portraits'
  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'First release.'}
  url_infos = None  # nothing is downloaded; TFDS would look for checksums through a package it does not install

  def _info(self) -> tfds.core.DatasetInfo:
    size = self.builder_config.record_size
    return tfds.core.DatasetInfo(
        builder=self,
        description='Procedural portraits: image, label map of twelve semantic classes, viewpoint, depth, identity.',
        features=record_features(size),
        disable_shuffling=True,  # the test split keeps people and views in order; training shuffles on reading
    )

  def _split_generators(self, download_manager: tfds.download.DownloadManager) -> dict:
    del download_manager  # nothing to download
    return {split: self._generate_examples(split) for split in drawn_splits.SPLITS}

  def _generate_examples(self, split: str) -> Iterator[tuple[int, dict]]:
    config = self.builder_config
    views = split_views(split, config)
    total = len(views)
    size = rendering.PICTURES_PER_CALL
    chunks = [range(start, min(start + size, total)) for start in range(0, total, size)]
    with tqdm.tqdm(total=total, desc=f'portraits {split}', unit=' images') as progress:
      for chunk, records in _render_ahead(chunks, views, config):
        yield from zip(chunk, records)
        progress.update(len(chunk))


def record_features(record_size: int) -> tfds.features.FeaturesDict:
  """The record format of every data set that the loader reads; only `image`, `label` and `viewpoint` are required."""
  square = (record_size, record_size)
  return tfds.features.FeaturesDict(dict(
      image=tfds.features.Image(shape=(*square, 3), encoding_format='png'),
      label=tfds.features.Image(shape=(*square, 1), encoding_format='png'),
      viewpoint=tfds.features.Tensor(shape=(2,), dtype=np.float32),
      depth=tfds.features.Tensor(shape=square, dtype=np.uint16, encoding=tfds.features.Encoding.ZLIB),
      identity=tfds.features.Tensor(shape=(identity_lib.VECTOR_SIZE,), dtype=np.float32),
      identity_index=np.int64,
  ))


def split_views(split: str, config: PortraitsConfig) -> list[tuple[int, np.ndarray]]:
  """(identity index, viewpoint) of every picture of a split, in order."""
  first = drawn_splits.FIRST_PERSON[split]
  if split == 'test':
    azimuths = np.asarray(camera_lib.multi_view_azimuths(), np.float32)
    return [(first + person, np.array([azimuth, 0], np.float32))
            for person in range(config.num_test_identities) for azimuth in azimuths]
  count = config.num_train if split == 'train' else config.num_validation
  spread = camera_lib.AZIMUTH_STD_RADIANS, camera_lib.ELEVATION_STD_RADIANS
  return [(index, identity_lib.draw_viewpoint(config.seed, index, *spread)) for index in range(first, first + count)]


def _render_ahead(chunks: list[range], views: list, config: PortraitsConfig):
  """Encoded records chunk by chunk, in order, rendered by two threads a few chunks ahead."""
  with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
    pending = []
    for chunk in chunks:
      pending.append((chunk, pool.submit(_records, [views[i] for i in chunk], config)))
      if len(pending) > 2 * _THREADS:
        done, future = pending.pop(0)
        yield done, future.result()
    for done, future in pending:
      yield done, future.result()


def _records(views: list[tuple[int, np.ndarray]], config: PortraitsConfig) -> list[dict]:
  people = [identity_lib.draw(config.seed, index) for index, _ in views]
  picture = rendering.render_people(people, np.stack([view for _, view in views]), image_size=config.record_size)
  return [
      dict(image=_png(picture.image[i]), label=_png(picture.label[i]), viewpoint=viewpoint,
           depth=depth_codec.encode(picture.depth[i]), identity=identity_lib.to_vector(people[i]), identity_index=index)
      for i, (index, viewpoint) in enumerate(views)]


def _png(pixels: np.ndarray) -> bytes:
  buffer = io.BytesIO()
  Image.fromarray(pixels).save(buffer, 'PNG', compress_level=3)
  return buffer.getvalue()
