"""Folders of label maps to measure on: labels/*.png with the 19 CelebAMask-HQ integers, and truth.npz with a row for each image.

`python -m data_pipeline.people export DIR` writes such a folder; one of label maps alone (of photographs, say) does where no truth is needed.
"""

from __future__ import annotations

import concurrent.futures
import os
import pathlib

from absl import app
from jaxtyping import UInt8
import numpy as np
from PIL import Image

from data_pipeline import vocabularies

NUM_LABELS = len(vocabularies.CELEBAMASK_HQ.labels)


def read_labels(
    folder: str | os.PathLike, *, size: int, limit: int | None = None, names: list[str] | None = None,
) -> tuple[list[str], UInt8[np.ndarray, 'images size size']]:
  """Names without suffix, in order, and label maps of `size` pixels a side, each the label at the middle of its block.

  Args:
    folder: of the PNGs, or one with a folder `labels` of them.
    size: of what is returned, pixels.
    limit: only the first so many.
    names: only these; all of the folder if None.

  Raises:
    app.UsageError: in one line, if the folder has no PNG or one is no label map.
  """
  folder = pathlib.Path(folder).expanduser()
  folder = folder / 'labels' if (folder / 'labels').is_dir() else folder
  paths = sorted(folder.glob('*.png'))
  if names is not None:
    paths = [path for path in paths if path.stem in set(names)]
  paths = paths[:limit]
  if not paths:
    raise app.UsageError(f'no label map labels/*.png in {folder}; give the folder of an export, or of label maps')
  with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
    return [path.stem for path in paths], np.stack(list(pool.map(lambda path: _read_label(path, size), paths)))


def _read_label(path: pathlib.Path, size: int) -> np.ndarray:
  try:
    with Image.open(path) as image:
      label = np.asarray(image.resize((size, size), Image.Resampling.NEAREST))
  except OSError as error:
    raise app.UsageError(f'{path} is no picture ({error})') from error
  if label.ndim != 2 or label.max() >= NUM_LABELS:
    raise app.UsageError(f'{path} is no label map; its pixels must be integers in 0..{NUM_LABELS - 1}')
  return label.astype(np.uint8)


def read_truth(folder: str | os.PathLike, fields: tuple[str, ...], *, count: int) -> dict[str, np.ndarray]:
  """Arrays of truth.npz, the first `count` rows of each; row i is of the i-th image by name.

  Raises:
    app.UsageError: in one line, if the file or one of the fields is missing, or it has fewer rows.
  """
  path = pathlib.Path(folder).expanduser() / 'truth.npz'
  try:
    with np.load(path, allow_pickle=False) as file:
      missing = [name for name in fields if name not in file.files]
      if missing:
        raise app.UsageError(f'{path} has no {", ".join(missing)}; it has {", ".join(sorted(file.files))}')
      truth = {name: file[name] for name in fields}
  except (OSError, ValueError) as error:
    raise app.UsageError(f'{path} is not the truth of an export ({error})') from error
  rows = min(len(values) for values in truth.values())
  if rows < count:
    raise app.UsageError(f'{path} has {rows} rows for {count} images; export them again')
  return {name: values[:count] for name, values in truth.items()}
