"""What lies far behind somebody, out of focus: a panorama of simple shapes, of which each view shows the part behind the head.

Places on the panorama are counted in fields of view (sides of the picture): (0, 0) is the middle of a picture taken from the front,
x runs to the right, y down. Turning the camera moves the picture over it. Colours are linear light as exposed, so that 1 is white.
The panorama is drawn coarsely on a lattice that does not move with the camera, blurred as a lens does, and read between the lattice's
points.
"""

import dataclasses
import math

from jaxtyping import Float32
import numba
import numpy as np

from data_pipeline.people import background_shapes as shapes_lib
from data_pipeline.people import noise
from data_pipeline.people import srgb

FIELD_OF_VIEW_RADIANS = math.pi / 15  # of `cnerf_jax.camera`
_LATTICE = 80  # points to a field of view
KINDS = ('gradient', 'wall', 'banner', 'bokeh', 'interior', 'foliage', 'horizon', 'night', 'crowd')
_CHANCES = {
    'studio': (0.6, 0.25, 0.02, 0.05, 0.05, 0.0, 0.0, 0.0, 0.03), 'window': (0.15, 0.3, 0.0, 0.05, 0.5, 0.0, 0.0, 0.0, 0.0),
    'overcast': (0.05, 0.15, 0.1, 0.05, 0.05, 0.3, 0.2, 0.0, 0.1), 'sunny': (0.05, 0.1, 0.05, 0.05, 0.0, 0.35, 0.3, 0.0, 0.1),
    'evening': (0.1, 0.15, 0.05, 0.25, 0.25, 0.0, 0.1, 0.1, 0.0), 'flash': (0.12, 0.1, 0.33, 0.15, 0.05, 0.0, 0.0, 0.1, 0.15),
    'stage': (0.2, 0.0, 0.1, 0.35, 0.0, 0.0, 0.0, 0.2, 0.15), 'backlit': (0.1, 0.1, 0.0, 0.15, 0.2, 0.25, 0.2, 0.0, 0.0),
}
# sRGB of plain backgrounds.
_PLAIN = ((235, 235, 235), (244, 243, 240), (222, 224, 230), (200, 200, 205), (190, 180, 170), (128, 130, 134), (60, 62, 66),
          (22, 22, 24), (45, 90, 150), (110, 160, 200), (150, 70, 60), (180, 160, 135), (205, 190, 165), (80, 100, 85), (120, 100, 130),
          (225, 215, 200), (240, 225, 225), (35, 40, 60), (30, 140, 180))


@dataclasses.dataclass(frozen=True)
class Background:
  """A place.

  Attributes:
    kind: one of `KINDS`.
    first: linear RGB, at the top or of the ground.
    second: linear RGB, at the bottom or of what stands out.
    third: linear RGB of accents.
    blur: standard deviation of the blur, fields of view.
    brightness: factor.
    busyness: how much there is to see, [0, 1].
    key: of random details.
  """

  kind: str
  first: tuple[float, float, float]
  second: tuple[float, float, float]
  third: tuple[float, float, float]
  blur: float
  brightness: float
  busyness: float
  key: int


def draw(rng: np.random.Generator, light: str = 'studio') -> Background:
  """A place where light of that kind (`lighting.Lighting.kind`) is likely.

  Raises:
    KeyError: no such light.
  """
  kind = KINDS[rng.choice(len(KINDS), p=_CHANCES[light])]
  colours = [srgb.to_linear(np.clip(np.array(_PLAIN[i]) + rng.normal(0, 12, 3), 4, 250)) for i in rng.integers(len(_PLAIN), size=3)]
  if kind in ('gradient', 'wall'):
    colours[1] = colours[0] * rng.uniform(0.35, 1.0)
  tuples = [tuple(float(value) for value in colour) for colour in colours]
  blur = rng.uniform(0.008, 0.022) if kind == 'banner' else rng.uniform(0.018, 0.05)
  return Background(kind, *tuples, blur=float(blur), brightness=float(np.clip(rng.normal(1.15, 0.2), 0.7, 1.6)),
                    busyness=float(rng.uniform(0.2, 1.0)), key=int(rng.integers(2 ** 31)))


