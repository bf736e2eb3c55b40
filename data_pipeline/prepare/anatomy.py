"""Is this label map a face? Where each label lies, and rules that every portrait keeps: brows above eyes, nose between eyes and mouth.

Labels in a wrong order train without an error. But under a wrong order the "nose" lies where a brow is: of all known orders the right
one keeps most rules. A rule counts where its parts are present; parts that nearly every portrait shows must be there at all.
"""

from collections.abc import Callable, Iterable
import dataclasses

import numpy as np
from jaxtyping import Float, Int

from data_pipeline.prepare import label_orders

LABELS = label_orders.LABELS
# An order is wrong if another known one keeps so much more of the rules, or if it keeps fewer than this itself, or fewer than half of
# those about heights.
MARGIN = 0.08
ENOUGH = 0.7
# One label map alone is out of place below this: profiles and covered faces break a rule or two.
ODD = 0.65
_SIDE = 256  # label maps are looked at with about so many rows; moments need no more
_GROUPS = {
    'brows': ('l_brow', 'r_brow'), 'eyes': ('l_eye', 'r_eye'), 'mouth': ('mouth', 'u_lip', 'l_lip'), 'ears': ('l_ear', 'r_ear')}


@dataclasses.dataclass(frozen=True)
class Moments:
  """Where each integer of a label map lies.

  Attributes:
    fraction: of the pixels.
    x: mean column of its pixels, 0 left to 1 right; NaN where it is absent.
    y: mean row, 0 top to 1 bottom.
    top: its highest row.
  """

  fraction: Float[np.ndarray, 'values']
  x: Float[np.ndarray, 'values']
  y: Float[np.ndarray, 'values']
  top: Float[np.ndarray, 'values']

  def merge(self, names: Iterable[str]) -> tuple[float, float, float, float]:
    """(fraction, x, y, top) of several of the 19 labels together."""
    chosen = [LABELS.index(name) for name in names if self.fraction[LABELS.index(name)] > 0]
    fraction = float(self.fraction[chosen].sum())
    if not fraction:
      return 0.0, np.nan, np.nan, np.nan
    mean = lambda values: float((values[chosen] * self.fraction[chosen]).sum() / fraction)
    return fraction, mean(self.x), mean(self.y), float(self.top[chosen].min())


