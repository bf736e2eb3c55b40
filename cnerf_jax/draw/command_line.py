"""The command line of `python -m cnerf_jax.draw`: what can be asked, in words, and one line for what can't."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
import pathlib
import sys
import time

from cnerf_jax.draw import checks
from cnerf_jax.draw import editing_verbs
from cnerf_jax.draw import export_verb
from cnerf_jax.draw import mesh_verb
from cnerf_jax.persistence import atomic_files

_DESCRIPTION = """\
Draws pictures and films of people who do not exist, with a model that is already trained.

  Six people from three sides, with masks and normals:
    python -m cnerf_jax.draw people --seeds 1-6

  One person from the ten sides of the paper; image, mask, depth, normals:
    python -m cnerf_jax.draw views --seeds 3

  What each local generator draws of five people:
    python -m cnerf_jax.draw parts --seeds 1-5

  The first person with the hair, then the eyes, of the others, and what that changed:
    python -m cnerf_jax.draw swap --seeds 1,2,3 --classes hair,eyes

  From one person to the next, the texture of the hair alone:
    python -m cnerf_jax.draw interpolate --seeds 1,2 --classes hair --kind texture

  A film: the camera on an ellipse while three people become each other:
    python -m cnerf_jax.draw video --seeds 1,2,3 --path ellipse

  A person before and after edits; the directions that a class can be moved along:
    python -m cnerf_jax.draw edit --model people64 --seeds 7 --edits hair=swap:3,nose.shape=move:local1:2
    python -m cnerf_jax.draw directions --model people64 --region hair

  The person in a photograph, turned:
    python -m cnerf_jax.draw invert --model runs/mine --photo me.png

  The model for other programs:
    python -m cnerf_jax.draw export --model people64

  A person as a mesh:
    python -m cnerf_jax.draw mesh --model people64 --seed 7 --name head.glb

  Any of these again, bit for bit:
    python -m cnerf_jax.draw repeat drawings/views_3.json

