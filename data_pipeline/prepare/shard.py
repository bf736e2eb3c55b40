"""One shard from its pictures: decode, order labels, crop, resize, write. A pure function of the files, and safe to run anywhere.

Pictures go through one at a time, so that memory does not grow with a shard; where cameras are read off the label maps, a few at a time. What
is wrong with one is noted, and the next is taken.
"""

import contextlib
import dataclasses
import os

import numpy as np
from jaxtyping import UInt8

from data_pipeline.prepare import alignment
from data_pipeline.prepare import anatomy
from data_pipeline.prepare import decoding
from data_pipeline.prepare import faults
from data_pipeline.prepare import framings
from data_pipeline.prepare import journal as journal_lib
from data_pipeline.prepare import label_orders
from data_pipeline.prepare import layouts
from data_pipeline.prepare import plan
from data_pipeline.prepare import records
from data_pipeline.prepare import resizing
from data_pipeline.prepare.faults import Fault, Note

_READ_AT_ONCE = 16  # label maps whose cameras are read together
_PAINTED = 127  # a part's mask holds 0 and 255, give or take a resize


def make(shard: plan.Shard, recipe: plan.Recipe, journal: journal_lib.Journal, folder: str) -> journal_lib.ShardManifest:
  """Writes a shard's files and its manifest.

  Args:
    shard: what to prepare.
    recipe: how.
    journal: where to.
    folder: the image folder, that files are shown relative to.

  Raises:
    OSError: if the files can't be written. What is wrong with pictures is never raised.
  """
  key = shard.key(recipe)
  paths = {size: str(journal.shard_path(key, size)) for size in recipe.sizes}
  writers: dict[int, records.ShardWriter] = {}
  output = _Output(writers, recipe)
  refused = []
  try:
    for size, path in paths.items():
      writers[size] = records.ShardWriter(path, size, recipe.has_viewpoints)
    for item in shard.items:
      first = None
      for one, viewpoint in zip(item.candidates, item.viewpoints):
        file = layouts.shown(one.image, folder)
        if first is not None:
          refused.append(faults.Refusal(file, Fault.DUPLICATE, first))
          continue
        try:
          prepared = _prepare(one, viewpoint, recipe, file)
        except faults.Refused as error:
          refused.append(faults.Refusal(file, error.fault, error.detail))
          continue
        output.add(prepared)
        first = file
    output.flush()
    for writer in writers.values():
      writer.close()
  except BaseException:
    for writer in writers.values():
      writer.abandon()
    raise
  files = {size: (writers[size].num_bytes, journal_lib.digest(path)) for size, path in paths.items()}
  manifest = journal_lib.ShardManifest(shard.split, shard.index, tuple(output.kept), tuple(refused), files)
  journal.write(key, manifest)
  return manifest


@dataclasses.dataclass(frozen=True)
class _Prepared:
  """A picture that is kept: (size, (image, labels)) of each size, its entry in the journal, and its labels as they are framed, if a camera
  is to be read off them, at the size at which it is."""

  pictures: list
  entry: journal_lib.Kept
  framed: np.ndarray | None


class _Output:
  """Writes pictures in the order in which they come, with the cameras that are given for them or read off their label maps.

  Attributes:
    kept: entries of those that were written.
  """

  def __init__(self, writers: dict[int, records.ShardWriter], recipe: plan.Recipe):
    self.kept: list[journal_lib.Kept] = []
    self._writers, self._recipe = writers, recipe
    self._waiting: list[_Prepared] = []

  def add(self, prepared: _Prepared) -> None:
    """Takes the next picture."""
    self._waiting.append(prepared)
    if not self._recipe.reader or len(self._waiting) == _READ_AT_ONCE:
      self.flush()

  def flush(self) -> None:
    """Writes all that were taken."""
    for prepared, entry in zip(self._waiting, self._entries()):
      for size, (image, labels) in prepared.pictures:
        self._writers[size].write(
            image, labels, entry.name, (entry.viewpoint or (0.0, 0.0)) if self._recipe.has_viewpoints else None, entry.confidence)
      self.kept.append(entry)
    self._waiting.clear()

  def _entries(self) -> list[journal_lib.Kept]:
    """Those of the waiting pictures, with the cameras that are read."""
    entries = [prepared.entry for prepared in self._waiting]
    if not self._recipe.reader or not entries:
      return entries
    jax, reading = _reading()
    with jax.default_device(jax.local_devices(backend='cpu')[0]):
      found = reading.load().read(np.concatenate([prepared.framed for prepared in self._waiting]))
    read = []
    for entry, viewpoint, confidence in zip(entries, found.viewpoint, found.confidence):
      if confidence:
        viewpoint = tuple(round(float(angle), 5) for angle in viewpoint)
        read.append(dataclasses.replace(entry, viewpoint=viewpoint, confidence=round(float(confidence), 4)))
      else:
        read.append(dataclasses.replace(entry, notes=(*entry.notes, Note.NO_CAMERA)))
    return read


def _reading():
  """(jax, the module that reads cameras), which those alone import who read some."""
  import jax
  from data_pipeline.label_viewpoints import reading
  return jax, reading


def read_labels(one: layouts.Candidate, order: label_orders.LabelOrder, max_pixels: int) -> UInt8[np.ndarray, 'height width']:
  """The 19 labels of a candidate, at their own size; `faults.Refused` if there are none or they are faulty."""
  if one.parts:
    return _painted(one.parts, max_pixels)
  return order.apply(read_values(one, max_pixels))


