"""Light: one key light with a soft shadow, directions that stand for the surroundings, perhaps a rim light, and how a camera shows it.

Directions are those of model space (the face looks along +z), whatever the camera does. A surface that faces a light of colour c and
has albedo a shows a * c; a face seen from the front gets about 0.8 of all lights together, times the exposure.
"""

import dataclasses

from jaxtyping import Float32
from jaxtyping import UInt8
import numba
import numpy as np

_KINDS = ('studio', 'window', 'overcast', 'sunny', 'evening', 'flash', 'stage', 'backlit')
_CHANCES = (0.25, 0.13, 0.14, 0.1, 0.11, 0.14, 0.06, 0.07)
# By kind: the key's elevation and distance to the side (radians, means), its angular radius, its part of the light on a face, how far
# the surroundings' light is from white, mean temperatures (positive is warm) of the key and of the surroundings, chance of a rim light.
_TABLE = {
    'studio': (0.6, 0.5, 0.30, 0.58, 0.0, 0.0, 0.0, 0.45), 'window': (0.25, 1.0, 0.35, 0.62, 0.1, -0.15, 0.2, 0.0),
    'overcast': (1.0, 0.3, 0.60, 0.35, 0.1, -0.1, -0.12, 0.0), 'sunny': (0.75, 0.7, 0.03, 0.66, 0.15, 0.18, -0.3, 0.1),
    'evening': (0.45, 0.7, 0.18, 0.6, 0.2, 0.45, 0.35, 0.15), 'flash': (0.2, 0.12, 0.06, 0.72, 0.1, 0.0, 0.2, 0.0),
    'stage': (0.55, 0.6, 0.08, 0.72, 0.6, 0.15, 0.0, 0.85), 'backlit': (0.5, 0.4, 0.5, 0.45, 0.1, -0.1, 0.0, 1.0),
}
# Where the surroundings shine from, and how much of the sphere each stands for.
_FILLS = ((0.0, 0.55, 1.0, 1.0), (0.95, 0.15, 0.55, 1.0), (-0.95, 0.15, 0.55, 1.0), (0.0, 1.0, -0.1, 0.9), (0.0, -0.8, 0.75, 0.8),
          (0.75, 0.2, -0.75, 0.7), (-0.75, 0.2, -0.75, 0.7))
_FILL_SIZE, _RIM_SIZE = 0.55, 0.12
_FACE_NORMALS = ((0.0, 0.05, 1.0), (0.45, 0.1, 0.88), (-0.45, 0.1, 0.88), (0.0, 0.5, 0.87), (0.0, -0.4, 0.9))
_SHADED = 0.84  # what a face would get without its own shadows, so that skin is as bright as in CelebA-HQ (median of R: 194)
_LEVELS = 2048
_WHITEST = 4.0  # linear light from which on everything is as white
_SHOULDER = 0.62  # linear light above which bright light is compressed


@dataclasses.dataclass(frozen=True)
class Lighting:
  """Light and how it is photographed. Angles are radians, colours linear RGB with luminance 1.

  Attributes:
    kind: `studio`, `window`, `overcast`, `sunny`, `evening`, `flash`, `stage` or `backlit`.
    key_azimuth: of the key light, positive to the person's left.
    key_elevation: of the key light.
    key_size: its angular radius.
    key_part: its part of the light that a face gets, in [0, 1]; the rest is the surroundings'.
    key_colour: the key light's.
    sky_colour: of the surroundings above.
    ground_colour: of the surroundings below, with their strength relative to the sky.
    side: light of the surroundings is stronger on the person's left (positive) or right, in [-1, 1].
    rim_azimuth: of a light from behind.
    rim_elevation: of it.
    rim: its strength when the key's is 1; 0 is none.
    rim_colour: the rim light's.
    exposure: factor.
    contrast: of the tone curve; 0 is plain.
    temperature: cast of the picture, positive is warm.
    tint: positive is magenta.
    saturation: factor.
  """

  kind: str
  key_azimuth: float
  key_elevation: float
  key_size: float
  key_part: float
  key_colour: tuple[float, float, float]
  sky_colour: tuple[float, float, float]
  ground_colour: tuple[float, float, float]
  side: float
  rim_azimuth: float
  rim_elevation: float
  rim: float
  rim_colour: tuple[float, float, float]
  exposure: float
  contrast: float
  temperature: float
  tint: float
  saturation: float


