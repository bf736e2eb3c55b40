"""Brows, lashes and beards: short strands rooted in the face.

Roots are points of the skin's triangles; which of them grow hair is told on the neutral head, in decimetres. Directions are carried
to a head's face by how each triangle is deformed, so that hair follows expressions and shapes.
"""

import dataclasses

import numpy as np

from data_pipeline.people import face_roots
from data_pipeline.people import hair as hair_lib
from data_pipeline.people import hair_colour
from data_pipeline.people import head as head_lib
from data_pipeline.people import surfaces
from data_pipeline.people import traits as traits_lib

LEFT_BROW, RIGHT_BROW = 6, 7
BEARD_LABEL = 1  # CelebAMask-HQ's annotators counted beards, and lashes over a lid, as skin
LASH_LABEL = 1

_BROW_X = np.array([0.105, 0.15, 0.235, 0.33, 0.42, 0.485, 0.53])
_BROW_Y = np.array([7.425, 7.438, 7.458, 7.468, 7.445, 7.405, 7.365])
_BROW_HALF = np.array([0.62, 0.95, 1.0, 0.9, 0.7, 0.45, 0.15])  # half the thickness, relative

# Beards: chance among men, mean length, spread of the length.
_BEARDS = {
    'stubble': (0.20, 0.022, 0.006), 'short': (0.10, 0.07, 0.02), 'full': (0.06, 0.17, 0.06), 'long': (0.01, 0.5, 0.12),
    'goatee': (0.05, 0.09, 0.03), 'moustache': (0.03, 0.10, 0.02), 'chin': (0.02, 0.08, 0.03)}
NAMES = tuple(_BEARDS)


@dataclasses.dataclass(frozen=True)
class Brows:
  """Somebody's brows and lashes.

  Attributes:
    colour: of the strands.
    thickness: the most half width, decimetres.
    arch: decimetres that the outer half is raised.
    reach: factor on the length.
    density: 0 to 1.
    tidy: 0 (bushy) to 1 (plucked).
    lashes: length, decimetres.
    key: seeds single strands.
  """

  colour: hair_colour.Colour
  thickness: float
  arch: float
  reach: float
  density: float
  tidy: float
  lashes: float
  key: int


@dataclasses.dataclass(frozen=True)
class Beard:
  """Somebody's beard.

  Attributes:
    style: name (`NAMES`).
    colour: of the strands.
    length: decimetres.
    density: 0 to 1.
    cheek: decimetres that it reaches further up the cheeks.
    curl: 0 to 1.
    key: seeds single strands.
  """

  style: str
  colour: hair_colour.Colour
  length: float
  density: float
  cheek: float
  curl: float
  key: int


def draw_brows(rng: np.random.Generator, traits: traits_lib.Traits, hair: hair_lib.Hair) -> Brows:
  """Brows of the natural colour of somebody's hair, a little darker; women's are thinner, most of them plucked."""
  natural = hair.colour.natural
  eumelanin = float(np.clip(max(natural, 0.7 * natural + 0.3 * hair.colour.eumelanin) + rng.normal(0.06, 0.05), 0.4, 1))
  colour = dataclasses.replace(hair.colour, eumelanin=eumelanin, dye=(), grey=0.5 * hair.colour.grey)
  female = traits.female
  return Brows(
      colour=colour, thickness=float(np.clip(rng.normal(0.030 if female else 0.039, 0.007), 0.017, 0.06)),
      arch=float(rng.normal(0.025 if female else 0.0, 0.014)), reach=float(np.clip(rng.normal(1.0, 0.05), 0.88, 1.1)),
      density=float(np.clip(rng.normal(0.8, 0.15), 0.4, 1)), tidy=float(np.clip(rng.normal(0.85 if female else 0.35, 0.15), 0, 1)),
      lashes=float(np.clip(rng.normal(0.046 if female else 0.026, 0.009), 0.012, 0.07)), key=int(rng.integers(2**31)))


def draw_beard(rng: np.random.Generator, traits: traits_lib.Traits, hair: hair_lib.Hair) -> Beard | None:
  """A beard, for nearly half of the men over 18."""
  chances = np.array([chance for chance, _, _ in _BEARDS.values()])
  pick = rng.random()
  number = int(np.searchsorted(np.cumsum(chances), pick))
  values = rng.random(5)
  length = rng.normal()
  if traits.female or traits.age < 19 or number >= len(NAMES):
    return None
  _, mean, spread = _BEARDS[NAMES[number]]
  natural = hair.colour.natural
  name = NAMES[number]
  fair = 0.78 if name == 'stubble' else 0.9  # the skin between short hairs
  colour = dataclasses.replace(
      hair.colour, eumelanin=float(np.clip(fair * natural + 0.1 * values[0], 0.1, 1)), dye=(),
      pheomelanin=float(np.clip(hair.colour.pheomelanin + 0.25 * values[1] * (natural < 0.75), 0, 1)),
      grey=float(np.clip(hair.colour.grey * 1.3 + 0.5 * max(traits.age - 45, 0) / 40, 0, 1)))
  return Beard(
      style=name, colour=colour, length=float(np.clip(mean + spread * length, 0.5 * mean, 1.8 * mean)),
      density=float(0.55 + 0.45 * values[2]) * float(0.7 + 0.3 * (1 - traits.ancestry[1])), cheek=float(0.16 * values[3] - 0.08),
      curl=float(np.clip(0.35 * values[4] + 0.5 * traits.ancestry[0], 0, 1)), key=int(rng.integers(2**31)))


