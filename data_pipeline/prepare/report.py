"""What a preparation found, before anybody trains on it: a JSON file for programs and an HTML page with pictures for people.

The JSON lists every refused file with its fault, every picture that was changed, the fraction of the pixels that each of the 19 labels
covers against what portraits usually have, and where the faces are. The page (`report_page.py`, needs jinja2) shows the same with pictures.
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
from data_pipeline.prepare import camera_distribution
from data_pipeline.prepare import faults
from data_pipeline.prepare import journal
from data_pipeline.prepare import label_orders
from data_pipeline.prepare import report_page
from data_pipeline.prepare.faults import Note

# Mean fraction of the pixels in head-and-shoulders portraits, (lowest, highest): drawn wide around what FFHQ-like crops show, and to be
# read as a question, not as an answer. Labels that may well be absent from a whole folder start at 0.
USUAL_FRACTIONS = {
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
    report_html: the HTML page; None if jinja2, which makes it, is not installed.
    report: all of it as plain values, as in report.json.
  """

  kept: dict[str, int]
  refused: tuple[faults.Refusal, ...]
  warnings: tuple[str, ...]
  folders: dict[int, pathlib.Path]
  report_html: pathlib.Path | None
  report: dict[str, Any]


def write(
    folder: pathlib.Path, manifests: Sequence[journal.ShardManifest], refused_by_name: Sequence[faults.Refusal],
    folders: dict[int, pathlib.Path], *, order: str, order_check: anatomy.OrderCheck | None, layout: str, sizes: Sequence[int],
    aligned: bool, has_viewpoints: bool, cameras_read: bool = False,
) -> Summary:
  """Writes report.json, and index.html with its pictures where jinja2 is installed.

  Args:
    folder: of the report.
    manifests: of all shards.
    refused_by_name: files that were refused before anything was decoded.
    folders: data set of each size.
    order: name of the declared label order.
    order_check: what anatomy says of it, if there was a label map to look at.
    layout: of the input.
    sizes: of the records.
    aligned: whether pictures were cropped by their landmarks.
    has_viewpoints: whether records have viewpoints.
    cameras_read: whether those were read off the label maps.
  """
  kept = [one for manifest in manifests for one in manifest.kept]
  refused = sorted([*refused_by_name, *(one for manifest in manifests for one in manifest.refused)], key=lambda one: (one.file, one.fault.name))
  counts = collections.Counter()
  for manifest in manifests:
    counts[manifest.split] += len(manifest.kept)
  labels = label_table(kept)
  warnings = _warnings(kept, labels, order_check, aligned) + tuple(camera_distribution.warnings(kept) if has_viewpoints else ())
  report = dict(
      kept=dict(counts), num_kept=len(kept), num_refused=len(refused), layout=layout, label_order=order, sizes=list(sizes),
      aligned=aligned, has_viewpoints=has_viewpoints,
      cameras=_cameras(manifests, cameras_read) if has_viewpoints else None,
      anatomy=dict(fits=order_check.fits, broken=list(order_check.broken), left_is_right=order_check.mirrored) if order_check else None,
      warnings=list(warnings), labels=labels,
      refused=[dict(file=one.file, fault=one.fault.name.lower(), line=one.line()) for one in refused],
      noted={note.name.lower(): dict(what=note.value, files=sorted(one.file for one in kept if note in one.notes))
             for note in Note if any(note in one.notes for one in kept)},
      alignment=_alignment(kept))
  atomic_files.write_text(folder / 'report.json', json.dumps(report, indent=1) + '\n')
  report_html = folder / 'index.html'
  if report_page.is_possible():
    report_page.write(report_html, report, manifests, folders)
  else:
    report_html.unlink(missing_ok=True)  # of an earlier run: it would contradict report.json
    report_html = None
  return Summary(dict(counts), tuple(refused), warnings, folders, report_html, report)


def label_table(kept: Sequence[journal.Kept]) -> dict[str, dict[str, Any]]:
  """For each of the 19 labels: mean fraction of the pixels, its usual range and whether it is within, fraction of pictures that show it."""
  fractions = np.array([one.label_fractions for one in kept], np.float32).reshape(-1, len(label_orders.LABELS))
  table = {}
  for index, name in enumerate(label_orders.LABELS):
    mean = float(fractions[:, index].mean()) if len(fractions) else 0.0
    lowest, highest = USUAL_FRACTIONS[name]
    table[name] = dict(
        mean_share=round(mean, 6), present=round(float((fractions[:, index] > 0).mean()) if len(fractions) else 0.0, 4),
        usual=[lowest, highest], is_usual=bool(lowest <= mean <= highest))
  return table


def _warnings(kept, labels, order_check: anatomy.OrderCheck | None, aligned: bool) -> tuple[str, ...]:
  """One line for each thing that a person should look at."""
  if not kept:
    return ('no picture was kept',)
  lines = []
  if order_check is not None and order_check.is_wrong:
    lines.append(order_check.line())
  absent = [name for name, row in labels.items() if not row['present']]
  if absent:
    lines.append(f'no picture shows {", ".join(absent)}: the generator can\'t learn what it never sees')
  outside = [f'{name} {row["mean_share"]:.2%} (usually {row["usual"][0]:.2%} to {row["usual"][1]:.2%})'
             for name, row in labels.items() if not row['is_usual'] and row['present']]
  if outside:
    lines.append(f'unusual fractions of the pixels: {", ".join(outside)}')
  fraction = lambda note: sum(note in one.notes for one in kept) / len(kept)
  if fraction(Note.MISALIGNED) > _MANY_MISALIGNED:
    remedy = '' if aligned else '; --align crops them by the landmarks of their label maps'
    lines.append(f'{fraction(Note.MISALIGNED):.0%} of the pictures have eyes or mouth far from where aligned portraits have them{remedy}')
  if fraction(Note.ENLARGED) > _MANY_ENLARGED:
    lines.append(f'{fraction(Note.ENLARGED):.0%} of the pictures are smaller than the largest records and were enlarged; leave that size out')
  if fraction(Note.ODD_ANATOMY) > _MANY_ODD:
    lines.append(f'{fraction(Note.ODD_ANATOMY):.0%} of the label maps have parts out of place; look at them in the report')
  return tuple(lines)


def _cameras(manifests: Sequence[journal.ShardManifest], cameras_read: bool) -> dict[str, Any]:
  """Where cameras came from, of how many pictures they are known and how surely, and how those of the train split are spread."""
  known = [one.confidence for manifest in manifests for one in manifest.kept if one.viewpoint is not None]
  spread = camera_distribution.measure(camera_distribution.training(manifests))
  return dict(source='label maps' if cameras_read else 'file', known=len(known), mean_confidence=round(sum(known) / max(len(known), 1), 4),
              **({} if spread is None else dataclasses.asdict(spread)))


def _alignment(kept) -> dict[str, Any]:
  """Medians of the pictures' offsets against aligned crops, and what counts as aligned."""
  offsets = np.array([one.offset for one in kept if one.offset is not None])
  names = ('shift_right', 'shift_down', 'scale', 'roll_radians')
  medians = dict(zip(names, (round(float(value), 4) for value in np.median(offsets, axis=0)))) if len(offsets) else None
  return dict(
      with_face=len(offsets), aligned=sum(bool(alignment.is_aligned(tuple(offset))) for offset in offsets), median_offset=medians,
      aligned_means=dict(shift=alignment.MAX_SHIFT, scale=alignment.MAX_SCALE, roll_radians=round(alignment.MAX_ROLL_RADIANS, 4)))
