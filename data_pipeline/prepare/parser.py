"""Label maps from a face parser: the shipped one, or one that the user supplies, an ONNX model, 512 x 512 RGB in, 19 logits a pixel out.

The maps are written as PNG below the output, one an image, so that a second run parses only what the first has not. For models of the
user's, onnxruntime is an optional dependency: `pip install onnxruntime`.
"""

from collections.abc import Iterable
from collections.abc import Sequence
import dataclasses
import hashlib
import io
import pathlib
from typing import Protocol

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image
import tqdm

from cnerf_jax.persistence import atomic_files
from data_pipeline.prepare import decoding
from data_pipeline.prepare import faults
from data_pipeline.prepare import framings
from data_pipeline.prepare import layouts
from data_pipeline.prepare import plan
from data_pipeline.prepare import resizing

INPUT_SIDE = 512
NUM_LOGITS = 19
_SEARCHED_SIDE = 1024  # the shorter one of what is searched, at least, where the image is larger
SHIPPED = 'people'  # the name of `data_pipeline.face_parser`, which is trained on people, where others have a path
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclasses.dataclass(frozen=True)
class ParserOptions:
  """How a model is to be asked.

  Attributes:
    model: path of the ONNX file, or SHIPPED.
    mean: of each colour in [0, 1], subtracted.
    std: of each colour, divided by.
    batch_size: images at once; a model with a batch size of its own keeps it.
    search: whether SHIPPED looks for the face where an image is not framed as a portrait.
  """

  model: str
  mean: tuple[float, ...] = IMAGENET_MEAN
  std: tuple[float, ...] = IMAGENET_STD
  batch_size: int = 8
  search: bool = True


class Parser(Protocol):
  """A face parser.

  Attributes:
    batch_size: images at once.
    fingerprint: hash of all that its label maps depend on.
  """

  batch_size: int
  fingerprint: str

  def read(self, squares: UInt8[np.ndarray, 'batch 512 512 3'], photographs: Sequence[np.ndarray]) -> list[framings.Reading]:
    """Integers of some label order, 0 to 18, of images that are stretched to squares and given as they are (or smaller), too."""


class AsTheyAre:
  """Takes images for framed, as parsers do that know nothing else.

  Attributes:
    batch_size: images at once.
    fingerprint: of the parser.
  """

  def __init__(self, parser):
    self._parser = parser
    self.batch_size, self.fingerprint = parser.batch_size, parser.fingerprint

  def read(self, squares: UInt8[np.ndarray, 'batch 512 512 3'], photographs: Sequence[np.ndarray]) -> list[framings.Reading]:
    """The parser's own maps."""
    del photographs
    return [framings.Reading(labels) for labels in self._parser.parse(squares)]


def load(options: ParserOptions) -> Parser:
  """The parser that options name; ValueError in one line if it can't be had."""
  if options.model != SHIPPED:
    return AsTheyAre(OnnxParser(options))
  from data_pipeline.face_parser import parsing  # pylint: disable=g-import-not-at-top
  from data_pipeline.face_parser import photographs  # pylint: disable=g-import-not-at-top
  return photographs.FaceFinder(parsing.load()) if options.search else AsTheyAre(parsing.load())


class OnnxParser:
  """A face parser of the user's.

  Attributes:
    batch_size: images at once.
    fingerprint: hash of the model's bytes and the options.
  """

  def __init__(self, options: ParserOptions):
    """Loads the model.

    Raises:
      ValueError: in one line, if onnxruntime or the model is missing, or the model takes or gives something else.
    """
    try:
      import onnxruntime
    except ImportError:
      raise ValueError('--parser needs onnxruntime, which is not installed; pip install onnxruntime') from None
    try:
      content = pathlib.Path(options.model).read_bytes()
      session_options = onnxruntime.SessionOptions()
      session_options.log_severity_level = 3
      self._session = onnxruntime.InferenceSession(content, session_options, providers=['CPUExecutionProvider'])
    except Exception as error:  # onnxruntime has errors of its own for every kind of damage
      words = getattr(error, 'strerror', None) or atomic_files.one_line(error)
      raise ValueError(f'--parser {options.model} is no ONNX model that can be loaded ({words}); give the path of one, or {SHIPPED}') from error
    self._options = options
    self._input = self._session.get_inputs()[0]
    shape = self._input.shape
    fits = len(shape) == 4 and all(side == want or not isinstance(side, int) for side, want in zip(shape[1:], (3, INPUT_SIDE, INPUT_SIDE)))
    if not fits:
      raise ValueError(f'--parser {options.model} takes {shape}; give a model that takes [batch, 3, {INPUT_SIDE}, {INPUT_SIDE}]')
    self.batch_size = shape[0] if isinstance(shape[0], int) else options.batch_size
    self.fingerprint = hashlib.sha256(content + repr((options.mean, options.std)).encode()).hexdigest()[:16]

  def parse(self, images: UInt8[np.ndarray, 'batch 512 512 3']) -> UInt8[np.ndarray, 'batch height width']:
    """The model's own integers, 0 to 18, of some images."""
    scaled = (images.astype(np.float32) / 255 - np.array(self._options.mean, np.float32)) / np.array(self._options.std, np.float32)
    batch = np.zeros((self.batch_size, 3, INPUT_SIDE, INPUT_SIDE), np.float32)
    batch[:len(images)] = scaled.transpose(0, 3, 1, 2)
    logits = self._logits(batch)[:len(images)]
    return logits.argmax(axis=1).astype(np.uint8)

  def _logits(self, batch: Float[np.ndarray, 'batch 3 512 512']) -> Float[np.ndarray, 'batch 19 height width']:
    outputs = self._session.run(None, {self._input.name: batch})
    for output in outputs:
      if getattr(output, 'ndim', 0) == 4 and output.shape[1] == NUM_LOGITS:
        return output
    shapes = ', '.join(str(getattr(output, 'shape', '?')) for output in outputs)
    raise ValueError(f'--parser {self._options.model} gives {shapes}; give a model that puts out [batch, {NUM_LOGITS}, height, width]')


