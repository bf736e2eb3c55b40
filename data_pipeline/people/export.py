"""A folder of people as photographs come: `images/*.jpg` and `labels/*.png`, and, apart from them, the truth of each.

Pictures are made in chunks, each by one process: the images, the label maps and, last, the chunk's truth in `.parts/`. So a chunk whose
truth is there is whole, and a run that was killed goes on with the others. When all are there their truths become `truth.npz`, one row a
picture, and `.parts/` goes. Every file is a function of the settings alone, and appears whole or not at all.
"""

from collections.abc import Iterator
import contextlib
import dataclasses
import io
import json
import os
import pathlib
import shutil
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
import tqdm

from cnerf_jax.persistence import atomic_files
from cnerf_jax.persistence import folder_lock
from cnerf_jax.persistence import viewpoints_file
from data_pipeline.people import imperfections as imperfections_lib
from data_pipeline.people import palette
from data_pipeline.people import person as person_lib
from data_pipeline.people import portrayal
from data_pipeline.people import viewpoints
from data_pipeline.people import workers

FORMAT = 1  # raise it when the same settings make other files, so that an old folder is not gone on with
MOST_PICTURES = 1_000_000  # names have six digits
LEAST_SIZE, MOST_SIZE = 8, 2048
_CHUNK = 16


@dataclasses.dataclass(frozen=True)
class Settings:
  """All that decides what is in the files.

  Attributes:
    count: number of pictures.
    size: pixels a side.
    seed: of people, cameras and imperfections.
    views: pictures of each person, from as many cameras.
    spread: of the cameras.
    exact: whether pictures are aligned exactly and label maps are the true ones.
  """

  count: int
  size: int
  seed: int = 0
  views: int = 1
  spread: viewpoints.Spread = viewpoints.Spread()
  exact: bool = False

  def __post_init__(self):
    limits = dict(count=(1, MOST_PICTURES), size=(LEAST_SIZE, MOST_SIZE), seed=(0, 2**63 - 1), views=(1, MOST_PICTURES))
    for name, (least, most) in limits.items():
      if not least <= getattr(self, name) <= most:
        raise ValueError(f'{name} {getattr(self, name)} must be in {least}..{most}')


@dataclasses.dataclass(frozen=True)
class Chunk:
  """Pictures `start` to `stop` of an export, which one worker makes at a time."""

  settings: Settings
  folder: pathlib.Path
  start: int
  stop: int

  @property
  def part(self) -> pathlib.Path:
    """The truth of these pictures, until all is there."""
    return self.folder / '.parts' / f'{self.start:06d}.npz'

  def files(self) -> Iterator[pathlib.Path]:
    """The images and label maps."""
    for index in range(self.start, self.stop):
      yield from _files(self.folder, index)


def run(folder: str | os.PathLike, settings: Settings, processes: int = workers.PROCESSES) -> int:
  """Makes an export, or what is missing of it; shows a progress bar.

  Args:
    folder: of the export; made if it is not there. One that is not empty must be an export of the same settings.
    settings: what to make.
    processes: that draw; 0 draws in this one.

  Returns:
    How many pictures were there already.

  Raises:
    ValueError: in one line, if the folder holds something else, or another process is at work in it.
    OSError: in one line, if it can't be written. What was finished stays.
  """
  folder = pathlib.Path(folder).absolute()
  _claim(folder, settings)
  with _alone(folder):
    chunks = [Chunk(settings, folder, start, min(start + _CHUNK, settings.count)) for start in range(0, settings.count, _CHUNK)]
    is_complete = (folder / 'truth.npz').exists() and (folder / viewpoints_file.NAME).exists()
    there = lambda chunk: (is_complete or chunk.part.exists()) and all(path.exists() and path.stat().st_size for path in chunk.files())
    left = [chunk for chunk in chunks if not there(chunk)]
    found = settings.count - sum(chunk.stop - chunk.start for chunk in left)
    done = found
    try:
      _clear(folder)
      with tqdm.tqdm(total=settings.count, initial=found, desc='people', unit=' images', disable=not left) as progress, \
          contextlib.closing(workers.in_order(make, left, processes)) as made:
        for count in made:
          progress.update(count)
          done += count
      if not is_complete:
        _write_truth(folder, chunks)
      shutil.rmtree(folder / '.parts', ignore_errors=True)
    except ChildProcessError:
      raise
    except OSError as error:
      if not atomic_files.is_no_space(error):
        raise
      raise OSError(f'no space left on the disk for {folder}; {done} of {settings.count} pictures are kept, and the same command goes on '
                    'from there when there is space') from error
  return found


def make(chunk: Chunk) -> int:
  """Makes the files of a chunk, in a worker; returns how many pictures they are."""
  rows = []
  for index in range(chunk.start, chunk.stop):
    image, label, row = draw(chunk.settings, index)
    at_image, at_label = _files(chunk.folder, index)
    atomic_files.write_bytes(at_image, _jpeg(image, int(row['jpeg_quality'])))
    atomic_files.write_bytes(at_label, _indexed_png(label))
    rows.append(row)
  atomic_files.write_bytes(chunk.part, _npz(rows))
  return len(rows)


