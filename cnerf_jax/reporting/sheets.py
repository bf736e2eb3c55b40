"""Pictures of a run for people to look at: sheets of samples with their surfaces, and of what each local generator draws.

Axes: I identities, V views, H W image, K semantic classes. Images are in [-1, 1], masks in [0, 1] up to the error of
the run; both are clipped for show. Pixels are enlarged whole: a sheet shows neither more nor less than was rendered.
"""

from __future__ import annotations

from collections.abc import Sequence
import io
import math
import os

from jaxtyping import Float
import numpy as np
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

from cnerf_jax import semantics
from cnerf_jax.persistence import atomic_files

MIN_CELL_PIXELS = 64
_PAPER = (255, 255, 255)
_INK = (40, 40, 40)
_GAP = 4
_MARGIN = 10
_TEXT_PIXELS = 13
_LINE_PIXELS = 20
_FULL_CHANGE = 32  # 8-bit steps, drawn in full colour


def coloured_mask(
    semantic_mask: Float[np.ndarray, '*batch height width classes'], class_set: semantics.ClassSet,
) -> np.ndarray:
  """The palette colour of the strongest class of each pixel over white, as opaque as the masks' sum; uint8 [..., 3]."""
  semantic_mask = np.nan_to_num(np.asarray(semantic_mask, np.float32))
  if semantic_mask.shape[-1] != class_set.num_classes:
    raise ValueError(f'{semantic_mask.shape[-1]} mask channels do not fit the {class_set.num_classes} classes of '
                     f'{class_set.name}; use the class set the masks were made with')
  colour = np.asarray(class_set.palette, np.float32)[semantic_mask.argmax(-1)]
  opacity = np.clip(np.clip(semantic_mask, 0, 1).sum(-1, keepdims=True), 0, 1)
  return np.rint(colour * opacity + 255 * (1 - opacity)).astype(np.uint8)


def coloured_normals(normals: Float[np.ndarray, '*batch height width 3']) -> np.ndarray:
  """Normals in camera axes (x right, y up, z towards the camera) as colours, -1 to 1 as 0 to 255; uint8 [..., 3].

  A nose of true relief is blue on the left side of the picture and pink on the right; that of a hollow mold, the other way round. A normal
  shorter than 1 fades to white: multiplied by its opacity, a surface is shown as opaque as it is.
  """
  normals = np.asarray(normals, np.float32)
  length = np.linalg.norm(normals, axis=-1, keepdims=True)
  return pixels(normals + np.clip(1 - length, 0, 1))


def coloured_depth(depth: Float[np.ndarray, '*batch height width'], *, near: float, far: float) -> np.ndarray:
  """Depths as grey, from bright at `near` to dark at `far`; uint8 [..., 3]."""
  grey = 1 - np.clip((np.asarray(depth, np.float32) - near) / max(far - near, 1e-6), 0, 1)
  return pixels(np.repeat(1.8 * grey[..., None] - 0.9, 3, axis=-1))


def coloured_difference(
    images: Float[np.ndarray, '*batch height width 3'], others: Float[np.ndarray, '*batch height width 3'], *, gain: float = 2.0,
) -> np.ndarray:
  """What two pictures in [-1, 1] differ by: white where they don't, the darker the more; uint8 [..., 3].

  Args:
    images: in [-1, 1].
    others: to compare with.
    gain: black is a mean difference over the channels of 2 / gain.
  """
  difference = np.abs(np.clip(images, -1, 1) - np.clip(others, -1, 1)).mean(-1, keepdims=True)
  return pixels(np.repeat(1 - gain * difference, 3, axis=-1))


def sample_sheet(
    images: Float[np.ndarray, 'identities views height width 3'],
    masks: Float[np.ndarray, 'identities views height width classes'],
    normals: Float[np.ndarray, 'identities views height width 3'],
    class_set: semantics.ClassSet, *,
    azimuths: Sequence[float] | None = None,
    rows: Sequence[str] | None = None,
    title: str = '',
) -> Image.Image:
  """One row per identity, one column per view, each cell image | coloured mask | normals, with a legend of the classes.

  Args:
    images: samples in [-1, 1].
    masks: their semantic masks.
    normals: of their surfaces, see `coloured_normals`.
    class_set: gives colours and names.
    azimuths: of the views, radians, for the headings of the columns.
    rows: names of the identities; their numbers from 1 if None.
    title: a line above all, such as the step.
  """
  images, masks, normals = np.asarray(images), np.asarray(masks), np.asarray(normals)
  if images.ndim != 5 or images.shape[:-1] != masks.shape[:-1] or images.shape != normals.shape:
    raise ValueError(f'images {images.shape}, masks {masks.shape} and normals {normals.shape} must be [I, V, H, W, 3], '
                     '[I, V, H, W, K] and [I, V, H, W, 3] of the same I, V, H, W')
  cells = np.concatenate([pixels(images), coloured_mask(masks, class_set), coloured_normals(normals)], axis=-2)
  rows = [str(index + 1) for index in range(len(images))] if rows is None else rows
  return grid(cells, rows, headings(azimuths, images.shape[1]), title=title, legend=class_set)


