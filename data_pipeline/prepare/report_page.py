"""The report as a page to look at: image | mask sheets, mean masks, tables, and each refused file with its reason."""

from collections.abc import Sequence
import html
import io
import pathlib
import string
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from cnerf_jax.persistence import atomic_files
from cnerf_jax import semantics
from data_pipeline import stored_records
from data_pipeline.prepare import journal
from data_pipeline.prepare import label_orders

_TEMPLATE = pathlib.Path(__file__).with_name('report_page.html')
_SHEET_PAIRS, _COLUMNS = 48, 6
_ODD_PAIRS = 12
_TILE = 96  # pixels a side on the sheet
_MEAN_OF = 1024  # label maps that the mean masks are made of
_LISTED = 400  # files a list shows; report.json has them all
PALETTE = np.array([semantics.FFHQ12.palette[channel] for channel in semantics.FFHQ12.celebamask_hq], np.uint8)


def write(path: pathlib.Path, story: dict[str, Any], pages: Sequence[journal.Page], folders: dict[int, pathlib.Path]) -> None:
  """Writes the page, and its pictures beside it.

  Args:
    path: of the page.
    story: the report as plain values.
    pages: of all shards.
    folders: data set of each size; the smallest one is shown.
  """
  pictures = {}
  if folders:
    pictures = _pictures(pages, folders[min(folders)])
  for name, pixels in pictures.items():
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'PNG')
    atomic_files.write_bytes(path.parent / 'pictures' / f'{name}.png', buffer.getvalue())
  atomic_files.write_text(path, string.Template(_TEMPLATE.read_text(encoding='utf-8')).substitute(_sections(story, pictures)))


def _pictures(pages: Sequence[journal.Page], folder: pathlib.Path) -> dict[str, UInt8[np.ndarray, '...']]:
  """Every picture of the page by name."""
  splits = {page.split: None for page in pages if page.kept}
  stored = {split: stored_records.StoredRecords(folder, split) for split in splits}
  places = {split: 0 for split in splits}
  where = []  # (split, index of the record, fit) of each kept picture
  for page in pages:
    for one in page.kept:
      where.append((page.split, places[page.split], one.fit))
      places[page.split] += 1
  spread = lambda count: [where[i] for i in np.unique(np.linspace(0, len(where) - 1, min(count, len(where))).astype(int))]
  odd = sorted((one for one in where if one[2] < 1), key=lambda one: one[2])[:_ODD_PAIRS]
  pairs = lambda chosen: [(record['image'], record['label']) for record in (stored[split][index] for split, index, _ in chosen)]
  pictures = {'contact_sheet': contact_sheet(pairs(spread(_SHEET_PAIRS)))}
  if odd:
    pictures['odd'] = contact_sheet(pairs(odd))
  total = 0
  for split, index, _ in spread(_MEAN_OF):
    total = total + np.eye(len(label_orders.LABELS), dtype=np.uint32)[stored[split][index]['label']]
  mean = total / max(len(spread(_MEAN_OF)), 1)
  for label, name in enumerate(label_orders.LABELS):
    tile = Image.fromarray(np.round(255 * mean[..., label]).astype(np.uint8)).resize((_TILE, _TILE), Image.Resampling.BOX)
    pictures[f'mean_{name}'] = np.asarray(tile)
  return pictures


def contact_sheet(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> UInt8[np.ndarray, 'height width 3']:
  """Images beside their masks in the labels' colours, several pairs a row."""
  tile = lambda pixels, filter_: np.asarray(Image.fromarray(pixels).resize((_TILE, _TILE), filter_))
  tiles = [np.concatenate([tile(image, Image.Resampling.BOX), tile(PALETTE[labels], Image.Resampling.NEAREST)], 1) for image, labels in pairs]
  columns = min(_COLUMNS, len(tiles))
  tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % columns)
  return np.concatenate([np.concatenate(tiles[start:start + columns], 1) for start in range(0, len(tiles), columns)])