@dataclasses.dataclass(frozen=True)
class Lights:
  """Distant lights. The first one is the key; all are shaded by a shadow map.

  Attributes:
    directions: unit vectors towards them.
    colours: linear RGB irradiance on a surface that faces the light.
    sizes: angular radii, radians.
    sky: ambient light from above without shadows, linear RGB irradiance.
    ground: the same from below.
  """

  directions: Float32[np.ndarray, 'lights 3']
  colours: Float32[np.ndarray, 'lights 3']
  sizes: Float32[np.ndarray, 'lights']
  sky: Float32[np.ndarray, '3']
  ground: Float32[np.ndarray, '3']


def draw(rng: np.random.Generator, melanin: float = 0.3) -> Lighting:
  """Light as celebrities' portraits have it: mostly soft, from in front and above.

  Args:
    rng: random stream.
    melanin: of the person's skin; dark skin is exposed for.
  """
  kind = _KINDS[rng.choice(len(_KINDS), p=_CHANCES)]
  elevation, aside, size, part, strange, key_warmth, sky_warmth, rim_chance = _TABLE[kind]
  left = 1 if rng.random() < 0.5 else -1
  varied = lambda mean, std, low, high: float(np.clip(rng.normal(mean, std), low, high))
  ground = rng.uniform(0.3, 0.75) * _coloured(rng, 0.12 + sky_warmth, 0.1 + strange)
  rim_hue = 0.9 * strange if rng.random() < 0.7 else 0.1
  return Lighting(
      kind=kind, key_azimuth=left * varied(aside, 0.22, 0.0, 1.5), key_elevation=varied(elevation, 0.14, -0.1, 1.3),
      key_size=size * float(rng.uniform(0.7, 1.4)), key_part=varied(part, 0.07, 0.25, 0.85),
      key_colour=_floats(_coloured(rng, key_warmth, 0.04)), sky_colour=_floats(_coloured(rng, sky_warmth, 0.04 + 0.5 * strange)),
      ground_colour=_floats(ground), side=-left * varied(0.25, 0.3, -0.5, 0.9),
      rim_azimuth=-left * float(rng.uniform(1.9, 2.7)), rim_elevation=float(rng.uniform(0.15, 0.8)),
      rim=float(rng.random() < rim_chance) * float(rng.uniform(0.4, 1.2)) * (1.6 if kind == 'backlit' else 1.0),
      rim_colour=_floats(_coloured(rng, 0.1, rim_hue)),
      exposure=float(np.exp(np.clip(rng.normal(0.0, 0.16), -0.4, 0.35) + 0.9 * max(melanin - 0.3, 0))),
      contrast=varied(0.3, 0.2, -0.1, 0.8), temperature=varied(0.03, 0.09, -0.22, 0.28), tint=varied(0.0, 0.025, -0.06, 0.06),
      saturation=varied(0.93, 0.12, 0.65, 1.25))


