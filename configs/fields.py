"""A field of a config: its recommended value, what it is, the values it may take and where it comes from.

`default.py` is a table of fields; a config is the table's values, and `checks.py` checks a config against the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import dataclasses
import math
from typing import Any


@dataclasses.dataclass(frozen=True)
class Field:
  """One field.

  Attributes:
    value: what we recommend, and the published value where we have found no better.
    meaning: what it is, with its unit.
    rule: the values it may take, in words that follow "must be".
    allows: whether a value is one of them.
    source: paper section or other origin; ours where it is empty.
  """

  value: Any
  meaning: str
  rule: str
  allows: Callable[[Any], bool]
  source: str = ''


def whole(value: int, meaning: str, *, least: int = 0, most: int | None = None, source: str = '') -> Field:
  """A whole number."""
  rule = f'a whole number of at least {least}' if most is None else f'a whole number in {least}..{most}'
  allows = lambda x: isinstance(x, int) and not isinstance(x, bool) and x >= least and (most is None or x <= most)
  return Field(value, meaning, rule, allows, source)


def number(
    value: float, meaning: str, *, least: float | None = None, above: float | None = None, most: float | None = None,
    below: float | None = None, source: str = '') -> Field:
  """A finite number within bounds; `above` and `below` leave the bound itself out."""
  bounds = [f'{word} {bound}' for word, bound in (
      ('at least', least), ('above', above), ('at most', most), ('below', below)) if bound is not None]

  def allows(x):
    return (isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x)
            and (least is None or x >= least) and (above is None or x > above)
            and (most is None or x <= most) and (below is None or x < below))

  return Field(value, meaning, 'a finite number' + (f', {" and ".join(bounds)}' if bounds else ''), allows, source)


def one_of(value: str, *others: str, meaning: str, source: str = '') -> Field:
  """One of several words."""
  known = (value, *others)
  return Field(value, meaning, f'one of {", ".join(known)}', lambda x: x in known, source)


def words(value: str, meaning: str) -> Field:
  """Any text but none."""
  return Field(value, meaning, 'a text that is not empty', lambda x: isinstance(x, str) and bool(x))


def switch(value: bool, meaning: str, *, source: str = '') -> Field:
  """On or off."""
  return Field(value, meaning, 'True or False', lambda x: isinstance(x, bool), source)


def _is_positive(x: Any) -> bool:
  return isinstance(x, int) and not isinstance(x, bool) and x >= 1


def widths(value: tuple[int, ...], meaning: str, *, source: str = '') -> Field:
  """Numbers of channels."""
  allows = lambda x: isinstance(x, (tuple, list)) and len(x) > 0 and all(map(_is_positive, x))
  return Field(value, meaning, 'a list of whole numbers of at least 1, such as (16, 32)', allows, source)


def stages(value: tuple[tuple[int, int], ...], meaning: str) -> Field:
  """Pairs of whole numbers whose first ones rise."""
  def allows(x):
    pairs = isinstance(x, (tuple, list)) and all(
        isinstance(pair, (tuple, list)) and len(pair) == 2 and all(_is_positive(n) for n in pair) for pair in x)
    return pairs and all(first[0] < second[0] for first, second in zip(x, x[1:]))

  return Field(value, meaning, 'a list of (until step, size) with rising steps, such as ((200, 16),), or ()', allows)


Table = Mapping[str, 'Field | Table']


def values(table: Table) -> dict[str, Any]:
  """Nested dict of the recommended values."""
  return {name: entry.value if isinstance(entry, Field) else values(entry) for name, entry in table.items()}


def flat(table: Table, prefix: str = '') -> dict[str, Field]:
  """{dotted name: field}."""
  found = {}
  for name, entry in table.items():
    found |= {f'{prefix}{name}': entry} if isinstance(entry, Field) else flat(entry, f'{prefix}{name}.')
  return found
