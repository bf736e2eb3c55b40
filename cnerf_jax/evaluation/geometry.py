"""Do heads have true relief? The depth of each class seen from the front, alone and against a data set that knows its depth.

Pictures and masks may be right while the head behind them is a painted board, a hollow mold or a cloud: nothing of what other scores
look at would tell. Two measurements do, both of the expected depth of a class's pixels; it is a median, because thin classes are dilated
over what lies behind them.

`measure` needs no truth, and so works for photographs: seen from the front, noses lie before eyes and eyes before ears, a surface is
thin along the ray, and hair, ears and neck stop it, rather than being painted on what lies behind everything. Its `relief` is how far
the nose stands before the ears, or before the hair where hardly any ear is seen. A head as wide as those of the data sets has about .088
(camera distance 1); what is known to be wrong had -.025 (hollow) and .021 to .027 (flat).

`relief` compares with real people where their depth is known: the slope of the fake depths over the real ones is 1 where the relief is
true, near 0 where the head is flat, and negative where it is hollow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from cnerf_jax import semantics
from cnerf_jax.evaluation import label_map

BEHIND = 'background'  # a class without a surface: stored depth is that of the far plane, rendered depth wherever the fog ends
SMALLEST_AREA = 1e-3  # of the pictures: a class that takes less has too few pixels for a median

VERDICTS = ('sound', 'hollow', 'flat', 'fog', 'painted')
HOLLOW_BELOW = -0.005  # relief, world units: of a board, by chance, it is nearer to 0 than this
FLAT_BELOW = {'ears': 0.034, 'hair': 0.02}  # relief, world units, by what the nose stands before; hair reaches further forward than ears
FOG_ABOVE = 0.04  # width of the surface, world units, half a head's relief: density_beta .03 gives .054, trained portraits32 have .007
FOG_OPACITY = 0.9  # a face that stops less of the ray is fog too
PAINTED_OPACITY = 0.5  # hair, ears or a neck that stops less of the ray has no surface; trained portraits32 have .95 and more

_NAMES = {'nose': ('nose',), 'eyes': ('eyes', 'eye'), 'ears': ('ears', 'ear'), 'hair': ('hair',)}  # in the class sets that there are
_SOLID = ('hair', 'ears', 'ear', 'neck')  # what may be painted on the backdrop and look right
_FACE = ('skin', 'face', 'nose', 'eyes', 'eye', 'brows', 'brow', 'mouth')


def class_depths(
    depth: Float[np.ndarray, 'examples height width'], semantic_mask: Float[np.ndarray, 'examples height width classes'],
    class_set: semantics.ClassSet,
) -> Float[np.ndarray, 'classes']:
  """Median depth of each class's pixels, world units along the camera's axis; NaN for a class that has hardly any."""
  return _median_depths(np.asarray(depth), label_map.label_map(semantic_mask, class_set), class_set.num_classes)


def _median_depths(depth, labels, num_classes) -> np.ndarray:
  return _per_class(np.median, depth, labels, num_classes)


def _per_class(reduce, values, labels, num_classes) -> np.ndarray:
  """One number of each class's pixels; NaN for a class that has hardly any."""
  of_classes = [values[labels == k] for k in range(num_classes)]
  return np.array([reduce(of_one) if len(of_one) >= max(1, SMALLEST_AREA * labels.size) else np.nan for of_one in of_classes])


def has_face(class_set: semantics.ClassSet) -> bool:
  """Whether the classes are enough to judge a head by: nose, eyes, and ears or hair."""
  there = {part for part, names in _NAMES.items() if set(names) & set(class_set.classes)}
  return {'nose', 'eyes'} <= there and bool({'ears', 'hair'} & there)


def measure(
    depth: Float[np.ndarray, 'samples height width'], semantic_mask: Float[np.ndarray, 'samples height width classes'],
    surface_width: Float[np.ndarray, 'samples height width'], opacity: Float[np.ndarray, 'samples height width'],
    class_set: semantics.ClassSet,
) -> dict[str, Any] | None:
  """The shape of heads that are seen from the front (azimuth and elevation 0).

  Args:
    depth: expected depth along the camera's axis, world units.
    semantic_mask: of the same samples.
    surface_width: standard deviation of the depth along each ray, world units.
    opacity: what of each ray a surface stopped, in [0, 1].
    class_set: of the masks.

  Returns:
    None if the class set has no face (`has_face`); else plain values, None where too little is seen to measure:
    `classes`, median depth by name; `relief`, world units, and `behind`, `ears` or `hair`: what the nose stands before;
    `in_order`, of the samples that show a nose and what is behind it, the fraction in which nose, eyes and ears follow one another (without
    ears: nose, eyes and hair; without eyes, as behind dark glasses: the other two); `fog`, median surface width of a face's pixels, world
    units, and `fog_of_relief`, the same over the relief; `opacity`, their median; `opacities`, mean of each class's pixels, by name;
    `verdict`, see `diagnose`.
  """
  if not has_face(class_set):
    return None
  depth, labels = np.asarray(depth), label_map.label_map(semantic_mask, class_set)
  depths = _median_depths(depth, labels, class_set.num_classes)
  behind = _behind(depths, class_set)
  nose_relief = _relief(depths, class_set)
  orders = [_in_order(_median_depths(*one, class_set.num_classes), class_set) for one in zip(depth, labels)]
  judged = [order for order in orders if order is not None]
  on_face = np.isin(labels, [k for k, name in enumerate(class_set.classes) if name in _FACE])
  fog, stopped = (float(np.median(np.asarray(values)[on_face])) if on_face.any() else np.nan for values in (surface_width, opacity))
  numbers = dict(
      relief=nose_relief, in_order=float(np.mean(judged)) if judged else np.nan, fog=fog,
      fog_of_relief=fog / nose_relief if nose_relief > 0 else np.nan, opacity=stopped)
  opacities = _per_class(np.mean, np.asarray(opacity), labels, class_set.num_classes)
  by_name = lambda values: {name: _plain(value) for name, value in zip(class_set.classes, values)}
  return dict(
      classes=by_name(depths), opacities=by_name(opacities), behind=behind,
      **{name: _plain(value) for name, value in numbers.items()},
      verdict=diagnose(nose_relief, behind, fog, stopped, is_hollow(depths, class_set), is_painted(opacities, class_set)))


