"""What is refused before any work, each in one line: settings out of range, files that exist, packages that are missing."""

from __future__ import annotations

from collections.abc import Mapping
import importlib.util
import os
import pathlib
import re

from cnerf_jax.draw import editing_checks
from cnerf_jax.draw import export_verb
from cnerf_jax.draw import mesh_verb

KINDS = ('both', 'shape', 'texture')
PATHS = ('sweep', 'ellipse', 'orbit')
SHOWN = ('image', 'mask', 'depth', 'normals')
FORMATS = ('mp4', 'webp')
LEAST_DEFAULT_SIZE, LEAST_DEFAULT_SIZE_OF_INVERSION = 64, 128  # pixels, of models that were trained at less
_MOST_FRAMES = 4000
_ENDINGS = ('.png', '.jpg', '.jpeg', '.gif', '.webp', '.mp4', '.npz', '.json')
_MOST_PIXELS = 2**25  # of all views of a sheet, or all frames of a WebP, which are in memory together: 2.5 GiB
_OF_ALL = ('model', 'size', 'samples', 'importance')
_COMMON = _OF_ALL + ('seeds', 'truncation')
_STILL = ('azimuth', 'elevation')
_OF_MODEL = ('size', 'samples', 'importance')  # None: the model decides
_MORE_CHECKS = {
    'edit': editing_checks.check_edit, 'directions': editing_checks.check_directions, 'invert': editing_checks.check_invert,
    'export': export_verb.check}
SETTINGS = {
    'people': _COMMON + ('views',),
    'views': _COMMON,
    'parts': _COMMON + _STILL,
    'swap': _COMMON + _STILL + ('classes', 'kind'),
    'interpolate': _COMMON + _STILL + ('classes', 'kind', 'steps'),
    'edit': _COMMON + _STILL + ('edits', 'person', 'directions'),
    'directions': _COMMON + _STILL + ('region', 'kind', 'methods', 'reach'),
    'invert': _OF_ALL + _STILL + ('photo', 'labels', 'label_order', 'encoder', 'turn', 'latent_steps', 'style_steps'),
    'export': ('model', 'size', 'samples', 'formats', 'licence'),
    'video': _COMMON + ('path', 'azimuth', 'elevation', 'turns', 'seconds', 'fps', 'show', 'format'),
}
# name: (least, most, whole number, what it counts)
_RANGES = {
    'truncation': (0, 2, False, ''), 'size': (4, 4096, True, ' pixels'), 'samples': (2, 1024, True, ''), 'importance': (0, 1024, True, ''),
    'views': (1, 100, True, ''), 'azimuth': (-7, 7, False, ' radians'), 'elevation': (-1.5, 1.5, False, ' radians'),
    'reach': (0, 20, False, ' standard deviations'), 'turn': (0, 3.2, False, ' radians'), 'latent_steps': (1, 10000, True, ''),
    'style_steps': (0, 10000, True, ''), 'steps': (2, 100, True, ''), 'turns': (1, 100, True, ''),
    'seconds': (0.04, 600, False, ''), 'fps': (1, 120, True, ''),
}
_WORDS = {'kind': KINDS, 'path': PATHS, 'format': FORMATS}


def check_installed() -> None:
  """ValueError if what every verb needs is missing."""
  missing = [package for package, module in (('pillow', 'PIL'), ('tqdm', 'tqdm')) if importlib.util.find_spec(module) is None]
  if missing:
    raise ValueError(f'drawing needs {" and ".join(missing)}; pip install {" ".join(missing)}')


def check_settings(verb: str, settings: Mapping[str, object]) -> None:
  """ValueError in one line for settings that no model could be drawn with; what depends on the model is checked when it is there."""
  if verb == 'mesh':
    mesh_verb.check_settings(settings)
    return
  if verb not in SETTINGS:
    raise ValueError(f'verb {verb!r} is not known; use one of {", ".join(SETTINGS)}, mesh')
  if set(settings) != set(SETTINGS[verb]):
    wrong = sorted(set(settings) ^ set(SETTINGS[verb]))
    raise ValueError(f'{verb} has the settings {", ".join(SETTINGS[verb])}; {", ".join(wrong)} are missing or too many')
  for name, (least, most, whole, unit) in _RANGES.items():
    value = settings.get(name)
    unknown_camera = verb == 'invert' and name in _STILL  # is found
    if name in settings and not (value is None and (name in _OF_MODEL or unknown_camera)):
      right = isinstance(value, int) if whole else isinstance(value, (int, float))
      if not right or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f'--{name} {value} must be {"a whole number " if whole else ""}in {least}..{most}{unit}')
  for name, known in _WORDS.items():
    if name in settings and settings[name] not in known:
      raise ValueError(f'--{name} {settings[name]} is not known; use one of {", ".join(known)}')
  if not isinstance(settings['model'], str):
    raise ValueError(f'--model {settings["model"]} must be a name or a path')
  for name in ('classes', 'show'):
    if not isinstance(settings.get(name) or [], list):
      raise ValueError(f'--{name} {settings[name]} must be a list of names')
  if 'seeds' in settings:
    _check_seeds(verb, settings['seeds'])
  if verb in _MORE_CHECKS:
    _MORE_CHECKS[verb](settings)
  if verb == 'video':
    _check_video(settings)