def lights(lighting: Lighting) -> Lights:
  """The lights that the scene is shaded with."""
  key = _direction(lighting.key_azimuth, lighting.key_elevation)
  fills = np.array(_FILLS)
  directions = fills[:, :3] / np.linalg.norm(fills[:, :3], axis=1, keepdims=True)
  up = (0.5 + 0.5 * directions[:, 1:2]) ** 0.8
  glow = fills[:, 3:] * (np.array(lighting.ground_colour) * (1 - up) + np.array(lighting.sky_colour) * up)
  glow = glow * np.clip(1 + lighting.side * directions[:, :1], 0.1, None)
  ambient = 0.18 * np.stack([lighting.sky_colour, lighting.ground_colour])
  on_face = _on_face(directions, glow) + ambient.mean()
  glow, ambient = glow * (1 - lighting.key_part) / on_face, ambient * (1 - lighting.key_part) / on_face
  colour = np.array(lighting.key_colour) * lighting.key_part / _on_face(key[None], np.array(lighting.key_colour)[None])
  all_directions, all_colours, sizes = [key, *directions], [colour, *glow], [lighting.key_size] + [_FILL_SIZE] * len(fills)
  if lighting.rim:
    all_directions.append(_direction(lighting.rim_azimuth, lighting.rim_elevation))
    all_colours.append(np.array(lighting.rim_colour) * lighting.rim)
    sizes.append(_RIM_SIZE)
  scale = _SHADED * lighting.exposure
  return Lights(np.array(all_directions, np.float32), np.array(all_colours, np.float32) * np.float32(scale), np.array(sizes, np.float32),
                (ambient[0] * scale).astype(np.float32), (ambient[1] * scale).astype(np.float32))


def tone_map(linear: Float32[np.ndarray, '*shape 3'], lighting: Lighting) -> UInt8[np.ndarray, '*shape 3']:
  """The sRGB picture that a camera makes of linear light: cast, saturation, a shoulder for bright light, contrast."""
  gains = np.exp(np.array([0.5, 0.0, -0.6]) * lighting.temperature + np.array([0.3, -0.6, 0.3]) * lighting.tint)
  grey = np.array([0.2126, 0.7152, 0.0722])
  matrix = lighting.saturation * np.eye(3) + (1 - lighting.saturation) * grey
  curve = _curve(lighting.contrast)
  out = np.empty(linear.shape, np.uint8)
  _tone_map(np.ascontiguousarray(linear, np.float32).reshape(-1, 3), (matrix * gains).astype(np.float32), curve, out.reshape(-1, 3))
  return out


def _curve(contrast: float) -> np.ndarray:
  """[levels] sRGB bytes of the square root of linear light, up to `_WHITEST`."""
  light = np.square(np.arange(_LEVELS) / (_LEVELS - 1)) * _WHITEST
  room = 1 - _SHOULDER
  light = np.where(light < _SHOULDER, light, 1 - room * np.exp((_SHOULDER - light) / (1.2 * room)))
  shown = np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055)
  steep = shown * shown * (3 - 2 * shown)
  return np.clip(255 * (shown + contrast * (steep - shown)) + 0.5, 0, 255).astype(np.uint8)


@numba.njit(cache=True, nogil=True)
def _tone_map(linear, matrix, curve, out):
  last = len(curve) - 1
  for i in range(linear.shape[0]):
    r, g, b = linear[i, 0], linear[i, 1], linear[i, 2]
    for band in range(3):
      light = matrix[band, 0] * r + matrix[band, 1] * g + matrix[band, 2] * b
      level = int(np.sqrt(max(light, np.float32(0)) / np.float32(_WHITEST)) * last + np.float32(0.5))
      out[i, band] = curve[min(level, last)]


def _on_face(directions: np.ndarray, colours: np.ndarray) -> float:
  """Luminance that the front of a face gets, without shadows."""
  normals = np.array(_FACE_NORMALS)
  normals /= np.linalg.norm(normals, axis=1, keepdims=True)
  received = np.clip(normals @ directions.T, 0, None).mean(axis=0) @ colours
  return float(max(received @ np.array([0.2126, 0.7152, 0.0722]), 0.05))


def _direction(azimuth: float, elevation: float) -> np.ndarray:
  return np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])


def _coloured(rng: np.random.Generator, warmth: float, strength: float) -> np.ndarray:
  """[3] light of luminance 1: warm or cold, and `strength` of a random hue."""
  colour = np.exp(np.array([0.45, 0.0, -0.75]) * warmth + strength * rng.normal(0, 1, 3))
  return colour / (colour @ np.array([0.2126, 0.7152, 0.0722]))


def _floats(values: np.ndarray) -> tuple[float, ...]:
  return tuple(float(value) for value in values)
