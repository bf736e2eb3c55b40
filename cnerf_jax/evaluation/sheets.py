"""Pictures by which a person judges a run: sheets of samples, sheets of what each local generator draws, loss curves.

Axes: I identities, V views, H W image, K semantic classes. Images are in [-1, 1], masks in [0, 1] up to the error of
the run; both are clipped for show. Pixels are enlarged whole: a sheet shows neither more nor less than was rendered.
"""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import io
import math
import os

from jaxtyping import Float
import matplotlib.backends.backend_agg
import matplotlib.figure
import numpy as np
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

from cnerf_jax import atomic_files
from cnerf_jax import jsonl
from cnerf_jax import semantics

MIN_CELL_PIXELS = 64
_PAPER = (255, 255, 255)
_INK = (40, 40, 40)
_GAP = 4
_MARGIN = 10
_TEXT_PIXELS = 13
_LINE_PIXELS = 20
_SMALLEST_SHOWN = 1e-12  # an exact zero, the failure to look for, stays on a logarithmic plot


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


def sample_sheet(
    images: Float[np.ndarray, 'identities views height width 3'],
    masks: Float[np.ndarray, 'identities views height width classes'],
    class_set: semantics.ClassSet, *,
    azimuths: Sequence[float] | None = None,
    title: str = '',
) -> Image.Image:
  """One row per identity, one column per view, each cell image | coloured mask, with a legend of the classes.

  Args:
    images: samples in [-1, 1].
    masks: their semantic masks.
    class_set: gives colours and names.
    azimuths: of the views, radians, for the headings of the columns.
    title: a line above all, such as the step.
  """
  images, masks = np.asarray(images), np.asarray(masks)
  if images.ndim != 5 or images.shape[:-1] != masks.shape[:-1]:
    raise ValueError(f'images {images.shape} and masks {masks.shape} must be [I, V, H, W, 3] and [I, V, H, W, K] '
                     'of the same I, V, H, W')
  cells = np.concatenate([_pixels(images), coloured_mask(masks, class_set)], axis=-2)
  rows = [str(index + 1) for index in range(len(images))]
  return _grid(cells, rows, _headings(azimuths, images.shape[1]), title=title, legend=class_set)