def _check_seeds(verb: str, seeds: list[int]) -> None:
  if not isinstance(seeds, list) or not seeds or not all(isinstance(seed, int) and 0 <= seed < 2**32 for seed in seeds):
    raise ValueError(f'--seeds {seeds} must be whole numbers in 0..{2**32 - 1}')
  if verb in ('swap', 'interpolate') and len(seeds) < 2:
    raise ValueError(f'{verb} needs at least two people; give --seeds 1,2')
  if len(seeds) > 200:
    raise ValueError(f'--seeds has {len(seeds)} people; draw at most 200 at once')


def _check_video(settings: Mapping[str, object]) -> None:
  if not settings['show'] or any(kind not in SHOWN for kind in settings['show']):
    raise ValueError(f'--show {",".join(settings["show"])} must be some of {", ".join(SHOWN)}')
  frames = round(settings['seconds'] * settings['fps'])
  if not 1 <= frames <= _MOST_FRAMES:
    raise ValueError(f'--seconds {settings["seconds"]:g} at --fps {settings["fps"]} are {frames} frames; ask for 1 to {_MOST_FRAMES}')
  if settings['format'] == 'mp4' and importlib.util.find_spec('av') is None:
    raise ValueError("mp4 needs PyAV; pip install av (or -e '.[video]'), or ask for --format webp")


def picture_path(verb: str, settings: Mapping[str, object], output: str, name: str | None) -> pathlib.Path:
  """Where a picture goes; ValueError if that is no place for one."""
  if name is not None and not re.fullmatch(r'[\w][\w.\-]*', name):
    raise ValueError(f'--name {name!r} must be letters, digits, dots, dashes and underscores; the folder is --output')
  folder = pathlib.Path(output).expanduser()
  existing = folder
  while not existing.exists():
    existing = existing.parent
  if not existing.is_dir() or not os.access(existing, os.W_OK):
    raise ValueError(f'cannot write in {folder}; give --output a folder that you may write to')
  of_file = lambda path: re.sub(r'[^\w.-]', '_', pathlib.Path(path).expanduser().absolute().stem)
  named = settings.get('person') or settings.get('photo') or settings['model']
  words = [verb, _short(settings['seeds']) if 'seeds' in settings and not settings.get('person') else of_file(named)]
  if verb == 'video':
    words.append(settings['path'])
  if verb == 'directions':
    words.insert(1, settings['region'])
  stem = name or '_'.join(words)
  if verb == 'export':
    return folder / stem / export_verb.CARD
  ending = f'.{settings.get("format", "png")}'
  given = name and next((one for one in _ENDINGS if name.lower().endswith(one)), None)
  if given and given != ending:
    remedy = f'--format {given[1:]}' if verb == 'video' and given[1:] in FORMATS else 'leave the ending out'
    raise ValueError(f'--name {name} ends in {given}, and what {verb} writes is {ending}; {remedy}')
  return folder / f'{stem[:-len(given)] if given else stem}{ending}'


def _short(seeds: list[int]) -> str:
  """1-6 for a run of seeds, 1,4,9 as 1_4_9, at most a few."""
  if len(seeds) > 1 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
    return f'{seeds[0]}-{seeds[-1]}'
  return '_'.join(map(str, seeds[:8])) + ('_etc' if len(seeds) > 8 else '')


def sidecar(picture: pathlib.Path) -> pathlib.Path:
  """The JSON that repeats a picture; of a model card, which is JSON itself, repeat.json."""
  return picture.with_name('repeat.json') if picture.suffix == '.json' else picture.with_suffix('.json')


def beside(picture: pathlib.Path, name: str) -> pathlib.Path:
  """A file that goes with a picture: of its name, if `name` is an ending such as .npz."""
  return picture.with_suffix(name) if name.startswith('.') else picture.with_name(name)


def check_free(path: pathlib.Path, overwrite: bool) -> None:
  """ValueError if a picture, its JSON or its arrays are there already and may not be replaced; a model card needs a folder of its own."""
  if path.name == export_verb.CARD and path.parent.exists() and not overwrite and any(path.parent.iterdir()):
    raise ValueError(f'{path.parent} holds other files; --overwrite replaces those of an export, --name gives another name')
  for file in (path, sidecar(path), path.with_suffix('.npz')):
    if file.is_dir():
      raise ValueError(f'{file} is a folder; give another --name')
    if file.exists() and not overwrite:
      raise ValueError(f'{file} exists; --overwrite replaces it, --name gives another name')


def check_memory(verb: str, settings: Mapping[str, object], num_views: int) -> None:
  """ValueError if views that have to be in memory together would not fit; frames of .mp4 go as they come.

  Args:
    verb: what is drawn.
    settings: of it, complete.
    num_views: that it takes.
  """
  pixels = num_views * settings['size']**2
  if pixels > _MOST_PIXELS and not (verb == 'video' and settings['format'] == 'mp4'):
    raise ValueError(f'{num_views} views of --size {settings["size"]} are {pixels} pixels, more than {_MOST_PIXELS}; ask for a smaller '
                     f'--size or {"mp4" if verb == "video" else "fewer people"}')
