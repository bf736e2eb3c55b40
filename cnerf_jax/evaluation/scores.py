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

from cnerf_jax.persistence import atomic_files
from cnerf_jax import semantics
from cnerf_jax.evaluation import agreement
from cnerf_jax.evaluation import class_areas
from cnerf_jax.evaluation import diversity
from cnerf_jax.evaluation import label_map
from cnerf_jax.evaluation import oracle as oracle_lib
from cnerf_jax.evaluation import sliced_wasserstein

BARS = {  # what a run has to reach: the first two at most (normalised), the others at least
    'image': 0.15,
    'mask': 0.10,
    'azimuth': 0.8,
    'elevation': 0.6,
    'mask_agreement': 0.6,
}
LOWER_IS_BETTER = ('image', 'mask')
NUM_SAMPLES = 256
_NUM_FRONTAL = 64  # examples whose spread is the diversity
_SAMPLE_BATCH = 32  # samples are asked for in calls of one size, so that the sampler compiles once
_REAL_SEED = 0  # which real examples are compared: the same ones at every evaluation

Sample = Callable[..., Mapping[str, np.ndarray]]


def evaluate(
    sample: Sample,
    real: Mapping[str, np.ndarray],
    untrained_sample: Sample | None,
    oracle: oracle_lib.Oracle | None,
    class_set: semantics.ClassSet,
    *,
    key: jax.Array,
    num_samples: int = NUM_SAMPLES,
    ceilings: Mapping[str, float] | None = None,
    bars: Mapping[str, float] = BARS,
) -> dict[str, Any]:
  """Scores a generator.

  Args:
    sample: `sample(key, batch, viewpoint=None)` draws `batch` examples as a dict of `image` in [-1, 1], `semantic_mask`
      and the `viewpoint` of the camera used; random cameras, or those of `viewpoint` [batch, 2] if it is given.
    real: `image`, `semantic_mask`, `viewpoint` of at least 2 `num_samples` real examples; a few thousand hold more
      that are nearly frontal, for the diversity. Without `viewpoint`, diversity is that of random cameras.
    untrained_sample: the same for the generator before training; needed only without `ceilings`.
    oracle: reads the fakes; without one nothing is said of agreement and cameras, and their bars are left out.
    class_set: of the masks.
    key: of the samples; the same key gives the same scores.
    num_samples: fakes, and real examples, that are compared.
    ceilings: the `ceilings` of earlier scores with the same real examples and number of samples: saves sampling the
      untrained generator.
    bars: what has to be reached, by score.

  Returns:
    A dict of plain values: `image`, `mask`, `class_area_error`, `image_diversity`, `mask_diversity` (each with value,
    floor, ceiling, normalised), `classes` (by name: fake_area, real_area, ratio, fake_presence, real_presence, large,
    within_factor, mask_agreement), `mask_agreement` (over large classes), `mask_agreement_all`, `azimuth`, `elevation`,
    `oracle` (its accuracy by split), `passed` (by bar: value, bar, passed), `all_passed`, `ceilings`, `num_samples`.
  """
  first, second, frontal = split_real(real, num_samples)
  num_frontal, frontal_viewpoint = len(frontal['image']), frontal.get('viewpoint')
  random_key, frontal_key = jax.random.split(key)
  fakes = draw(sample, random_key, num_samples)
  frontal_fakes = draw(sample, frontal_key, num_frontal, frontal_viewpoint)
  if ceilings is None:
    if untrained_sample is None:
      raise ValueError('untrained_sample None leaves the scores without a ceiling; '
                       'give it, or the ceilings of earlier scores')
    ceilings = _measure(draw(untrained_sample, random_key, num_samples),
                        draw(untrained_sample, frontal_key, num_frontal, frontal_viewpoint), second)
  values = _measure(fakes, frontal_fakes, second)
  floors = _measure(first, frontal, second)
  scores = {name: _normalised(values[name], floors[name], ceilings[name]) for name in values}

  agreements, iou = _agreements(fakes, real['semantic_mask'], oracle, class_set)
  scores |= agreements
  scores['classes'] = _class_table(fakes['semantic_mask'], real['semantic_mask'], iou, class_set)
  scores['oracle'] = dict(oracle.accuracy) if oracle is not None else {}
  scores['passed'] = _passed(scores, {name: bar for name, bar in bars.items() if scores[name] is not None})
  scores['all_passed'] = all(row['passed'] for row in scores['passed'].values())
  scores['ceilings'] = dict(ceilings)
  scores['num_samples'] = num_samples
  return scores


