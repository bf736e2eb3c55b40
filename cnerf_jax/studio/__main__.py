"""The studio's command line:

  python -m cnerf_jax.studio build DIR [--model pretrained/portraits32.npz]   writes the static page
"""

from __future__ import annotations

import argparse
import pathlib
import sys

from cnerf_jax import pretrained
from cnerf_jax.studio import build
from cnerf_jax.studio import runtime


def main(arguments: list[str] | None = None) -> int:
  """Runs the command; its exit code."""
  parser = argparse.ArgumentParser(prog='python -m cnerf_jax.studio', description='A page on which you play with the people of a model.')
  commands = parser.add_subparsers(dest='command', required=True)
  command = commands.add_parser('build', help='write the page to a folder that any file server shows')
  command.add_argument('folder', type=pathlib.Path, help='to write to: new, empty, or of an earlier build')
  command.add_argument('--model', default='pretrained/portraits32.npz', help='a file of parameters or the --workdir of a run (%(default)s)')
  command.add_argument('--directions', type=int, default=build.NUM_DIRECTIONS, help='sliders of each region and part (%(default)s)')
  command.add_argument('--runtime', help=f'the file of npm pack {runtime.REQUIREMENT}; fetched into {runtime.CACHE} if not given')
  given = parser.parse_args(arguments)
  try:
    model = pretrained.load(given.model)
    build.check(given.folder, model)
    size = build.build(given.folder, model, tarball=runtime.find(given.runtime), num_directions=given.directions)
  except (OSError, ValueError, NotImplementedError) as error:
    print(f'error: {error}', file=sys.stderr)
    return 1
  build.report(given.folder, size)
  return 0


if __name__ == '__main__':
  sys.exit(main())