def class_sheet(
    part_images: Float[np.ndarray, 'classes views height width 3'],
    masks: Float[np.ndarray, 'views height width classes'],
    class_set: semantics.ClassSet, *,
    azimuths: Sequence[float] | None = None,
    columns: Sequence[str] | None = None,
    title: str = '',
) -> Image.Image:
  """What each local generator draws: one row per class, each cell its part of the image | its own mask in its colour.

  Args:
    part_images: for each class the rendering of this class alone, in [-1, 1].
    masks: semantic masks of the whole rendering.
    class_set: gives colours and names.
    azimuths: of the views, radians, for the headings of the columns.
    columns: these headings, where views are not of azimuths.
    title: a line above all.
  """
  part_images, masks = np.asarray(part_images), np.nan_to_num(np.asarray(masks, np.float32))
  if part_images.ndim != 5 or len(part_images) != class_set.num_classes or (
      masks.shape != (*part_images.shape[1:4], class_set.num_classes)):
    raise ValueError(f'part_images {part_images.shape} and masks {masks.shape} must be [K, V, H, W, 3] and '
                     f'[V, H, W, K] with the {class_set.num_classes} classes of {class_set.name}')
  own_masks = np.clip(np.moveaxis(masks, -1, 0), 0, 1)[..., None]
  colours = np.asarray(class_set.palette, np.float32)[:, None, None, None, :]
  tinted = np.rint(colours * own_masks + 255 * (1 - own_masks)).astype(np.uint8)
  cells = np.concatenate([pixels(part_images), tinted], axis=-2)
  columns = headings(azimuths, part_images.shape[1]) if columns is None else columns
  return grid(cells, list(class_set.classes), columns, title=title,
               swatches=class_set.palette)


def leak_sheet(
    examples: Float[np.ndarray, 'classes 3 height width 3'],
    inside: Float[np.ndarray, 'classes kinds height width'],
    outside: Float[np.ndarray, 'classes kinds height width'],
    class_set: semantics.ClassSet, *,
    kinds: Sequence[str],
    title: str = '',
) -> Image.Image:
  """What edits change: one row per class; a donor, a receiver, the receiver with the donor's class, and a map of changes of each kind of edit.

  Args:
    examples: donor, receiver and edited receiver, in [-1, 1].
    inside: mean change of each pixel where the class is, 8-bit steps; green, full at 32 steps.
    outside: the same elsewhere: leaks; red.
    class_set: gives colours and names.
    kinds: of edits, for the headings of the columns.
    title: a line above all.
  """
  examples, inside, outside = (np.asarray(x, np.float32) for x in (examples, inside, outside))
  if examples.ndim != 5 or len(examples) != class_set.num_classes or inside.shape != outside.shape or (
      inside.shape != (len(examples), len(kinds), *examples.shape[2:4])):
    raise ValueError(f'examples {examples.shape}, inside {inside.shape} and outside {outside.shape} must be [K, 3, H, W, 3] and twice '
                     f'[K, {len(kinds)}, H, W] with the {class_set.num_classes} classes of {class_set.name}')
  strength = np.clip(np.nan_to_num(np.stack([inside, outside], axis=-1)) / _FULL_CHANGE, 0, 1)
  ink = np.float32([[0, 130, 60], [220, 0, 0]])
  maps = np.clip(255 - strength @ (255 - ink), 0, 255).astype(np.uint8)
  columns = ['donor', 'receiver', 'edited', *kinds]
  return grid(np.concatenate([pixels(examples), maps], axis=1), list(class_set.classes), columns,
              title=f'{title}; changes where the class is: green, elsewhere: red', swatches=class_set.palette)


def nearest_sheet(
    nearest: tuple[np.ndarray, np.ndarray, np.ndarray], others: tuple[np.ndarray, np.ndarray, np.ndarray], *, title: str = '',
) -> Image.Image:
  """Samples, each beside the training portrait nearest to it: a column of those nearest to one, a column of others, with their distances.

  Args:
    nearest: samples and portraits, both [samples, H, W, 3] in [-1, 1], and distances [samples].
    others: likewise, not more; cells that are left over stay white.
    title: a line above all.
  """
  cells = [np.concatenate([pixels(samples), pixels(portraits)], axis=-2) for samples, portraits, _ in (nearest, others)]
  left_over = np.full((len(cells[0]) - len(cells[1]), *cells[0].shape[1:]), 255, np.uint8)
  rows = [' | '.join(f'{pair[-1][row]:.2f}' for pair in (nearest, others) if row < len(pair[-1])) for row in range(len(cells[0]))]
  return grid(np.stack([cells[0], np.concatenate([cells[1], left_over])], axis=1), rows, ['nearest', 'random'], title=title)


