"""Do edits stay local? One class of a person gets another person's style, and the picture is compared with what it was, pixel by pixel.

Inside is where the class is, before or after, widened by a pixel for every 32 of the image's side: an edit may move an outline. Of an edit
we ask how much of its change lies inside (locality), how strong the rest is (outside), whether it does anything (effect), and whether people
still look real after it (sliced Wasserstein distances, beside those of the same people before). Shape and texture are swapped apart and
together. Axes: pairs of a receiver and a donor, views of each, then height and width; K semantic classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import math
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from cnerf_jax import latents
from cnerf_jax import semantics
from cnerf_jax.evaluation import class_areas
from cnerf_jax.evaluation import sliced_wasserstein

KINDS = {'shape': (latents.SHAPE,), 'texture': (latents.TEXTURE,), 'both': (latents.SHAPE, latents.TEXTURE)}
AZIMUTHS = (-0.3, -0.15, 0.0, 0.15, 0.3)  # radians
_STEPS = 255 / 2  # 8-bit steps in one unit of an image in [-1, 1]
_PEOPLE_PER_CALL = 2
_NUM_DIRECTIONS = 128  # of the distances; those before and after an edit take the same ones

Draw = Callable[[np.ndarray, np.ndarray], Mapping[str, np.ndarray]]


@dataclasses.dataclass(frozen=True)
class LeakMaps:
  """What a picture of the edits shows, all seen from the front.

  Attributes:
    examples: [K, 3, height, width, 3] a donor, a receiver, and the receiver with the donor's class, in [-1, 1]; grey without a pair.
    inside: [K, kinds, height, width] mean change of pixels where the class is, 8-bit steps; kinds as in `KINDS`.
    outside: the same of all others.
  """

  examples: Float[np.ndarray, 'classes 3 height width 3']
  inside: Float[np.ndarray, 'classes kinds height width']
  outside: Float[np.ndarray, 'classes kinds height width']


def swap_styles(
    styles: Float[np.ndarray, '*batch classes 2 style_dim'], donors: Float[np.ndarray, '*batch classes 2 style_dim'], semantic_class: int,
    kind: str,
) -> Float[np.ndarray, '*batch classes 2 style_dim']:
  """Styles with those of one class from `donors`: its shape, texture or both.

  Raises:
    ValueError: if the kind is none of `KINDS`.
  """
  if kind not in KINDS:
    raise ValueError(f'no kind {kind!r} of styles to swap; use one of {", ".join(KINDS)}')
  swapped = np.array(styles)
  for which in KINDS[kind]:
    swapped[..., semantic_class, which, :] = np.asarray(donors)[..., semantic_class, which, :]
  return swapped


def dilate(region: Bool[np.ndarray, '*batch height width'], radius: int) -> Bool[np.ndarray, '*batch height width']:
  """The region and all pixels at most `radius` rows and columns from it."""
  region = np.asarray(region, bool)
  for axis in (-2, -1):
    along = np.moveaxis(region, axis, 0)
    widened = along.copy()
    for step in range(1, min(radius, len(along) - 1) + 1):
      widened[step:] |= along[:-step]
      widened[:-step] |= along[step:]
    region = np.moveaxis(widened, 0, axis)
  return region


def dilation_radius(image_size: int) -> int:
  """How far the region of an edit is widened, pixels: 1 at 32x32, 2 at 64x64."""
  return max(1, round(image_size / 32))


def edit_region(
    before: Float[np.ndarray, '*batch size size'], after: Float[np.ndarray, '*batch size size'],
) -> Bool[np.ndarray, '*batch size size']:
  """Where a class's masks before and after an edit show it, widened."""
  shown = (np.asarray(before) > semantics.PRESENT) | (np.asarray(after) > semantics.PRESENT)
  return dilate(shown, dilation_radius(shown.shape[-1]))


def change(
    before: Float[np.ndarray, '*batch height width 3'], after: Float[np.ndarray, '*batch height width 3'],
) -> Float[np.ndarray, '*batch height width']:
  """Difference of each pixel of two images in [-1, 1]: the root mean square over colours, in 8-bit steps."""
  return _STEPS * np.sqrt(np.mean(np.square(np.asarray(after) - np.asarray(before)), axis=-1))


