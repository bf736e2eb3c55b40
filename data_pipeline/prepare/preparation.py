"""The whole way from an input folder to data sets and a report: list, parse, check the order, make shards, assemble, report.

All that is written lies below the output folder: `real_portraits/size64/1.0.0` and so on for the loader, `report/` for people, and
`.prepare/` with finished shards (the data sets' files under other names, so that they take no more space) for the next run.
"""

from collections.abc import Callable
import concurrent.futures
import concurrent.futures.process
import contextlib
import dataclasses
import hashlib
import json
import math
import multiprocessing
import os
import pathlib
import threading
import time
import unicodedata

import tqdm

from cnerf_jax.persistence import atomic_files
from cnerf_jax.persistence import folder_lock
from cnerf_jax.persistence import viewpoints_file
from data_pipeline.label_viewpoints import parameters as label_viewpoints
from data_pipeline.prepare import anatomy
from data_pipeline.prepare import camera_distribution
from data_pipeline.prepare import decoding
from data_pipeline.prepare import faults
from data_pipeline.prepare import journal as journal_lib
from data_pipeline.prepare import label_orders
from data_pipeline.prepare import layouts
from data_pipeline.prepare import parser as parser_lib
from data_pipeline.prepare import plan
from data_pipeline.prepare import records
from data_pipeline.prepare import report
from data_pipeline.prepare import shard as shard_lib

_ORDER_SAMPLE = 64  # label maps that the order is checked on
_LARGEST_SIZE = 2048
READ, NONE = 'read', 'none'  # what --viewpoints takes besides a file


@dataclasses.dataclass(frozen=True)
class Settings:
  """What to prepare, and how. The command line's `--help` explains each.

  Attributes:
    input: folder of images, or a download's folder.
    output: folder of the results; becomes `data.dir`.
    labels: folder of label maps; None for CelebAMask-HQ's own masks or a parser.
    layout: one of `layouts.LAYOUTS`, or 'auto'.
    label_order: a known order or a JSON file.
    sizes: sides of the records in pixels.
    parser: the face parser that makes the label maps, if one does.
    viewpoints: where cameras come from: READ off the label maps, or a JSON file of (azimuth, elevation) by image name; None for none.
    align: crop by landmarks.
    validation_fraction: of the images.
    max_pixels: of an image.
    check_order: stop where anatomy contradicts the label order.
    strict: stop at the first fault.
    workers: processes that make shards; 0 makes them in this one.
  """

  input: str
  output: str
  labels: str | None = None
  layout: str = 'auto'
  label_order: str = 'celebamask-hq'
  sizes: tuple[int, ...] = (64,)
  parser: parser_lib.ParserOptions | None = None
  viewpoints: str | None = READ
  align: bool = False
  validation_fraction: float = 0.05
  max_pixels: int = decoding.MAX_PIXELS
  check_order: bool = True
  strict: bool = False
  workers: int = 2


class WrongOrder(ValueError):
  """Anatomy contradicts the declared label order."""


class StrictFault(ValueError):
  """The first fault, under --strict."""