Pictures go to the folder `drawings`, each with a JSON file beside it that repeats it. A seed is a person: the same one in every command,
model.draw_styles(jax.random.key(SEED), 1) in Python. Models are shipped ones by name, files that cnerf_jax.pretrained.save wrote, or the
--workdir of a run. `python -m cnerf_jax.draw VERB --help` has the options of a verb.
"""
_PEOPLE = 'A sheet of people: a row for each seed, a column for each view; image | mask | normals.'
_VIEWS = """\
One person (or several) from the ten azimuths of the paper, -26 to 26 degrees: image, mask, depth (near is bright) and normals
(x red, y green, z blue, in the camera's axes).
"""
_PARTS = """\
What each local generator draws: a row for each class, a column for each person; the picture of that class alone, with the whole
geometry | its mask in its colour.
"""
_SWAP = """\
The first seed is given classes of the others. For each of the others: the receiver, the donor, then the receiver with each class of the
donor; below, the mask, and what the swap changed (darker is more).
"""
_INTERPOLATE = """\
From each seed to the next in even steps of its styles: image, mask, and what changed since the first (darker is more). With --classes only
these classes change; with --kind only their shape or their texture.
"""
_VIDEO = """\
A film that ends where it began, as .mp4 (needs PyAV: pip install -e '.[video]') or animated .webp.

  sweep    from side to side at eye level
  ellipse  to the sides and up and down
  orbit    a whole turn about the head; models see people from the front in training, so that the back is a guess

With several seeds people become each other while the camera moves, the last the first again.
"""
_REPEAT = """\
Draws the picture of a JSON file again, and compares: the same bit for bit, or an error. Writes it where it is missing; with --output, into
another folder.
"""


class _Parser(argparse.ArgumentParser):
  """A command line whose faults are one line."""

  def error(self, message: str):
    self.exit(2, f'error: {message}; see {self.prog} --help\n')


class _Page(argparse.RawDescriptionHelpFormatter):
  """Help that reads like a page: text as written, every verb on one line."""

  def __init__(self, prog: str):
    super().__init__(prog, max_help_position=28)


def _common(*left_out: str, smallest_size: int = checks.LEAST_DEFAULT_SIZE) -> argparse.ArgumentParser:
  """Options of every verb that makes something new, but those named."""
  common = argparse.ArgumentParser(add_help=False)

  def add(name, **options):
    if name.lstrip('-') not in left_out:
      common.add_argument(name, **options)

  add('--model', metavar='MODEL', default='portraits32',
      help='a shipped model by name, a .npz file, or the folder of a run (default: portraits32)')
  add('--truncation', metavar='PSI', type=float, default=1.0,
      help='1 draws people as trained, 0 the mean of all; between, fewer oddities (default: 1)')
  add('--size', metavar='PIXELS', type=int, help=f"side of a picture (default: that of the model's training, at least {smallest_size})")
  add('--samples', metavar='N', type=int, help='even samples along a ray (default: those of training, at most 8)')
  add('--importance', metavar='N', type=int, help="further samples, around the surface and at the ray's end (default: as many again)")
  add('--output', metavar='DIR', default='drawings', help='folder to write to (default: drawings)')
  add('--name', metavar='NAME', help='name of the file, without its ending (default: made of verb and seeds)')
  add('--overwrite', action='store_true', help='replace a picture of this name')
  return common


def _seeds(parser: argparse.ArgumentParser, default: str | None, meaning: str, *, said: str | None = None) -> None:
  parser.add_argument('--seeds', metavar='SEEDS', type=_seed_list, default=default and _seed_list(default),
                      help=f'{meaning}, as 3 or 1-6 or 1,4,9 (default: {said or default})')


def _seed_list(text: str) -> list[int]:
  seeds = []
  for part in text.split(','):
    first, dash, last = part.strip().partition('-')
    if not first.isdigit() or (dash and not last.isdigit()):
      raise argparse.ArgumentTypeError(f'{text!r} is no list of seeds; write 3 or 1-6 or 1,4,9')
    if dash and not 0 <= int(last) - int(first) < 1000:
      raise argparse.ArgumentTypeError(f'{part!r} must rise, and hold at most 1000 seeds')
    seeds += range(int(first), int(last or first) + 1)
  return seeds


def _names(text: str) -> list[str]:
  return [name.strip() for name in text.split(',') if name.strip()]


def _camera(parser: argparse.ArgumentParser) -> None:
  parser.add_argument('--azimuth', metavar='RADIANS', type=float, default=0.0, help='turn of the camera to the right (default: 0)')
  parser.add_argument('--elevation', metavar='RADIANS', type=float, default=0.0, help='height of the camera (default: 0)')


def _classes(parser: argparse.ArgumentParser, default: list[str] | None, said: str) -> None:
  parser.add_argument('--classes', metavar='NAMES', type=_names, default=default,
                      help=f'semantic classes, by name, with commas (default: {said})')
  parser.add_argument('--kind', choices=checks.KINDS, default='both', help='which styles of these classes (default: both)')


def make_parser() -> argparse.ArgumentParser:
  """The command line."""
  parser = _Parser(prog='python -m cnerf_jax.draw', description=_DESCRIPTION, formatter_class=_Page)
  verbs = parser.add_subparsers(dest='verb', metavar='VERB', required=True)
  common = _common()

  def verb(name, summary, description, parents=(common,)):
    return verbs.add_parser(
        name, parents=list(parents), help=summary, description=description, formatter_class=_Page)

  people = verb('people', 'a sheet of people', _PEOPLE)
  _seeds(people, '1-6', 'people')
  people.add_argument('--views', metavar='N', type=int, default=3, help='columns: views from -26 to 26 degrees (default: 3)')
  views = verb('views', 'one person from ten sides: image, mask, depth, normals', _VIEWS)
  _seeds(views, '1', 'person')
  parts = verb('parts', 'what each local generator draws', _PARTS)
  _seeds(parts, '1-5', 'people')
  _camera(parts)
  swap = verb('swap', 'the first person with classes of the others', _SWAP)
  _seeds(swap, '1,2', 'the receiver, then donors')
  _classes(swap, ['hair', 'eyes', 'nose', 'mouth'], 'hair,eyes,nose,mouth')
  _camera(swap)
  interpolate = verb('interpolate', 'from one person to the next in steps', _INTERPOLATE)
  _seeds(interpolate, '1,2', 'people')
  _classes(interpolate, None, 'all')
  interpolate.add_argument('--steps', metavar='N', type=int, default=8, help='pictures from one person to the next (default: 8)')
  _camera(interpolate)
  video = verb('video', 'a film: the camera moves, people become each other', _VIDEO)
  _seeds(video, '1', 'people')
  video.add_argument('--path', choices=checks.PATHS, default='ellipse', help='how the camera moves (default: ellipse)')
  video.add_argument('--azimuth', metavar='RADIANS', type=float, default=0.4, help='how far to the sides (default: 0.4)')
  video.add_argument('--elevation', metavar='RADIANS', type=float, default=0.15,
                     help='how far up and down; of an orbit, its height (default: 0.15)')
  video.add_argument('--turns', metavar='N', type=int, default=1, help='times that the path is walked (default: 1)')
  video.add_argument('--seconds', metavar='S', type=float, default=4.0, help='length (default: 4)')
  video.add_argument('--fps', metavar='N', type=int, default=24, help='frames a second (default: 24)')
  video.add_argument('--show', metavar='KINDS', type=_names, default=['image', 'mask', 'normals'],
                     help=f'what is side by side, of {", ".join(checks.SHOWN)} (default: image,mask,normals)')
  video.add_argument('--format', choices=checks.FORMATS, default='mp4', help='of the file (default: mp4)')
  editing_verbs.add(verb, common=_common, seeds=_seeds, names=_names)
  export_verb.add(verb, common=_common, names=_names)
  mesh_verb.add_options(verb('mesh', mesh_verb.SUMMARY, mesh_verb.DESCRIPTION, parents=()))
  repeat = verb('repeat', 'a picture again, from the JSON beside it', _REPEAT, parents=())
  repeat.add_argument('file', metavar='FILE.json', help='that a picture was written with')
  repeat.add_argument('--model', metavar='MODEL', help='where the model is now, if it has moved')
  repeat.add_argument('--output', metavar='DIR', help="folder to write to (default: the file's own)")
  repeat.add_argument('--overwrite', action='store_true', help='replace a picture that differs')
  return parser


_NOT_SETTINGS = ('verb', 'output', 'name', 'overwrite')


def main(arguments: Sequence[str] | None = None, *, prepare_devices: Callable[[], None] = lambda: None) -> int:
  """Runs the command line; returns the exit code.

  Args:
    arguments: those of the process if None.
    prepare_devices: called once the arguments are understood, before JAX is used.
  """
  parsed = make_parser().parse_args(arguments)
  try:
    checks.check_installed()
    if parsed.verb == 'repeat':
      prepare_devices()
      print(_repeat(parsed))
    else:
      print(_draw(parsed, prepare_devices))
  except (ValueError, OSError) as error:
    print(f'error: {atomic_files.one_line(error, 500)}', file=sys.stderr)
    return 1
  except KeyboardInterrupt:
    print('interrupted; nothing was written', file=sys.stderr)
    return 130
  return 0


def _draw(parsed: argparse.Namespace, prepare_devices: Callable[[], None]) -> str:
  """Draws something new; returns what to say at the end."""
  settings = {name: value for name, value in vars(parsed).items() if name not in _NOT_SETTINGS}
  if parsed.verb == 'mesh':
    settings, parsed.name = mesh_verb.complete(settings, parsed.name)
  elif parsed.verb == 'edit':
    settings = editing_verbs.complete_edit(settings)
  checks.check_settings(parsed.verb, settings)
  path = checks.picture_path(parsed.verb, settings, parsed.output, parsed.name)
  checks.check_free(path, parsed.overwrite)
  prepare_devices()
  from cnerf_jax.draw import sidecar  # what draws needs JAX: the arguments are right by now
  from cnerf_jax.draw import verbs
  started = time.monotonic()
  drawing = verbs.draw(parsed.verb, settings)
  for name, data in drawing.beside.items():
    atomic_files.write_bytes(checks.beside(path, name), data)
  atomic_files.write_bytes(path, drawing.data)
  again = sidecar.write(path, drawing)
  return f'{path} in {time.monotonic() - started:.1f} s; again: python -m cnerf_jax.draw repeat {again}'


def _repeat(parsed: argparse.Namespace) -> str:
  """Draws a picture again; returns what to say at the end."""
  from cnerf_jax.draw import sidecar
  from cnerf_jax.draw import verbs
  record = sidecar.read(parsed.file)
  folder = pathlib.Path(parsed.output) if parsed.output else pathlib.Path(parsed.file).parent
  path = folder / record['picture']
  checks.check_settings(record['verb'], record['settings'])
  sidecar.check_inputs(record)
  drawing = verbs.draw(record['verb'], record['settings'], model_path=parsed.model, expected_parameters=record['model']['parameters_sha256'])
  said = sidecar.compare(record, drawing)
  for file, data in [(checks.beside(path, name), data) for name, data in drawing.beside.items()] + [(path, drawing.data)]:
    if not file.exists() or (parsed.overwrite and file.read_bytes() != data):
      atomic_files.write_bytes(file, data)
    elif file.read_bytes() != data:
      raise ValueError(f'{file} is not the {"picture" if file == path else "file"} that {parsed.file} describes; --overwrite replaces it')
  return f'{path}: {said}'