def diagnose(
    relief: float, behind: str | None, fog: float, opacity: float, hollow: bool = False, painted: bool = False) -> str | None:
  """One word for a head's shape, the gravest first.

  `hollow`: the nose lies behind the ears, or the hair; `fog`: the surface is so wide, or lets so much through, that depths are those of a
  cloud (which looks flat too, but is mended otherwise); `painted`: hair, ears or neck have no surface; `flat`: a painted board, of less than
  about half a head's relief; else `sound`.

  Args:
    relief: how far the nose stands before what is `behind`, world units.
    behind: `ears` or `hair`.
    fog: width of the surface, world units.
    opacity: of a face, in [0, 1].
    hollow: what `is_hollow` says of the same depths; a relief may be hollow by itself.
    painted: what `is_painted` says.

  Returns:
    One of VERDICTS, or None if a number is not finite: too little is seen.
  """
  if behind is None or not np.isfinite([relief, fog, opacity]).all():
    return None
  if hollow or relief < HOLLOW_BELOW:
    return 'hollow'
  if fog > FOG_ABOVE or opacity < FOG_OPACITY:
    return 'fog'
  if painted:
    return 'painted'
  return 'flat' if relief < FLAT_BELOW[behind] else 'sound'


def is_hollow(depths: Float[np.ndarray, 'classes'], class_set: semantics.ClassSet) -> bool:
  """Whether the nose lies behind the ears or behind the hair, by the depths of `class_depths`; False where that can't be told.

  Either is enough: a mould that was learnt with a wrong turn had its ears, which are seldom seen, as far as its nose, and its hair before both.
  """
  depths = np.asarray(depths)
  nose = _part(depths, class_set, 'nose')
  return any(_part(depths, class_set, part) - nose < HOLLOW_BELOW for part in ('ears', 'hair'))


def is_painted(opacities: Float[np.ndarray, 'classes'], class_set: semantics.ClassSet) -> bool:
  """Whether hair, ears or neck are pictures on the backdrop: the mean opacity of their pixels is below PAINTED_OPACITY, where they are seen."""
  return any(opacities[class_set.index(name)] < PAINTED_OPACITY for name in _SOLID if name in class_set.classes)


def describe(geometry: dict[str, Any]) -> str:
  """The result of `measure` in one line."""
  number = lambda name, form: '-' if geometry[name] is None else format(geometry[name], form)
  return (f'relief {number("relief", ".3f")} (nose before {geometry["behind"] or "ears"}), in order {number("in_order", ".0%")}, '
          f'fog {number("fog", ".3f")}, opacity {number("opacity", ".2f")}: {geometry["verdict"] or "too little is seen to judge"}')


def _part(depths, class_set, part) -> float:
  """Depth of a part of the head; NaN if its class is not in the set or hardly seen."""
  return next((float(depths[class_set.index(name)]) for name in _NAMES[part] if name in class_set.classes), np.nan)


def _behind(depths, class_set) -> str | None:
  return next((part for part in ('ears', 'hair') if np.isfinite(_part(depths, class_set, part))), None)


def _relief(depths, class_set) -> float:
  """How far the nose stands before the ears, or the hair without them, world units; NaN if that can't be told."""
  behind = _behind(depths, class_set)
  return np.nan if behind is None else _part(depths, class_set, behind) - _part(depths, class_set, 'nose')


def _in_order(depths, class_set) -> bool | None:
  """Whether nose, eyes and ears of one head follow one another; None if nose, or both ears and hair, are not seen."""
  behind = _behind(depths, class_set)
  parts = [_part(depths, class_set, part) for part in ('nose', 'eyes', behind) if part is not None]
  if behind is None or not np.isfinite(parts[0]):
    return None
  return bool((np.diff([value for value in parts if np.isfinite(value)]) > 0).all())


def _plain(value) -> float | None:
  return float(value) if np.isfinite(value) else None


def relief(
    fake_depths: Float[np.ndarray, 'classes'], real_depths: Float[np.ndarray, 'classes'], class_set: semantics.ClassSet,
) -> dict[str, Any]:
  """How well fake class depths follow the real ones.

  Args:
    fake_depths: `class_depths` of samples.
    real_depths: of real people, at the same viewpoints.
    class_set: of both.

  Returns:
    `slope` of a line through the fake depths over the real ones, `error`, their mean absolute difference in world units, both over classes
    that have a surface and are seen in both (NaN with fewer than two such classes); and `classes`, by name: `fake` and `real` depth.
  """
  both = np.isfinite(fake_depths) & np.isfinite(real_depths) & (np.array(class_set.classes) != BEHIND)
  fake, real = fake_depths[both], real_depths[both]
  slope = error = np.nan
  if len(real) > 1 and np.ptp(real) > 0:
    slope, error = np.polyfit(real, fake, 1)[0], np.abs(fake - real).mean()
  return {
      'slope': float(slope), 'error': float(error),
      'classes': {name: {'fake': float(a), 'real': float(b)} for name, a, b in zip(class_set.classes, fake_depths, real_depths)}}
