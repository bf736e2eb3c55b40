"""Edits in words: REGION=ACTION, such as hair=swap:7 or nose.shape=move:local1:2.

A region is one or more classes, joined by +; .shape or .texture after it edits half of its styles. Actions:

  swap:SEED         as the person of that seed has it
  keep:SEED         likewise, as it would be if that person had this one's skin tone
  move:NAME:STEPS   along a named direction (local1, film2, principal3, norm1), in standard deviations of people
  truncate:PSI      nearer to the mean of all people: 1 as it was, 0 the mean
  resample:SEED     drawn anew, given the rest of the person
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import math
import re

ACTIONS = ('swap', 'keep', 'move', 'truncate', 'resample')
METHODS = ('local', 'film', 'principal', 'norm')  # of directions, as in editing.directions
NUM_DIRECTIONS = 3  # of each method but norm, which has one
_MOST_STEPS = 20


@dataclasses.dataclass(frozen=True)
class Edit:
  """One edit.

  Attributes:
    words: as they were written.
    classes: names.
    kind: shape, texture or both.
    action: of ACTIONS.
    direction: of a move: method and number, from 1.
    value: seed, steps or psi.
  """

  words: str
  classes: Sequence[str]
  kind: str
  action: str
  value: float
  direction: tuple[str, int] | None = None


def parse(words: str) -> Edit:
  """What the words say; ValueError in one line if they are no edit."""
  found = re.fullmatch(r'([\w+]+)(?:\.(\w+))?=(\w+):([\w.:+-]+)', words)
  if not found:
    raise ValueError(f'{words!r} is no edit; write REGION=ACTION, such as hair=swap:7, nose.shape=move:local1:2, mouth=truncate:0.5 or '
                     'hair=resample:1')
  region, kind, action, values = found.groups()
  if kind not in (None, 'shape', 'texture'):
    raise ValueError(f'{words!r}: .{kind} is not known; write .shape or .texture, or neither for both')
  if action not in ACTIONS:
    raise ValueError(f'{words!r}: {action} is not known; use one of {", ".join(ACTIONS)}')
  *name, value = values.split(':')
  if len(name) != (action == 'move'):
    raise ValueError(f'{words!r}: write {"move:NAME:STEPS, such as move:local1:2" if action == "move" else f"{action}:NUMBER"}')
  direction = _direction(words, name[0], kind) if name else None
  return Edit(words, region.split('+'), kind or 'both', action, _number(words, action, value), direction)


def _direction(words: str, name: str, kind: str | None) -> tuple[str, int]:
  found = re.fullmatch(r'([a-z]+)(\d)', name)
  method, number = (found[1], int(found[2])) if found else (name, 0)
  if method not in METHODS or not 1 <= number <= (1 if method == 'norm' else NUM_DIRECTIONS):
    known = [f'{one}1 to {one}{NUM_DIRECTIONS}' for one in METHODS if one != 'norm']
    raise ValueError(f'{words!r}: {name} is no direction; use {", ".join(known)} or norm1')
  if kind is None:
    raise ValueError(f'{words!r}: a direction is of shape or of texture; write .shape or .texture after the region')
  return method, number


def _number(words: str, action: str, text: str) -> float:
  of_seed = action in ('swap', 'keep', 'resample')
  try:
    value = int(text) if of_seed else float(text)
  except ValueError:
    value = math.nan
  least, most = {'move': (-_MOST_STEPS, _MOST_STEPS), 'truncate': (0, 2)}.get(action, (0, 2**32 - 1))
  if not least <= value <= most:
    raise ValueError(f'{words!r}: {text} must be a {"whole " if of_seed else ""}number in {least}..{most}')
  return value
