"""What a record of `people` holds: drawn by the workers, so that the process that writes records has little to do.

The builder names the features; here are their values. Normals are stored as three bytes each: 128 plus 127 times the component,
so that the background, which has none, is 128 exactly.
"""

import dataclasses
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from data_pipeline import depth_codec
from data_pipeline import shard_files
from data_pipeline.people import person as person_lib
from data_pipeline.people import portrayal


@dataclasses.dataclass(frozen=True)
class Task:
  """Pictures that one worker draws at a time.

  Attributes:
    seed: of the people.
    views: (number of the person, (azimuth, elevation) in radians) of each picture.
    image_size: pixels a side.
    raw: whether images are stored as bytes, not as PNG.
  """

  seed: int
  views: tuple[tuple[int, tuple[float, float]], ...]
  image_size: int
  raw: bool


def draw(task: Task) -> list[dict[str, Any]]:
  """The values of a record for each picture of a task."""
  return [_draw_one(task, index, viewpoint) for index, viewpoint in task.views]


def _draw_one(task: Task, index: int, viewpoint: tuple[float, float]) -> dict[str, Any]:
  person, picture = portrayal.draw(task.seed, index, viewpoint, image_size=task.image_size)
  return dict(
      image=picture.image if task.raw else shard_files.png(picture.image, compress_level=1), label=picture.label,
      viewpoint=np.array(viewpoint, np.float32),
      depth=depth_codec.encode(picture.depth), normal=shard_files.png(encode_normals(picture.normal), compress_level=1),
      landmarks=np.asarray(picture.landmarks, np.float32), identity=np.asarray(person_lib.to_vector(person), np.float32),
      identity_index=index)


def encode_normals(normals: Float[np.ndarray, '*shape 3']) -> UInt8[np.ndarray, '*shape 3']:
  """Unit vectors, or zeros where there is nothing, as bytes."""
  return (np.round(np.clip(normals, -1, 1) * 127) + 128).astype(np.uint8)


def decode_normals(encoded: UInt8[np.ndarray, '*shape 3']) -> Float[np.ndarray, '*shape 3']:
  """Unit vectors, or zeros, from `encode_normals`; half a degree from what they were, at most. float32."""
  normals = (encoded.astype(np.float32) - 128) / 127
  lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
  return normals / np.where(lengths > 0, lengths, 1)
