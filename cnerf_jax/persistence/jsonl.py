"""A file of measurements: one JSON object a line, each with the `step` it is of, every step once.

JSON knows no NaN: values that are not finite are the strings "NaN", "Infinity" and "-Infinity", which float()
understands.
"""

from __future__ import annotations

import json
import math
import os
import pathlib
from typing import Any

import numpy as np

from cnerf_jax.persistence import atomic_files


def number(value: Any) -> float | int | str:
  """What JSON can hold of a scalar of any library."""
  value = np.asarray(value).item()
  if isinstance(value, (bool, int)) or math.isfinite(value):
    return value
  return 'NaN' if math.isnan(value) else 'Infinity' if value > 0 else '-Infinity'


def line(record: dict[str, Any]) -> str:
  """The line of `record`, with its end; values that are not finite get their strings."""
  return json.dumps({name: value if isinstance(value, str) else number(value) for name, value in record.items()},
                    allow_nan=False) + '\n'


def lines(path: str | os.PathLike, *, last_step: float = math.inf) -> dict[int, str]:
  """The whole lines of `path` by step, oldest first, none if there is no such file.

  Args:
    path: the file. Half a line, as a killed run leaves it, is left out; of two lines of a step the later counts.
    last_step: lines of later steps are left out.
  """
  try:
    text = pathlib.Path(path).read_text(errors='replace')
  except FileNotFoundError:
    return {}
  except OSError as error:
    raise atomic_files.explained(error, 'read', path) from error
  found = {}
  for text_line in text.splitlines():
    try:
      step = json.loads(text_line)['step']
      if isinstance(step, int) and step <= last_step:
        found[step] = text_line + '\n'
    except (json.JSONDecodeError, KeyError, TypeError):
      continue
  return dict(sorted(found.items()))


def read(path: str | os.PathLike) -> list[dict[str, float]]:
  """The lines of `path` as dicts of numbers, oldest step first."""
  return [{name: value if name == 'step' else float(value) for name, value in json.loads(text_line).items()}
          for text_line in lines(path).values()]