def build(brows: Brows, beard: Beard | None, head: head_lib.Head, *, detail: int) -> list[surfaces.Strands]:
  """Strands of brows, lashes and beard.

  Args:
    brows: whose.
    beard: or None.
    head: on which head.
    detail: side of the picture in pixels; more and thinner strands for more.
  """
  pools = face_roots.pools(head.model)
  parts = _brow_strands(brows, head, pools.brows, detail) + [_lashes(brows, head, detail)]
  if beard is not None:
    parts.append(_beard_strands(beard, head, pools.beard, detail))
  return [part for part in parts if len(part.points)]


def _brow_strands(brows: Brows, head: head_lib.Head, pool: face_roots.Pool, detail: int) -> list[surfaces.Strands]:
  rng = np.random.Generator(np.random.PCG64(brows.key))
  random = rng.random((len(pool.place), 5), dtype=np.float32)
  x, y, _ = pool.place.T
  across = np.abs(x)
  u = (across - _BROW_X[0]) / ((_BROW_X[-1] - _BROW_X[0]) * brows.reach)
  at = _BROW_X[0] + u * (_BROW_X[-1] - _BROW_X[0])
  middle = np.interp(at, _BROW_X, _BROW_Y) + brows.arch * np.sin(np.pi * np.clip(u, 0, 1) ** 1.4)
  half = brows.thickness * np.interp(at, _BROW_X, _BROW_HALF)
  above = (y - middle) / half
  edge = 1.0 - (0.25 + 0.35 * (1 - brows.tidy)) * random[:, 0]
  fade = np.clip((u + 0.02) / 0.12, 0, 1) * np.clip((1.03 - u) / 0.1, 0, 1)
  grows = (np.abs(above) < edge) & (u > -0.02) & (u < 1.03) & (random[:, 1] < fade * (0.35 + 0.65 * brows.density))
  most = int(330 * (detail / 256) ** 0.7)
  parts = []
  for label, side in ((LEFT_BROW, x > 0), (RIGHT_BROW, x < 0)):
    chosen = np.flatnonzero(grows & side)[:most]
    random_, u_, above_ = random[chosen], np.clip(u[chosen], 0, 1), above[chosen]
    sign = np.sign(x[chosen])
    up = np.interp(u_, (0, 0.15, 0.4, 0.7, 1), (1.6, 0.75, 0.25, -0.15, -0.55)) - 0.35 * above_ + 0.5 * (1 - brows.tidy) * (random_[:, 2] - 0.5)
    direction = np.stack([sign, up, np.zeros_like(up)], axis=1).astype(np.float32)
    length = (0.075 - 0.025 * u_) * (0.7 + 0.6 * random_[:, 3]) * (brows.thickness / 0.04) ** 0.5
    points = face_roots.rooted(pool, chosen, head, direction, length, 0.22 + 0.15 * random_[:, 4] * (1.5 - brows.tidy))
    width = 0.0052 * (256 / detail) ** 0.5 * (0.8 + 0.4 * random_[:, 2:3]) * np.array([1, 1, 0.85, 0.4])
    parts.append(surfaces.Strands(
        points=points, radius=width.astype(np.float32), label=label, specular=0.08,
        colours=hair_colour.strands(brows.colour, random_[:, 4], 0.65 + 0.5 * random_[:, 3])))
  return parts