def read_values(one: layouts.Candidate, max_pixels: int) -> np.ndarray:
  """The integers of a candidate's label map as they are; of parts, the 19 labels."""
  if one.parts:
    return _painted(one.parts, max_pixels)
  if one.label_map is None:
    raise faults.Refused(Fault.NO_LABEL)
  with _of_label(one.label_map):
    return decoding.read_label(one.label_map, max_pixels)


def _prepare(one: layouts.Candidate, viewpoint, recipe: plan.Recipe, file: str) -> _Prepared:
  """A picture, but for the camera where one is to be read; `faults.Refused` if it can't be used."""
  decoding.check_regular(one.image)
  if not one.label_files:
    raise faults.Refused(Fault.NO_LABEL)
  if recipe.has_viewpoints and not recipe.reader and viewpoint is None:
    raise faults.Refused(Fault.NO_VIEWPOINT)
  image, notes = decoding.read_image(one.image, recipe.max_pixels)
  notes = list(notes)
  if recipe.parser:
    _check_framing(one, recipe, notes)
  order = label_orders.LabelOrder('declared', dict(recipe.order))
  labels = read_labels(one, order, recipe.max_pixels)
  if labels.shape != image.shape[:2]:
    if not resizing.same_proportions(labels.shape, image.shape[:2]):
      size = lambda array: f'{array.shape[1]} x {array.shape[0]}'
      raise faults.Refused(Fault.LABEL_SIZE, f'{size(labels)} for an image of {size(image)}')
    labels = resizing.match_labels(labels, *image.shape[:2])
    notes.append(Note.LABEL_RESIZED)
  image, labels, offset = _framed(image, labels, recipe, notes)
  one_moments = anatomy.moments(labels)
  fit = anatomy.fit(one_moments)
  if fit < anatomy.ODD:
    notes.append(Note.ODD_ANATOMY)
  if image.shape[0] < max(recipe.sizes):
    notes.append(Note.ENLARGED)
  pictures = [(size, (resizing.resize_image(image, size), resizing.resize_labels(labels, size))) for size in recipe.sizes]
  fractions = np.round(np.bincount(labels.ravel(), minlength=len(label_orders.LABELS)) / labels.size, 6)
  entry = journal_lib.Kept(
      file=file, name=faults.printable(one.name), notes=tuple(notes), label_fractions=tuple(fractions.tolist()),
      fit=round(fit, 4), offset=tuple(round(value, 4) for value in offset) if offset else None,
      viewpoint=viewpoint, confidence=0.0 if viewpoint is None else 1.0)
  # as they are framed, whatever the sizes of the records: the camera is that of the crop
  return _Prepared(pictures, entry, _reading()[1].shrink(labels[None]) if recipe.reader else None)


def _check_framing(one: layouts.Candidate, recipe: plan.Recipe, notes: list[Note]) -> None:
  """What the parser says of where the face is: `faults.Refused` where there is none, or none that fills the picture; adds to the notes."""
  reading = framings.of(one.label_map)
  if reading.refusal:
    raise faults.Refused(Fault.FACE_NOT_FOUND, reading.refusal)
  if reading.frame is not None:
    if not recipe.align:
      raise faults.Refused(Fault.NOT_FRAMED, f'an aligned crop has {reading.frame.side:.2f} times its shorter side')
    notes.append(Note.REFRAMED)


def _framed(image, labels, recipe: plan.Recipe, notes: list[Note]):
  """(square image, its labels, its offset against an aligned crop); adds to the notes."""
  points = alignment.landmarks(labels)
  if recipe.align:
    if points is None:
      raise faults.Refused(Fault.NO_FACE)
    image, labels = alignment.crop(image, labels, alignment.ffhq_square(points), 2 * max(recipe.sizes))
    points = alignment.landmarks(labels)
  elif image.shape[0] != image.shape[1]:
    image, labels = resizing.center_square(image), resizing.center_square(labels)
    points = alignment.landmarks(labels)
    notes.append(Note.SQUARED)
  if points is None:
    return image, labels, None
  offset = alignment.offsets(alignment.ffhq_square(points), *labels.shape)
  if not alignment.is_aligned(offset):
    notes.append(Note.MISALIGNED)
  return image, labels, offset


def _painted(parts: tuple[tuple[int, str], ...], max_pixels: int) -> UInt8[np.ndarray, 'height width']:
  """Masks of single parts painted over each other in the order of their labels, as CelebAMask-HQ composes them."""
  labels = None
  for label, path in parts:
    with _of_label(path):
      mask = decoding.read_label(path, max_pixels)
    if labels is None:
      labels = np.full(mask.shape, label_orders.BACKGROUND, np.uint8)
    elif mask.shape != labels.shape:
      raise faults.Refused(Fault.LABEL_SIZE, f'parts of {mask.shape[1]} x {mask.shape[0]} and {labels.shape[1]} x {labels.shape[0]}')
    labels[mask > (_PAINTED if mask.max() > 1 else 0)] = label
  return labels


@contextlib.contextmanager
def _of_label(path: str):
  """Says in a fault's detail that it is the label file's, and which."""
  try:
    yield
  except faults.Refused as error:
    name = f'label file {faults.printable(os.path.basename(path), 80)}'
    raise faults.Refused(error.fault, f'{name}: {error.detail}' if error.detail else name) from error
