"""What devices exchange in a compiled program: its collective operations, read off its text, loops by their trip counts."""

import dataclasses
import math
import re

_COLLECTIVES = ('all-reduce', 'all-gather', 'reduce-scatter', 'all-to-all', 'collective-permute')
_ARRAY = re.compile(r'\b(pred|[a-z]+?)(\d+)?\[([\d,]*)\]')
_HEADER = re.compile(r'^(?:ENTRY )?%?([\w.\-]+) \(.*\{$')
_CALLED = re.compile(r'(?:body|to_apply|true_computation|false_computation|calls)=%?([\w.\-]+)')
_OPERATION = re.compile(r' = (.*?) ([a-z\-]+)\(')
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


def array_bytes(shape: str) -> int:
  """Bytes of an HLO shape, such as 'f32[8,3]' or a tuple of them."""
  return sum(
      int(bits or 8) // 8 * math.prod(int(size) for size in sizes.split(',') if size) for _, bits, sizes in _ARRAY.findall(shape))


@dataclasses.dataclass
class Total:
  """Of one kind of collective operation: how often it runs, and the bytes that one device puts into all of them."""

  count: int = 0
  payload_bytes: int = 0


def count_traffic(hlo: str) -> dict[str, Total]:
  """Kind of collective operation → its total in one run of a compiled program, `compiled.as_text()`."""
  computations, entry = _computations(hlo)
  totals = {}

  def walk(name, times):
    for line in computations.get(name, ()):
      operation = _OPERATION.search(line)
      if operation is None:
        continue
      shape, kind = operation.group(1), operation.group(2).removesuffix('-start')
      if kind in _COLLECTIVES:
        total = totals.setdefault(kind, Total())
        total.count += times
        total.payload_bytes += times * array_bytes(shape)
      elif kind in ('while', 'call', 'conditional'):
        trips = _TRIPS.search(line)
        for called in _CALLED.findall(line):
          walk(called, times * int(trips.group(1) if trips else 1))

  walk(entry, 1)
  return totals


def _computations(hlo):
  """Lines of every computation by its name, and the name of the one that is run."""
  computations, name, entry = {}, None, None
  for line in hlo.splitlines():
    header = _HEADER.match(line)
    if header:
      name = header.group(1)
      computations[name] = []
      entry = name if line.startswith('ENTRY') else entry
    elif name and ' = ' in line:
      computations[name].append(line)
  return computations, entry