def label_path(folder: pathlib.Path, one: layouts.Candidate) -> pathlib.Path:
  """Where the label map of an image is kept: a name that changes with the image's size and time."""
  identity = repr((one.name, plan.stamp(one.image)))
  return folder / f'{hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:24]}.png'


def with_label_maps(
    candidates: Iterable[layouts.Candidate], parser: Parser, folder: pathlib.Path, max_pixels: int, description: str = 'parse',
) -> list[layouts.Candidate]:
  """The candidates with label maps, those that are missing made by the parser, under a progress bar.

  An image that can't be decoded gets the place of a label map, but none: preparing it will say what is wrong with it.

  Args:
    candidates: images.
    parser: the model.
    folder: of label maps.
    max_pixels: larger images are not decoded.
    description: of the progress bar.
  """
  folder.mkdir(parents=True, exist_ok=True)
  found = [dataclasses.replace(one, label_map=str(label_path(folder, one))) for one in candidates]
  missing = [one for one in found if not framings.is_read(one.label_map)]
  with tqdm.tqdm(total=len(missing), desc=description, unit=' images', disable=not missing) as progress:
    for start in range(0, len(missing), parser.batch_size):
      chunk = missing[start:start + parser.batch_size]
      readable = [(one, *image) for one in chunk if (image := _read(one, max_pixels)) is not None]
      if readable:
        readings = parser.read(np.stack([square for _, square, *_ in readable]), [copy for *_, copy, _ in readable])
        for (one, _, _, shape), reading in zip(readable, readings):
          write_reading(one.label_map, reading, shape)
      progress.update(len(chunk))
  return found


def _read(one: layouts.Candidate, max_pixels: int) -> tuple[np.ndarray, np.ndarray, tuple[int, int]] | None:
  """`read_photograph`; None if it can't be read."""
  try:
    return read_photograph(one.image, max_pixels)
  except faults.Refused:
    return None


def read_photograph(
    path: str, max_pixels: int,
) -> tuple[UInt8[np.ndarray, '512 512 3'], UInt8[np.ndarray, 'height width 3'], tuple[int, int]]:
  """(an image stretched to a parser's size, a copy that is no larger than a search needs, its own height and width).

  `faults.Refused` if it can't be read.
  """
  image, _ = decoding.read_image(path, max_pixels)
  resized = Image.fromarray(image).resize((INPUT_SIDE, INPUT_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
  shrink = max(1, min(image.shape[:2]) // _SEARCHED_SIDE)
  return np.asarray(resized), np.asarray(Image.fromarray(image).reduce(shrink)) if shrink > 1 else image, image.shape[:2]


def write_reading(path: str, reading: framings.Reading, shape: tuple[int, int]) -> None:
  """What was read off an image: its label map, if there is one, and what is to be known of it."""
  framings.write(path, reading)
  if reading.labels is not None:
    write_label_map(path, reading.labels, shape)


def write_label_map(path: str, labels: np.ndarray, shape: tuple[int, int]) -> None:
  """A label map in its image's proportions, at most as large as the parser's."""
  scale = max(labels.shape) / max(shape)
  height, width = (max(1, round(side * min(scale, 1))) for side in shape)
  buffer = io.BytesIO()
  Image.fromarray(resizing.match_labels(labels, height, width)).save(buffer, 'PNG', compress_level=3)
  atomic_files.write_bytes(path, buffer.getvalue())
