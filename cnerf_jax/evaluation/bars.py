"""The bars that a trained generator has to reach, and which of its scores do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BARS = {  # what a run has to reach: the first two at most (normalised), the others at least
    'image': 0.15,
    'mask': 0.10,
    'azimuth': 0.8,
    'elevation': 0.6,
    'mask_agreement': 0.6,
}
LOWER_IS_BETTER = ('image', 'mask')
LOCALITY = 0.97  # fraction of the squared change by an edit of a class that lies in its region
RARE_FRACTION = 0.5  # rare classes must agree with the oracle at least this well, as a fraction of what it reaches on real people


def passed(scores: Mapping[str, Any], limits: Mapping[str, float] = BARS) -> dict[str, dict[str, Any]]:
  """By bar: `value`, `bar`, `passed`. Scores that are None, for want of an oracle, have no bar.

  Besides `limits` there are `class_areas` (no large class outside a factor of 2 of the real area), `class_presence` (no class outside
  a third of the real presence) and, where edits were measured, `class_locality` (no large class whose shape or texture, exchanged, changes
  much elsewhere), all with the names `outside`, and `rare_agreement` (of the classes few people wear).
  """
  table = {}
  for name, bar in limits.items():
    if scores[name] is None:
      continue
    value = scores[name]['normalised'] if name in LOWER_IS_BETTER else scores[name]
    reached = value <= bar if name in LOWER_IS_BETTER else value >= bar
    table[name] = {'value': value, 'bar': bar, 'passed': bool(reached)}
  rows = scores['classes'].items()
  table['class_areas'] = _none_outside(name for name, row in rows if row['large'] and not row['within_factor'])
  table['class_presence'] = _none_outside(name for name, row in rows if not row['within_presence'])
  if scores['locality'] is not None:
    table['class_locality'] = _none_outside(
        name for name, row in rows if row['large'] and _leaks(scores['locality']['classes'][name]))
  rare = scores['rare_agreement']
  if rare is not None:
    bar = RARE_FRACTION * rare['on_real']
    table['rare_agreement'] = {'value': rare['value'], 'bar': bar, 'passed': rare['value'] >= bar}
  return table


def _leaks(edits: Mapping[str, Any]) -> bool:
  """Whether an edit of a class changes too much elsewhere, by its row of `locality.measure`."""
  return any(edits[kind]['locality'] < LOCALITY for kind in ('shape', 'texture'))  # of a class that nobody shows: NaN, no leak


def _none_outside(names) -> dict[str, Any]:
  outside = list(names)
  return {'value': len(outside), 'bar': 0, 'passed': not outside, 'outside': outside}