def _sections(story: dict[str, Any], pictures) -> dict[str, str]:
  """The template's fields, as HTML."""
  kept = ', '.join(f'{count} {split}' for split, count in story['kept'].items())
  headline = f'{story["num_kept"]} kept, {story["num_refused"]} refused'
  setting = (f'{kept or "none"}; layout {story["layout"]}, label order {story["label_order"]}, records of '
             f'{", ".join(map(str, story["sizes"]))} pixels, {"aligned" if story["aligned"] else "not cropped by landmarks"}, '
             f'{"with" if story["has_viewpoints"] else "without"} viewpoints')
  warnings = [f'<p class="warning">{html.escape(line)}</p>' for line in story['warnings']]
  return dict(
      headline=html.escape(headline), setting=html.escape(setting),
      warnings='\n'.join(warnings) or '<p class="fine">Nothing unusual.</p>',
      contact_sheet=_image('contact_sheet', 'images and their masks') if 'contact_sheet' in pictures else '<p>No picture was kept.</p>',
      labels='\n'.join(_label_row(index, name, row) for index, (name, row) in enumerate(story['labels'].items())),
      mean_masks='\n'.join(f'<figure>{_image(f"mean_{name}", f"mean mask of {name}")}<figcaption>{name}</figcaption></figure>'
                           for name in story['labels'] if f'mean_{name}' in pictures),
      anatomy=_anatomy(story['anatomy']),
      odd=f'<p>Label maps that break most rules:</p>{_image("odd", "label maps that break rules")}' if 'odd' in pictures else '',
      alignment=_alignment(story['alignment']), num_refused=str(story['num_refused']),
      refused=_list([one['line'] for one in story['refused']], 'files wide') or '<p>None.</p>',
      noted='\n'.join(f'<details><summary>{len(group["files"])} {"pictures" if len(group["files"]) > 1 else "picture"}: '
                      f'{html.escape(group["what"])}</summary>{_list(group["files"], "files")}</details>'
                      for group in story['noted'].values()) or '<p>None.</p>')


def _image(name: str, words: str) -> str:
  return f'<img src="pictures/{name}.png" alt="{html.escape(words)}">'


def _label_row(index: int, name: str, row: dict[str, Any]) -> str:
  swatch = '<span class="swatch" style="background: rgb({}, {}, {})"></span>'.format(*PALETTE[index])
  unusual = '' if row['is_usual'] else ' class="unusual"'
  return (f'<tr{unusual}><td>{swatch}{name}</td><td class="number">{row["mean_share"]:.2%}</td>'
          f'<td class="number">{row["usual"][0]:.2%} to {row["usual"][1]:.2%}</td><td class="number">{row["present"]:.0%}</td></tr>')


def _anatomy(found: dict[str, Any] | None) -> str:
  if found is None:
    return '<p>No label map could be read.</p>'
  fits = ', '.join(f'{name} {fit:.0%}' for name, fit in found['fits'].items())
  broken = f'<p>Broken by most: {", ".join(found["broken"])}.</p>' if found['broken'] else ''
  side = 'right' if found['left_is_right'] else 'left'
  return (f'<p>Rules kept under each label order: {html.escape(fits)}.</p>{broken}'
          f'<p>l_ parts lie on the {side} of the picture (both conventions are in use; the classes merge both sides).</p>')


def _alignment(found: dict[str, Any]) -> str:
  if not found['with_face']:
    return '<p>No picture has eyes and mouth labelled.</p>'
  median = found['median_offset']
  return (f'<p>{found["aligned"]} of {found["with_face"]} pictures with eyes and mouth are aligned as FFHQ is. Median against an aligned '
          f'crop: {median["shift_right"]:+.1%} right, {median["shift_down"]:+.1%} down, {median["scale"]:.2f} times its size, '
          f'{np.degrees(median["roll_radians"]):+.1f} degrees.</p>')


def _list(lines: Sequence[str], css: str) -> str:
  """Lines of a list, the first few hundred."""
  if not lines:
    return ''
  more = f'<p>and {len(lines) - _LISTED} more in report.json</p>' if len(lines) > _LISTED else ''
  return f'<div class="{css}">{"<br>".join(html.escape(line) for line in lines[:_LISTED])}</div>{more}'
