"""Does it learn? One table of scores that compares a generator's samples with real examples.

Every measurement x comes with a floor (the same measurement between two sets of real examples, which is what a
perfect generator would get), a ceiling (of the untrained generator) and the normalised score (x - floor) / (ceiling -
floor): 0 is as good as real, 1 as bad as untrained, and below 0 happens by chance. Diversity follows the same formula
the other way up: its floor is the diversity of real examples and its ceiling the lower one of the untrained
generator, so that 0 is as diverse as real and 1 as uniform as untrained. The agreements, which need no such scale,
come with what the oracle itself reaches on real examples. Numbers alone fool: look at the sheets as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
import json
import math
import os
import pathlib
from typing import Any

import jax
import numpy as np

from cnerf_jax import semantics
from cnerf_jax.evaluation import agreement
from cnerf_jax.evaluation import bars
from cnerf_jax.evaluation import class_areas
from cnerf_jax.evaluation import class_table
from cnerf_jax.evaluation import diversity
from cnerf_jax.evaluation import geometry
from cnerf_jax.evaluation import locality
from cnerf_jax.evaluation import nearest
from cnerf_jax.evaluation import oracle as oracle_lib
from cnerf_jax.evaluation import real_sets
from cnerf_jax.evaluation import sliced_wasserstein
from cnerf_jax.persistence import atomic_files

_NUM_FRONTAL = 64  # samples whose shape is measured
_SAMPLE_BATCH = 32  # samples are asked for in calls of one size, so that the sampler compiles once
_DISTANCES = ('image', 'mask', 'class_area_error', 'image_diversity', 'mask_diversity')
_AGREEMENTS = ('mask_agreement', 'mask_agreement_all', 'azimuth', 'elevation')

Sample = Callable[..., Mapping[str, np.ndarray]]


def evaluate(
    sample: Sample,
    real: real_sets.RealSets,
    untrained_sample: Sample | None,
    oracle: oracle_lib.Oracle | None,
    class_set: semantics.ClassSet,
    *,
    key: jax.Array,
    earlier: Mapping[str, Any] | None = None,
    limits: Mapping[str, float] = bars.BARS,
    sample_depth: Sample | None = None,
    edits: Mapping[str, Any] | None = None,
    compare: Callable[[np.ndarray], Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
  """Scores a generator.

  Args:
    sample: `sample(key, batch, viewpoint=None)` draws `batch` examples as a dict of `image` in [-1, 1], `semantic_mask`
      and the `viewpoint` of the camera used; random cameras, or those of `viewpoint` [batch, 2] if it is given.
    real: what they are compared with, and how many of them. Without viewpoints, diversity is that of random cameras.
    untrained_sample: the same for the generator before training; needed only without `earlier`.
    oracle: reads the fakes; without one nothing is said of agreement and cameras, and their bars are left out.
    class_set: of the masks.
    key: of the samples; the same key gives the same scores.
    earlier: scores of the same run: their ceilings hold as long as the same real examples are compared with, which saves
      sampling the untrained generator.
    limits: what has to be reached, by score.
    sample_depth: as `sample`, with `depth`, `surface_width` and `opacity` instead of the image; without it nothing is said of geometry.
    edits: what `locality.measure` found, if it was measured.
    compare: says how near the samples' images lie to training portraits (`nearest.summarise`), if that is asked.

  Returns:
    A dict of plain values: `image`, `mask`, `class_area_error`, `image_diversity`, `mask_diversity` (each with value,
    floor, ceiling, normalised), `classes` (by name, see `class_table.class_rows`), `mask_agreement` (over large
    classes), `mask_agreement_all`, `rare_agreement` (value, on_real, classes), `azimuth`, `elevation`, `oracle` (its
    accuracy by split), `geometry` (see `geometry.measure`; None for classes without a face), `relief` (see
    `geometry.relief`; None where depth is unknown), `locality` (the edits, or None), `nearest` (what `compare`
    says, or None), `passed` (see `bars.passed`), `all_passed`, `ceilings`,
    `compared_with` (split, examples, num_samples), `num_samples`.
  """
  compared_with = {'split': real.split, 'examples': len(real.examples['image']), 'num_samples': real.num_samples}
  fakes, frontal_fakes = _draw_both(sample, key, real)
  ceilings = _ceilings(untrained_sample, key, real, earlier, compared_with)
  values = _measure(fakes, frontal_fakes, real.reference)
  floors = _measure(real.other, real.frontal, real.reference)
  scores = {name: _normalised(values[name], floors[name], ceilings[name]) for name in _DISTANCES}

  reading, labels, accuracy = None, None, {}
  if oracle is not None:
    reading, accuracy = oracle.read(fakes['image']), dict(oracle.accuracy)
    labels = reading.labels
  scores['classes'] = class_table.class_rows(
      fakes['semantic_mask'], real.examples['semantic_mask'], class_set, labels, next(iter(accuracy.values()), None))
  scores |= _agreements(reading, fakes['viewpoint'], scores['classes'])
  scores['oracle'] = accuracy
  scores['geometry'] = measure_geometry(sample_depth, key, class_set) if sample_depth is not None else None
  scores['relief'] = _relief(sample_depth, key, real, class_set)
  scores['locality'] = edits
  scores['nearest'] = compare(fakes['image']) if compare is not None else None
  scores['passed'] = bars.passed(scores, limits)
  scores['all_passed'] = all(row['passed'] for row in scores['passed'].values())
  return scores | {'ceilings': dict(ceilings), 'compared_with': compared_with, 'num_samples': real.num_samples}


def _ceilings(untrained_sample, key, real, earlier, compared_with) -> Mapping[str, float]:
  """Measurements of the untrained generator: those of earlier scores if they are of the same real examples."""
  if earlier is not None and earlier.get('compared_with') == compared_with:
    return earlier['ceilings']
  if untrained_sample is None:
    raise ValueError('untrained_sample None leaves the scores without a ceiling; '
                     'give it, or earlier scores that were compared with the same real examples')
  return _measure(*_draw_both(untrained_sample, key, real), real.reference)


def _agreements(reading, viewpoint, rows) -> dict[str, Any]:
  """What the oracle reads off the fakes against what was rendered; all None without one."""
  if reading is None:
    return dict.fromkeys((*_AGREEMENTS, 'rare_agreement'))
  iou = np.array([row['mask_agreement'] for row in rows.values()])
  large = np.array([row['large'] for row in rows.values()])
  return dict(
      # A large class that neither the mask nor the oracle's reading shows is a dropped class: it agrees on nothing.
      mask_agreement=agreement.mean_iou(np.nan_to_num(iou), large),
      mask_agreement_all=agreement.mean_iou(iou),
      rare_agreement=class_table.rare_agreement(rows),
      azimuth=agreement.signed_correlation(reading.viewpoint[:, 0], viewpoint[:, 0]),
      elevation=agreement.signed_correlation(reading.viewpoint[:, 1], viewpoint[:, 1]))


def measure_geometry(sample_depth: Sample, key: jax.Array, class_set: semantics.ClassSet) -> dict[str, Any] | None:
  """Shape of samples seen from the front, see `geometry.measure`; None, without drawing any, for classes without a face."""
  if not geometry.has_face(class_set):
    return None
  names = ('depth', 'semantic_mask', 'surface_width', 'opacity')
  return geometry.measure(**draw(sample_depth, key, _NUM_FRONTAL, np.zeros((_NUM_FRONTAL, 2), np.float32), names=names), class_set=class_set)


def _relief(sample_depth, key, real, class_set) -> dict[str, Any] | None:
  """Relief of samples at the viewpoints of the frontal real examples; None if either has no depth."""
  if sample_depth is None or not {'depth', 'viewpoint'} <= real.frontal.keys():
    return None
  fakes = draw(sample_depth, key, len(real.frontal['depth']), real.frontal['viewpoint'], names=('depth', 'semantic_mask'))
  fake, true = (geometry.class_depths(one['depth'], one['semantic_mask'], class_set) for one in (fakes, real.frontal))
  return geometry.relief(fake, true, class_set)


def _draw_both(sample, key, real) -> tuple[dict, dict]:
  """As many samples as are compared, and those at the viewpoints of the frontal real examples."""
  random_key, frontal_key = jax.random.split(key)
  return (draw(sample, random_key, real.num_samples),
          draw(sample, frontal_key, len(real.frontal['image']), real.frontal.get('viewpoint')))


def draw(
    sample: Sample, key: jax.Array, count: int, viewpoint: np.ndarray | None = None, *,
    names: tuple[str, ...] = ('image', 'semantic_mask', 'viewpoint'),
) -> dict[str, np.ndarray]:
  """`count` samples, asked for in calls of one size; at the given viewpoints [count, 2], if any."""
  parts = []
  for index, start in enumerate(range(0, count, _SAMPLE_BATCH)):
    part_key = jax.random.fold_in(key, index)
    if viewpoint is None:
      parts.append(sample(part_key, _SAMPLE_BATCH))
    else:
      part = np.take(viewpoint, np.arange(start, start + _SAMPLE_BATCH), axis=0, mode='clip')
      parts.append(sample(part_key, _SAMPLE_BATCH, viewpoint=part))
  return {name: np.concatenate([np.asarray(part[name]) for part in parts])[:count] for name in names}


def _measure(examples, frontal_examples, reference) -> dict[str, float]:
  """Every normalised measurement of `examples` against the real `reference`."""
  areas = class_areas.class_areas
  return {
      'image': sliced_wasserstein.sliced_wasserstein(examples['image'], reference['image']),
      'mask': sliced_wasserstein.sliced_wasserstein(examples['semantic_mask'], reference['semantic_mask']),
      'class_area_error': class_areas.area_error(areas(examples['semantic_mask']), areas(reference['semantic_mask'])),
      'image_diversity': diversity.diversity(frontal_examples['image']),
      'mask_diversity': diversity.diversity(frontal_examples['semantic_mask']),
  }


def _normalised(value, floor, ceiling) -> dict[str, float | None]:
  scale = ceiling - floor
  normalised = (value - floor) / scale if abs(scale) > 1e-9 else math.nan
  return {'value': value, 'floor': floor, 'ceiling': ceiling, 'normalised': normalised}


def summary(scores: Mapping[str, Any]) -> dict[str, float | None]:
  """The scores for curves, flat: `image`, `image_normalised`, ..., `azimuth`, ..., `geometry_relief`, `geometry_in_order`, `geometry_fog`,
  `locality_shape`, ..., `nearest_ratio`, `area_ratio_hair`, `presence_ratio_hair`, ..., `passed`."""
  flat = {}
  for name in _DISTANCES:
    flat[name] = scores[name]['value']
    flat[f'{name}_normalised'] = scores[name]['normalised']
  for name in _AGREEMENTS:
    flat[name] = scores[name]
  flat['rare_agreement'] = scores['rare_agreement'] and scores['rare_agreement']['value']
  flat['relief'] = scores['relief'] and scores['relief']['slope']
  flat |= geometry_summary(scores['geometry'])
  flat |= locality.summary(scores['locality'])
  flat['nearest_ratio'] = scores['nearest'] and scores['nearest']['ratio']
  for name, row in scores['classes'].items():
    flat[f'area_ratio_{name}'] = row['ratio']
    flat[f'presence_ratio_{name}'] = row['fake_presence'] / row['real_presence'] if row['real_presence'] else None
  flat['passed'] = sum(row['passed'] for row in scores['passed'].values())
  return flat


def geometry_summary(found: Mapping[str, Any] | None) -> dict[str, float | None]:
  """The part of `summary` that tells of geometry, by the result of `measure_geometry`."""
  return {f'geometry_{name}': found and found[name] for name in ('relief', 'in_order', 'fog')}


def write(scores: Mapping[str, Any], workdir: str | os.PathLike, step: int) -> pathlib.Path:
  """Writes `scores.json`: `latest` in full, and `history`, the summary of every step so far; whole or not at all.

  Entries of the history at or after `step` belong to a run that was resumed before them and give way.
  """
  path = pathlib.Path(workdir) / 'scores.json'
  history = []
  if path.exists():
    try:
      history = [entry for entry in json.loads(path.read_text())['history'] if entry['step'] < step]
    except (ValueError, KeyError, TypeError):
      path.replace(path.with_suffix('.json.unreadable'))  # keep what was there, start anew
  history.append({'step': step, **summary(scores), 'compared_with': scores['compared_with']})
  report = {'latest': {'step': step, **scores}, 'history': history}
  atomic_files.write_text(path, json.dumps(_without_nan(report), indent=1) + '\n')
  return path


def _without_nan(value):
  """The same, with null for what JSON has no number for."""
  if isinstance(value, Mapping):
    return {name: _without_nan(inner) for name, inner in value.items()}
  if isinstance(value, (list, tuple)):
    return [_without_nan(inner) for inner in value]
  return None if isinstance(value, float) and not math.isfinite(value) else value


def format_table(scores: Mapping[str, Any]) -> str:
  """The scores as a text table, for printing."""
  on_real = next(iter(scores['oracle'].values()), {})
  compared = scores['compared_with']
  lines = [f'compared with: {compared["split"]} ({compared["examples"]:,}); distances between sets of {compared["num_samples"]:,}']
  lines.append(f'{"score":<18}{"value":>8}{"floor":>8}{"ceiling":>8}{"0 - 1":>8}  bar')
  for name in _DISTANCES:
    row = scores[name]
    lines.append(f'{name:<18}' + ''.join(f'{_number(row[column], ".3f"):>8}' for column in ('value', 'floor', 'ceiling'))
                 + f'{_number(row["normalised"], ".2f"):>8}  {_bar_text(scores, name)}'.rstrip())
  for name in ('mask_agreement', 'azimuth', 'elevation'):
    lines.append(f'{name:<18}{_number(scores[name], ".3f"):>8}{"":>24}  {_bar_text(scores, name)}'
                 f' (oracle on real {_number(on_real.get(name), ".2f")})')
  rare = scores['rare_agreement'] or {'value': None, 'on_real': None, 'classes': ()}
  lines.append(f'{"rare_agreement":<18}{_number(rare["value"], ".3f"):>8}{"":>24}  {_bar_text(scores, "rare_agreement")}'
               f' (oracle on real {_number(rare["on_real"], ".2f")}; {", ".join(rare["classes"]) or "no class"})')
  if scores['geometry'] is not None:
    lines.append(f'{"geometry":<18}{geometry.describe(scores["geometry"])}')
  relief = scores['relief']
  if relief is not None:
    lines.append(f'{"relief":<18}{_number(relief["slope"], ".3f"):>8}{"":>24}  1: as deep as real, 0: flat, below 0: hollow'
                 f' (error {_number(relief["error"], ".3f")})')
  if scores['nearest'] is not None:
    lines += [f'{name:<18}{line}' for name, line in zip(('nearest', ''), nearest.describe(scores['nearest']).splitlines())]
  rules = {'class_areas': 'area of large classes within a factor of 2', 'class_presence': 'seen as often as real, within a third',
           'class_locality': f'of what a swap of a large class changes, {bars.LOCALITY:.0%} is in its region'}
  for name, rule in rules.items():
    if name not in scores['passed']:
      continue
    row = scores['passed'][name]
    lines.append(f'{name:<18}{row["value"]:>8}{"":>24}  {rule}: {_passed_text(row)}'
                 + (f' ({", ".join(row["outside"])})' if row['outside'] else ''))
  passed = [row['passed'] for row in scores['passed'].values()]
  edits = [locality.format_table(scores['locality']), ''] if scores['locality'] is not None else []
  return '\n'.join([*lines, '', *_class_lines(scores['classes']), '', *edits, f'{sum(passed)} of {len(passed)} bars reached'])


def _class_lines(rows) -> list[str]:
  """A line for each class; `worn` is the agreement over those alone whose mask shows it, and `oracle` what it reaches on such real people."""
  lines = [f'{"class":<12}{"area":>7}{"real":>7}{"ratio":>7}{"seen":>6}{"real":>6}{"agree":>7}{"worn":>6}{"oracle":>8}']
  for name, row in rows.items():
    line = (f'{name:<12}{row["fake_area"]:>7.1%}{row["real_area"]:>7.1%}{_number(row["ratio"], ".2f"):>7}'
            f'{row["fake_presence"]:>6.0%}{row["real_presence"]:>6.0%}{_number(row["mask_agreement"], ".2f"):>7}'
            f'{_number(row["agreement_where_present"], ".2f"):>6}{_number(row["oracle_where_present"], ".2f"):>8}')
    if not row['within_factor']:
      line += '  area outside a factor of 2'
    if not row['within_presence']:
      line += f'  seen too {"often" if row["fake_presence"] > row["real_presence"] else "rarely"}'
    lines.append(line)
  return lines


def _number(value, form) -> str:
  return '-' if value is None or not math.isfinite(value) else format(value, form)


def _bar_text(scores, name) -> str:
  row = scores['passed'].get(name)
  if row is None:
    return ''
  sign = '<=' if name in bars.LOWER_IS_BETTER else '>='
  return f'{sign} {row["bar"]:.2f} {_passed_text(row)}'


def _passed_text(row) -> str:
  return 'passed' if row['passed'] else 'missed'
