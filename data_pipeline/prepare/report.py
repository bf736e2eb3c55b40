"""What a preparation found, before anybody trains on it: a JSON file for programs and a page with pictures for people.

The JSON holds every refused file with its fault, every picture that was changed, the share of the pixels that each of the 19 labels
covers against what portraits usually have, and where the faces are. The page (`report_page.py`) shows the same with pictures.
"""

from collections.abc import Sequence
import collections
import dataclasses
import json
import pathlib
from typing import Any

import numpy as np

from cnerf_jax.persistence import atomic_files
from data_pipeline.prepare import alignment
from data_pipeline.prepare import anatomy
from data_pipeline.prepare import faults
from data_pipeline.prepare import journal
from data_pipeline.prepare import label_orders
from data_pipeline.prepare import report_page
from data_pipeline.prepare.faults import Note

# Mean share of the pixels in head-and-shoulders portraits, (lowest, highest): drawn wide around what FFHQ-like crops show, and to be
# read as a question, not as a outputs. Labels that may well be absent from a whole folder start at 0.
USUAL_SHARES = {
    'background': (0.08, 0.70), 'skin': (0.12, 0.50), 'nose': (0.008, 0.06), 'eye_g': (0.0, 0.04), 'l_eye': (0.0008, 0.012),
    'r_eye': (0.0008, 0.012), 'l_brow': (0.001, 0.015), 'r_brow': (0.001, 0.015), 'l_ear': (0.0003, 0.025), 'r_ear': (0.0003, 0.025),
    'mouth': (0.0, 0.02), 'u_lip': (0.001, 0.02), 'l_lip': (0.0015, 0.025), 'hair': (0.05, 0.50), 'hat': (0.0, 0.12), 'ear_r': (0.0, 0.01),
    'neck_l': (0.0, 0.01), 'neck': (0.01, 0.14), 'cloth': (0.0, 0.25)}
# Of the pictures: more of them misaligned, or enlarged, or with odd label maps is worth a warning.
_MANY_MISALIGNED, _MANY_ENLARGED, _MANY_ODD = 0.2, 0.2, 0.05


@dataclasses.dataclass(frozen=True)
class Summary:
  """What a preparation found.

  Attributes:
    kept: number of pictures in the records, by split.
    refused: every refused file.
    warnings: one line each.
    folders: data set of each size.
    page: the HTML page.
    story: all of it as plain values, as in report.json.
  """

  kept: dict[str, int]
  refused: tuple[faults.Refusal, ...]
  warnings: tuple[str, ...]
  folders: dict[int, pathlib.Path]
  page: pathlib.Path
  story: dict[str, Any]


def write(
    folder: pathlib.Path, pages: Sequence[journal.Page], refused_by_name: Sequence[faults.Refusal], folders: dict[int, pathlib.Path], *,
    order: str, outputs: anatomy.OrderVerdict | None, layout: str, sizes: Sequence[int], aligned: bool, has_viewpoints: bool,
) -> Summary:
  """Writes report.json, index.html and its pictures.

  Args:
    folder: of the report.
    pages: of all shards.
    refused_by_name: files that were refused before anything was decoded.
    folders: data set of each size.
    order: name of the declared label order.
    outputs: what anatomy says of it, if there was a label map to look at.
    layout: of the input.
    sizes: of the records.
    aligned: whether pictures were cropped by their landmarks.
    has_viewpoints: whether records hold viewpoints.
  """
  kept = [one for page in pages for one in page.kept]
  refused = sorted([*refused_by_name, *(one for page in pages for one in page.refused)], key=lambda one: (one.file, one.fault.name))
  counts = collections.Counter()
  for page in pages:
    counts[page.split] += len(page.kept)
  labels = label_table(kept)
  warnings = _warnings(kept, labels, outputs, aligned)
  story = dict(
      kept=dict(counts), num_kept=len(kept), num_refused=len(refused), layout=layout, label_order=order, sizes=list(sizes),
      aligned=aligned, has_viewpoints=has_viewpoints,
      anatomy=dict(fits=outputs.fits, broken=list(outputs.broken), left_is_right=outputs.mirrored) if outputs else None,
      warnings=list(warnings), labels=labels,
      refused=[dict(file=one.file, fault=one.fault.name.lower(), line=one.line()) for one in refused],
      noted={note.name.lower(): dict(what=note.value, files=sorted(one.file for one in kept if note in one.notes))
             for note in Note if any(note in one.notes for one in kept)},
      alignment=_alignment(kept))
  page = folder / 'index.html'
  atomic_files.write_text(folder / 'report.json', json.dumps(story, indent=1) + '\n')
  report_page.write(page, story, pages, folders)
  return Summary(dict(counts), tuple(refused), warnings, folders, page, story)


