"""Hair: which style, colour and length somebody has, and the strands and the shell beneath them that this becomes on a head."""

import dataclasses

import numpy as np

from data_pipeline.people import hair_colour
from data_pipeline.people import hair_growth
from data_pipeline.people import hair_locks
from data_pipeline.people import hair_styles
from data_pipeline.people import head as head_lib
from data_pipeline.people import scalp as scalp_lib
from data_pipeline.people import surfaces
from data_pipeline.people import traits as traits_lib

LABEL = 13
_NO_HAT = 99.0
_HAT_VOLUME = 0.05
_MOST_STRANDS = 24_000
_TRIES = 2.2  # roots tried for each that lies inside of the hairline
_SHELL_COLUMNS, _SHELL_ROWS = 96, 14
_WIDTH = 0.0135  # half a strand's width at 256 pixels, decimetres, if there are 6,000 of them


@dataclasses.dataclass(frozen=True)
class Hair:
  """Somebody's hair, on whatever head.

  Attributes:
    style: name (`hair_styles.NAMES`).
    colour: of the strands.
    length: 0 (shortest of the style) to 1.
    volume: decimetres that it stands off.
    parting: x of the parting, decimetres to the person's left.
    wave, curl, wavelength: decimetres.
    clump: how closely locks bundle, 0 to 1.
    recession: of the hairline, from -1 (round) over 0 to 1 (bald temples).
    hairline: decimetres that it is shifted up in front.
    density: 0 to 1.
    tuck: whether it is tucked behind the ears, 0 or 1.
    key: seeds what is random about single strands.
  """

  style: str
  colour: hair_colour.Colour
  length: float
  volume: float
  parting: float
  wave: float
  curl: float
  wavelength: float
  clump: float
  recession: float
  hairline: float
  density: float
  tuck: float
  key: int


def draw(rng: np.random.Generator, traits: traits_lib.Traits) -> Hair:
  """Hair as people of that sex, age and ancestry wear it."""
  name = hair_styles.draw(rng, traits)
  style = hair_styles.STYLES[name]
  curly = 1 + 0.4 * traits.ancestry[0]
  recession = rng.normal(-0.35, 0.15) if traits.female else np.clip(rng.normal(0.15 + 0.012 * (traits.age - 25), 0.25), 0, 1)
  return Hair(
      style=name, colour=hair_colour.draw(rng, traits), length=float(rng.random()), volume=float(rng.uniform(*style.volume)),
      parting=float(rng.choice((-1, 1)) * rng.uniform(0.12, 0.36)) if style.parted else float(rng.normal(0, 0.025)),
      wave=float(rng.uniform(*style.wave) * (curly if style.wave[1] > 0.03 else 1)), curl=float(rng.uniform(*style.curl)),
      wavelength=float(rng.uniform(*style.wavelength)), clump=float(rng.uniform(*style.clump)), recession=float(recession),
      hairline=float(np.clip(rng.normal(0, 0.05), -0.1, 0.12)),
      density=float(np.clip(rng.normal(0.85, 0.12) - 0.15 * max(recession, 0), 0.45, 1)),
      tuck=float(style.covers_ears and rng.random() < 0.2), key=int(rng.integers(2**31)))


def build(hair: Hair, head: head_lib.Head, *, detail: int, hat_line: float | None = None) -> list[surfaces.Strands | surfaces.Mesh]:
  """What is drawn of the hair.

  Args:
    hair: whose.
    head: on which head.
    detail: side of the picture in pixels; more strands and thinner ones for more.
    hat_line: model y above which a hat presses the hair to the skull.
  """
  if hair.style == 'bald':
    return []
  style = hair_styles.STYLES[hair.style]
  scalp = scalp_lib.of(head.model)
  displacement = scalp_lib.warp(scalp, head)
  line = _NO_HAT if hat_line is None else hat_line
  place = lambda points, least: _placed(points, scalp, displacement, head, least, line)
  rng = np.random.Generator(np.random.PCG64(hair.key))
  edge = _Edge.of(hair, scalp, rng)
  count = min(int(1000 * style.number * hair.density * (detail / 256) ** 1.1), _MOST_STRANDS)
  random = rng.random((int(_TRIES * count) + 1500, 8), dtype=np.float32)
  parts: list = [_shell(hair, style, scalp, edge, place), _covering(hair, style, scalp, edge, random, count, detail, place)]
  if style.extra:
    parts += _extra(hair, style, detail, place)
  return parts


