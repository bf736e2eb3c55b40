"""How well are label maps read off photographs? python -m benchmarks.face_parser --photographs=DIR [--poses=FILE.json]

The shipped face parser (`data_pipeline/face_parser`, which has seen synthetic people alone), or the one of --parameters, reads images/*.jpg
of a folder whose labels/*.png are known: the 19 CelebAMask-HQ integers, of photographs, or of an export of people that it has not seen
(`python -m data_pipeline.people export DIR --count 400 --size 128 --seed 2`). It prints, for each of the twelve classes, the intersection
over union with the known maps at 64 x 64, over all pictures and over those alone where the class is seen, and the shares of pictures; and,
with --poses ({name: [azimuth, elevation, ...]} in radians), how well cameras are read off the parsed maps and off the known ones.
"""

from __future__ import annotations

import os
import pathlib
import time
from typing import Any

from absl import app
from absl import flags
from jaxtyping import Int
import numpy as np
from PIL import Image

from benchmarks import exports
from benchmarks import label_viewpoints as label_viewpoints_benchmark
from benchmarks import machine
from cnerf_jax import semantics
from cnerf_jax.evaluation import agreement
from data_pipeline import class_merging
from data_pipeline.face_parser import network
from data_pipeline.face_parser import parameters as parameters_lib
from data_pipeline.face_parser import parsing
from data_pipeline.label_viewpoints import reading

_CLASSES = semantics.FFHQ12
_SIZE = 64  # of the maps that are compared
_LEAST_PIXELS = 4  # of a class that is seen


def read_images(folder: pathlib.Path, names: list[str]) -> np.ndarray:
  """Photographs at twice the network's size, uint8 [images, 256, 256, 3]; app.UsageError in one line if one is missing."""
  side = (2 * network.SIZE, 2 * network.SIZE)
  images = []
  for name in names:
    try:
      with Image.open(folder / 'images' / f'{name}.jpg') as image:
        images.append(np.asarray(image.convert('RGB').resize(side, Image.Resampling.BILINEAR, reducing_gap=2.0)))
    except OSError as error:
      raise app.UsageError(f'no image images/{name}.jpg in {folder} ({error}); give a folder of images and labels of the same names') from error
  return np.stack(images)


def merged(labels: np.ndarray) -> Int[np.ndarray, 'maps 64 64']:
  """Maps of the 19 labels as twelve classes, the label at the middle of each of 64 x 64 cells."""
  middle = ((np.arange(_SIZE) + 0.5) * labels.shape[-1] / _SIZE).astype(int)
  return class_merging.merge_celebamask_hq(labels[:, middle[:, None], middle], _CLASSES).astype(np.int64)


def compare(found: Int[np.ndarray, 'maps 64 64'], known: Int[np.ndarray, 'maps 64 64']) -> dict[str, dict[str, float]]:
  """For each class: IoU over all maps, over those where it is known to be, and the shares of maps that show it."""
  over_all = agreement.class_iou(found, known, _CLASSES.num_classes)
  rows = {}
  for k, name in enumerate(_CLASSES.classes):
    seen, read = ((maps == k).sum(axis=(1, 2)) >= _LEAST_PIXELS for maps in (known, found))
    where_seen = agreement.class_iou(found[seen], known[seen], _CLASSES.num_classes)[k] if seen.any() else np.nan
    rows[name] = dict(iou=float(over_all[k]), iou_where_seen=float(where_seen), seen=float(seen.mean()), read=float(read.mean()))
  return rows


def cameras(poses_file: str, names: list[str], maps: dict[str, np.ndarray]) -> dict[str, Any]:
  """Accuracy of cameras read off each kind of label map."""
  poses = label_viewpoints_benchmark.read_poses(poses_file)
  chosen = [k for k, name in enumerate(names) if name in poses]
  truth = np.array([poses[names[k]] for k in chosen])
  return {kind: label_viewpoints_benchmark.measure(reading.load(), labels[chosen], truth) for kind, labels in maps.items()}


def main(argv):
  del argv
  folder = pathlib.Path(_PHOTOGRAPHS.value).expanduser()
  parser = parsing.load(_PARAMETERS.value or parameters_lib.SHIPPED)
  names, known = exports.read_labels(folder, size=parsing.OUTPUT_SIDE, limit=_LIMIT.value)
  images = read_images(folder, names)
  parser.parse(images[:1])  # compilation
  started = time.perf_counter()
  found = parser.parse(images)
  seconds = time.perf_counter() - started
  rows = compare(merged(found), merged(known))
  mean = float(np.nanmean([row['iou'] for row in rows.values()]))
  right = float((merged(found) == merged(known)).mean())
  print(f'{len(names):,} pictures, {len(names) / seconds:.0f} a second (load {os.getloadavg()[0]:.1f}); '
        f'mean IoU {mean:.3f}, pixels {right:.3f}')
  print(f'{"":12}{"IoU":>8}{"where seen":>12}{"seen on":>9}{"read on":>9}')
  for name, row in rows.items():
    print(f'{name:<12}{row["iou"]:>8.2f}{row["iou_where_seen"]:>12.2f}{row["seen"]:>9.1%}{row["read"]:>9.1%}')
  result = dict(benchmark='face_parser', about=parser.about, load=os.getloadavg()[0], mean_iou=mean, pixels=right, classes=rows)
  if _POSES.value:
    result['cameras'] = cameras(_POSES.value, names, dict(parsed=found, known=known))
    for kind, row in result['cameras'].items():
      for angle, accuracy in row['accuracy'].items():
        print(f'{angle} off {kind} maps: correlation {accuracy["correlation"]:.3f}, median error {accuracy["median_degrees"]:.2f} degrees, '
              f'fitted {accuracy["median_degrees_fitted"]:.2f}; {row["unreadable"]} unreadable')
  machine.append(result, _OUTPUT.value)


if __name__ == '__main__':
  _PHOTOGRAPHS = flags.DEFINE_string('photographs', None, 'Folder with images/*.jpg and labels/*.png.', required=True)
  _POSES = flags.DEFINE_string('poses', None, 'JSON file of their poses, to compare with.')
  _PARAMETERS = flags.DEFINE_string('parameters', None, 'Of another network than the shipped one.')
  _LIMIT = flags.DEFINE_integer('limit', None, 'Only the first so many pictures.', lower_bound=1)
  _OUTPUT = flags.DEFINE_string('output', None, 'A line of JSON is appended here.')
  app.run(main)