def label_table(kept: Sequence[journal.Kept]) -> dict[str, dict[str, Any]]:
  """For each of the 19 labels: mean share of the pixels, share of pictures that show it, the usual range, whether it is within."""
  shares = np.array([one.shares for one in kept], np.float32).reshape(-1, len(label_orders.LABELS))
  table = {}
  for index, name in enumerate(label_orders.LABELS):
    mean = float(shares[:, index].mean()) if len(shares) else 0.0
    lowest, highest = USUAL_SHARES[name]
    table[name] = dict(
        mean_share=round(mean, 6), present=round(float((shares[:, index] > 0).mean()) if len(shares) else 0.0, 4),
        usual=[lowest, highest], is_usual=bool(lowest <= mean <= highest))
  return table


def _warnings(kept, labels, outputs: anatomy.OrderVerdict | None, aligned: bool) -> tuple[str, ...]:
  """One line for each thing that a person should look at."""
  if not kept:
    return ('no picture was kept',)
  lines = []
  if outputs is not None and outputs.is_wrong:
    lines.append(outputs.line())
  absent = [name for name, row in labels.items() if not row['present']]
  if absent:
    lines.append(f'no picture shows {", ".join(absent)}: the generator can\'t learn what it never sees')
  outside = [f'{name} {row["mean_share"]:.2%} (usually {row["usual"][0]:.2%} to {row["usual"][1]:.2%})'
             for name, row in labels.items() if not row['is_usual'] and row['present']]
  if outside:
    lines.append(f'unusual shares of the pixels: {", ".join(outside)}')
  share = lambda note: sum(note in one.notes for one in kept) / len(kept)
  if share(Note.MISALIGNED) > _MANY_MISALIGNED:
    remedy = '' if aligned else '; --align crops them by the landmarks of their label maps'
    lines.append(f'{share(Note.MISALIGNED):.0%} of the pictures have eyes or mouth far from where aligned portraits have them{remedy}')
  if share(Note.ENLARGED) > _MANY_ENLARGED:
    lines.append(f'{share(Note.ENLARGED):.0%} of the pictures are smaller than the largest records and were enlarged; leave that size out')
  if share(Note.ODD_ANATOMY) > _MANY_ODD:
    lines.append(f'{share(Note.ODD_ANATOMY):.0%} of the label maps have parts out of place; look at them below')
  return tuple(lines)


def _alignment(kept) -> dict[str, Any]:
  """Medians of the pictures' offsets against aligned crops, and what counts as aligned."""
  offsets = np.array([one.offset for one in kept if one.offset is not None])
  names = ('shift_right', 'shift_down', 'scale', 'roll_radians')
  medians = dict(zip(names, (round(float(value), 4) for value in np.median(offsets, axis=0)))) if len(offsets) else None
  return dict(
      with_face=len(offsets), aligned=sum(bool(alignment.is_aligned(tuple(offset))) for offset in offsets), median_offset=medians,
      aligned_means=dict(shift=alignment.MAX_SHIFT, scale=alignment.MAX_SCALE, roll_radians=round(alignment.MAX_ROLL_RADIANS, 4)))