def class_sheet(
    part_images: Float[np.ndarray, 'classes views height width 3'],
    masks: Float[np.ndarray, 'views height width classes'],
    class_set: semantics.ClassSet, *,
    azimuths: Sequence[float] | None = None,
    title: str = '',
) -> Image.Image:
  """What each local generator draws: one row per class, each cell its part of the image | its own mask in its colour.

  Args:
    part_images: for each class the rendering of this class alone, in [-1, 1].
    masks: semantic masks of the whole rendering.
    class_set: gives colours and names.
    azimuths: of the views, radians, for the headings of the columns.
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
  cells = np.concatenate([_pixels(part_images), tinted], axis=-2)
  return _grid(cells, list(class_set.classes), _headings(azimuths, part_images.shape[1]), title=title,
               swatches=class_set.palette)


def save(image: Image.Image, path: str | os.PathLike) -> None:
  """Writes `image` as PNG, whole or not at all; OSError in one line if that fails."""
  buffer = io.BytesIO()
  image.save(buffer, format='PNG')
  atomic_files.write_bytes(path, buffer.getvalue())


def loss_plot(metrics_path: str | os.PathLike, path: str | os.PathLike) -> None:
  """Draws `metrics.jsonl` as small multiples into a PNG.

  Each loss term has a panel, the two discriminators together; accuracies, gradient norms of the terms on the
  generator (logarithmic), mask areas (dotted: of real images), scores and what the oracle reads share one each. Steps
  with values that are not finite are marked in red.

  Args:
    metrics_path: the file, with the names of `train_step` and `score/...`; other names are left out.
    path: the PNG to write.
  """
  records = jsonl.read(metrics_path)
  panels = _panels(sorted({name for record in records for name in record})) or [_Panel('no numbers yet', ())]
  num_columns = min(4, len(panels))
  num_rows = math.ceil(len(panels) / num_columns)
  figure = matplotlib.figure.Figure(figsize=(4.2 * num_columns, 3.0 * num_rows), layout='constrained')
  matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
  for index, panel in enumerate(panels):
    _draw_panel(figure.add_subplot(num_rows, num_columns, index + 1), records, panel)
  buffer = io.BytesIO()
  figure.savefig(buffer, format='png', dpi=90)
  atomic_files.write_bytes(path, buffer.getvalue())


@dataclasses.dataclass(frozen=True)
class _Panel:
  """One small plot.

  Attributes:
    title: above it.
    series: metric names.
    scale: of the values, in matplotlib's words.
    limits: of the values, None for what they span.
  """

  title: str
  series: tuple[str, ...]
  scale: str = 'linear'
  limits: tuple[float, float] | None = None


def _panels(names: Sequence[str]) -> list[_Panel]:
  """The panels for the metrics that are there, in the order in which one looks at them."""
  named = lambda condition: tuple(name for name in names if condition(name))
  terms = lambda player: [name for name in names if name.startswith(f'{player}/') and 'accuracy' not in name]
  normalised = named(lambda name: name.startswith('score/') and name.endswith('_normalised'))
  panels = [
      _Panel('score (0 real, 1 untrained)', normalised),
      _Panel('what the oracle reads', named(lambda name: name in ('score/mask_agreement', 'score/azimuth',
                                                                  'score/elevation')), limits=(-0.25, 1.02)),
      _Panel('discriminator accuracy', named(lambda name: name.endswith(('/accuracy', '/class_accuracy'))),
             limits=(-0.02, 1.02)),
      _Panel('gradient norm on the generator, per term',
             named(lambda name: name.startswith('generator_gradient_norm/')), 'log'),
      _Panel('mask area (dotted: real)', named(lambda name: name.startswith('mask_area/')), 'symlog'),
  ]
  panels += [_Panel(f'generator: {name.partition("/")[2]}', (name,)) for name in terms('generator')]
  discriminators = ('global_discriminator', 'semantic_discriminator')
  for term in sorted({name.partition('/')[2] for player in discriminators for name in terms(player)}):
    series = named(lambda name, term=term: name in [f'{player}/{term}' for player in discriminators])
    panels.append(_Panel(f'discriminators: {term}', series))
  return [panel for panel in panels if panel.series]


def _draw_panel(axes, records: list[dict[str, float]], panel: _Panel) -> None:
  for name in panel.series:
    points = np.array([(record['step'], record[name]) for record in records if name in record], np.float64)
    finite = np.isfinite(points[:, 1])
    for step in points[~finite, 0]:
      axes.axvline(step, color='red', linewidth=1)
    steps, values = points[finite].T
    if panel.scale == 'log':
      values = np.maximum(values, _SMALLEST_SHOWN)
    _draw_series(axes, name, steps, values)
  if panel.scale == 'symlog':
    axes.set_yscale('symlog', linthresh=1e-3)
  else:
    axes.set_yscale(panel.scale)
  axes.set_ylim(panel.limits)
  axes.set_title(panel.title, fontsize=10)
  axes.set_xlabel('step', fontsize=8)
  axes.tick_params(labelsize=8)
  axes.grid(alpha=0.25)
  if len(panel.series) > 1 or panel.limits:
    axes.legend(fontsize=6, ncols=2 if len(panel.series) > 5 else 1)


def _draw_series(axes, name: str, steps: np.ndarray, values: np.ndarray) -> None:
  marker = 'o' if len(steps) < 20 else None
  if not name.startswith('mask_area/'):
    player, _, term = name.partition('/')
    label = player.replace('_', ' ') if term == 'accuracy' or player.endswith('discriminator') else term
    label = f'{label} (class)' if term == 'class_accuracy' else label
    axes.plot(steps, values, label=label.removesuffix('_normalised'), linewidth=1.2, marker=marker, markersize=2.5)
    return
  class_name = name.rpartition('/')[2]
  of_real = name.startswith('mask_area/real/')
  if of_real and len(values):
    values = np.full_like(values, values.mean())  # one batch says little of the data set
  axes.plot(steps, values, label=None if of_real else class_name, color=_class_colour(class_name),
            linewidth=0.9 if of_real else 1.3, linestyle=':' if of_real else '-', marker=None if of_real else marker,
            markersize=2.5)


def _class_colour(name: str) -> tuple[float, float, float] | None:
  for class_set in semantics.CLASS_SETS.values():
    if name in class_set.classes:
      red, green, blue = class_set.palette[class_set.classes.index(name)]
      return red / 255, green / 255, blue / 255
  return None


def _pixels(images: np.ndarray) -> np.ndarray:
  """Images in [-1, 1] as 8-bit pixels; values that are not finite become magenta, so that they are seen."""
  images = np.asarray(images, np.float32)
  broken = ~np.isfinite(images).all(-1, keepdims=True)
  pixels = np.rint(np.clip(np.nan_to_num(images) * 0.5 + 0.5, 0, 1) * 255)
  return np.where(broken, np.array([255, 0, 255]), pixels).astype(np.uint8)


def _headings(azimuths: Sequence[float] | None, num_views: int) -> list[str]:
  if azimuths is None:
    return [f'view {index + 1}' for index in range(num_views)]
  if len(azimuths) != num_views:
    raise ValueError(f'{len(azimuths)} azimuths do not fit {num_views} views; give one per view')
  return [f'{math.degrees(azimuth):+.0f}°' for azimuth in azimuths]


def _font() -> ImageFont.ImageFont:
  return ImageFont.load_default(size=_TEXT_PIXELS)


def _grid(
    cells: np.ndarray, rows: Sequence[str], columns: Sequence[str], *,
    title: str = '',
    legend: semantics.ClassSet | None = None,
    swatches: Sequence[tuple[int, int, int]] | None = None,
) -> Image.Image:
  """Cells [rows, columns, height, width, 3], each image | mask, on paper with headings."""
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
