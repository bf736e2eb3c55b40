"""The one place where files of unknown make are opened: to 8-bit RGB, or to a map of integers, or to a named fault.

Only header and content count, never the extension. No pickle is loaded, no picture larger than allowed is decoded, and whatever a
decoder raises becomes a `faults.Refused`.
"""

import contextlib
import os
import re
import stat
import warnings

import numpy as np
from jaxtyping import Int, UInt8
from PIL import Image

from data_pipeline.prepare import faults
from data_pipeline.prepare.faults import Fault, Note

MAX_PIXELS = 64 * 2**20  # 8192 x 8192
MIN_SIDE = 8
# formats whose decoders need no other program, and what their files are called
FORMATS = {
    'PNG': ('.png',), 'JPEG': ('.jpg', '.jpeg', '.jpe', '.jfif'), 'WEBP': ('.webp',), 'BMP': ('.bmp', '.dib'), 'TIFF': ('.tif', '.tiff')}
EXTENSIONS = tuple(extension for extensions in FORMATS.values() for extension in extensions)
LABEL_EXTENSIONS = ('.png', '.npy')
_ALIASES = {'MPO': 'JPEG'}  # cameras' JPEG with a preview behind it
_NPY = b'\x93NUMPY'
_BACKDROP = (128, 128, 128, 255)
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90}
_SIDEWAYS = (5, 6, 7, 8)
_CUT_OFF = re.compile(r'truncat|broken|premature|incomplete|unexpected end|eof|not enough', re.IGNORECASE)


def read_image(path: str, max_pixels: int = MAX_PIXELS) -> tuple[UInt8[np.ndarray, 'height width 3'], tuple[Note, ...]]:
  """(8-bit RGB, upright; what had to be changed).

  Raises:
    faults.Refused: whatever is wrong with the file.
  """
  with _opened(path, max_pixels) as image:
    notes = []
    if not path.lower().endswith(FORMATS[_format(image)]):
      notes.append(Note.EXTENSION)
    if getattr(image, 'n_frames', 1) > 1 and image.format != 'MPO':
      notes.append(Note.FIRST_FRAME)
    if image.mode.startswith('I') or any(';16' in str(tile) for tile in image.tile):
      notes.append(Note.SIXTEEN_BIT)
    orientation = _orientation(image)
    image.load()
    if min(image.size) < MIN_SIDE:
      raise faults.Refused(Fault.TOO_SMALL, f'{image.width} x {image.height}')
    rgb, converted = _to_rgb(image)
    if orientation in _UPRIGHT:
      rgb = rgb.transpose(_UPRIGHT[orientation])
      notes.append(Note.TURNED)
    return np.asarray(rgb), (*notes, *converted)


def read_label(path: str, max_pixels: int = MAX_PIXELS) -> Int[np.ndarray, 'height width']:
  """A map of integers from a PNG (grey, palette, or colours with equal channels) or NPY file.

  Raises:
    faults.Refused: whatever is wrong with the file.
  """
  if path.lower().endswith('.npy'):
    return _read_npy(path, max_pixels)
  with _opened(path, max_pixels) as image:
    if _format(image) in ('JPEG', 'WEBP'):
      raise faults.Refused(Fault.NOT_A_LABEL_MAP, f'{_format(image)} changes values')
    image.load()
    values = np.asarray(image)
    if values.ndim == 3:
      channels = values[..., :1] if image.mode == 'LA' else values[..., :3]
      if image.mode not in ('LA', 'RGB', 'RGBA') or (channels != channels[..., :1]).any():
        raise faults.Refused(Fault.NOT_A_LABEL_MAP, f'colours, mode {image.mode}')
      values = channels[..., 0]
    if values.dtype == bool:
      values = values.astype(np.uint8)
    if not np.issubdtype(values.dtype, np.integer):
      raise faults.Refused(Fault.NOT_A_LABEL_MAP, f'values of type {values.dtype}')
    return values