def moments(values: Int[np.ndarray, 'height width'], num_values: int = len(LABELS)) -> Moments:
  """Moments of the integers 0 to num_values - 1; others are left out."""
  step = max(1, min(values.shape) // _SIDE)
  values = values[::step, ::step].astype(np.int64)  # num_values may be too large for the maps' own type
  height, width = values.shape
  inside = (values >= 0) & (values < num_values)
  flat = np.where(inside, values, num_values).ravel()
  by_row = np.bincount(flat + (num_values + 1) * np.repeat(np.arange(height), width), minlength=height * (num_values + 1))
  by_row = by_row.reshape(height, num_values + 1)[:, :num_values]
  by_column = np.bincount(flat + (num_values + 1) * np.tile(np.arange(width), height), minlength=width * (num_values + 1))
  by_column = by_column.reshape(width, num_values + 1)[:, :num_values]
  count = by_row.sum(0)
  scale = lambda size: (np.arange(size) + 0.5) / size
  with np.errstate(invalid='ignore', divide='ignore'):
    y, x = scale(height) @ by_row / count, scale(width) @ by_column / count
  top = np.where(count > 0, (by_row > 0).argmax(0) / height, np.nan)
  return Moments(fraction=count / flat.size, x=x, y=y, top=top)


def reorder(raw: Moments, lookup: Int[np.ndarray, 'values']) -> Moments:
  """Moments of the 19 labels from those of raw integers under an order's lookup table."""
  rows = []
  for label in range(len(LABELS)):
    values = [value for value in np.flatnonzero(lookup == label) if raw.fraction[value] > 0]
    fraction = raw.fraction[values].sum()
    if not fraction:
      rows.append((0.0, np.nan, np.nan, np.nan))
      continue
    weights = raw.fraction[values] / fraction
    rows.append((fraction, weights @ raw.x[values], weights @ raw.y[values], raw.top[values].min()))
  return Moments(*np.array(rows).T)


def _part(one: Moments, name: str) -> tuple[float, float, float, float]:
  return one.merge(_GROUPS.get(name, (name,)))


def _above(upper: str, lower: str) -> Callable[[Moments], bool | None]:
  """Whether one part's middle lies above another's; None where either is absent."""
  def rule(one: Moments) -> bool | None:
    first, second = _part(one, upper), _part(one, lower)
    return first[2] < second[2] if first[0] and second[0] else None
  return rule


def _larger(large: str, small: str) -> Callable[[Moments], bool | None]:
  def rule(one: Moments) -> bool | None:
    first, second = _part(one, large)[0], _part(one, small)[0]
    return first > second if second else None
  return rule


def _between(middle: str, pair: str) -> Callable[[Moments], bool | None]:
  """Whether a part lies between the left and the right one of a pair."""
  left, right = (LABELS.index(name) for name in _GROUPS[pair])
  def rule(one: Moments) -> bool | None:
    x = _part(one, middle)[1]
    sides = sorted((one.x[left], one.x[right]))
    return None if np.isnan([x, *sides]).any() else bool(sides[0] < x < sides[1])
  return rule


def _side(one: Moments, pair: str) -> float:
  """1 if the l_ part lies left of the r_ part, -1 if right of it, NaN if either is absent."""
  left, right = (LABELS.index(name) for name in _GROUPS[pair])
  return np.sign(one.x[right] - one.x[left])


def _same_sides(one: Moments) -> bool | None:
  sides = [side for side in (_side(one, pair) for pair in ('eyes', 'brows', 'ears')) if not np.isnan(side)]
  return len(set(sides)) == 1 if len(sides) > 1 else None


def _hair_on_top(one: Moments) -> bool | None:
  hair, eyes = _part(one, 'hair'), _part(one, 'eyes')
  return hair[3] < eyes[2] if hair[0] and eyes[0] else None


def _level_eyes(one: Moments) -> bool | None:
  left, right = (LABELS.index(name) for name in _GROUPS['eyes'])
  across, up = abs(one.x[left] - one.x[right]), abs(one.y[left] - one.y[right])
  return None if np.isnan(across) else bool(across > up)


RULES: dict[str, Callable[[Moments], bool | None]] = {
    'brows above eyes': _above('brows', 'eyes'),
    'eyes above nose': _above('eyes', 'nose'),
    'nose above mouth': _above('nose', 'mouth'),
    'upper lip above lower lip': _above('u_lip', 'l_lip'),
    'mouth above neck': _above('mouth', 'neck'),
    'mouth above cloth': _above('mouth', 'cloth'),
    'mouth above necklace': _above('mouth', 'neck_l'),
    'hat above eyes': _above('hat', 'eyes'),
    'eyes above earrings': _above('eyes', 'ear_r'),
    'hair on top': _hair_on_top,
    'nose between eyes': _between('nose', 'eyes'),
    'mouth between ears': _between('mouth', 'ears'),
    'eyes side by side': _level_eyes,
    'left and right on the same sides': _same_sides,
    'skin larger than nose': _larger('skin', 'nose'),
    'skin larger than mouth': _larger('skin', 'mouth'),
    'nose larger than brows': _larger('nose', 'brows'),
    'hair larger than brows': _larger('hair', 'brows'),
    **{f'{name} present': lambda one, name=name: _part(one, name)[0] > 0 for name in ('skin', 'nose', 'eyes', 'brows', 'mouth', 'hair')},
}

_HEIGHTS = [name for name in RULES if ' above ' in name or ' on top' in name]


def kept_rules(one: Moments) -> dict[str, bool]:
  """Whether a label map keeps each rule that applies to it."""
  found = {name: rule(one) for name, rule in RULES.items()}
  return {name: bool(is_kept) for name, is_kept in found.items() if is_kept is not None}


def fit(one: Moments) -> float:
  """Fraction of the rules about places and sizes that one label map keeps; 1 if none applies. Absent parts break none."""
  kept = [is_kept for name, is_kept in kept_rules(one).items() if not name.endswith('present')]
  return float(np.mean(kept)) if kept else 1.0


def keep_rates(maps: Iterable[Moments]) -> dict[str, float]:
  """For each rule the fraction of label maps that keep it, of those it applies to."""
  found: dict[str, list[bool]] = {}
  for one in maps:
    for name, is_kept in kept_rules(one).items():
      found.setdefault(name, []).append(is_kept)
  return {name: float(np.mean(kept)) for name, kept in found.items()}


@dataclasses.dataclass(frozen=True)
class OrderCheck:
  """What anatomy says of a declared label order.

  Attributes:
    declared: name of the order.
    fits: how well each order fits, best first: the mean over rules of the fraction of label maps that keep them.
    broken: rules that fewer than half of the label maps keep under the declared order.
    mirrored: whether the l_ parts lie on the right of the picture (both conventions exist; classes merge both).
    is_wrong: whether preparation should stop.
  """

  declared: str
  fits: dict[str, float]
  broken: tuple[str, ...]
  mirrored: bool
  is_wrong: bool

  def line(self) -> str:
    """One line for a person who declared a wrong order."""
    best, fitting = next(iter(self.fits.items()))
    own = self.fits[self.declared]
    broken = f'; it breaks: {", ".join(self.broken)}' if self.broken else ''
    if fitting > own + MARGIN and fitting >= ENOUGH:
      return (f'label order {self.declared} keeps {own:.0%} of the rules of anatomy and {best} keeps {fitting:.0%}{broken}; '
              f'use --label-order {best}, or --no-order-check if you are sure')
    return (f'label order {self.declared} keeps only {own:.0%} of the rules of anatomy{broken}, and no known order fits; declare the '
            'right one as a JSON table, turn the label maps upright, or use --no-order-check if you are sure')


def check_order(declared: label_orders.LabelOrder, raw: list[Moments]) -> OrderCheck:
  """Compares a declared order with the known ones on the raw moments (256 integers) of some label maps."""
  orders = {declared.name: declared} | {name: order for name, order in label_orders.KNOWN.items() if order.labels != declared.labels}
  rates, sides = {}, []
  for name, order in orders.items():
    maps = [reorder(one, order.lookup()) for one in raw]
    rates[name] = keep_rates(maps)
    if name == declared.name:
      sides = [side for one in maps for side in (_side(one, 'eyes'), _side(one, 'brows')) if not np.isnan(side)]
  mean = {name: float(np.mean(list(kept.values()))) if kept else 0.0 for name, kept in rates.items()}
  own, best = mean[declared.name], max(mean.values())
  better = best > own + MARGIN and best >= ENOUGH
  heights = [rate for name, rate in rates[declared.name].items() if name in _HEIGHTS]
  is_upright = sum(rate >= 0.5 for rate in heights) >= len(heights) / 2
  return OrderCheck(
      declared=declared.name,
      fits=dict(sorted(mean.items(), key=lambda item: (-item[1], item[0] != declared.name))),
      broken=tuple(name for name, rate in rates[declared.name].items() if rate < 0.5),
      mirrored=bool(sides) and float(np.mean(sides)) < 0,
      is_wrong=bool(raw) and (better or own < ENOUGH or not is_upright))
