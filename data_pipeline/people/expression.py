"""Expression, gaze and how the body is turned: weights of MakeHuman's face units, and three angles."""

import dataclasses

import numpy as np

from data_pipeline.people import traits as traits_lib

# Expressions: face units at full strength. `*` stands for Left and Right.
_EXPRESSIONS = {
    'neutral': {},
    'smile': {'mouthSmile*': 0.65, 'cheekSquint*': 0.35, 'eyeSquint*': 0.15},
    'open_smile': {'mouthSmile*': 0.75, 'cheekSquint*': 0.5, 'mouthUpperUp*': 0.75, 'jawOpen': 0.12, 'mouthLowerDown*': 0.5,
                   'eyeSquint*': 0.2},
    'laugh': {'mouthSmile*': 0.8, 'cheekSquint*': 0.7, 'mouthUpperUp*': 0.8, 'jawOpen': 0.22, 'mouthLowerDown*': 0.45,
              'eyeSquint*': 0.35},
    'parted': {'jawOpen': 0.14, 'mouthUpperUp*': 0.12, 'mouthLowerDown*': 0.1},
    'serious': {'browDown*': 0.35, 'mouthPress*': 0.3, 'mouthFrown*': 0.2},
    'surprised': {'browInnerUp': 0.6, 'browOuterUp*': 0.5, 'eyeWide*': 0.45, 'jawOpen': 0.25},
    'pout': {'mouthPucker': 0.35, 'mouthFunnel': 0.12},
    'sad': {'browInnerUp': 0.5, 'mouthFrown*': 0.45, 'mouthShrugLower': 0.2},
}
_CHANCES = (0.2, 0.16, 0.29, 0.1, 0.1, 0.06, 0.03, 0.03, 0.03)


@dataclasses.dataclass(frozen=True)
class Expression:
  """One moment of a face.

  Attributes:
    name: what it is, of `neutral`, `smile`, ...
    units: (face unit, weight) pairs.
    gaze_yaw: radians to the person's left.
    gaze_pitch: radians upwards.
    body_yaw: how far the shoulders are turned to the person's left of where the face looks, radians.
    body_roll: how far they are tilted, radians.
  """

  name: str
  units: tuple[tuple[str, float], ...]
  gaze_yaw: float
  gaze_pitch: float
  body_yaw: float
  body_roll: float


def draw(rng: np.random.Generator, traits: traits_lib.Traits) -> Expression:
  """An expression of varied strength, a little uneven, and small independent movements."""
  del traits
  name = list(_EXPRESSIONS)[rng.choice(len(_CHANCES), p=_CHANCES)]
  strength = np.clip(rng.normal(1.0, 0.22), 0.4, 1.35)
  units: dict[str, float] = {}
  for unit, weight in _EXPRESSIONS[name].items():
    for side in ('Left', 'Right') if '*' in unit else ('',):
      units[unit.replace('*', side)] = weight * strength * np.clip(rng.normal(1, 0.12), 0.6, 1.4)
  blink = max(rng.normal(0.04, 0.08), 0)
  for unit, weight in (('eyeBlinkLeft', blink), ('eyeBlinkRight', blink), ('browInnerUp', max(rng.normal(0, 0.12), 0)),
                       ('browOuterUpLeft', max(rng.normal(0, 0.1), 0)), ('browOuterUpRight', max(rng.normal(0, 0.1), 0)),
                       ('mouthLeft', max(rng.normal(0, 0.06), 0)), ('mouthRight', max(rng.normal(0, 0.06), 0))):
    units[unit] = units.get(unit, 0.0) + weight
  return Expression(
      name=name, units=tuple((unit, float(weight)) for unit, weight in units.items()),
      gaze_yaw=float(np.clip(rng.normal(0, 0.13), -0.4, 0.4)), gaze_pitch=float(np.clip(rng.normal(0, 0.06), -0.2, 0.2)),
      body_yaw=float(np.clip(rng.normal(0, 0.2), -0.5, 0.5)), body_roll=float(np.clip(rng.normal(0, 0.05), -0.15, 0.15)))


def targets(expression: Expression) -> dict[str, float]:
  """Weights of the face units' targets."""
  return {f'faceunits/{unit}': weight for unit, weight in expression.units}
