"""Finished shards: their files, and a JSON page on each that says what became of every picture in it.

The page is written last, so that a shard with a page is whole. Keys (`plan.Shard.key`) name the files: a second run finds what the
first has finished, whatever stopped it, and a shard whose pictures or recipe have changed has another key.
"""

from collections.abc import Iterable
import dataclasses
import json
import os
import pathlib

from cnerf_jax.persistence import atomic_files
from data_pipeline.prepare import faults


@dataclasses.dataclass(frozen=True)
class Kept:
  """One picture that is in the records.

  Attributes:
    file: path of the image below the input, printable.
    name: as in its record.
    notes: what was changed.
    shares: of the pixels that each of the 19 labels covers.
    fit: share of the rules of anatomy that its label map keeps.
    offset: (right, down, scale, roll) against an aligned crop; None where eyes or mouth are not labelled.
  """

  file: str
  name: str
  notes: tuple[faults.Note, ...]
  shares: tuple[float, ...]
  fit: float
  offset: tuple[float, ...] | None


@dataclasses.dataclass(frozen=True)
class Page:
  """What became of the pictures of a shard.

  Attributes:
    split: of the shard.
    index: among the shards of its split.
    kept: in the order of the records.
    refused: with their faults.
    files: for each size (bytes of records, SHA-256 of the file).
  """

  split: str
  index: int
  kept: tuple[Kept, ...]
  refused: tuple[faults.Refusal, ...]
  files: dict[int, tuple[int, str]]


class Journal:
  """The folder of finished shards."""

  def __init__(self, folder: str | os.PathLike):
    self.folder = pathlib.Path(folder)

  def shard_path(self, key: str, size: int) -> pathlib.Path:
    return self.folder / f'{key}-size{size}.array_record'

  def write(self, key: str, page: Page) -> None:
    """Says that a shard is finished."""
    atomic_files.write_text(self._page_path(key), json.dumps(_plain(page)))

  def read(self, key: str) -> Page | None:
    """The page of a finished shard, None if there is none that can be read, or a file of it is missing."""
    try:
      page = _page(json.loads(self._page_path(key).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
      return None
    return page if all(self.shard_path(key, size).exists() for size in page.files) else None

  def clean(self, keys: Iterable[str]) -> None:
    """Removes what belongs to none of these shards: what changed pictures and killed runs have left."""
    known = set(keys)
    for path in self.folder.iterdir():
      if path.name.split('-')[0].split('.')[0] not in known or path.name.endswith('.tmp'):
        path.unlink(missing_ok=True)

  def _page_path(self, key: str) -> pathlib.Path:
    return self.folder / f'{key}.json'


def _plain(page: Page) -> dict:
  """What JSON can hold; enumerations by name."""
  kept = [dataclasses.asdict(one) | {'notes': [note.name for note in one.notes]} for one in page.kept]
  refused = [dict(file=one.file, fault=one.fault.name, detail=one.detail) for one in page.refused]
  return dict(split=page.split, index=page.index, kept=kept, refused=refused, files={str(size): row for size, row in page.files.items()})


def _page(plain: dict) -> Page:
  kept = tuple(
      Kept(file=one['file'], name=one['name'], notes=tuple(faults.Note[note] for note in one['notes']), shares=tuple(one['shares']),
           fit=one['fit'], offset=tuple(one['offset']) if one['offset'] is not None else None) for one in plain['kept'])
  refused = tuple(faults.Refusal(one['file'], faults.Fault[one['fault']], one['detail']) for one in plain['refused'])
  return Page(plain['split'], plain['index'], kept, refused, {int(size): tuple(row) for size, row in plain['files'].items()})
