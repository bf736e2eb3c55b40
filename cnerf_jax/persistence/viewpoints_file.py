"""A file of viewpoints: JSON, `{"name": [azimuth, elevation], ...}` in radians, a line for each picture, sorted by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
import os

from cnerf_jax.persistence import atomic_files

NAME = 'viewpoints.json'  # in the folder of the data, and as `data_pipeline.prepare --viewpoints` takes it


def write(path: str | os.PathLike, viewpoints: Mapping[str, Sequence[float]]) -> None:
  """Writes (azimuth, elevation) by the name of the picture, whole or not at all; OSError in one line if that fails."""
  lines = (f'{json.dumps(name)}: {json.dumps(list(viewpoints[name]))}' for name in sorted(viewpoints))
  atomic_files.write_text(path, '{' + ',\n '.join(lines) + '}\n')