def edit_scores(
    changes: Float[np.ndarray, '*batch height width'], inside: Bool[np.ndarray, '*batch height width'],
    between: Float[np.ndarray, '*batch height width'],
) -> dict[str, float]:
  """What is said of one kind of edit of one class, over all its pictures; NaN for what can't be.

  Args:
    changes: by the edit, see `change`.
    inside: see `edit_region`.
    between: the same of receiver and donor as they are.

  Returns:
    `locality`, squared change inside over all squared change, 1 at best; `outside`, the 99th percentile of the change of the other pixels,
    8-bit steps; `effect`, the root mean square change inside over the difference of donor and receiver there.
  """
  squares = np.square(np.asarray(changes, np.float64))
  outside = np.asarray(changes)[~inside]
  of_edit, of_people = squares[inside].sum(), np.square(np.asarray(between, np.float64))[inside].sum()
  return dict(
      locality=_ratio(of_edit, squares.sum()),
      outside=float(np.percentile(outside, 99)) if outside.size else math.nan,
      effect=math.sqrt(_ratio(of_edit, of_people)))


def measure(
    draw: Draw, styles: Float[np.ndarray, 'people classes 2 style_dim'], class_set: semantics.ClassSet,
    real: Mapping[str, np.ndarray] | None = None, *, azimuths: Sequence[float] = AZIMUTHS,
) -> tuple[dict[str, Any], LeakMaps]:
  """Swaps every class between people, and measures what changes.

  Everyone receives from the next, the last from the first. For a class those pairs count in which donor or receiver shows it.

  Args:
    draw: `draw(styles, viewpoint)` gives the `image` and the `semantic_mask` of portraits of these styles [batch, classes, 2, style_dim]
      from viewpoints [batch, 2], azimuth and elevation in radians; always asked for batches of one size.
    styles: of at least two people.
    class_set: of the masks.
    real: real `image` and `semantic_mask`, to say how real people look after an edit; None leaves that out.
    azimuths: that everyone is seen from, radians; the middle one is the one that is shown.

  Returns:
    (report, what a picture of it shows). The report has `people`, `views`, `mean` (by kind, over classes that someone shows, of what
    `edit_scores` tells), and `classes`: for each name the number of `pairs`, what `edit_scores` tells by kind, and `realness` of people with
    both swapped (see `_realness`; None without pairs or `real`).

  Raises:
    ValueError: if there are fewer than two people.
  """
  styles = np.asarray(styles)
  if len(styles) < 2:
    raise ValueError(f'{len(styles)} people have nothing to swap; use at least 2')
  images, masks = _draw_views(draw, styles, azimuths)
  shows = class_areas.is_present(masks.reshape(len(masks), -1, *masks.shape[3:]))
  rows, shown = {}, []
  for k, name in enumerate(class_set.classes):
    receivers = np.flatnonzero(shows[:, k] | np.roll(shows[:, k], -1))
    donors = (receivers + 1) % len(styles)
    between, row, maps = change(images[receivers], images[donors]), {'pairs': len(receivers)}, []
    edited, edited_masks = images[:0], masks[:0]
    for kind in KINDS:
      if len(receivers):
        edited, edited_masks = _draw_views(draw, swap_styles(styles[receivers], styles[donors], k, kind), azimuths)
      inside = edit_region(masks[receivers, ..., k], edited_masks[..., k])
      changes = change(images[receivers], edited)
      row[kind] = edit_scores(changes, inside, between)
      maps.append(_frontal_maps(changes, inside))
    row['realness'] = _realness((images[receivers], masks[receivers]), (edited, edited_masks), real)
    rows[name] = row
    shown.append((_example(images, receivers, donors, edited), *np.stack(maps, axis=1)))
  report = dict(people=len(styles), views=len(azimuths), mean={kind: _mean(rows, kind) for kind in KINDS}, classes=rows)
  return report, LeakMaps(*(np.stack(part) for part in zip(*shown)))


def _draw_views(draw, styles, azimuths) -> tuple[np.ndarray, np.ndarray]:
  """Images and masks [people, views, height, width, ...], drawn in calls of one size, so that `draw` compiles once."""
  viewpoint = np.stack([np.asarray(azimuths, np.float32), np.zeros(len(azimuths), np.float32)], axis=-1)
  images, masks = [], []
  for start in range(0, len(styles), _PEOPLE_PER_CALL):
    part = np.take(styles, np.arange(start, start + _PEOPLE_PER_CALL), axis=0, mode='clip')
    drawn = draw(np.repeat(part, len(viewpoint), axis=0), np.tile(viewpoint, (_PEOPLE_PER_CALL, 1)))
    for parts, name in ((images, 'image'), (masks, 'semantic_mask')):
      array = np.asarray(drawn[name])
      parts.append(array.reshape(_PEOPLE_PER_CALL, len(viewpoint), *array.shape[1:]))
  return np.concatenate(images)[:len(styles)], np.concatenate(masks)[:len(styles)]