def save(image: Image.Image, path: str | os.PathLike) -> None:
  """Writes `image` as PNG, whole or not at all; OSError in one line if that fails."""
  buffer = io.BytesIO()
  image.save(buffer, format='PNG')
  atomic_files.write_bytes(path, buffer.getvalue())


def pixels(images: Float[np.ndarray, '*batch height width channels']) -> np.ndarray:
  """Images in [-1, 1] as 8-bit pixels; values that are not finite become magenta, so that they are seen."""
  images = np.asarray(images, np.float32)
  broken = ~np.isfinite(images).all(-1, keepdims=True)
  whole = np.rint(np.clip(np.nan_to_num(images) * 0.5 + 0.5, 0, 1) * 255)
  return np.where(broken, np.array([255, 0, 255]), whole).astype(np.uint8)


def headings(azimuths: Sequence[float] | None, num_views: int) -> list[str]:
  """Azimuths (radians) in degrees for the columns of a sheet, or numbers of views if there are none."""
  if azimuths is None:
    return [f'view {index + 1}' for index in range(num_views)]
  if len(azimuths) != num_views:
    raise ValueError(f'{len(azimuths)} azimuths do not fit {num_views} views; give one per view')
  return [f'{math.degrees(azimuth):+.0f}°' for azimuth in azimuths]


def _font() -> ImageFont.ImageFont:
  return ImageFont.load_default(size=_TEXT_PIXELS)


def grid(
    cells: np.ndarray, rows: Sequence[str], columns: Sequence[str], *,
    title: str = '',
    legend: semantics.ClassSet | None = None,
    swatches: Sequence[tuple[int, int, int]] | None = None,
) -> Image.Image:
  """A sheet of cells on paper.

  Args:
    cells: uint8 [rows, columns, height, width, 3]; those of less than MIN_CELL_PIXELS are enlarged, whole pixels.
    rows: their names.
    columns: their headings.
    title: a line above all.
    legend: names and colours of its classes are put below.
    swatches: a colour beside the name of each row.
  """
  height, width = cells.shape[2:4]
  enlarge = max(1, math.ceil(MIN_CELL_PIXELS / height))
  cells = cells.repeat(enlarge, axis=2).repeat(enlarge, axis=3)
  height, width = height * enlarge, width * enlarge
  font = _font()
  swatch = 14 if swatches else 0
  label_width = math.ceil(max(font.getlength(name) for name in rows)) + swatch + 2 * _GAP
  left, top = _MARGIN + label_width, _MARGIN + _LINE_PIXELS * (2 if title else 1)
  sheet_width = max(left + len(columns) * (width + _GAP), _MARGIN + math.ceil(font.getlength(title))) + _MARGIN
  legend_rows = _legend_layout(legend, sheet_width, font) if legend else []
  sheet_height = top + len(rows) * (height + _GAP) + len(legend_rows) * _LINE_PIXELS + _MARGIN
  sheet = Image.new('RGB', (sheet_width, sheet_height), _PAPER)
  draw = ImageDraw.Draw(sheet)
  if title:
    draw.text((_MARGIN, _MARGIN), title, fill=_INK, font=font)
  for column, heading in enumerate(columns):
    words = f'azimuth {heading}' if heading.endswith('°') and width >= 110 else heading
    draw.text((left + column * (width + _GAP) + width // 2, top - _LINE_PIXELS + 2), words, fill=_INK, font=font,
              anchor='ma')
  for row, name in enumerate(rows):
    y = top + row * (height + _GAP)
    if swatches:
      draw.rectangle((_MARGIN, y + height // 2 - 5, _MARGIN + 10, y + height // 2 + 5), fill=swatches[row])
    draw.text((_MARGIN + swatch, y + height // 2), name, fill=_INK, font=font, anchor='lm')
    for column in range(len(columns)):
      sheet.paste(Image.fromarray(cells[row, column]), (left + column * (width + _GAP), y))
  for index, entries in enumerate(legend_rows):
    y = top + len(rows) * (height + _GAP) + index * _LINE_PIXELS
    for x, name, colour in entries:
      draw.rectangle((x, y + 4, x + 12, y + 16), fill=colour, outline=_INK)
      draw.text((x + 17, y + 10), name, fill=_INK, font=font, anchor='lm')
  return sheet


def _legend_layout(class_set: semantics.ClassSet, sheet_width: int, font: ImageFont.ImageFont) -> list[list[tuple]]:
  """Rows of (x, name, colour), as many to a row as fit."""
  rows, x = [[]], _MARGIN
  for name, colour in zip(class_set.classes, class_set.palette, strict=True):
    width = 17 + math.ceil(font.getlength(name)) + 14
    if rows[-1] and x + width > sheet_width - _MARGIN:
      rows.append([])
      x = _MARGIN
    rows[-1].append((x, name, colour))
    x += width
  return rows