def run(settings: Settings, note: Callable[[str], None] = print) -> report.Summary:
  """Prepares a folder; returns what the report says.

  Raises:
    ValueError, OSError: in one line. Whatever was finished before is kept, and the next run goes on from there.
  """
  layout, order = _check(settings)
  output = pathlib.Path(settings.output)
  work = output / '.prepare'
  try:
    work.mkdir(parents=True, exist_ok=True)
    (work / 'shards').mkdir(exist_ok=True)
  except OSError as error:
    raise atomic_files.explained(error, 'write to', output) from error
  with _alone(work):
    listing = layouts.read(settings.input, layout, settings.labels, needs_labels=settings.parser is None)
    if settings.strict and listing.refused:
      raise StrictFault(listing.refused[0].line())
    note(f'{len(listing.candidates)} images in {settings.input}, layout {layout}')
    reads_cameras = settings.viewpoints == READ
    viewpoints = None if reads_cameras else _read_viewpoints(settings.viewpoints)
    candidates, fingerprint, order_check = _labelled(settings, listing, order, work)
    if order_check is not None and order_check.is_wrong and settings.check_order:
      raise WrongOrder(order_check.line())
    recipe = plan.Recipe(
        sizes=tuple(sorted(settings.sizes)), order=tuple(sorted(order.labels.items())), align=settings.align,
        max_pixels=settings.max_pixels, validation_fraction=settings.validation_fraction,
        has_viewpoints=viewpoints is not None or reads_cameras, parser=fingerprint,
        reader=label_viewpoints.fingerprint() if reads_cameras else '')
    shards = plan.make(candidates, viewpoints, settings.validation_fraction)
    journal = journal_lib.Journal(work / 'shards')
    folder = layouts.image_folder(settings.input, layout)
    manifests = _make_shards(shards, recipe, journal, folder, settings, note)
    folders = _assemble(output, recipe, journal, shards, manifests)
    try:
      if settings.viewpoints is not None:
        _write_viewpoints(output / viewpoints_file.NAME, manifests, settings.viewpoints)
      summary = report.write(
          output / 'report', manifests, listing.refused, folders, order=order.name, order_check=order_check, layout=layout,
          sizes=recipe.sizes, aligned=settings.align, has_viewpoints=recipe.has_viewpoints, cameras_read=reads_cameras)
    except OSError as error:
      raise atomic_files.explained(error, 'write report', output / 'report') from error
    journal.clean([one.key(recipe) for one in shards])
    return summary


def _check(settings: Settings) -> tuple[str, label_orders.LabelOrder]:
  """(layout, label order) of settings that fit together; ValueError in one line otherwise."""
  for name, folder in (('input', settings.input), ('--labels', settings.labels)):
    if folder is not None and not os.path.isdir(folder):
      raise ValueError(f'no folder {faults.printable(folder)}, given as {name}; give an existing folder')
  inside = lambda path, folder: os.path.commonpath([os.path.realpath(path), os.path.realpath(folder)]) == os.path.realpath(folder)
  for folder in (settings.input, settings.labels):
    if folder is not None and inside(settings.output, folder):
      raise ValueError(f'output {settings.output} is inside the input {folder}, where nothing is ever written; choose a folder outside it')
  for size in settings.sizes:
    if not decoding.MIN_SIDE <= size <= _LARGEST_SIZE:
      raise ValueError(f'--sizes {size} is not in {decoding.MIN_SIDE}..{_LARGEST_SIZE}; use 64 for stage 1, 256 or 512 for stage 2')
  if not settings.sizes or len(set(settings.sizes)) < len(settings.sizes):
    raise ValueError(f'--sizes {" ".join(map(str, settings.sizes))} must be one or several different sizes')
  if not 0 <= settings.validation_fraction < 1:
    raise ValueError(f'--validation {settings.validation_fraction} must be a fraction of the images, at least 0 and below 1')
  layout = layouts.detect(settings.input) if settings.layout == 'auto' else settings.layout
  if settings.parser is not None and settings.parser.model == parser_lib.SHIPPED and settings.label_order != label_orders.CELEBAMASK_HQ.name:
    raise ValueError(f'--parser {parser_lib.SHIPPED} gives labels in the order {label_orders.CELEBAMASK_HQ.name}; leave --label-order out')
  if settings.parser is not None and settings.labels is not None:
    raise ValueError('--labels and --parser both make label maps; give one of them')
  if layout != 'celebamask-hq' and settings.labels is None and settings.parser is None:
    raise ValueError(f'layout {layout} has no label maps of its own; give --labels FOLDER, or --parser {parser_lib.SHIPPED} '
                     '(or MODEL.onnx) to make them')
  own_masks = layout == 'celebamask-hq' and settings.labels is None and settings.parser is None
  return layout, label_orders.CELEBAMASK_HQ if own_masks else label_orders.label_order(settings.label_order)


