"""What can be wrong with a file, each fault with a name, and what was changed in files that are kept.

A fault refuses one picture and never the others. Its line in the report is `file: what it is (detail); remedy`.
"""

import dataclasses
import enum


class Fault(enum.Enum):
  """Why a picture, or a file, is refused: (what it is, remedy)."""

  EMPTY = ('has zero bytes', 'download it again')
  TRUNCATED = ('ends before the picture does', 'download it again')
  UNREADABLE = ('cannot be read', 'open it in an image editor and save it again')
  NOT_AN_IMAGE = ('is no PNG, JPEG, WebP, BMP or TIFF', 'convert it, or ignore this line if it is no portrait')
  NOT_A_FILE = ('is no regular file', 'put the file itself there')
  HUGE = ('has more pixels than --max-pixels allows', 'make it smaller, or raise --max-pixels if you trust it')
  TOO_SMALL = ('is too small', 'use pictures of at least 8 x 8 pixels')
  NO_LABEL = ('has no label map', 'add a PNG or NPY of the same name to the label folder')
  NO_IMAGE = ('is a label map without an image', 'add the image, or ignore this line')
  NOT_A_LABEL_MAP = ('is no label map', 'store one integer a pixel, as PNG (grey or palette) or NPY')
  PICKLED = ('is a NPY file of pickled objects, which are never loaded', 'save an array of integers')
  LABEL_SIZE = ('has a label map of another shape', 'use a label map with the proportions of its image')
  LABEL_RANGE = ('has a label that the label order does not know', 'declare the right --label-order, or a JSON table with this label')
  UNKNOWN_PART = ('is a mask of no known part', 'use the parts of CelebAMask-HQ, or ignore this line')
  SAME_NAME = ('has the same name as another file', 'rename one of them')
  DUPLICATE = ('has the same bytes as another image', 'ignore this line; the other one is kept')
  NO_VIEWPOINT = ('is not in the viewpoints file', 'add it there')
  NO_FACE = ('has no eyes or no mouth in its label map, so that it cannot be aligned', 'leave --align out')
  FACE_NOT_FOUND = ('shows no face that the parser is sure of', 'crop it to a square as FFHQ does, or leave it out')
  NOT_FRAMED = ('shows its face in a part of it alone', 'add --align, which crops to the face')
  OUT_OF_FRAME = ('has a face too near its border for an aligned crop', 'leave --align out, or use a wider picture')

  @property
  def text(self) -> str:
    return self.value[0]

  @property
  def remedy(self) -> str:
    return self.value[1]


class Note(enum.Enum):
  """What was changed in a picture that is kept."""

  TURNED = 'was turned upright as its EXIF says'
  SIXTEEN_BIT = 'had 16 bits a channel and was reduced to 8'
  CMYK = 'was converted from CMYK'
  PALETTE = 'was converted from a palette'
  ALPHA = 'had transparent parts, which are now grey'
  GREY = 'is grey'
  EXTENSION = 'has an extension of another format than its content'
  FIRST_FRAME = 'has several frames; the first was used'
  LABEL_RESIZED = 'has a label map of another size with the same proportions, which was resized'
  SQUARED = 'was not square and was cut at both ends'
  REFRAMED = 'shows its face in a part of it, which was found and cropped'
  ENLARGED = 'was smaller than the records and was enlarged'
  MISALIGNED = 'has eyes or mouth far from where aligned portraits have them'
  ODD_ANATOMY = 'has a label map with parts out of place'
  NO_CAMERA = 'has a label map that no camera can be read off'


class Refused(Exception):
  """Raised where a fault is found; the picture's line in the report says `detail`."""

  def __init__(self, fault: Fault, detail: str = ''):
    super().__init__(fault, detail)
    self.fault = fault
    self.detail = detail


@dataclasses.dataclass(frozen=True)
class Refusal:
  """One refused file.

  Attributes:
    file: path below the input, printable.
    fault: what is wrong.
    detail: the value that is wrong, on one line; may be empty.
  """

  file: str
  fault: Fault
  detail: str = ''

  def line(self) -> str:
    detail = f' ({self.detail})' if self.detail else ''
    return f'{self.file}: {self.fault.text}{detail}; {self.fault.remedy}'


def printable(name: str, limit: int = 300) -> str:
  """A file name or a message that any terminal, JSON and HTML can show on one line, whatever bytes it is made of."""
  shown = name.encode('utf-8', 'backslashreplace').decode('utf-8')
  shown = ''.join(letter if letter.isprintable() else letter.encode('unicode_escape').decode() for letter in shown)
  return shown if len(shown) <= limit else shown[:limit - 3] + '...'