def image_size(path: str, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
  """(height, width) of the upright image, from its header alone."""
  with _opened(path, max_pixels) as image:
    width, height = image.size
    return (width, height) if _orientation(image) in _SIDEWAYS else (height, width)


def is_image(path: str) -> bool:
  """Whether the content of a file looks like an image, whatever it is called."""
  try:
    with _opened(path, MAX_PIXELS):
      return True
  except faults.Refused as refused:
    return refused.fault is Fault.HUGE


def check_regular(path: str) -> os.stat_result:
  """The file's status; Refused if it can't be opened without harm (a pipe would wait for ever) or is empty."""
  try:
    status = os.stat(path)
  except (OSError, ValueError) as error:
    raise faults.Refused(Fault.UNREADABLE, _words(error)) from error
  if not stat.S_ISREG(status.st_mode):
    raise faults.Refused(Fault.NOT_A_FILE)
  if status.st_size == 0:
    raise faults.Refused(Fault.EMPTY)
  return status


@contextlib.contextmanager
def _opened(path: str, max_pixels: int):
  """A lazily opened picture of allowed format and size; whatever goes wrong with it becomes Refused."""
  check_regular(path)
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')  # damaged EXIF and the like: nothing that the pixels depend on
    warnings.simplefilter('error', Image.DecompressionBombWarning)
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels
    try:
      with Image.open(path, formats=list(FORMATS)) as image:
        if image.width * image.height > max_pixels:
          raise faults.Refused(Fault.HUGE, f'{image.width} x {image.height}')
        yield image
    except faults.Refused:
      raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
      found = re.search(r'\((\d+) pixels', str(error))
      raise faults.Refused(Fault.HUGE, f'{found.group(1)} pixels' if found else '') from error
    except Image.UnidentifiedImageError as error:
      raise faults.Refused(Fault.NOT_AN_IMAGE) from error
    except Exception as error:  # decoders meet damaged bytes with errors of any type
      fault = Fault.TRUNCATED if _CUT_OFF.search(str(error)) else Fault.UNREADABLE
      raise faults.Refused(fault, _words(error)) from error
    finally:
      Image.MAX_IMAGE_PIXELS = limit


def _format(image: Image.Image) -> str:
  return _ALIASES.get(image.format, image.format)


def _orientation(image: Image.Image) -> int:
  try:
    return int(image.getexif().get(_ORIENTATION, 1))
  except Exception:  # damaged EXIF says nothing about the pixels
    return 1


def _to_rgb(image: Image.Image) -> tuple[Image.Image, list[Note]]:
  """8-bit RGB and what was changed on the way there."""
  notes = []
  if image.mode == 'CMYK':
    notes.append(Note.CMYK)
  if image.mode in ('P', 'PA'):
    notes.append(Note.PALETTE)
    image = image.convert('RGBA')
  if image.mode.startswith('I'):
    values = np.asarray(image)
    image = Image.fromarray(np.clip(np.round(values / 257), 0, 255).astype(np.uint8))
  if image.mode == 'F':
    raise faults.Refused(Fault.UNREADABLE, 'floating-point pixels')
  if image.mode in ('1', 'L', 'LA', 'La'):
    notes.append(Note.GREY)
  if image.mode in ('LA', 'La', 'RGBa', 'RGBA') or 'transparency' in image.info:
    image = image.convert('RGBA')
    if image.getextrema()[3][0] < 255:
      notes.append(Note.ALPHA)
      image = Image.alpha_composite(Image.new('RGBA', image.size, _BACKDROP), image)
  return image.convert('RGB'), notes


def _read_npy(path: str, max_pixels: int) -> Int[np.ndarray, 'height width']:
  check_regular(path)
  try:
    with open(path, 'rb') as file:
      start = file.read(len(_NPY))
    if start != _NPY:
      fault = {b'\x80': Fault.PICKLED, b'P': Fault.NOT_A_LABEL_MAP}.get(start[:1], Fault.UNREADABLE)
      raise faults.Refused(fault, 'no NPY file')
    values = np.load(path, mmap_mode='r', allow_pickle=False)  # only the header is read
  except faults.Refused:
    raise
  except Exception as error:  # damaged headers meet errors of any type
    pickled = 'allow_pickle' in str(error) or 'object' in str(error)
    cut_off = 'mmap length' in str(error) or _CUT_OFF.search(str(error))
    raise faults.Refused(Fault.PICKLED if pickled else Fault.TRUNCATED if cut_off else Fault.UNREADABLE, _words(error)) from error
  shape = tuple(side for side in values.shape if side != 1) if values.ndim == 3 else values.shape
  if len(shape) != 2 or not values.size or not (np.issubdtype(values.dtype, np.integer) or values.dtype == bool):
    raise faults.Refused(Fault.NOT_A_LABEL_MAP, f'array of shape {values.shape}, type {values.dtype}')
  if values.size > max_pixels:
    raise faults.Refused(Fault.HUGE, f'{shape[1]} x {shape[0]}')
  values = np.array(values).reshape(shape)
  return values.astype(np.uint8) if values.dtype == bool else values


def _words(error: BaseException) -> str:
  """An error on one line, without paths of this machine."""
  words = getattr(error, 'strerror', None) or ' '.join(str(error).split()) or type(error).__name__
  return faults.printable(re.sub(r"'?/\S*'?", '', words).strip(), 120)
