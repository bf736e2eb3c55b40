"""The colour of hair: how much of both melanins, how much of it is white, and dyes."""

import dataclasses

from jaxtyping import Float32
import numpy as np

from data_pipeline.people import traits as traits_lib

# Linear albedo of a strand by eumelanin, without pheomelanin.
_EUMELANIN = (0.0, 0.12, 0.28, 0.42, 0.56, 0.7, 0.84, 1.0)
_ALBEDO = ((0.66, 0.55, 0.39), (0.52, 0.39, 0.225), (0.34, 0.235, 0.125), (0.20, 0.128, 0.068), (0.105, 0.062, 0.035),
           (0.052, 0.030, 0.019), (0.024, 0.0155, 0.0115), (0.011, 0.0085, 0.0075))
_WHITE = (0.62, 0.61, 0.58)
_DYES = ((0.30, 0.02, 0.03), (0.45, 0.10, 0.22), (0.05, 0.10, 0.32), (0.02, 0.16, 0.13), (0.16, 0.05, 0.26), (0.55, 0.52, 0.46))
_DYED_ODDLY, _BLEACHED, _DYED_OVER_GREY = 0.015, 0.13, 0.75


@dataclasses.dataclass(frozen=True)
class Colour:
  """What somebody's hair is coloured by.

  Attributes:
    eumelanin: 0 (none) to 1 (black).
    pheomelanin: 0 to 1 (red).
    grey: fraction of white hairs.
    dye: linear RGB, or empty.
    natural: eumelanin without bleach; brows and beards have it.
  """

  eumelanin: float
  pheomelanin: float
  grey: float
  dye: tuple[float, ...]
  natural: float


def draw(rng: np.random.Generator, traits: traits_lib.Traits) -> Colour:
  """Black hair in Africa and Asia, all colours in Europe; white from the forties on, hidden by three of four women."""
  _, _, caucasian = traits.ancestry
  fair = rng.beta(1.6, 1.9) * np.clip(1.25 - 1.6 * traits.melanin, 0, 1)
  natural = float(np.clip(0.97 - 0.95 * fair * caucasian**2 + rng.normal(0, 0.03), 0.05, 1))
  red = rng.random() < 0.07 * caucasian
  pheomelanin = float(rng.uniform(0.6, 1) if red else np.clip(rng.normal(0.12, 0.1), 0, 0.4))
  natural = float(rng.uniform(0.3, 0.6)) if red else natural
  grey = float(np.clip((traits.age - rng.normal(47, 8)) / 25, 0, 1))
  hides = rng.random() < (_DYED_OVER_GREY if traits.female else 0.15)
  bleached = traits.female and rng.random() < _BLEACHED + 0.1 * caucasian
  eumelanin = float(min(natural, rng.uniform(0.05, 0.42))) if bleached else natural
  dye = _DYES[rng.integers(len(_DYES))] if rng.random() < _DYED_ODDLY * (1.6 if traits.female else 0.7) else ()
  return Colour(eumelanin, pheomelanin, 0.0 if hides or bleached else grey, dye, natural)


def albedo(eumelanin: float, pheomelanin: float) -> np.ndarray:
  """[3] linear albedo."""
  base = np.array([np.interp(eumelanin, _EUMELANIN, channel) for channel in zip(*_ALBEDO)])
  tint = np.array([1 + 0.45 * pheomelanin, 1 - 0.38 * pheomelanin, 1 - 0.62 * pheomelanin])
  return np.clip(base * tint, 0.004, 0.9)


def strands(colour: Colour, chance: np.ndarray, shade: np.ndarray) -> Float32[np.ndarray, 'strands 3']:
  """Linear albedo of each strand.

  Args:
    colour: whose.
    chance: [strands] uniform in [0, 1): whose lock has more white hairs than others.
    shade: [strands] factor of the brightness.
  """
  base = np.asarray(colour.dye) if colour.dye else albedo(colour.eumelanin, colour.pheomelanin)
  white = np.clip(colour.grey + 1.6 * colour.grey * (1 - colour.grey) * (chance - 0.5), 0, 1)[:, None] ** 1.5
  return np.clip((base + white * (np.asarray(_WHITE) - base)) * shade[:, None], 0.003, 0.9).astype(np.float32)