@contextlib.contextmanager
def _alone(work: pathlib.Path):
  """Keeps a second preparation out of the output at the same time."""
  try:
    lock = folder_lock.acquire(work / 'lock')
  except folder_lock.InUse:
    raise ValueError(f'another preparation is writing to {work.parent}; wait for it, stop it, or choose another output') from None
  except OSError as error:
    raise atomic_files.explained(error, 'write to', work.parent) from error
  try:
    yield
  finally:
    folder_lock.release(lock)


def _read_viewpoints(path: str | None) -> dict[str, tuple[float, float]] | None:
  """(azimuth, elevation) in radians by image name, from a JSON file; ValueError in one line if it is something else."""
  if path is None:
    return None
  try:
    with open(path, encoding='utf-8') as file:
      table = json.load(file)
  except (OSError, ValueError, RecursionError) as error:
    raise ValueError(f'--viewpoints {path} is no JSON file ({atomic_files.one_line(error, 100)}); '
                     f'write {{"name": [azimuth, elevation], ...}}, in radians, or give {READ} or {NONE}') from error
  if not isinstance(table, dict):
    raise ValueError(f'--viewpoints {path} holds a {type(table).__name__}; write {{"name": [azimuth, elevation], ...}}, in radians')
  found = {}
  for name, view in table.items():
    numbers = isinstance(view, list) and len(view) == 2 and all(isinstance(one, (int, float)) and math.isfinite(one) for one in view)
    if not numbers or abs(view[0]) > math.pi or abs(view[1]) > math.pi / 2:
      raise ValueError(f'--viewpoints {path} gives {faults.printable(str(view), 60)} for {faults.printable(name)}; give [azimuth, elevation] '
                       'in radians, at most pi and pi/2')
    found[unicodedata.normalize('NFC', name)] = (float(view[0]), float(view[1]))
  return found


def _write_viewpoints(path: pathlib.Path, manifests: list[journal_lib.ShardManifest], source: str) -> None:
  """{"name": [azimuth, elevation]} of the pictures whose camera is known, as --viewpoints takes it; no file without any.

  A `source` that is this very file stays as it is: it may have others' too.
  """
  if source != READ and os.path.realpath(source) == os.path.realpath(path):
    return
  found = {one.name: one.viewpoint for manifest in manifests for one in manifest.kept if one.viewpoint is not None}
  if found:
    viewpoints_file.write(path, found)
  else:
    path.unlink(missing_ok=True)


