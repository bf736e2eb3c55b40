"""What the parts of a person go by: age, sex, ancestry, build. Hair, beard, make-up and shape are drawn given these."""

import dataclasses

import numpy as np

ANCESTRIES = ('african', 'asian', 'caucasian')


@dataclasses.dataclass(frozen=True)
class Traits:
  """Who somebody is.

  Attributes:
    age: years, 16 to 85.
    female: whether hair, beard and clothes are drawn as women's.
    femininity: of the shape, 0 (male) to 1 (female).
    ancestry: weights of MakeHuman's three head shapes (`ANCESTRIES`), summing to 1.
    weight: 0 (thin) to 1 (heavy).
    muscle: 0 to 1.
    melanin: skin pigment, 0 (palest) to 1 (darkest).
  """

  age: float
  female: bool
  femininity: float
  ancestry: tuple[float, float, float]
  weight: float
  muscle: float
  melanin: float


def draw(rng: np.random.Generator) -> Traits:
  """Somebody: ages as celebrities' portraits have them, six in ten women, ancestries mixed in half of them."""
  age = float(np.clip(16 + rng.gamma(2.4, 9.5), 16, 85))
  female = bool(rng.random() < 0.57)
  femininity = float(np.clip(rng.normal(0.92 if female else 0.08, 0.08), 0, 1))
  main = rng.choice(3, p=(0.2, 0.25, 0.55))
  ancestry = rng.dirichlet(np.where(np.arange(3) == main, 6.0, 0.35))
  melanin = ancestry @ np.array([0.75, 0.32, 0.16]) + rng.normal(0, 0.09)
  return Traits(
      age=age, female=female, femininity=femininity, ancestry=tuple(float(weight) for weight in ancestry),
      weight=float(np.clip(rng.normal(0.48, 0.17), 0, 1)), muscle=float(np.clip(rng.normal(0.5, 0.15), 0, 1)),
      melanin=float(np.clip(melanin, 0.02, 1.0)))


def to_vector(traits: Traits) -> np.ndarray:
  """The fields in order, ages in centuries; float32."""
  return np.array([traits.age / 100, traits.female, traits.femininity, *traits.ancestry, traits.weight, traits.muscle, traits.melanin],
                  np.float32)
