"""The report as a page to look at: image | mask sheets, mean masks, tables, and each refused file with its reason.

The page is rendered by jinja2, which escapes every value: file names may be hostile. Where jinja2 is not installed there is no page.
"""

from collections.abc import Collection, Sequence
import importlib.util
import io
import math
import pathlib
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from PIL import ImageDraw
from PIL import ImageFont

from cnerf_jax import semantics
from cnerf_jax.persistence import atomic_files
from data_pipeline import stored_records
from data_pipeline.prepare import journal
from data_pipeline.prepare import label_orders

_TEMPLATE = pathlib.Path(__file__).with_name('report_page.html')
_SHEET_PAIRS, _COLUMNS = 48, 6
_ODD_PAIRS = 12
_SHEET_TURNED, _TURNED_COLUMNS = 36, 12  # images sorted by an angle
_CAPTION = 18  # pixels under each
_TILE = 96  # pixels a side on the sheet
_MEAN_OF = 1024  # label maps that the mean masks are made of
_LISTED = 400  # files a list shows; report.json has them all
PALETTE = np.array([semantics.FFHQ12.palette[channel] for channel in semantics.FFHQ12.celebamask_hq], np.uint8)


def is_possible() -> bool:
  """Whether jinja2, of the extra `report`, is installed."""
  return importlib.util.find_spec('jinja2') is not None


def write(
    path: pathlib.Path, report: dict[str, Any], manifests: Sequence[journal.ShardManifest], folders: dict[int, pathlib.Path],
) -> None:
  """Writes the report page, and its pictures beside it; ImportError without jinja2 (`is_possible`).

  Args:
    path: of the page.
    report: as plain values, as in report.json.
    manifests: of all shards.
    folders: data set of each size; the smallest one is shown.
  """
  pictures = {}
  if folders:
    pictures = _pictures(manifests, folders[min(folders)])
  for name, pixels in pictures.items():
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'PNG')
    atomic_files.write_bytes(path.parent / 'pictures' / f'{name}.png', buffer.getvalue())
  atomic_files.write_text(path, render(report, pictures))


def render(report: dict[str, Any], pictures: Collection[str]) -> str:
  """The page as HTML, with the pictures that are there."""
  import jinja2  # optional

  environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
  template = environment.from_string(_TEMPLATE.read_text(encoding='utf-8'))
  return template.render(report=report, pictures=set(pictures), palette=PALETTE.tolist(), listed=_LISTED, pi=math.pi)


def _pictures(manifests: Sequence[journal.ShardManifest], folder: pathlib.Path) -> dict[str, UInt8[np.ndarray, '...']]:
  """Every picture of the report page by name."""
  splits = {manifest.split: None for manifest in manifests if manifest.kept}
  stored = {split: stored_records.StoredRecords(folder, split) for split in splits}
  places = {split: 0 for split in splits}
  where = []  # (split, index of the record, fit) of each kept picture
  viewpoints = []  # of those whose camera is known: ((azimuth, elevation), split, index)
  for manifest in manifests:
    for one in manifest.kept:
      where.append((manifest.split, places[manifest.split], one.fit))
      if one.viewpoint is not None:
        viewpoints.append((one.viewpoint, manifest.split, places[manifest.split]))
      places[manifest.split] += 1
  spread = lambda count: [where[i] for i in np.unique(np.linspace(0, len(where) - 1, min(count, len(where))).astype(int))]
  odd = sorted((one for one in where if one[2] < 1), key=lambda one: one[2])[:_ODD_PAIRS]
  pairs = lambda chosen: [(record['image'], record['label']) for record in (stored[split][index] for split, index, _ in chosen)]
  pictures = {'contact_sheet': contact_sheet(pairs(spread(_SHEET_PAIRS)))}
  if odd:
    pictures['odd'] = contact_sheet(pairs(odd))
  for k, name in enumerate(('azimuth', 'elevation')):
    ordered = sorted(viewpoints, key=lambda one: one[0][k])
    chosen = [ordered[i] for i in np.unique(np.linspace(0, len(ordered) - 1, min(_SHEET_TURNED, len(ordered))).astype(int))]
    if chosen:
      pictures[f'by_{name}'] = turned_sheet([(stored[split][index]['image'], viewpoint[k]) for viewpoint, split, index in chosen])
  total = 0
  for split, index, _ in spread(_MEAN_OF):
    total = total + np.eye(len(label_orders.LABELS), dtype=np.uint32)[stored[split][index]['label']]
  mean = total / max(len(spread(_MEAN_OF)), 1)
  for label, name in enumerate(label_orders.LABELS):
    tile = Image.fromarray(np.round(255 * mean[..., label]).astype(np.uint8)).resize((_TILE, _TILE), Image.Resampling.BOX)
    pictures[f'mean_{name}'] = np.asarray(tile)
  return pictures


def turned_sheet(pairs: Sequence[tuple[np.ndarray, float]]) -> UInt8[np.ndarray, 'height width 3']:
  """Images with an angle under each, in degrees, several a row."""
  columns = min(_TURNED_COLUMNS, len(pairs))
  rows = -(-len(pairs) // columns)
  sheet = Image.new('RGB', (columns * _TILE, rows * (_TILE + _CAPTION)), (255, 255, 255))
  draw = ImageDraw.Draw(sheet)
  for k, (image, angle) in enumerate(pairs):
    x, y = k % columns * _TILE, k // columns * (_TILE + _CAPTION)
    sheet.paste(Image.fromarray(image).resize((_TILE, _TILE), Image.Resampling.BOX), (x, y))
    draw.text((x + _TILE // 2, y + _TILE), f'{math.degrees(angle):+.0f}°', fill=(40, 40, 40), anchor='ma', font=ImageFont.load_default(size=12))
  return np.asarray(sheet)


def contact_sheet(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> UInt8[np.ndarray, 'height width 3']:
  """Images beside their masks in the labels' colours, several pairs a row."""
  tile = lambda pixels, filter_: np.asarray(Image.fromarray(pixels).resize((_TILE, _TILE), filter_))
  tiles = [np.concatenate([tile(image, Image.Resampling.BOX), tile(PALETTE[labels], Image.Resampling.NEAREST)], 1) for image, labels in pairs]
  columns = min(_COLUMNS, len(tiles))
  tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
  return np.concatenate([np.concatenate(tiles[start:start + columns], 1) for start in range(0, len(tiles), columns)])