def _labelled(settings: Settings, listing: layouts.Listing, order: label_orders.LabelOrder, work: pathlib.Path):
  """(candidates with labels, hash of the parser, what anatomy says of the order): some are parsed and checked first, then all."""
  candidates = list(listing.candidates)
  step = max(1, len(candidates) // _ORDER_SAMPLE)
  chosen = candidates[::step]
  if settings.parser is None:
    return candidates, '', _check_order(chosen, order, settings.max_pixels)
  parser = parser_lib.load(settings.parser)
  folder = work / f'labels-{parser.fingerprint}'
  try:
    sample = parser_lib.with_label_maps(chosen, parser, folder, settings.max_pixels, 'parse a sample')
    order_check = _check_order(sample, order, settings.max_pixels)
    if order_check is not None and order_check.is_wrong and settings.check_order:
      return candidates, parser.fingerprint, order_check
    return parser_lib.with_label_maps(candidates, parser, folder, settings.max_pixels), parser.fingerprint, order_check
  except OSError as error:
    raise atomic_files.explained(error, 'write label maps to', folder) from error


def _check_order(candidates: list[layouts.Candidate], order: label_orders.LabelOrder, max_pixels: int) -> anatomy.OrderCheck | None:
  """What anatomy says of the order, from the label maps that can be read; None if none can."""
  raw = []
  for one in candidates:
    try:
      raw.append(anatomy.moments(shard_lib.read_values(one, max_pixels), label_orders.LARGEST_VALUE + 1))
    except faults.Refused:
      continue  # told when it is prepared
  return anatomy.check_order(order, raw) if raw else None


def _make_shards(
    shards, recipe: plan.Recipe, journal: journal_lib.Journal, folder: str, settings: Settings, note,
) -> list[journal_lib.ShardManifest]:
  """The manifest of every shard, those that were finished before included."""
  manifests = {index: manifest for index, one in enumerate(shards) if (manifest := journal.read(one.key(recipe))) is not None}
  if settings.strict:
    for manifest in manifests.values():
      _stop_at(manifest)
  left = [index for index in range(len(shards)) if index not in manifests]
  if manifests:
    note(f'{len(manifests)} of {len(shards)} shards are there already; going on with the rest' if left else
         f'all {len(shards)} shards are there already')
  size = lambda index: sum(len(item.candidates) for item in shards[index].items)
  try:
    with tqdm.tqdm(total=sum(map(size, left)), desc='prepare', unit=' images', disable=not left) as progress:
      for index, manifest in _results([(index, shards[index]) for index in left], recipe, journal, folder, settings.workers):
        manifests[index] = manifest
        progress.update(size(index))
        if settings.strict:
          _stop_at(manifest)
  except OSError as error:
    raise atomic_files.explained(error, 'write shards to', journal.folder) from error
  except concurrent.futures.process.BrokenProcessPool:
    raise OSError('a worker process was killed, probably for want of memory; run the same command again, with --workers 1') from None
  return [manifests[index] for index in range(len(shards))]


def _stop_at(manifest: journal_lib.ShardManifest) -> None:
  if manifest.refused:
    raise StrictFault(manifest.refused[0].line())


def _results(left, recipe, journal, folder, workers: int):
  """(index, manifest) of each shard as it is finished."""
  workers = min(workers, len(left))
  if workers <= 1:
    yield from ((index, shard_lib.make(one, recipe, journal, folder)) for index, one in left)
    return
  # spawned: a fork would copy this process's threads in whatever state they are
  pool = concurrent.futures.ProcessPoolExecutor(
      workers, mp_context=multiprocessing.get_context('spawn'), initializer=_start_worker, initargs=(os.getpid(),))
  try:
    futures = {pool.submit(shard_lib.make, one, recipe, journal, folder): index for index, one in left}
    for future in concurrent.futures.as_completed(futures):
      yield futures.pop(future), future.result()
  finally:
    pool.shutdown(cancel_futures=True)


def _start_worker(parent: int) -> None:
  """Keeps a worker to the processor, and ends it when its parent is gone, so that a killed preparation leaves nobody behind."""
  read_on_processor()
  def watch():
    while os.getppid() == parent:
      time.sleep(0.5)
    os._exit(1)
  threading.Thread(target=watch, daemon=True).start()


def read_on_processor() -> None:
  """Keeps JAX to the processor in this process, before it is imported: each worker would claim most of a GPU, and round otherwise."""
  os.environ['JAX_PLATFORMS'] = 'cpu'


def _assemble(output, recipe: plan.Recipe, journal, shards, manifests) -> dict[int, pathlib.Path]:
  """The data set of each size; none if no picture was kept."""
  folders = {}
  cameras = camera_distribution.measure(camera_distribution.training(manifests)) if recipe.has_viewpoints else None
  for size in recipe.sizes:
    parts: dict[str, list] = {}
    digests = []
    for one, manifest in zip(shards, manifests):
      if manifest.kept:
        num_bytes, digest = manifest.files[size]
        parts.setdefault(manifest.split, []).append((str(journal.shard_path(one.key(recipe), size)), len(manifest.kept), num_bytes))
        digests.append(digest)
    if not parts:
      continue
    config = records.RealPortraitsConfig(
        # without a camera that is known, viewpoints in the shards are nothing to read
        name=f'size{size}', description=f'{size} pixels', record_size=size, has_viewpoints=cameras is not None, parts=parts,
        fingerprint=hashlib.sha256(' '.join(digests).encode()).hexdigest()[:24], cameras=cameras and dataclasses.asdict(cameras))
    try:
      folders[size] = records.assemble(str(output), config)
    except OSError as error:
      raise atomic_files.explained(error, 'write data set to', output) from error
  return folders