def _lashes(brows: Brows, head: head_lib.Head, detail: int) -> surfaces.Strands:
  """Upper and lower lashes along the lids' landmarks."""
  rng = np.random.Generator(np.random.PCG64(brows.key + 1))
  upper, lower = (24, 9) if detail > 160 else (14, 5)
  rows = []
  for eye, corners in ((head.right_eye, (36, 37, 38, 39, 41, 40)), (head.left_eye, (45, 44, 43, 42, 46, 47))):
    outer, a, b, inner, c, d = (head.landmarks[i] for i in corners)
    for (first, second), count, sign, share in (((a, b), upper, 1.0, 1.0), ((c, d), lower, -1.0, 0.35)):
      t = (np.linspace(0.02, 0.9, count) + rng.normal(0, 0.008, count)).clip(0, 1)[:, None]
      knots = [outer, first, second, inner]
      place = sum(knot * weight for knot, weight in zip(knots, _lagrange(t)))
      away = place - eye.centre
      away /= np.linalg.norm(away, axis=1, keepdims=True)
      outward = np.sign(outer[0] - inner[0]) * np.array([0.7, 0, 0]) * (0.6 - t)
      length = share * brows.lashes * (0.75 + 0.5 * rng.random((count, 1))) * np.interp(t, (0, 0.2, 0.7, 1), (1.15, 1.2, 0.9, 0.5))
      part = np.linspace(0, 1, face_roots.POINTS)[None, :, None]
      bend = np.array([0, sign, 0.0])
      points = (place + 0.008 * away)[:, None] + length[:, None] * (
          part * (0.75 * away + outward)[:, None] + np.square(part) * (0.85 if sign > 0 else 0.35) * bend)
      rows.append(points)
  points = np.concatenate(rows).astype(np.float32)
  width = 0.003 * (256 / detail) ** 0.5 * np.array([1, 1, 0.8, 0.4])
  return surfaces.Strands(
      points=points, radius=np.broadcast_to(width, points.shape[:2]).astype(np.float32), label=LASH_LABEL, specular=0.05,
      colours=np.full((len(points), 3), 0.012, np.float32))


def _lagrange(t: np.ndarray) -> list[np.ndarray]:
  """Weights of a cubic through knots at 0, 1/3, 2/3 and 1."""
  knots = (0, 1 / 3, 2 / 3, 1)
  return [np.prod([(t - other) / (knot - other) for other in knots if other != knot], axis=0) for knot in knots]


def _beard_score(style: str, place: np.ndarray, cheek: float) -> np.ndarray:
  """[n] decimetres inside of the beard's outline on the neutral head, negative outside."""
  x, y, z = place.T
  across = np.abs(x)
  moustache = np.minimum(0.075 - np.abs(y - (6.785 - 0.75 * across**2 - 0.06 * across)), 0.3 - across)
  ring = np.sqrt(np.square(x / 0.31) + np.square((y - 6.60) / 0.2))
  around = np.minimum(0.1 - np.abs(ring - 1.12) * 0.25, 6.72 - y)
  chin = np.minimum(np.minimum(0.30 - across, 6.475 - y), y - 6.02)
  cheek_line = np.interp(across, (0.25, 0.4, 0.55, 0.68, 0.74), (6.66, 6.70, 6.83, 7.06, 7.3)) + cheek
  neck_line = np.interp(z, (0.5, 0.8, 1.1, 1.4), (6.62, 6.36, 6.14, 6.04))
  jaw = np.minimum(cheek_line - y, y - neck_line)
  jaw = np.minimum(jaw, np.where(across < 0.32, (ring - 0.8) * 0.25, 1.0))
  score = {'moustache': moustache, 'chin': np.minimum(chin, 0.22 - across), 'goatee': np.maximum(np.maximum(moustache, chin), around)}
  return score.get(style, np.maximum(np.maximum(moustache, chin), jaw))


def _beard_strands(beard: Beard, head: head_lib.Head, pool: face_roots.Pool, detail: int) -> surfaces.Strands:
  rng = np.random.Generator(np.random.PCG64(beard.key))
  random = rng.random((len(pool.place), 6), dtype=np.float32)
  score = _beard_score(beard.style, pool.place, beard.cheek)
  stubble = beard.style == 'stubble'
  softness = 0.14 if stubble else 0.06
  chosen = np.flatnonzero(random[:, 0] < np.clip(score / softness, 0, 1) * beard.density)
  most = int((4200 if not stubble else 5200) * (detail / 256) ** 0.9)
  chosen = chosen[:most]
  place, random = pool.place[chosen], random[chosen]
  x, y = place[:, 0], place[:, 1]
  over_lip = (y > 6.6) & (np.abs(x) < 0.32)
  direction = np.stack([
      np.where(over_lip, np.sign(x) * 0.9, 0.25 * np.sign(x) * np.clip(np.abs(x) / 0.5, 0, 1)), np.where(over_lip, -0.8, -1.0),
      np.where(over_lip, 0.0, 0.25)], axis=1)
  direction = direction + (0.35 + 0.6 * beard.curl) * (random[:, 1:4] - 0.5) * 2
  length = beard.length * (0.6 + 0.7 * random[:, 4])
  length = np.where(over_lip, np.minimum(length, 0.1), length)
  lift, droop = 0.35 + 0.5 * random[:, 5], min(beard.length / 0.4, 0.8)
  points = face_roots.rooted(pool, chosen, head, direction.astype(np.float32), length, lift, droop)
  width = (0.0030 if stubble else 0.0062) * (256 / detail) ** 0.7 * (0.7 + 0.6 * random[:, 5:6]) * np.array([1, 1, 0.8, 0.35])
  return surfaces.Strands(
      points=points, radius=width.astype(np.float32), label=BEARD_LABEL, specular=0.06,
      colours=hair_colour.strands(beard.colour, random[:, 3], 0.6 + 0.6 * random[:, 4]))
