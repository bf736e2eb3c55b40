"""Does a landmark detector that never saw them know them for faces? python -m benchmarks.people_landmarks --export=DIR [--photographs=DIR]

dlib's detector of frontal faces and its 68 landmarks, both trained on photographs, look at the pictures of an export of procedural people.
Prints the fraction of faces found, and how far the detector's points lie from the true ones (`landmarks` in truth.npz), in fractions of the
distance between the middles of both eyes in the picture: the median over points and faces, for each group of points and all together.
Beside it, how many faces of photographs the same detector finds. A check for developers: it needs `pip install -e .[checks]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import importlib.util
import pathlib

from absl import app
from absl import flags
from jaxtyping import Float, UInt8
import numpy as np
from PIL import Image

from benchmarks import exports
from benchmarks import machine
from cnerf_jax.reporting import progress as progress_lib

GROUPS = {'jaw': range(17), 'brows': range(17, 27), 'nose': range(27, 36), 'eyes': range(36, 48), 'mouth': range(48, 68), 'all': range(68)}
_EYES = range(36, 42), range(42, 48)
_SUFFIXES = ('.jpg', '.jpeg', '.png')
_SMALL = 200  # pixels: smaller pictures are enlarged once before faces are looked for

Detect = Callable[[np.ndarray], np.ndarray | None]


def make_detector() -> Detect:
  """uint8 picture [height, width, 3] → landmarks [68, 2] of its largest face in pixels (middle of the upper left one: .5, .5), or None."""
  models = importlib.util.find_spec('face_recognition_models')  # its folder alone: importing it would need pkg_resources
  if models is None or importlib.util.find_spec('dlib') is None:
    raise app.UsageError('people_landmarks needs dlib-bin and face-recognition-models; pip install -e .[checks]')
  import dlib  # pylint: disable=g-import-not-at-top
  file = pathlib.Path(models.submodule_search_locations[0]) / 'models' / 'shape_predictor_68_face_landmarks.dat'
  find_faces, find_points = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(file))

  def detect(image):
    faces = find_faces(image, 1 if min(image.shape[:2]) < _SMALL else 0)
    if not faces:
      return None
    points = find_points(image, max(faces, key=lambda face: face.area())).parts()
    return np.array([(point.x + 0.5, point.y + 0.5) for point in points])

  return detect


def point_errors(found: Float[np.ndarray, '68 2'], truth: Float[np.ndarray, '68 2']) -> Float[np.ndarray, '68']:
  """Distance of each point from the true one, in fractions of the true distance between the middles of the eyes."""
  left, right = (truth[list(eye)].mean(axis=0) for eye in _EYES)
  return np.linalg.norm(found - truth, axis=-1) / np.linalg.norm(left - right)


def list_pictures(folder: str, limit: int | None) -> list[pathlib.Path]:
  """Pictures of a folder, or of its folder `images`, in order; app.UsageError in one line if there are none."""
  folder = pathlib.Path(folder).expanduser()
  folder = folder / 'images' if (folder / 'images').is_dir() else folder
  paths = sorted(path for path in folder.glob('*') if path.suffix.lower() in _SUFFIXES)[:limit]
  if not paths:
    raise app.UsageError(f'no pictures in {folder}; give a folder of {", ".join(_SUFFIXES)}')
  return paths


def detections(paths: list[pathlib.Path], detect: Detect, *, size: int | None = None) -> Iterator[np.ndarray | None]:
  """Landmarks of each picture, or None; pictures first resized to `size` pixels a side, if given."""
  with progress_lib.Progress(len(paths), description='landmarks') as progress:
    for done, path in enumerate(paths, start=1):
      yield detect(_read(path, size))
      progress.update(done, {})


def _read(path: pathlib.Path, size: int | None) -> UInt8[np.ndarray, 'height width 3']:
  with Image.open(path) as image:
    image = image.convert('RGB')
    return np.asarray(image if size is None else image.resize((size, size), Image.Resampling.BOX))


def measure(export: str, photographs: str | None, *, limit: int, num_photographs: int, detect: Detect) -> dict:
  """`faces`, `found` (fraction), `median_error` by group of points, `worst` (names without a face), `photographs_found` if they are given."""
  paths = list_pictures(export, limit)
  truth = exports.read_truth(export, ('landmarks',), count=len(paths))['landmarks'][..., :2]
  found = list(detections(paths, detect))
  errors = np.array([point_errors(points, true) for points, true in zip(found, truth) if points is not None])
  row = dict(
      benchmark='people_landmarks', faces=len(paths), found=len(errors) / len(paths),
      median_error={name: float(np.median(errors[:, list(points)])) if len(errors) else None for name, points in GROUPS.items()},
      not_found=[path.stem for path, points in zip(paths, found) if points is None], photographs=0, photographs_found=None)
  if photographs:
    others = list_pictures(photographs, num_photographs)
    hits = [points is not None for points in detections(others, detect, size=_read(paths[0], None).shape[0])]
    row |= dict(photographs=len(hits), photographs_found=float(np.mean(hits)))
  return row


def main(argv):
  del argv
  row = measure(
      _EXPORT.value, _PHOTOGRAPHS.value, limit=_LIMIT.value, num_photographs=_NUM_PHOTOGRAPHS.value, detect=make_detector())
  print(f'{row["found"]:.1%} of {row["faces"]} faces found' + (
      f'; of {row["photographs"]} photographs {row["photographs_found"]:.1%}' if row['photographs'] else ''))
  for name, error in row['median_error'].items():
    print(f'{name:<6} ' + ('-' if error is None else f'{error:.2%} of the eye distance (median)'))
  print(f'not found: {", ".join(row["not_found"][:20]) or "none"}')
  machine.append(row, _OUTPUT.value)


if __name__ == '__main__':
  _EXPORT = flags.DEFINE_string('export', None, 'Folder of an export: images/ and truth.npz.', required=True)
  _PHOTOGRAPHS = flags.DEFINE_string('photographs', None, 'Folder of photographs, for the rate at which the detector finds those.')
  _LIMIT = flags.DEFINE_integer('limit', 500, 'Only the first so many pictures of the export.', lower_bound=1)
  _NUM_PHOTOGRAPHS = flags.DEFINE_integer('num_photographs', 200, 'Only the first so many photographs.', lower_bound=1)
  _OUTPUT = flags.DEFINE_string('output', None, 'A line of JSON is appended here.')
  app.run(main)
