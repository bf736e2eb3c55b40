"""The studio's command line:

  python -m cnerf_jax.studio build DIR [--model pretrained/people64.npz]   writes the static page
  python -m cnerf_jax.studio serve RUN   shows the page on a run (or a file of parameters), drawn here, following its newest checkpoint
"""

from __future__ import annotations

import argparse
import pathlib
import sys

from cnerf_jax import pretrained

NUM_DIRECTIONS = 4
MODEL = 'pretrained/people64.npz'


def main(arguments: list[str] | None = None) -> int:
  """Runs the command; its exit code."""
  parser = argparse.ArgumentParser(prog='python -m cnerf_jax.studio', description='A page on which you play with the people of a model.')
  commands = parser.add_subparsers(dest='command', required=True)
  _add_build(commands.add_parser('build', help='write the page to a folder that any file server shows'))
  _add_serve(commands.add_parser('serve', help='show the page on a run, drawn on this machine'))
  given = parser.parse_args(arguments)
  try:
    return given.run(given)
  except (OSError, ValueError, NotImplementedError) as error:
    print(f'error: {error}', file=sys.stderr)
  except ImportError as error:
    print(f"error: {error}; the studio needs pip install -e '.[studio]'", file=sys.stderr)
  return 1


def _add_build(command: argparse.ArgumentParser) -> None:
  command.add_argument('folder', type=pathlib.Path, help='to write to: new, empty, or of an earlier build')
  command.add_argument('--model', default=MODEL, help='a file of parameters, the --workdir of a run, or a shipped model by name (%(default)s)')
  command.add_argument('--directions', type=int, default=NUM_DIRECTIONS, help='sliders of each region and part (%(default)s)')
  command.add_argument('--runtime', help='the file of npm pack onnxruntime-web, of the version of docs/studio.md; fetched if not given')
  command.add_argument(
      '--no-photographs', dest='photographs', action='store_false', help="leave out the networks that find a photograph's person: 2 MB less")
  command.set_defaults(run=_build)


def _build(given: argparse.Namespace) -> int:
  from cnerf_jax.studio import build  # pylint: disable=g-import-not-at-top
  from cnerf_jax.studio import photograph_graph  # pylint: disable=g-import-not-at-top
  from cnerf_jax.studio import runtime  # pylint: disable=g-import-not-at-top
  path = _path(given.model)
  model = pretrained.load(path)
  build.check(given.folder, model)
  encoder, reader = (_encoder(path), _reader()) if given.photographs else (None, None)
  if encoder is not None and reader is not None:
    photograph_graph.check(encoder, reader)
  num_bytes = build.build(
      given.folder, model, tarball=runtime.find(given.runtime), num_directions=given.directions, encoder=encoder, reader=reader)
  build.report(given.folder, num_bytes)
  if given.photographs and (encoder is None or reader is None):
    missing = 'the model has no encoder' if encoder is None else 'data_pipeline is not here: run the command in a checkout of the repository'
    print(f'the page takes no photographs: {missing}', file=sys.stderr)
  return 0


def _reader():
  """What reads label maps and cameras off photographs, where there is the package that trains it; no other part of this one knows it."""
  try:
    from data_pipeline import photograph_reading  # pylint: disable=g-import-not-at-top
  except ImportError:
    return None
  from cnerf_jax.studio import photograph_graph  # pylint: disable=g-import-not-at-top
  return photograph_graph.Reader(photograph_reading.SIDE, photograph_reading.load())


def _add_serve(command: argparse.ArgumentParser) -> None:
  command.add_argument('model', help='the --workdir of a run, a file of parameters, or a shipped model by name')
  command.add_argument('--host', default='127.0.0.1', help='to listen on; where other machines reach it, a token is asked for (%(default)s)')
  command.add_argument('--port', type=int, default=8000, help='(%(default)s)')
  command.add_argument('--directions', type=int, default=NUM_DIRECTIONS, help='sliders of each region and part (%(default)s)')
  command.set_defaults(run=_serve)


def _serve(given: argparse.Namespace) -> int:
  if not 1 <= given.port <= 65535:
    raise ValueError(f'--port {given.port} is none; use 1024 to 65535')
  from cnerf_jax.studio import drawing  # pylint: disable=g-import-not-at-top
  from cnerf_jax.studio import serve  # pylint: disable=g-import-not-at-top
  path = _path(given.model)
  drawer = drawing.Drawer(path, num_directions=given.directions)
  serve.serve(drawer, host=given.host, port=given.port, encoder=_encoder(path))
  return 0


def _path(name: str) -> pathlib.Path:
  from cnerf_jax.draw import models  # pylint: disable=g-import-not-at-top
  return models.find(name)


def _encoder(path: pathlib.Path) -> pretrained.Encoder | None:
  """That of a run or a file, if it has one: the first guess of who is on a photograph."""
  return pretrained.load_encoder(path) if pretrained.has_encoder(path) else None


if __name__ == '__main__':
  sys.exit(main())