def draw(
    settings: Settings, index: int,
) -> tuple[UInt8[np.ndarray, 'size size 3'], UInt8[np.ndarray, 'size size'], dict[str, Any]]:
  """(image, label map, truth) of picture `index`; a function of the arguments alone."""
  number = index // settings.views
  viewpoint = viewpoints.draw(settings.seed, index, settings.spread)
  flaws = imperfections_lib.EXACT if settings.exact else imperfections_lib.draw(settings.seed, index)
  person, picture = portrayal.draw(
      settings.seed, number, tuple(viewpoint.tolist()), image_size=settings.size, framing=flaws.framing)
  truth = dict(
      azimuth=viewpoint[0], elevation=viewpoint[1], roll=np.float32(flaws.framing.roll_radians), shift_x=np.float32(flaws.framing.shift_x),
      shift_y=np.float32(flaws.framing.shift_y), zoom=np.float32(flaws.framing.zoom), jpeg_quality=np.int32(flaws.jpeg_quality),
      identity_index=np.int64(number), identity=np.asarray(person_lib.to_vector(person), np.float32),
      landmarks=np.asarray(picture.landmarks, np.float32))
  traits = person_lib.attributes(person)
  both = truth.keys() & traits.keys()
  assert not both, f'attributes that are columns of the truth already: {both}'
  return picture.image, imperfections_lib.parse(picture.label, flaws), truth | traits


def _claim(folder: pathlib.Path, settings: Settings) -> None:
  """Writes the settings down, or compares them with those that are; ValueError if they are others."""
  wanted = dataclasses.asdict(settings) | {'format': FORMAT}
  wanted |= wanted.pop('spread')
  path = folder / 'settings.json'
  try:
    names = {entry.name for entry in os.scandir(folder)} if folder.exists() else set()
    if path.name not in names:
      if {name for name in names if not name.startswith('.settings.json.')}:
        raise ValueError(f'{folder} is not empty, and no export of people; choose another folder')
      atomic_files.write_text(path, json.dumps(wanted, indent=2, sort_keys=True) + '\n')
      return
    found = json.loads(path.read_text())
  except OSError as error:
    if error.strerror is None:
      raise  # told in one line already
    raise atomic_files.explained(error, 'write to', folder) from error
  except json.JSONDecodeError as error:
    raise ValueError(f'{path} is damaged ({atomic_files.one_line(error, 60)}); choose another folder') from error
  if found != wanted:
    other = [name for name in wanted if not isinstance(found, dict) or found.get(name) != wanted[name]]
    values = ', '.join(f'{name} {found.get(name)}, not {wanted[name]}' for name in other) if isinstance(found, dict) else 'no settings'
    raise ValueError(f'{folder} is an export with other settings ({values}); use the settings it has, or choose another folder')


@contextlib.contextmanager
def _alone(folder: pathlib.Path):
  """Keeps a second export out of the folder at the same time."""
  with folder_lock.held(folder / '.lock', f'another export is writing to {folder}; wait for it, stop it, or choose another folder'):
    try:
      yield
    finally:
      with contextlib.suppress(OSError):
        (folder / '.lock').unlink()


def _clear(folder: pathlib.Path) -> None:
  """Makes the folders, and removes what a killed run had not finished."""
  for name in ('images', 'labels', '.parts'):
    (folder / name).mkdir(exist_ok=True)
  for pattern in ('.*.tmp', 'images/.*.tmp', 'labels/.*.tmp', '.parts/.*.tmp'):
    for path in folder.glob(pattern):
      path.unlink(missing_ok=True)


def _write_truth(folder: pathlib.Path, chunks: list[Chunk]) -> None:
  """`truth.npz` and `viewpoints.json` from the truths of the chunks."""
  parts = []
  for chunk in chunks:
    with np.load(chunk.part) as part:
      parts.append(dict(part))
  columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
  views = np.stack([columns['azimuth'], columns['elevation']], axis=-1).astype(float).round(6)
  viewpoints_file.write(folder / viewpoints_file.NAME, {f'{index:06d}': view for index, view in enumerate(views.tolist())})
  atomic_files.write_bytes(folder / 'truth.npz', _packed(columns))


def _npz(rows: list[dict[str, Any]]) -> bytes:
  """Rows as columns, sorted by name."""
  return _packed({name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0]})


def _packed(columns: dict[str, np.ndarray]) -> bytes:
  """The bytes of an .npz file, which don't depend on the time."""
  buffer = io.BytesIO()
  np.savez_compressed(buffer, **dict(sorted(columns.items())))
  return buffer.getvalue()


def _files(folder: pathlib.Path, index: int) -> tuple[pathlib.Path, pathlib.Path]:
  """(image, label map) of a picture."""
  return folder / 'images' / f'{index:06d}.jpg', folder / 'labels' / f'{index:06d}.png'


def _jpeg(image: UInt8[np.ndarray, 'height width 3'], quality: int) -> bytes:
  buffer = io.BytesIO()
  Image.fromarray(image).save(buffer, 'JPEG', quality=quality)
  return buffer.getvalue()


def _indexed_png(label: UInt8[np.ndarray, 'height width']) -> bytes:
  """The integers as numbers of a palette, so that the file shows colours and holds labels."""
  image = Image.fromarray(label).convert('L')
  image.putpalette(palette.COLOURS.tobytes())
  buffer = io.BytesIO()
  image.save(buffer, 'PNG', optimize=False)
  return buffer.getvalue()
