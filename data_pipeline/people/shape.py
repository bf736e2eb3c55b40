"""The shape of a head: weights of MakeHuman's targets, region by region, so that one region can be another person's.

A target pair is one axis (nose narrower - wider): a weight of -1 is all of the first, +1 all of the second. Those of the two sides
of a face share a weight, but for a small difference. Ages, sexes, ancestries and builds are blended by products of weights.
"""

import dataclasses

import numpy as np

from data_pipeline.people import traits as traits_lib

# Region: its folder of targets and its axes: base name, negative end, positive end, standard deviation.
_AXES = {
    'head': (
        ('head/head-scale-depth', 'decr', 'incr', 0.25), ('head/head-scale-horiz', 'decr', 'incr', 0.25),
        ('head/head-scale-vert', 'decr', 'incr', 0.25), ('head/head-angle', 'in', 'out', 0.2),
        ('head/head-fat', 'decr', 'incr', 0.3), ('head/head-back-scale-depth', 'decr', 'incr', 0.25),
        ('head/head-oval', None, '', 0.25), ('head/head-round', None, '', 0.2), ('head/head-square', None, '', 0.22),
        ('head/head-rectangular', None, '', 0.2), ('head/head-triangular', None, '', 0.15),
        ('head/head-invertedtriangular', None, '', 0.2), ('head/head-diamond', None, '', 0.18),
        ('forehead/forehead-nubian', 'decr', 'incr', 0.12), ('forehead/forehead-scale-vert', 'decr', 'incr', 0.2),
        ('forehead/forehead-temple', 'decr', 'incr', 0.35), ('forehead/forehead-trans', 'backward', 'forward', 0.25),
        ('chin/chin-bones', 'decr', 'incr', 0.35), ('chin/chin-cleft', 'decr', 'incr', 0.3),
        ('chin/chin-height', 'decr', 'incr', 0.3), ('chin/chin-jaw-drop', 'decr', 'incr', 0.3),
        ('chin/chin-prognathism', 'decr', 'incr', 0.22), ('chin/chin-prominent', 'decr', 'incr', 0.3),
        ('chin/chin-width', 'decr', 'incr', 0.35), ('chin/chin-triangle', None, '', 0.3),
        ('cheek/?-cheek-bones', 'decr', 'incr', 0.4), ('cheek/?-cheek-inner', 'decr', 'incr', 0.35),
        ('cheek/?-cheek-trans', 'down', 'up', 0.4), ('cheek/?-cheek-volume', 'decr', 'incr', 0.4),
        ('neck/neck-double', 'decr', 'incr', 0.3), ('neck/neck-scale-horiz', 'decr', 'incr', 0.25),
        ('neck/neck-scale-depth', 'decr', 'incr', 0.2), ('neck/neck-scale-vert', 'decr', 'incr', 0.12)),
    'nose': (
        ('nose/nose-base', 'down', 'up', 0.35), ('nose/nose-compression', 'compress', 'uncompress', 0.3),
        ('nose/nose-curve', 'concave', 'convex', 0.35), ('nose/nose-flaring', 'decr', 'incr', 0.35),
        ('nose/nose-greek', 'decr', 'incr', 0.3), ('nose/nose-hump', 'decr', 'incr', 0.35),
        ('nose/nose-nostrils-angle', 'down', 'up', 0.35), ('nose/nose-nostrils-width', 'decr', 'incr', 0.35),
        ('nose/nose-point', 'down', 'up', 0.35), ('nose/nose-point-width', 'decr', 'incr', 0.35),
        ('nose/nose-scale-depth', 'decr', 'incr', 0.3), ('nose/nose-scale-horiz', 'decr', 'incr', 0.3),
        ('nose/nose-scale-vert', 'decr', 'incr', 0.3), ('nose/nose-septumangle', 'decr', 'incr', 0.35),
        ('nose/nose-trans', 'down', 'up', 0.2), ('nose/nose-volume', 'decr', 'incr', 0.3),
        ('nose/nose-width1', 'decr', 'incr', 0.35), ('nose/nose-width2', 'decr', 'incr', 0.35),
        ('nose/nose-width3', 'decr', 'incr', 0.35)),
    'eyes': (
        ('eyes/?-eye-bag', 'decr', 'incr', 0.35), ('eyes/?-eye-corner1', 'down', 'up', 0.35),
        ('eyes/?-eye-corner2', 'down', 'up', 0.35), ('eyes/?-eye-epicanthus', 'in', 'out', 0.3),
        ('eyes/?-eye-eyefold-angle', 'down', 'up', 0.35), ('eyes/?-eye-eyefold', 'concave', 'convex', 0.35),
        ('eyes/?-eye-eyefold', 'down', 'up', 0.3), ('eyes/?-eye-height1', 'decr', 'incr', 0.25),
        ('eyes/?-eye-height2', 'decr', 'incr', 0.25), ('eyes/?-eye-height3', 'decr', 'incr', 0.25),
        ('eyes/?-eye-push1', 'in', 'out', 0.25), ('eyes/?-eye-push2', 'in', 'out', 0.25),
        ('eyes/?-eye-scale', 'decr', 'incr', 0.25), ('eyes/?-eye-trans', 'down', 'up', 0.2),
        ('eyes/?-eye-trans', 'in', 'out', 0.25)),
    'brows': (
        ('eyebrows/eyebrows-angle', 'down', 'up', 0.35), ('eyebrows/eyebrows-trans', 'backward', 'forward', 0.22),
        ('eyebrows/eyebrows-trans', 'down', 'up', 0.3)),
    'mouth': (
        ('mouth/mouth-angles', 'down', 'up', 0.25), ('mouth/mouth-cupidsbow', 'decr', 'incr', 0.4),
        ('mouth/mouth-cupidsbow-width', 'decr', 'incr', 0.35), ('mouth/mouth-dimples', 'in', 'out', 0.2),
        ('mouth/mouth-laugh-lines', 'in', 'out', 0.3), ('mouth/mouth-lowerlip-ext', 'down', 'up', 0.25),
        ('mouth/mouth-lowerlip-height', 'decr', 'incr', 0.35), ('mouth/mouth-lowerlip-middle', 'down', 'up', 0.25),
        ('mouth/mouth-lowerlip-volume', 'decr', 'incr', 0.35), ('mouth/mouth-lowerlip-width', 'decr', 'incr', 0.3),
        ('mouth/mouth-philtrum-volume', 'decr', 'incr', 0.35), ('mouth/mouth-scale-depth', 'decr', 'incr', 0.25),
        ('mouth/mouth-scale-horiz', 'decr', 'incr', 0.3), ('mouth/mouth-scale-vert', 'decr', 'incr', 0.3),
        ('mouth/mouth-trans', 'down', 'up', 0.2), ('mouth/mouth-upperlip-ext', 'down', 'up', 0.25),
        ('mouth/mouth-upperlip-height', 'decr', 'incr', 0.35), ('mouth/mouth-upperlip-middle', 'down', 'up', 0.25),
        ('mouth/mouth-upperlip-volume', 'decr', 'incr', 0.35), ('mouth/mouth-upperlip-width', 'decr', 'incr', 0.3)),
    'ears': (
        ('ears/?-ear-flap', 'decr', 'incr', 0.3), ('ears/?-ear-lobe', 'decr', 'incr', 0.4),
        ('ears/?-ear-rot', 'backward', 'forward', 0.3), ('ears/?-ear-scale', 'decr', 'incr', 0.3),
        ('ears/?-ear-scale-depth', 'decr', 'incr', 0.3), ('ears/?-ear-scale-vert', 'decr', 'incr', 0.3),
        ('ears/?-ear-trans', 'down', 'up', 0.25), ('ears/?-ear-wing', 'decr', 'incr', 0.35)),
}
_ASYMMETRIES = tuple(f'asym/asym-{part}-{number}' for part, numbers in (
    ('brown', 2), ('cheek', 2), ('ear', 4), ('eye', 8), ('jaw', 3), ('mouth', 2), ('nose', 4), ('temple', 2), ('top', 2),
) for number in range(1, numbers + 1))
_ASYMMETRY_STD = 0.1
_STRENGTH = 0.8  # of all standard deviations of the table
_SIDES_STD = 0.05  # by how much the weights of the two sides of a face differ
# Where the middle of an axis is not MakeHuman's: measured against the label maps of photographs.
_MEANS = {'ears/?-ear-wing': 0.3, 'ears/?-ear-scale': 0.3, 'mouth/mouth-trans': -0.25, 'nose/nose-trans': -0.15, 'nose/nose-scale-horiz': -0.15}
REGIONS = tuple(_AXES)
NUM_WEIGHTS = sum(1 + ('?' in axis[0]) for axes in _AXES.values() for axis in axes) + len(_ASYMMETRIES)
_AGES = (('child', 12.0), ('young', 25.0), ('old', 85.0))