def paint(
    background: Background, size: int, azimuth: float, elevation: float, *, shift: tuple[float, float] = (0.0, 0.0), zoom: float = 1.0,
    roll: float = 0.0,
) -> Float32[np.ndarray, 'size size 3']:
  """Linear light of the place behind a picture.

  Args:
    background: the place.
    size: pixels of a side.
    azimuth: of the camera, radians.
    elevation: of the camera, radians.
    shift: by how much the picture is moved to the right and down, sides of the picture.
    zoom: factor of magnification.
    roll: by how much the picture is turned clockwise, radians.
  """
  middle = np.array([-azimuth, elevation]) / FIELD_OF_VIEW_RADIANS
  cos, sin = math.cos(roll) / zoom, math.sin(roll) / zoom
  turn = np.array([[cos, sin], [-sin, cos]])  # from the picture to the panorama
  corners = (np.array([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]]) - shift) @ turn.T + middle
  margin = int(np.ceil(3 * background.blur * _LATTICE)) + 1
  start = np.floor(corners.min(axis=0) * _LATTICE).astype(int) - margin
  stop = np.ceil(corners.max(axis=0) * _LATTICE).astype(int) + margin + 1
  coarse = _ground(background, start, stop)
  shapes = shapes_lib.shapes(background.kind, (background.first, background.second, background.third), background.busyness,
                             np.random.default_rng(background.key))
  _draw(coarse, shapes.astype(np.float32), start[0], start[1], _LATTICE)
  coarse = _blurred(coarse, background.blur * _LATTICE)
  first = (np.full(2, 0.5 / size - 0.5) - shift) @ turn.T + middle
  out = np.empty((size, size, 3), np.float32)
  _read(coarse, out, (first * _LATTICE - start).astype(np.float32), (turn * _LATTICE / size).astype(np.float32),
        np.float32(background.brightness))
  return out


