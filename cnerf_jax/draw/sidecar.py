"""The JSON beside a picture: what was asked for, by which parameters, with which software, and digests to compare a repetition with."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex

import jax

from cnerf_jax import pretrained
from cnerf_jax import version
from cnerf_jax.draw import checks
from cnerf_jax.draw import verbs
from cnerf_jax.persistence import atomic_files

FORMAT = 1
_INPUTS = ('photo', 'labels', 'encoder', 'directions', 'person')  # settings that are files
_FIELDS = ('format', 'picture', 'command', 'verb', 'settings', 'model', 'made_with', 'pixels_sha256', 'file_sha256')


def write(picture: pathlib.Path, drawing: verbs.Drawing) -> pathlib.Path:
  """Writes the JSON of a picture beside it; returns its path."""
  record = dict(
      format=FORMAT, picture=picture.name, command=command(drawing.verb, drawing.settings), verb=drawing.verb, settings=dict(drawing.settings),
      model=dict(parameters_sha256=drawing.parameters_sha256, class_set=drawing.model.class_set, provenance=drawing.model.provenance),
      made_with=software(), pixels_sha256=drawing.pixels_sha256, file_sha256=hashlib.sha256(drawing.data).hexdigest())
  record |= dict(
      inputs=inputs(drawing.settings), beside={name: hashlib.sha256(data).hexdigest() for name, data in drawing.beside.items()})
  path = checks.sidecar(picture)
  atomic_files.write_text(path, json.dumps(record, indent=2) + '\n')
  return path


def read(path: str | os.PathLike) -> dict:
  """What `write` wrote; ValueError or FileNotFoundError in one line if the file is something else."""
  path = pathlib.Path(path).expanduser()
  try:
    record = json.loads(path.read_text())
    missing = [name for name in _FIELDS if name not in record]
    if missing or record['format'] != FORMAT:
      raise ValueError(f'it lacks {", ".join(missing)}' if missing else f'its format is {record["format"]}, this version reads {FORMAT}')
    if not isinstance(record['settings'], dict) or not isinstance(record['made_with'], dict):
      raise ValueError('its settings are no table')
    if pathlib.Path(record['picture']).name != record['picture'] or 'parameters_sha256' not in record['model']:
      raise ValueError('its picture or model is no name of ours')
    return record
  except FileNotFoundError:
    raise FileNotFoundError(f'no file {path}; give the JSON that stands beside a picture') from None
  except (ValueError, TypeError, AttributeError, IsADirectoryError) as error:
    raise ValueError(f'{path} is not the JSON of a picture ({atomic_files.one_line(error)}); give one that cnerf_jax.draw wrote') from error


def compare(record: Mapping, drawing: verbs.Drawing) -> str:
  """How a repetition compares, in words; ValueError in one line if its pixels differ."""
  if drawing.pixels_sha256 != record['pixels_sha256']:
    now = software()
    changed = [f'{name} {was}, now {now.get(name)}' for name, was in record['made_with'].items() if now.get(name) != was]
    what, else_ = ('contents', "config or scores of the model's card") if drawing.verb == 'export' else ('pixels', 'nothing that is recorded')
    raise ValueError(f'{record["picture"]} comes out with other {what}; what has changed: {"; ".join(changed) or else_}')
  if hashlib.sha256(drawing.data).hexdigest() != record['file_sha256']:
    return 'the same pixels; the file differs, as another version encoded it'
  return 'the same bit for bit'


def inputs(settings: Mapping[str, object]) -> dict[str, str]:
  """SHA-256 of the files that settings name, besides the model."""
  found = {}
  for name in _INPUTS:
    if settings.get(name):
      path = pathlib.Path(settings[name]).expanduser()
      path = path / pretrained.ENCODER_FILE if path.is_dir() else path
      found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
  return found


def check_inputs(record: Mapping) -> None:
  """ValueError or FileNotFoundError in one line if a file that a picture was drawn from is another one now."""
  now = inputs(record['settings'])
  changed = [name for name, digest in record.get('inputs', {}).items() if now.get(name) != digest]
  if changed:
    raise ValueError(f'--{changed[0]} {record["settings"][changed[0]]} is another file than the one that {record["picture"]} was drawn from')


def command(verb: str, settings: Mapping[str, object]) -> str:
  """The command line that asks for these settings."""
  words = [f'python -m cnerf_jax.draw {verb}']
  for name, value in settings.items():
    if name == 'seeds' and settings.get('person'):
      continue  # the person of a photograph is edited, and not those of seeds
    if value is True:
      words.append(f'--{name}')
    elif value is not None and value is not False:
      words.append(f'--{name} {shlex.quote(",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value))}')
  return ' '.join(words)


def software() -> dict[str, object]:
  """What pixels depend on besides settings and parameters."""
  packages = {}
  for name in ('jax', 'jaxlib', 'numpy', 'pillow', 'av', 'scikit-image', 'trimesh', 'xatlas'):
    try:
      packages[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
      packages[name] = None
  return dict(cnerf_jax=version.__version__, **packages, device=jax.devices()[0].device_kind, machine=platform.machine())
