"""Finished shards: their files, and for each a manifest in JSON that says what became of every picture in it.

The manifest is written last, so that a shard with a manifest is whole. Keys (`plan.Shard.key`) name the files: a second run finds what the
first has finished, whatever stopped it, and a shard whose pictures or recipe have changed has another key.
"""

from collections.abc import Iterable
import dataclasses
import hashlib
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
    label_fractions: of the pixels, that each of the 19 labels covers.
    fit: fraction of the rules of anatomy that its label map keeps.
    offset: (right, down, scale, roll) against an aligned crop; None where eyes or mouth are not labelled.
    viewpoint: (azimuth, elevation) in its record, radians; None if it has none, or none is known.
    confidence: of the viewpoint, in [0, 1].
  """

  file: str
  name: str
  notes: tuple[faults.Note, ...]
  label_fractions: tuple[float, ...]
  fit: float
  offset: tuple[float, ...] | None
  viewpoint: tuple[float, float] | None = None
  confidence: float = 0.0


@dataclasses.dataclass(frozen=True)
class ShardManifest:
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

  def write(self, key: str, manifest: ShardManifest) -> None:
    """Says that a shard is finished."""
    atomic_files.write_text(self._manifest_path(key), json.dumps(_plain(manifest)))

  def read(self, key: str) -> ShardManifest | None:
    """The manifest of a finished shard, None if there is none that can be read, or a file of it is missing or damaged."""
    try:
      manifest = _manifest(json.loads(self._manifest_path(key).read_text()))
    except (OSError, ValueError, KeyError, TypeError):
      return None
    sound = all(_has_digest(self.shard_path(key, size), digest) for size, (_, digest) in manifest.files.items())
    return manifest if sound else None

  def clean(self, keys: Iterable[str]) -> None:
    """Removes what belongs to none of these shards: what changed pictures and killed runs have left."""
    known = set(keys)
    for path in self.folder.iterdir():
      if path.name.split('-')[0].split('.')[0] not in known or path.name.endswith('.tmp'):
        path.unlink(missing_ok=True)

  def _manifest_path(self, key: str) -> pathlib.Path:
    return self.folder / f'{key}.json'


def digest(path: str | os.PathLike) -> str:
  """SHA-256 of a file."""
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def _has_digest(path: pathlib.Path, expected: str) -> bool:
  try:
    return digest(path) == expected
  except OSError:
    return False


def _plain(manifest: ShardManifest) -> dict:
  """As plain values; enumerations by name, fractions as `shares`, their first name, so that earlier manifests are still read."""
  kept = [dict(file=one.file, name=one.name, notes=[note.name for note in one.notes], shares=one.label_fractions, fit=one.fit,
               offset=one.offset, **_camera(one)) for one in manifest.kept]
  refused = [dict(file=one.file, fault=one.fault.name, detail=one.detail) for one in manifest.refused]
  files = {str(size): row for size, row in manifest.files.items()}
  return dict(split=manifest.split, index=manifest.index, kept=kept, refused=refused, files=files)


def _manifest(plain: dict) -> ShardManifest:
  kept = tuple(
      Kept(file=one['file'], name=one['name'], notes=tuple(faults.Note[note] for note in one['notes']), label_fractions=tuple(one['shares']),
           fit=one['fit'], offset=_tuple(one['offset']), viewpoint=_tuple(one.get('viewpoint')), confidence=one.get('confidence', 0.0))
      for one in plain['kept'])
  refused = tuple(faults.Refusal(one['file'], faults.Fault[one['fault']], one['detail']) for one in plain['refused'])
  return ShardManifest(plain['split'], plain['index'], kept, refused, {int(size): tuple(row) for size, row in plain['files'].items()})


def _camera(one: Kept) -> dict:
  return {} if one.viewpoint is None else dict(viewpoint=one.viewpoint, confidence=one.confidence)


def _tuple(values: list | None) -> tuple | None:
  return None if values is None else tuple(values)