@dataclasses.dataclass(frozen=True)
class _Edge:
  """Where hair grows: elevations by azimuth."""

  azimuth: np.ndarray
  low: np.ndarray
  high: np.ndarray

  @classmethod
  def of(cls, hair: Hair, scalp: scalp_lib.Scalp, rng: np.random.Generator) -> '_Edge':
    azimuth = (np.arange(_SHELL_COLUMNS + 1) / _SHELL_COLUMNS - 0.5) * 2 * np.pi
    phases, sizes = rng.uniform(0, 2 * np.pi, 8), rng.normal(0, 1, 8)
    ripple = sum(0.018 * size * np.sin((k + 3) * azimuth + phase) for k, (phase, size) in enumerate(zip(phases, sizes)))
    height = scalp_lib.hairline_height(azimuth, hair.recession, hair.hairline) + ripple
    low = scalp_lib.elevation_of_height(scalp, azimuth, height)
    high = np.full_like(low, np.pi / 2)
    if hair.style == 'rim':
      degrees = np.abs(np.rad2deg(azimuth))
      top = np.interp(degrees, (0, 48, 62, 85, 120, 180), (7.0, 7.2, 7.65, 7.86, 7.9, 7.9))
      high = np.maximum(scalp_lib.elevation_of_height(scalp, azimuth, top + 0.6 * ripple), low)
    return cls(azimuth, low, high)

  def inside(self, azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """Radians inside of the nearer edge, negative outside."""
    return np.minimum(elevation - np.interp(azimuth, self.azimuth, self.low), np.interp(azimuth, self.azimuth, self.high) - elevation)


def _placed(points, scalp, displacement, head, least, line) -> np.ndarray:
  """Points of the neutral head on this head; what hangs on the shoulders turns with them."""
  points = np.ascontiguousarray(points, np.float32)
  hair_locks.carry(points, scalp.skull, displacement, least, line, _HAT_VOLUME)
  low = points[..., 1] < scalp_lib.HEAD_BOTTOM
  if low.any():
    points[low] = head.turned_body(points[low])
  return points


def _skull_points(scalp: scalp_lib.Scalp, azimuth: np.ndarray, elevation: np.ndarray, off: np.ndarray | float = 0.0) -> np.ndarray:
  row = np.clip((elevation / np.pi + 0.5) * scalp_lib.ROWS - 0.5, 0, scalp_lib.ROWS - 1.001)
  column = ((azimuth / (2 * np.pi) + 0.5) * scalp_lib.COLUMNS - 0.5) % scalp_lib.COLUMNS
  i, j = row.astype(int), column.astype(int) % scalp_lib.COLUMNS
  u, v, k = row - i, column - np.floor(column), (j + 1) % scalp_lib.COLUMNS
  skull = scalp.skull
  radius = (1 - u) * ((1 - v) * skull[i, j] + v * skull[i, k]) + u * ((1 - v) * skull[i + 1, j] + v * skull[i + 1, k])
  return (scalp_lib.CENTRE + scalp_lib.directions(azimuth, elevation) * (radius + off)[..., None]).astype(np.float32)


def _shell(hair, style, scalp, edge, place) -> surfaces.Mesh:
  """A dark skin under the strands, from just inside the hairline on."""
  part = np.linspace(0, 1, _SHELL_ROWS)[:, None] ** 1.5
  azimuth = np.broadcast_to(edge.azimuth[:-1], (_SHELL_ROWS, _SHELL_COLUMNS))
  low, high = edge.low[:-1] + 0.03, edge.high[:-1]
  elevation = low + part * np.maximum(high - low, 0)
  ends = np.minimum(np.minimum(elevation - low, high - elevation + 9 * (high > 1.5)) / 0.35, 1)
  thick = 0.5 * hair.volume if hair.style != 'afro' else 0.55 * _mean_length(hair, style)
  if style.comb.get('parting', 0) > 0 and 'fringe_cut' not in style.comb:
    x = np.sin(azimuth) * np.cos(elevation)
    thick = thick * np.clip(np.abs(x - hair.parting) / 0.45, 0.05, 1)
  off = (0.02 if hair.style == 'buzz' else 0.01) + thick * np.clip(ends, 0, 1)
  points = place(_skull_points(scalp, azimuth, elevation, off).reshape(1, -1, 3), 0.0)[0]
  index = np.arange(_SHELL_ROWS * _SHELL_COLUMNS).reshape(_SHELL_ROWS, _SHELL_COLUMNS)
  a, b = index[:-1], index[1:]
  a2, b2 = np.roll(a, -1, axis=1), np.roll(b, -1, axis=1)
  triangles = np.concatenate([np.stack([a, a2, b2], -1).reshape(-1, 3), np.stack([a, b2, b], -1).reshape(-1, 3)]).astype(np.int32)
  shade = 0.75 if hair.style == 'buzz' else 0.5
  colour = hair_colour.strands(hair.colour, np.ones(1), np.array([shade]))
  white = hair_colour.strands(dataclasses.replace(hair.colour, grey=1.0), np.zeros(1), np.array([shade]))
  colour = colour + hair.colour.grey * (white - colour)
  return surfaces.Mesh(
      vertices=points, triangles=triangles, normals=surfaces.vertex_normals(points, triangles),
      colours=np.repeat(colour, len(points), axis=0).astype(np.float32), label=np.full(len(triangles), LABEL, np.uint8),
      specular=0.02, shininess=8.0)


def _mean_length(hair: Hair, style: hair_styles.Style) -> float:
  return style.top[0] + hair.length * (style.top[1] - style.top[0])


def _covering(hair, style, scalp, edge, random, count, detail, place) -> surfaces.Strands:
  """The strands that grow on the scalp."""
  azimuth, elevation = _spread(len(random), hair.key)
  inside = edge.inside(azimuth, elevation)
  grows = np.flatnonzero(inside > 0.05 * random[:, 0] ** 2)
  locks = min(style.locks, max(len(grows) // 4, 1))
  grows = grows[:max(count, locks)]
  azimuth, elevation, random = azimuth[grows], elevation[grows], random[grows]
  roots = _skull_points(scalp, azimuth, elevation)
  jitter = 0.03 * (random[:, 1] - 0.5)
  side = np.where(roots[:, 0] + jitter > hair.parting, 1.0, -1.0).astype(np.float32)
  lock = np.empty(len(grows), np.int32)
  hair_locks.nearest(roots, roots[:locks], side, side[:locks], lock)
  length = _lengths(hair, style, azimuth, elevation) * (0.82 + 0.18 * random[:, 2]) * (0.93 + 0.14 * random[lock, 3])
  cut = np.full(len(grows), -9.0, np.float32)
  if style.hem:
    cut[:] = style.hem[1] + hair.length * (style.hem[0] - style.hem[1]) + 0.12 * (random[:, 4] ** 2 + random[lock, 4] - 1)
  layer = np.sqrt(random[:, 5])
  bends = 2 * random[lock][:, (1, 2, 3, 4)] - 1 + 0.35 * (2 * random[:, (1, 2, 6, 7)] - 1)
  numbers = _numbers(hair, style)
  points = np.empty((len(grows), style.points, 3), np.float32)
  chart = scalp.covered if style.covers_ears and not hair.tuck else scalp.skull
  hair_growth.grow(roots, side, layer, length.astype(np.float32), cut, numbers, chart, scalp.front, scalp.back,
                   np.clip(bends, -1.3, 1.3).astype(np.float32), points)
  spread = (0.055 * (2 * random[:, (6, 7)] - 1)).astype(np.float32)
  if hair.clump > 0:
    own = hair.clump * np.where(random[:, 0] < 0.06, 0.2, 1.0)  # some stray
    hair_locks.follow(points, points[:locks].copy(), lock, own.astype(np.float32), spread)
  phase = (2 * np.pi * (random[lock][:, (6, 7)] + 0.12 * random[:, (3, 4)])).astype(np.float32)
  if hair.wave > 0 or hair.curl > 0:
    own = (0.7 + 0.6 * random[:, 6]).astype(np.float32)
    hair_locks.bend(points, length.astype(np.float32), hair.wave, hair.wavelength, hair.curl, phase, own)
  shade = (0.55 + 0.5 * layer) * (0.8 + 0.4 * random[lock, 5]) * (0.8 + 0.4 * random[:, 7])
  return surfaces.Strands(
      points=place(points, 0.008), radius=_radii(style, len(grows), detail, hair, random),
      colours=hair_colour.strands(hair.colour, (random[:, 6] + 0.2 * random[lock, 6]) % 1, shade), label=LABEL,
      specular=0.12 if style.curl[1] > 0 else 0.3)


def _spread(count: int, key: int) -> tuple[np.ndarray, np.ndarray]:
  """Azimuths and elevations of points that cover the sphere evenly, the first n of them too."""
  n = np.arange(1, count + 1)
  start = np.random.Generator(np.random.PCG64(key + 1)).random(2)
  azimuth = ((start[0] + n * 0.7548776662466927) % 1 - 0.5) * 2 * np.pi
  return azimuth, np.arcsin(2 * (0.22 + 0.78 * ((start[1] + n * 0.5698402909980532) % 1)) - 1)


def _lengths(hair, style, azimuth, elevation) -> np.ndarray:
  """Length at each root, decimetres."""
  at = lambda ends: ends[0] + hair.length * (ends[1] - ends[0])
  up = np.clip((elevation - 0.45) / 0.4, 0, 1)
  behind = np.clip((np.abs(azimuth) - 1.7) / 0.6, 0, 1)
  return up * at(style.top) + (1 - up) * ((1 - behind) * at(style.side) + behind * at(style.back))


def _numbers(hair, style) -> np.ndarray:
  comb = dict(style.comb, volume=hair.volume, parting_x=hair.parting, tuck=2.0 * hair.tuck)
  return np.array([comb.get(name, 0.0) for name in hair_growth.FIELDS], np.float32)


def _radii(style, count, detail, hair, random) -> np.ndarray:
  """[strands, points] half widths: what the number leaves to cover, thinner at the tip."""
  width = _WIDTH * style.width * np.sqrt(6 / max(style.number, 3.0)) * (256 / detail) ** 0.8
  if style.rope:
    width = _WIDTH * style.width
  along = np.linspace(0, 1, style.points)
  profile = 1 - 0.25 * along - 0.5 * np.clip(along - 0.75, 0, 1) / 0.25
  if style.rope:
    profile = np.where(np.arange(style.points) % 2, 1.15, 0.7) * (1 - 0.3 * along)
  if hair.style == 'buzz':
    width *= 0.55
  return (width * (0.7 + 0.6 * random[:count, 3:4]) * profile).astype(np.float32)


def _extra(hair, style, detail, place) -> list[surfaces.Strands]:
  """A tail or a bun."""
  count = int(900 * (detail / 256) ** 0.9)
  random = np.random.Generator(np.random.PCG64(hair.key + 2)).random((count, 8), dtype=np.float32)
  tie = np.array([0, style.comb['tail_y'], style.comb['tail_z']], np.float32)
  if style.extra == 'ponytail':
    points = _tail(tie, hair, random)
  else:
    points = _bun(tie, hair, style, random)
  width = 0.016 * (256 / detail) ** 0.8
  shade = (0.6 + 0.5 * random[:, 1]) * (0.8 + 0.4 * random[:, 7])
  profile = np.concatenate([np.ones(points.shape[1] - 3), [0.9, 0.7, 0.4]])
  return [surfaces.Strands(points=place(points, 0.008), radius=(width * (0.7 + 0.6 * random[:, 2:3]) * profile).astype(np.float32),
                           colours=hair_colour.strands(hair.colour, random[:, 3], shade), label=LABEL)]


def _tail(tie: np.ndarray, hair: Hair, random: np.ndarray) -> np.ndarray:
  """Strands that leave the tie backwards and fall."""
  along = np.linspace(0, 1, 14)[:, None]
  length = 1.3 + 0.9 * hair.length
  turn, radius = 2 * np.pi * random[:, 0], np.sqrt(random[:, 1])
  ring = np.stack([np.cos(turn) * radius, np.sin(turn) * radius], -1)[:, None]
  width = 0.07 + 0.16 * np.sin(np.pi * np.clip(1.1 * along, 0, 1)) ** 0.8 * (0.7 + hair.clump) * (1 - 0.4 * along)
  back = 0.28 * (1 - np.exp(-5 * along))
  down = -length * np.clip(along - 0.08, 0, 1) * (0.85 + 0.25 * random[:, 2:3, None])[..., 0][:, :, None]
  wave = hair.wave * np.sin(2 * np.pi * along * length / hair.wavelength + 6 * (random[:, 4] // 0.1)[:, None, None])
  x = ring[..., :1] * width + wave
  y = down + 0.6 * ring[..., 1:] * 0.07
  z = -back + ring[..., 1:] * width * 0.8
  return (tie + np.concatenate([x, y, z], axis=-1)).astype(np.float32)


def _bun(tie: np.ndarray, hair: Hair, style: hair_styles.Style, random: np.ndarray) -> np.ndarray:
  """Strands wound around a ball."""
  size = 0.27 + 0.1 * hair.length
  axis = np.array([0, 0.25, -1.0]) if style.extra == 'bun' else np.array([0, 1.0, -0.2])
  axis /= np.linalg.norm(axis)
  first = np.cross(axis, [1.0, 0, 0])
  first /= np.linalg.norm(first)
  second = np.cross(axis, first)
  turn = 2 * np.pi * random[:, :1] + np.linspace(0, 2.2, 14)
  tilt = (random[:, 4:5] - 0.35) * 2.3 + 0.25 * np.sin(turn * 2 + 5 * random[:, 5:6])
  radius = size * (0.86 + 0.14 * random[:, 1:2])
  ball = np.cos(tilt)[..., None] * (np.cos(turn)[..., None] * first + np.sin(turn)[..., None] * second)
  ball = ball + 0.72 * np.sin(tilt)[..., None] * axis
  return (tie + 0.5 * size * axis + radius[..., None] * ball).astype(np.float32)