@dataclasses.dataclass(frozen=True)
class Shape:
  """Weights of the axes of each region, in the table's order; of paired axes first the left one's, then the right one's.

  Attributes:
    head: skull, forehead, cheeks, chin and neck.
    nose: the nose.
    eyes: lids, sockets and place of the eyes.
    brows: the ridge that brows grow on.
    mouth: lips and philtrum.
    ears: both ears.
    asymmetry: of all regions.
  """

  head: tuple[float, ...]
  nose: tuple[float, ...]
  eyes: tuple[float, ...]
  brows: tuple[float, ...]
  mouth: tuple[float, ...]
  ears: tuple[float, ...]
  asymmetry: tuple[float, ...]


def draw(rng: np.random.Generator, traits: traits_lib.Traits) -> Shape:
  """Independent Gaussian weights, cut at 2.2 standard deviations."""
  del traits  # `macro_targets` blends what they bring
  cut = lambda deviations: np.clip(deviations, -2.2, 2.2)
  regions = {}
  for region, axes in _AXES.items():
    weights = []
    for name, negative, _, std in axes:
      weight = _STRENGTH * std * cut(rng.standard_normal())
      weight = abs(weight) if negative is None else weight + _MEANS.get(name, 0.0)
      weights += [weight + _SIDES_STD * side for side in cut(rng.standard_normal(2))] if '?' in name else [weight]
    regions[region] = tuple(float(weight) for weight in weights)
  return Shape(**regions, asymmetry=tuple(float(weight) for weight in _ASYMMETRY_STD * cut(rng.standard_normal(len(_ASYMMETRIES)))))