def _frontal_maps(changes, inside) -> tuple[np.ndarray, np.ndarray]:
  """Mean change inside and outside over pairs, seen from the front."""
  middle = changes.shape[1] // 2
  changes, inside = changes[:, middle], inside[:, middle]
  count = max(1, len(changes))
  return (changes * inside).sum(axis=0) / count, (changes * ~inside).sum(axis=0) / count


def _example(images, receivers, donors, edited) -> np.ndarray:
  """Donor, receiver and edited receiver of the first pair, from the front."""
  middle = images.shape[1] // 2
  if not len(receivers):
    return np.zeros((3, *images.shape[2:]), images.dtype)
  return np.stack([images[donors[0], middle], images[receivers[0], middle], edited[0, middle]])


def _realness(before, after, real) -> dict[str, float] | None:
  """Sliced Wasserstein distances from real examples: `image` and `mask` of edited people, `image_before` and `mask_before` of the same people
  unedited; the sets are small, so that only the two beside each other tell anything."""
  if real is None or not len(after[0]):
    return None
  count = min(after[0].shape[0] * after[0].shape[1], len(real['image']))
  found = {}
  for suffix, drawn in (('', after), ('_before', before)):
    for name, key, values in zip(('image', 'mask'), ('image', 'semantic_mask'), drawn):
      values = values.reshape(-1, *values.shape[2:])
      chosen = values[np.linspace(0, len(values) - 1, count).round().astype(int)]
      found[f'{name}{suffix}'] = sliced_wasserstein.sliced_wasserstein(chosen, real[key][:count], num_directions=_NUM_DIRECTIONS)
  return found


def _mean(rows, kind) -> dict[str, float]:
  """Means over the classes that can be measured."""
  means = {}
  for name in ('locality', 'outside', 'effect'):
    values = [row[kind][name] for row in rows.values() if math.isfinite(row[kind][name])]
    means[name] = float(np.mean(values)) if values else math.nan
  return means


def _ratio(part: float, whole: float) -> float:
  return float(part / whole) if whole > 0 else math.nan


def summary(report: Mapping[str, Any] | None) -> dict[str, float | None]:
  """The report for curves, flat, by kind: `locality_shape`, `edit_outside_shape`, `edit_effect_shape`, ...; all None without one."""
  names = {'locality': 'locality', 'outside': 'edit_outside', 'effect': 'edit_effect'}
  return {f'{flat}_{kind}': report and report['mean'][kind][name] for name, flat in names.items() for kind in KINDS}


def format_table(report: Mapping[str, Any]) -> str:
  """The report as a text table, for printing."""
  lines = [
      f'edits: every class swapped among {report["people"]} people, {report["views"]} views; locality: squared change inside / all;',
      'outside: 99th percentile of the change there, 8-bit steps; effect: change inside / difference of the two people there;',
      'distance of people with both swapped from real ones, images and masks (before the swap)',
      f'{"":<12}{"":>6}{"locality":>18}{"outside":>18}{"effect":>18}{"images":>16}{"masks":>16}',
      f'{"class":<12}{"pairs":>6}' + 3 * ''.join(f'{kind:>6}' for kind in ('shape', 'tex.', 'both'))]
  for name, row in [*report['classes'].items(), ('mean', report['mean'])]:
    line = f'{name:<12}{row.get("pairs", ""):>6}'
    for score, form in (('locality', '.2f'), ('outside', '.1f'), ('effect', '.2f')):
      line += ''.join(f'{_number(row[kind][score], form):>6}' for kind in KINDS)
    found = row.get('realness')
    if found:
      line += ''.join(f'{found[part]:>8.3f} ({found[f"{part}_before"]:.3f})'.rjust(16) for part in ('image', 'mask'))
    lines.append(line)
  return '\n'.join(lines)


def _number(value: float, form: str) -> str:
  return format(value, form) if math.isfinite(value) else '-'
