"""Which fields of a person a true edit exchanges: those of a region's shape, of its texture, or both."""

from collections.abc import Mapping, Sequence

BOTH = 'both'

Table = Mapping[str, Mapping[str, Sequence[str]]]  # region: fields by `shape` and `texture`, of which it may have one alone


def check(table: Table, region: str) -> None:
  """ValueError in one line if the table has no such region."""
  if region not in table:
    raise ValueError(f'no region {region!r} to exchange; use one of {", ".join(table)}')


def fields(table: Table, region: str, what: str) -> list[str]:
  """The fields of `shape`, `texture` or `both` (all that the region has); ValueError for another region, or if it has no such thing."""
  check(table, region)
  of_region = table[region]
  if what != BOTH and what not in of_region:
    raise ValueError(f'{region} has no {what!r} to exchange; use {" or ".join((*of_region, BOTH))}')
  return [field for kind, of_kind in of_region.items() if what in (BOTH, kind) for field in of_kind]
