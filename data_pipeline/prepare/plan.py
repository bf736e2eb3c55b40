"""What is to be done, before anything is decoded: which pictures are one, which split and which shard each belongs to.

A picture's split and shard are read off the hash of its name. So they don't depend on what else is in the folder (but for the number of
shards, a power of two), shards can be made in any order and by any process, and a picture added later changes one shard of many.
"""

from collections.abc import Sequence
import dataclasses
import hashlib
import json
import os

from data_pipeline.prepare import layouts

FORMAT = 1  # raise it when what a shard contains changes, so that no old one is taken for finished
SPLITS = ('train', 'validation')
_SHARD_SIZE = 256  # pictures, at most on average
_READ_AT_ONCE = 2**20


@dataclasses.dataclass(frozen=True)
class Recipe:
  """All that decides what becomes of a picture; part of every shard's key.

  Attributes:
    sizes: sides of the records in pixels, ascending.
    order: (integer, label name) pairs of the declared label order, ascending.
    align: whether pictures are cropped by the landmarks of their labels.
    max_pixels: larger pictures are refused.
    validation_fraction: of the pictures, by hash of the name.
    has_viewpoints: whether records have viewpoints.
    reader: hash of the network that reads them off the label maps, empty where they are given or left out.
    parser: hash of the parser and its options where one makes the label maps, else empty.
  """

  sizes: tuple[int, ...]
  order: tuple[tuple[int, str], ...]
  align: bool
  max_pixels: int
  validation_fraction: float
  has_viewpoints: bool
  parser: str = ''
  reader: str = ''


@dataclasses.dataclass(frozen=True)
class Item:
  """One picture: candidates with the same bytes, of which the first sound one is kept, and the viewpoint of each."""

  candidates: tuple[layouts.Candidate, ...]
  viewpoints: tuple[tuple[float, float] | None, ...]


@dataclasses.dataclass(frozen=True)
class Shard:
  """Pictures that are prepared together, into one file for each size."""

  split: str
  index: int
  items: tuple[Item, ...]

  def key(self, recipe: Recipe) -> str:
    """Hash of the recipe and of the names, sizes and times of the files: equal keys make equal shards."""
    how = dataclasses.asdict(recipe)
    how['validation_share'] = how.pop('validation_fraction')  # as it was called first, so that finished shards stay finished
    if not how['has_viewpoints']:  # so that shards of records without viewpoints, which are as they were, stay finished
      how.pop('reader')
    contents = [FORMAT, how, [
        [(one.name, view, [stamp(path) for path in (one.image, *one.label_files)])
         for one, view in zip(item.candidates, item.viewpoints)] for item in self.items]]
    return hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()[:24]


def make(
    candidates: Sequence[layouts.Candidate], viewpoints: dict[str, tuple[float, float]] | None, validation_fraction: float,
) -> list[Shard]:
  """Shards of all candidates, those of the train split first, none empty."""
  # by the whole name below the image folder, or by its last part
  view = lambda name: (viewpoints or {}).get(name, (viewpoints or {}).get(name.rsplit('/', 1)[-1]))
  items = [Item(tuple(group), tuple(view(one.name) for one in group)) for group in _same_bytes(candidates)]
  by_split: dict[str, list[Item]] = {split: [] for split in SPLITS}
  for item in items:
    by_split[_split(item, validation_fraction)].append(item)
  if not by_split['train']:
    by_split = {'train': by_split['validation'], 'validation': []}
  shards = []
  for split, members in by_split.items():
    count = 1
    while count * _SHARD_SIZE < len(members):
      count *= 2
    buckets: list[list[Item]] = [[] for _ in range(count)]
    for item in members:
      buckets[_hash(item.candidates[0].name, 'shard') % count].append(item)
    shards += [Shard(split, index, tuple(bucket)) for index, bucket in enumerate(buckets) if bucket]
  return shards


def _same_bytes(candidates: Sequence[layouts.Candidate]) -> list[list[layouts.Candidate]]:
  """Candidates in order of names, those whose images have the same bytes together. Only files of equal size are read."""
  by_size: dict[int, list[layouts.Candidate]] = {}
  for one in candidates:
    by_size.setdefault(_file_size(one.image), []).append(one)
  groups: dict[object, list[layouts.Candidate]] = {}
  for one in candidates:
    size = _file_size(one.image)
    alone = size == 0 or len(by_size[size]) == 1
    groups.setdefault(one.name if alone else _digest(one), []).append(one)
  return list(groups.values())


def _file_size(path: str) -> int:
  """Bytes of a regular file, 0 for anything else."""
  try:
    return os.path.getsize(path) if os.path.isfile(path) else 0
  except OSError:
    return 0


def _digest(one: layouts.Candidate) -> object:
  """Hash of an image's bytes; its name where they can't be read, which is found again, and told, when it is decoded."""
  try:
    with open(one.image, 'rb') as file:
      digest = hashlib.sha256()
      while block := file.read(_READ_AT_ONCE):
        digest.update(block)
      return digest.digest()
  except OSError:
    return one.name


def _split(item: Item, validation_fraction: float) -> str:
  return SPLITS[_hash(item.candidates[0].name, 'split') / 2**64 < validation_fraction]


def _hash(name: str, purpose: str) -> int:
  return int.from_bytes(hashlib.sha256(f'{purpose}:{name}'.encode('utf-8', 'surrogateescape')).digest()[:8], 'big')


def stamp(path: str) -> tuple:
  """Name, size and time of a file: what changes when it does."""
  try:
    status = os.stat(path)
  except (OSError, ValueError):
    return os.path.basename(path), None, None
  return os.path.basename(path), status.st_size, status.st_mtime_ns