def _agreements(fakes, real_mask, oracle, class_set) -> tuple[dict[str, float | None], np.ndarray]:
  """What the oracle reads off the fakes against what was rendered, all None without one, and the agreement of each class."""
  if oracle is None:
    return dict.fromkeys(('mask_agreement', 'mask_agreement_all', 'azimuth', 'elevation')), np.full(class_set.num_classes, np.nan)
  large = class_areas.large_classes(class_areas.class_areas(real_mask))
  reading = oracle.read(fakes['image'])
  iou = agreement.class_iou(reading.labels, label_map.label_map(fakes['semantic_mask'], class_set), class_set.num_classes)
  return dict(
      # A large class that neither the mask nor the oracle's reading shows is a dropped class: it agrees on nothing.
      mask_agreement=agreement.mean_iou(np.nan_to_num(iou), large),
      mask_agreement_all=agreement.mean_iou(iou),
      azimuth=agreement.signed_correlation(reading.viewpoint[:, 0], fakes['viewpoint'][:, 0]),
      elevation=agreement.signed_correlation(reading.viewpoint[:, 1], fakes['viewpoint'][:, 1])), iou


def split_real(real: Mapping[str, np.ndarray], num_samples: int) -> tuple[dict, dict, dict]:
  """Two disjoint random sets of `num_samples` real examples, and those nearest to frontal; always the same.

  Where cameras are unknown, the third set is a random one too.
  """
  count = len(real['image'])
  if count < 2 * num_samples:
    raise ValueError(f'{count} real examples are too few to compare {num_samples} samples; '
                     f'give at least {2 * num_samples}, or lower num_samples to {count // 2}')
  order = np.random.default_rng(_REAL_SEED).permutation(count)
  num_frontal = min(_NUM_FRONTAL, num_samples)
  frontal = diversity.frontal_examples(real['viewpoint'], num_frontal) if 'viewpoint' in real else order[-num_frontal:]
  names = [name for name in ('image', 'semantic_mask', 'viewpoint') if name in real]
  return tuple({name: np.asarray(real[name])[chosen] for name in names}
               for chosen in (order[:num_samples], order[num_samples:2 * num_samples], frontal))


def draw(sample: Sample, key: jax.Array, count: int, viewpoint: np.ndarray | None = None) -> dict[str, np.ndarray]:
  """`count` samples, asked for in calls of one size; at the given viewpoints [count, 2], if any."""
  parts = []
  for index, start in enumerate(range(0, count, _SAMPLE_BATCH)):
    part_key = jax.random.fold_in(key, index)
    if viewpoint is None:
      parts.append(sample(part_key, _SAMPLE_BATCH))
    else:
      part = np.take(viewpoint, np.arange(start, start + _SAMPLE_BATCH), axis=0, mode='clip')
      parts.append(sample(part_key, _SAMPLE_BATCH, viewpoint=part))
  return {name: np.concatenate([np.asarray(part[name]) for part in parts])[:count]
          for name in ('image', 'semantic_mask', 'viewpoint')}


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


def _class_table(fake_mask, real_mask, iou, class_set) -> dict[str, dict[str, Any]]:
  fake_areas, real_areas = class_areas.class_areas(fake_mask), class_areas.class_areas(real_mask)
  columns = {
      'fake_area': fake_areas,
      'real_area': real_areas,
      'ratio': np.where(real_areas > 0, fake_areas / np.maximum(real_areas, 1e-12), np.nan),
      'fake_presence': class_areas.class_presence(fake_mask),
      'real_presence': class_areas.class_presence(real_mask),
      'large': class_areas.large_classes(real_areas),
      'within_factor': class_areas.within_factor(fake_areas, real_areas),
      'mask_agreement': iou,
  }
  return {name: {column: values[k].item() for column, values in columns.items()}
          for k, name in enumerate(class_set.classes)}


