"""The end of a command line whose verbs are functions: one line for what went wrong, and an exit code."""

from collections.abc import Callable, Mapping
import argparse
import sys


def run(parser: argparse.ArgumentParser, commands: Mapping[str, Callable[..., None]], arguments: list[str] | None) -> int:
  """Runs the command that arguments name (`command` of the parser) with their other values; returns the exit code: 0, 1 or 130."""
  options = vars(parser.parse_args(arguments))
  command = commands[options.pop('command')]
  try:
    command(**options)
  except (ValueError, OSError) as error:
    print(f'error: {error}', file=sys.stderr)
    return 1
  except KeyboardInterrupt:
    return 130
  return 0
