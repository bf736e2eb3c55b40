"""Which files belong together, in each layout that portraits come in. Only names are looked at here.

- `folder`: images anywhere below one folder, label maps below another, with the same path but for the extension.
- `ffhq`: the download's `images1024x1024/` (or `thumbnails128x128/`), label maps in a folder of the user's.
- `celebamask-hq`: the download's `CelebA-HQ-img/` and `CelebAMask-HQ-mask-anno/<0-14>/<00000>_<part>.png`.

Every file of these folders is either part of a candidate or refused by name: nothing is passed over in silence.
"""

from collections.abc import Iterator
import dataclasses
import os
import unicodedata

from data_pipeline.prepare import decoding
from data_pipeline.prepare import faults
from data_pipeline.prepare import label_orders
from data_pipeline.prepare.faults import Fault

CELEBA_IMAGES = 'CelebA-HQ-img'
CELEBA_PARTS = 'CelebAMask-HQ-mask-anno'
FFHQ_IMAGES = ('images1024x1024', 'thumbnails128x128')
LAYOUTS = ('folder', 'ffhq', 'celebamask-hq')


@dataclasses.dataclass(frozen=True)
class Candidate:
  """An image and where its labels come from.

  Attributes:
    name: path below the image folder without extension, NFC-normalised; unique.
    image: path.
    label_map: path of its label map, if it has one.
    parts: (label, path) of the masks of single parts, in the order in which they are painted over each other.
  """

  name: str
  image: str
  label_map: str | None = None
  parts: tuple[tuple[int, str], ...] = ()

  @property
  def label_files(self) -> tuple[str, ...]:
    return tuple(path for _, path in self.parts) if self.parts else (self.label_map,) if self.label_map else ()


@dataclasses.dataclass(frozen=True)
class Listing:
  """What a layout contains: candidates by name, files that are none, and the folders that all paths are shown relative to."""

  candidates: tuple[Candidate, ...]
  refused: tuple[faults.Refusal, ...]
  layout: str


def detect(folder: str) -> str:
  """The layout of an input folder."""
  if os.path.isdir(os.path.join(folder, CELEBA_IMAGES)):
    return 'celebamask-hq'
  if any(os.path.isdir(os.path.join(folder, name)) for name in FFHQ_IMAGES):
    return 'ffhq'
  return 'folder'


def image_folder(folder: str, layout: str) -> str:
  """Where the images of a layout are; ValueError in one line if they are not there."""
  names = {'folder': ('',), 'ffhq': FFHQ_IMAGES, 'celebamask-hq': (CELEBA_IMAGES,)}[layout]
  for name in names:
    if os.path.isdir(os.path.join(folder, name)):
      return os.path.join(folder, name) if name else folder
  raise ValueError(f'no folder {" or ".join(names)} in {faults.printable(folder)}, as layout {layout} has it; give the folder that '
                   f'contains it, or --layout one of {", ".join(LAYOUTS)}')


def read(folder: str, layout: str, labels: str | None, needs_labels: bool = True) -> Listing:
  """Lists an input folder.

  Args:
    folder: the input.
    layout: one of LAYOUTS.
    labels: folder of label maps; not for `celebamask-hq`, which has its own masks.
    needs_labels: False if a parser makes the label maps: then images need none, and `labels` is None.
  """
  images_at = image_folder(folder, layout)
  images, refused = _images(images_at, skip=labels)
  if not needs_labels:
    found = [Candidate(name, path) for name, path in images.items()]
  elif layout == 'celebamask-hq' and labels is None:
    found, more = _with_parts(images, os.path.join(folder, CELEBA_PARTS))
    refused += more
  else:
    found, more = _with_maps(images, labels)
    refused += more
  return Listing(tuple(sorted(found, key=lambda one: one.name)), tuple(sorted(refused, key=lambda one: (one.file, one.fault.name))), layout)


def shown(path: str, folder: str) -> str:
  """A path as the report shows it: the folder's own name, and what is below."""
  return faults.printable(os.path.join(os.path.basename(os.path.abspath(folder)), os.path.relpath(path, folder)))


def _files(folder: str, skip: str | None = None) -> Iterator[str]:
  """Every file below a folder, in order of names; linked and locked folders are shown as files and not entered."""
  avoid = os.path.realpath(skip) if skip else None
  locked = []
  for here, folders, files in os.walk(folder, onerror=lambda error: locked.append(error.filename)):
    linked = [name for name in folders if os.path.islink(os.path.join(here, name))]
    folders[:] = sorted(
        name for name in folders if name not in linked and os.path.realpath(os.path.join(here, name)) != avoid)
    yield from (os.path.join(here, name) for name in sorted(files + linked))
  yield from sorted(locked)


