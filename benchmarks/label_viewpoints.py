"""How well are cameras read from label maps? python -m benchmarks.label_viewpoints --people=DIR [--real=LABELS --poses=FILE.json]

The shipped network (`data_pipeline/label_viewpoints`, which has seen label maps of synthetic people alone), or the one of --parameters, reads
an export of people that it has not seen (of another seed: `python -m data_pipeline.people export DIR --count 400 --size 128 --seed 2`), and
label maps of photographs, whose poses are only compared with: {name: [azimuth, elevation, ...]} in radians. It prints, for each angle, the
correlation with the truth, the median absolute error in degrees, as it is and after the best scale and offset (poses of photographs are
estimates themselves), the slope of what is read over the truth, and the mean difference; then the errors by confidence.
"""

from __future__ import annotations

from collections.abc import Mapping
import json
import os
import pathlib
import time
from typing import Any

from absl import app
from absl import flags
import numpy as np

from benchmarks import exports
from benchmarks import machine
from data_pipeline.label_viewpoints import accuracy
from data_pipeline.label_viewpoints import network
from data_pipeline.label_viewpoints import parameters as parameters_lib
from data_pipeline.label_viewpoints import reading

_ANGLES = network.ANGLES[:2]
_SHARES = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0))  # of the maps, from the least sure to the surest


def read_poses(path: str | os.PathLike) -> Mapping[str, list[float]]:
  """{name without suffix: (azimuth, elevation, ...)}; app.UsageError in one line if there are none."""
  try:
    poses = json.loads(pathlib.Path(path).expanduser().read_text())
    return {pathlib.PurePath(name).stem: [float(angle) for angle in angles[:2]] for name, angles in poses.items()}
  except (OSError, ValueError, TypeError, AttributeError) as error:
    raise app.UsageError(f'{path} has no poses {{name: [azimuth, elevation]}} ({error})') from error


def by_confidence(errors: np.ndarray, confidence: np.ndarray) -> list[dict[str, float]]:
  """Median errors in degrees of quarters of the maps, by confidence; the first the least sure."""
  order = np.argsort(confidence, kind='stable')
  parts = [order[int(low * len(order)):int(high * len(order))] for low, high in _SHARES]
  return [
      dict(confidence=float(confidence[part].mean()), **{name: float(np.median(errors[part, k])) for k, name in enumerate(_ANGLES)})
      for part in parts if len(part)]


def measure(reader: reading.Reader, labels: np.ndarray, truth: np.ndarray) -> dict[str, Any]:
  """Accuracy of one set of label maps."""
  started = time.perf_counter()
  found = reader.read(labels)
  seconds = time.perf_counter() - started
  readable = found.confidence > 0
  errors = np.degrees(np.abs(found.viewpoint - truth))
  return dict(
      maps=len(labels), unreadable=int((~readable).sum()), maps_per_second=len(labels) / seconds,
      accuracy=accuracy.compare(found.viewpoint[readable], truth[readable], _ANGLES),
      by_confidence=by_confidence(errors[readable], found.confidence[readable]))


def main(argv):
  del argv
  if bool(_REAL.value) != bool(_POSES.value):
    raise app.UsageError('--real and --poses go together: label maps of photographs, and the poses to compare with')
  if not (_PEOPLE.value or _REAL.value):
    raise app.UsageError('nothing to read; give --people, an export of people, or --real and --poses')
  reader, rows = reading.load(_PARAMETERS.value or parameters_lib.SHIPPED), {}
  if _PEOPLE.value:
    names, labels = exports.read_labels(_PEOPLE.value, size=network.STORED, limit=_LIMIT.value)
    truth = exports.read_truth(_PEOPLE.value, _ANGLES, count=len(names))
    rows['people'] = measure(reader, labels, np.stack([truth[name] for name in _ANGLES], axis=-1))
  if _REAL.value:
    poses = read_poses(_POSES.value)
    names, labels = exports.read_labels(_REAL.value, size=network.STORED, limit=_LIMIT.value, names=list(poses))
    rows['photographs'] = measure(reader, labels, np.array([poses[name] for name in names]))
  for kind, row in rows.items():
    print(f'{kind}: {row["maps"]:,} label maps, {row["unreadable"]} unreadable; {row["maps_per_second"]:.0f} a second '
          f'(load {os.getloadavg()[0]:.1f})')
    print(f'{"":12}{"correlation":>12}{"median, deg":>13}{"fitted":>8}{"slope":>7}{"mean difference, deg":>22}')
    for name, found in row['accuracy'].items():
      print(f'{name:<12}{found["correlation"]:>12.3f}{found["median_degrees"]:>13.2f}{found["median_degrees_fitted"]:>8.2f}'
            f'{found["slope"]:>7.2f}{found["mean_difference_degrees"]:>22.2f}')
    for part in row['by_confidence']:
      print(f'  confidence {part["confidence"]:.2f}: azimuth {part["azimuth"]:.2f}, elevation {part["elevation"]:.2f}')
  machine.append(dict(benchmark='label_viewpoints', about=reader.about, load=os.getloadavg()[0], **rows), _OUTPUT.value)


if __name__ == '__main__':
  _PEOPLE = flags.DEFINE_string('people', None, 'Folder of an export: labels/*.png and truth.npz.')
  _REAL = flags.DEFINE_string('real', None, 'Folder of label maps of photographs, to read.')
  _POSES = flags.DEFINE_string('poses', None, 'JSON file of their poses, to compare with.')
  _PARAMETERS = flags.DEFINE_string('parameters', None, 'Of another network than the shipped one.')
  _LIMIT = flags.DEFINE_integer('limit', None, 'Only the first so many maps of each folder.', lower_bound=4)
  _OUTPUT = flags.DEFINE_string('output', None, 'A line of JSON is appended here.')
  app.run(main)