def _passed(scores, bars) -> dict[str, dict[str, Any]]:
  table = {}
  for name, bar in bars.items():
    value = scores[name]['normalised'] if name in LOWER_IS_BETTER else scores[name]
    passed = value <= bar if name in LOWER_IS_BETTER else value >= bar
    table[name] = {'value': value, 'bar': bar, 'passed': bool(passed)}
  outside = [name for name, row in scores['classes'].items() if row['large'] and not row['within_factor']]
  table['class_areas'] = {'value': len(outside), 'bar': 0, 'passed': not outside, 'outside': outside}
  return table


def summary(scores: Mapping[str, Any]) -> dict[str, float]:
  """The scores for curves, flat: `image`, `image_normalised`, ..., `azimuth`, ..., `area_ratio_hair`, `passed`."""
  flat = {}
  for name in ('image', 'mask', 'class_area_error', 'image_diversity', 'mask_diversity'):
    flat[name] = scores[name]['value']
    flat[f'{name}_normalised'] = scores[name]['normalised']
  for name in ('mask_agreement', 'mask_agreement_all', 'azimuth', 'elevation'):
    flat[name] = scores[name]
  for name, row in scores['classes'].items():
    flat[f'area_ratio_{name}'] = row['ratio']
  flat['passed'] = sum(row['passed'] for row in scores['passed'].values())
  return flat


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
  history.append({'step': step, **summary(scores)})
  story = {'latest': {'step': step, **scores}, 'history': history}
  atomic_files.write_text(path, json.dumps(_without_nan(story), indent=1) + '\n')
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
  number = lambda value, form: '-' if value is None or not math.isfinite(value) else format(value, form)
  on_real = next(iter(scores['oracle'].values()), {})
  lines = [f'{"score":<18}{"value":>8}{"floor":>8}{"ceiling":>8}{"0 - 1":>8}  bar']
  for name in ('image', 'mask', 'class_area_error', 'image_diversity', 'mask_diversity'):
    row = scores[name]
    lines.append(f'{name:<18}' + ''.join(f'{number(row[column], ".3f"):>8}' for column in ('value', 'floor', 'ceiling'))
                 + f'{number(row["normalised"], ".2f"):>8}  {_verdict(scores, name)}')
  for name in ('mask_agreement', 'azimuth', 'elevation'):
    lines.append(f'{name:<18}{number(scores[name], ".3f"):>8}{"":>24}  {_verdict(scores, name)}'
                 + f' (oracle on real {number(on_real.get(name), ".2f")})')
  lines.append('')
  lines.append(f'{"class":<12}{"area":>7}{"real":>7}{"ratio":>7}{"seen":>6}{"real":>6}{"agree":>7}')
  for name, row in scores['classes'].items():
    flag = '  outside a factor of 2' if not row['within_factor'] else ''
    lines.append(
        f'{name:<12}{row["fake_area"]:>7.1%}{row["real_area"]:>7.1%}{number(row["ratio"], ".2f"):>7}'
        f'{row["fake_presence"]:>6.0%}{row["real_presence"]:>6.0%}{number(row["mask_agreement"], ".2f"):>7}{flag}')
  passed = [row['passed'] for row in scores['passed'].values()]
  lines.append(f'{sum(passed)} of {len(passed)} bars reached')
  return '\n'.join(lines)


def _verdict(scores, name) -> str:
  row = scores['passed'].get(name)
  if row is None:
    return ''
  sign = '<=' if name in LOWER_IS_BETTER else '>='
  return f'{sign} {row["bar"]:.2f} {"passed" if row["passed"] else "missed"}'