def _key(path: str, folder: str) -> str:
  return unicodedata.normalize('NFC', os.path.splitext(os.path.relpath(path, folder))[0].replace(os.sep, '/'))


def _images(folder: str, skip: str | None) -> tuple[dict[str, str], list[faults.Refusal]]:
  """Images by name: all files with an image's extension, and those with another whose content is one."""
  images, refused = {}, []
  for path in _files(folder, skip):
    if not path.lower().endswith(decoding.EXTENSIONS):
      fault = _oddity(path)
      if fault is not None:
        refused.append(faults.Refusal(shown(path, folder), fault))
        continue
    name = _key(path, folder)
    if name in images:
      refused.append(faults.Refusal(shown(path, folder), Fault.SAME_NAME, faults.printable(os.path.basename(images[name]))))
    else:
      images[name] = path
  return images, refused


def _oddity(path: str) -> Fault | None:
  """What is wrong with a file whose extension is no image's; None if its content is one all the same."""
  try:
    decoding.check_regular(path)
  except faults.Refused as refused:
    return refused.fault
  return None if decoding.is_image(path) else Fault.NOT_AN_IMAGE


def _with_maps(images: dict[str, str], folder: str) -> tuple[list[Candidate], list[faults.Refusal]]:
  """Candidates whose label maps have the image's path, or its last name where that is unique on both sides."""
  maps, refused = {}, []
  for path in _files(folder):
    name = _key(path, folder)
    if not path.lower().endswith(decoding.LABEL_EXTENSIONS):
      refused.append(faults.Refusal(shown(path, folder), Fault.NOT_A_LABEL_MAP, 'no .png or .npy'))
    elif name in maps:
      refused.append(faults.Refusal(shown(path, folder), Fault.SAME_NAME, faults.printable(os.path.basename(maps[name]))))
    else:
      maps[name] = path
  by_last = _unique_last(maps)
  image_last = _unique_last(images)
  found = []
  used = set()
  for name, path in images.items():
    last = name.rsplit('/', 1)[-1]
    label = maps.get(name) or (maps.get(by_last.get(last)) if image_last.get(last) == name else None)
    if label is not None:
      used.add(label)
    found.append(Candidate(name, path, label_map=label))
  refused += [faults.Refusal(shown(path, folder), Fault.NO_IMAGE) for path in maps.values() if path not in used]
  return found, refused


def _unique_last(names: dict[str, str]) -> dict[str, str]:
  """Full name of each last name that occurs once."""
  full = {}
  for name in names:
    full.setdefault(name.rsplit('/', 1)[-1], []).append(name)
  return {last: several[0] for last, several in full.items() if len(several) == 1}


def _with_parts(images: dict[str, str], folder: str) -> tuple[list[Candidate], list[faults.Refusal]]:
  """Candidates with one mask file for each part that the person has."""
  if not os.path.isdir(folder):
    raise ValueError(f'no folder {faults.printable(folder)}; layout celebamask-hq has its masks there (or give --labels with label maps)')
  by_number = {_number(name): name for name in images if _number(name) is not None}
  parts: dict[str, list[tuple[int, str]]] = {}
  refused = []
  for path in _files(folder):
    number, _, part = os.path.splitext(os.path.basename(path))[0].partition('_')
    if part not in label_orders.LABELS[1:] or not path.lower().endswith('.png'):
      refused.append(faults.Refusal(shown(path, folder), Fault.UNKNOWN_PART))
    elif _number(number) not in by_number:
      refused.append(faults.Refusal(shown(path, folder), Fault.NO_IMAGE))
    else:
      of_image = parts.setdefault(by_number[_number(number)], [])
      label = label_orders.LABELS.index(part)
      if label in (other for other, _ in of_image):
        refused.append(faults.Refusal(shown(path, folder), Fault.SAME_NAME, 'a mask of the same part in another folder'))
      else:
        of_image.append((label, path))
  return [Candidate(name, path, parts=tuple(sorted(parts.get(name, ())))) for name, path in images.items()], refused


def _number(name: str) -> int | None:
  """The number that a file of CelebA-HQ is named for."""
  return int(name) if name.isascii() and name.isdigit() else None
