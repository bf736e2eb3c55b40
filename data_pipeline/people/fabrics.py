"""What things are made of: colours as they are dyed, and patterns printed or woven, as linear albedo at points of a surface."""

import dataclasses

from jaxtyping import Float
from jaxtyping import Float32
import numpy as np

from data_pipeline.people import srgb
from data_pipeline.people import sweeps

PATTERNS = ('plain', 'heather', 'stripes', 'pinstripes', 'checks', 'dots', 'floral', 'leopard')
# sRGB.
_DARK = ('#17181c', '#1d2436', '#2b2b2f', '#33302d', '#3a1d24', '#22332b', '#20262b', '#0f1012')
_LIGHT = ('#f1f0ec', '#e6e2d8', '#d8dde4', '#c9c5bd', '#ece4d2', '#f5f5f5', '#b9c4cf')
_VIVID = ('#a51c2b', '#c8442e', '#d98c2b', '#d8b83c', '#3f7f4c', '#1f6f78', '#28539c', '#5a3b8c', '#9c3f73', '#d4728f', '#7fb1d6', '#8a5a3c')


@dataclasses.dataclass(frozen=True)
class Fabric:
  """A cloth.

  Attributes:
    pattern: one of `PATTERNS`.
    colours: three linear albedos: of the ground and of what is printed on it.
    scale: size of the pattern, 1 is usual.
  """

  pattern: str
  colours: tuple[tuple[float, float, float], ...]
  scale: float


def linear(hexadecimal: str) -> tuple[float, float, float]:
  """Linear albedo of '#rrggbb'."""
  return tuple(float(value) for value in srgb.to_linear([int(hexadecimal[i:i + 2], 16) for i in (1, 3, 5)]))


def draw_colour(rng: np.random.Generator, dark: float, light: float) -> tuple[float, float, float]:
  """A dye: dark or light with these chances, vivid otherwise; no two alike."""
  chance = rng.random()
  palette = _DARK if chance < dark else _LIGHT if chance < dark + light else _VIVID
  colour = np.array(linear(palette[rng.integers(len(palette))])) * rng.uniform(0.8, 1.15) * rng.uniform(0.93, 1.07, 3)
  return tuple(float(x) for x in np.clip(colour, 0.004, 0.92))


def draw(rng: np.random.Generator, chances: dict[str, float], dark: float = 0.42, light: float = 0.26) -> Fabric:
  """A fabric; `chances` of patterns, the rest is plain."""
  names = list(chances)
  weights = [chances[name] for name in names]
  number = rng.choice(len(names) + 1, p=weights + [1 - sum(weights)])
  pattern = names[number] if number < len(names) else 'plain'
  colours = [draw_colour(rng, dark, light), draw_colour(rng, 0.2, 0.45), draw_colour(rng, 0.2, 0.2)]
  if pattern == 'leopard':
    colours = [linear('#c49a62'), linear('#1b130d'), linear('#8a5f33')]
  return Fabric(pattern=pattern, colours=tuple(colours), scale=float(rng.uniform(0.75, 1.4)))


def albedo(fabric: Fabric, places: Float[np.ndarray, '*grid 2'], rng: np.random.Generator) -> Float32[np.ndarray, '*grid 3']:
  """Linear albedo at places on the cloth, decimetres (across, down)."""
  places = np.asarray(places, np.float32) / np.float32(fabric.scale)
  ground, second, third = (np.array(colour, np.float32) for colour in fabric.colours)
  paint = lambda amount, colour, under: under + amount[..., None] * (colour - under)
  across, down = places[..., 0], places[..., 1]
  colours = np.broadcast_to(ground, places.shape[:-1] + (3,))
  if fabric.pattern == 'heather':
    colours = ground * (1 + 0.09 * rng.standard_normal(places.shape[:-1], np.float32)[..., None])
  elif fabric.pattern == 'stripes':
    colours = paint(_bands(down, 0.27, 0.45), second, colours)
  elif fabric.pattern == 'pinstripes':
    colours = paint(0.5 * _bands(across, 0.2, 0.3), second, colours)
  elif fabric.pattern == 'checks':
    colours = paint(0.5 * _bands(across, 0.34, 0.5) + 0.5 * _bands(down, 0.34, 0.5), second, colours)
    colours = paint(0.6 * np.maximum(_bands(across + 0.17, 0.34, 0.12), _bands(down + 0.17, 0.34, 0.12)), third, colours)
  elif fabric.pattern == 'dots':
    row = np.floor(down / 0.2)
    distance = np.hypot((across / 0.2 + 0.5 * (row % 2)) % 1 - 0.5, (down / 0.2) % 1 - 0.5)
    colours = paint(_edge(0.27 - distance, 0.08), second, colours)
  elif fabric.pattern == 'floral':
    for colour, frequency in ((second, 11.0), (third, 13.0)):
      colours = paint(_edge(sweeps.waves(rng, places, np.array([frequency, frequency]), 9) - 0.75, 0.3), colour, colours)
  elif fabric.pattern == 'leopard':
    spots = np.abs(sweeps.waves(rng, places, np.array([17.0, 14.0]), 8) - 0.75)
    colours = paint(_edge(sweeps.waves(rng, places, np.array([9.0, 9.0]), 6), 0.6), third, colours)
    colours = paint(_edge(0.33 - spots, 0.18), second, colours)
  return np.clip(colours, 0.003, 0.95).astype(np.float32)


def _edge(signed: np.ndarray, width: float) -> np.ndarray:
  """0 below 0, 1 above, over a border of this width."""
  return np.clip(signed / width + 0.5, 0, 1)


def _bands(coordinate: np.ndarray, period: float, fraction: float) -> np.ndarray:
  """1 on stripes that take a fraction of the period."""
  phase = np.abs((coordinate / period) % 1 - 0.5)
  return _edge(0.5 * fraction - phase, 0.1)