def _ground(background: Background, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
  """[rows, columns, 3] what is behind all shapes, on the lattice from `start` to `stop` (x, y)."""
  x, y = (np.arange(start[axis], stop[axis]) / _LATTICE for axis in range(2))
  first, second, third = (np.array(colour, np.float32) for colour in (background.first, background.second, background.third))
  rows, columns = np.arange(start[1], stop[1]) % 200, np.arange(start[0], stop[0]) % 320
  octaves = noise.bank(320)
  offset = background.key % 199
  texture = lambda octave: octaves[octave][np.ix_((rows + offset) % 200, (columns + 7 * offset) % 320)][..., None]
  down = np.clip(0.5 + 0.5 * y, 0, 1)[:, None, None].astype(np.float32)
  if background.kind == 'gradient':
    round_ = np.exp(-(np.square(x[None, :, None]) + np.square(y[:, None, None] + 0.1)) / (0.3 + background.busyness)).astype(np.float32)
    mixed = round_ if background.key % 2 else 1 - down
    return second + mixed * (first - second) + np.zeros((len(y), len(x), 3), np.float32)
  if background.kind == 'foliage':
    leaf = np.array([0.09, 0.17, 0.035], np.float32) * (0.7 + 0.6 * background.busyness)
    light = 0.9 * texture(noise.CLOUDS) + 0.8 * texture(noise.PATCHES) + 0.5 * texture(noise.TINTS)
    green = leaf * np.exp(0.55 * light) * np.array([1 + 0.25 * third[0], 1, 1 + 0.5 * third[2]], np.float32)
    return green.astype(np.float32)
  if background.kind == 'horizon':
    haze = np.array([0.75, 0.8, 0.85], np.float32)
    sky = np.array([0.22, 0.42, 0.8], np.float32) if background.key % 3 else 0.5 * haze + 0.3 * first
    above = np.clip(-y / 1.4, 0, 1)[:, None, None].astype(np.float32)
    cloud = np.clip(0.5 * texture(noise.TINTS) + 0.35 * texture(noise.CLOUDS), 0, 1) * (0.4 * background.busyness)
    return haze + above ** 0.6 * (sky - haze) + cloud * (0.95 - sky)
  if background.kind in ('bokeh', 'night', 'crowd'):
    dark = 0.08 if background.kind == 'night' else 0.3
    glow = np.exp(0.5 * texture(noise.TINTS) + 0.35 * texture(noise.CLOUDS))
    return (dark * (0.02 + first + down * (second - first)) * glow + 0.002).astype(np.float32)
  uneven = 0.03 if background.kind == 'banner' else 0.1
  base = first + (0.0 if background.kind == 'banner' else 0.6) * down * (second - first)
  return (base * np.exp(uneven * (texture(noise.TINTS) + texture(noise.CLOUDS)))).astype(np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _draw(picture, shapes, left, top, lattice):
  """Draws shapes (as `background_shapes` has them) one over another."""
  rows, columns = picture.shape[0], picture.shape[1]
  for k in range(shapes.shape[0]):
    cx, cy, wide, high = shapes[k, 1] * lattice - left, shapes[k, 2] * lattice - top, shapes[k, 3] * lattice, shapes[k, 4] * lattice
    x0, x1 = max(int(math.floor(cx - wide)), 0), min(int(math.ceil(cx + wide)) + 1, columns)
    y0, y1 = max(int(math.floor(cy - high)), 0), min(int(math.ceil(cy + high)) + 1, rows)
    for y in range(y0, y1):
      for x in range(x0, x1):
        dx, dy = abs(x - cx), abs(y - cy)
        if shapes[k, 0] == 0.0:
          cover = min(max(wide - dx + 0.5, 0.0), 1.0) * min(max(high - dy + 0.5, 0.0), 1.0)
        else:
          away = math.sqrt((dx / wide) ** 2 + (dy / high) ** 2)
          cover = min(max((1.0 - away) * min(wide, high) + 0.5, 0.0), 1.0)
        cover *= shapes[k, 8]
        for band in range(3):
          if shapes[k, 9] > 0.0:
            picture[y, x, band] += cover * shapes[k, 5 + band]
          else:
            picture[y, x, band] += cover * (shapes[k, 5 + band] - picture[y, x, band])


def _blurred(picture: np.ndarray, std: float) -> np.ndarray:
  """Blurred by a box three times over, which is nearly a Gaussian; the borders are drawn too wide for that."""
  half = max(int(round((math.sqrt(4 * std * std + 1) - 1) / 2)), 1)
  for _ in range(3):
    _box(picture, half)
    picture = np.ascontiguousarray(picture.transpose(1, 0, 2))
    _box(picture, half)
    picture = np.ascontiguousarray(picture.transpose(1, 0, 2))
  return picture


@numba.njit(cache=True, nogil=True, fastmath=True)
def _box(picture, half):
  """Means over 2 `half` + 1 rows, in place."""
  rows, columns = picture.shape[0], picture.shape[1]
  source = picture.copy()
  total = np.zeros((columns, 3), np.float32)
  for row in range(-half, rows):
    if row + half < rows:
      total += source[row + half]
    if row - half - 1 >= 0:
      total -= source[row - half - 1]
    if row >= 0:
      picture[row] = total / np.float32(min(row + half, rows - 1) - max(row - half, 0) + 1)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _read(coarse, out, first, step, brightness):
  """Bilinear reading of `coarse` at first + step (column, row)."""
  size = out.shape[0]
  for row in range(size):
    for column in range(size):
      x = first[0] + step[0, 0] * np.float32(column) + step[0, 1] * np.float32(row)
      y = first[1] + step[1, 0] * np.float32(column) + step[1, 1] * np.float32(row)
      x0, y0 = min(max(int(x), 0), coarse.shape[1] - 2), min(max(int(y), 0), coarse.shape[0] - 2)
      fx, fy = x - np.float32(x0), y - np.float32(y0)
      d = brightness * fx * fy
      b, c = brightness * fx - d, brightness * fy - d
      a = brightness - b - c - d
      for band in range(3):
        out[row, column, band] = (a * coarse[y0, x0, band] + b * coarse[y0, x0 + 1, band] + c * coarse[y0 + 1, x0, band]
                                  + d * coarse[y0 + 1, x0 + 1, band])