def to_vector(shape: Shape) -> np.ndarray:
  """[NUM_WEIGHTS] all weights, region by region, float32."""
  return np.concatenate([np.asarray(getattr(shape, field.name), np.float32) for field in dataclasses.fields(Shape)])


def macro_targets(traits: traits_lib.Traits) -> dict[str, float]:
  """Age, sex, ancestry and build as products of the weights of MakeHuman's extremes."""
  ages = _between(traits.age, _AGES)
  sexes = dict(female=traits.femininity, male=1 - traits.femininity)
  builds = {
      (muscle, weight): share * other
      for muscle, share in _between(traits.muscle, (('minmuscle', 0.0), ('averagemuscle', 0.5), ('maxmuscle', 1.0))).items()
      for weight, other in _between(traits.weight, (('minweight', 0.0), ('averageweight', 0.5), ('maxweight', 1.0))).items()}
  weights = {}
  for sex, of_sex in sexes.items():
    for age, of_age in ages.items():
      for ancestry, of_ancestry in zip(traits_lib.ANCESTRIES, traits.ancestry):
        weights[f'macrodetails/{ancestry}-{sex}-{age}'] = of_sex * of_age * of_ancestry
      for (muscle, weight), of_build in builds.items():
        weights[f'macrodetails/universal-{sex}-{age}-{muscle}-{weight}'] = of_sex * of_age * of_build
  return weights


def targets(shape: Shape) -> dict[str, dict[str, float]]:
  """By region the weights of its targets, besides those of the traits; `asymmetry` is a region too."""
  weights: dict[str, dict[str, float]] = {}
  for region, axes in _AXES.items():
    values, of_region = iter(getattr(shape, region)), weights.setdefault(region, {})
    for name, negative, positive, _ in axes:
      for side in ('l', 'r') if '?' in name else ('',):
        weight = next(values)
        end = positive if weight >= 0 else negative
        target = name.replace('?', side) + (f'-{end}' if end else '')
        of_region[target] = of_region.get(target, 0.0) + abs(weight)
  weights['asymmetry'] = {
      f'{name}-{"l" if weight >= 0 else "r"}': abs(weight) for name, weight in zip(_ASYMMETRIES, shape.asymmetry)}
  return weights


def _between(value: float, stops: tuple[tuple[str, float], ...]) -> dict[str, float]:
  """Linear weights of the two stops around `value`."""
  names, places = zip(*stops)
  return {name: float(np.interp(value, places, np.eye(len(places))[i])) for i, name in enumerate(names)}
