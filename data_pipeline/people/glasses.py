"""Glasses: rims swept along the lenses' outlines in front of this head's eyes, bridge, pads, arms to the ears, curved lenses.

Coordinates on the front of a pair: u outwards from the middle of the face, v upwards from between the pupils, decimetres.
"""

import dataclasses

from jaxtyping import Float
import numba
import numpy as np

from data_pipeline.people import fabrics
from data_pipeline.people import head as head_lib
from data_pipeline.people import head_model as head_model_lib
from data_pipeline.people import surfaces
from data_pipeline.people import sweeps
from data_pipeline.people import traits as traits_lib

GLASSES = 3


@dataclasses.dataclass(frozen=True)
class _Outline:
  """Of a lens: width and height, roundness (2 an ellipse, more is squarer), how much wider it is at the top, how far the bottom
  leans outwards, how far the outer upper corner is drawn up, and how far its middle lies below the pupil."""

  width: float
  height: float
  squareness: float
  taper: float
  lean: float
  lift: float
  drop: float


_OUTLINES = {
    'round': _Outline(0.48, 0.45, 2.0, 0.0, 0.0, 0.0, 0.05), 'rectangular': _Outline(0.55, 0.34, 4.5, 0.06, 0.03, 0.01, 0.03),
    'oval': _Outline(0.52, 0.36, 2.3, 0.04, 0.02, 0.0, 0.03), 'aviator': _Outline(0.58, 0.5, 2.6, 0.17, 0.1, -0.01, 0.09),
    'cat_eye': _Outline(0.55, 0.41, 2.9, 0.14, 0.02, 0.1, 0.03), 'wayfarer': _Outline(0.56, 0.43, 3.6, 0.13, 0.05, 0.03, 0.04),
    'half_rim': _Outline(0.55, 0.34, 3.8, 0.07, 0.03, 0.0, 0.03), 'rimless': _Outline(0.54, 0.36, 3.2, 0.06, 0.02, 0.0, 0.03)}
_CHANCES = (0.14, 0.26, 0.12, 0.06, 0.1, 0.18, 0.09, 0.05)
_SUN_CHANCES = (0.14, 0.08, 0.02, 0.36, 0.12, 0.28, 0.0, 0.0)
KINDS = tuple(_OUTLINES)
_PLASTIC = ('#101012', '#101012', '#101012', '#3c2416', '#5a1018', '#142a4a', '#8c8a86', '#e8e4dc', '#274036')
_METAL = ('#c9a24e', '#b8bac0', '#55575e', '#b97a5c', '#1c1c20')
_POINTS = 80
_PHASES = np.linspace(0, 2 * np.pi, _POINTS, endpoint=False)


@dataclasses.dataclass(frozen=True)
class Glasses:
  """A pair.

  Attributes:
    kind: of its outline, one of `KINDS`.
    metal: whether the frame is wire rather than acetate.
    tortoise: whether acetate is mottled.
    colour: linear albedo of the frame.
    rim: half the width of the rim, decimetres.
    lens: linear albedo of the lenses.
    opacity: of the lenses.
    size: factor.
    slip: how far down the nose it sits, decimetres.
    key: seed of the mottles.
  """

  kind: str
  metal: bool
  tortoise: bool
  colour: tuple[float, float, float]
  rim: float
  lens: tuple[float, float, float]
  opacity: float
  size: float
  slip: float
  key: int


def draw(rng: np.random.Generator, traits: traits_lib.Traits) -> Glasses | None:
  """Eyeglasses on one in twenty (twice as often from 45 years on), sunglasses on one or two in a hundred."""
  chance = rng.random()
  sun = chance < 0.012
  if chance >= 0.012 + (0.033 if traits.age < 45 else 0.075) * (0.8 if traits.female else 1.3):
    return None
  kind = KINDS[rng.choice(len(KINDS), p=_SUN_CHANCES if sun else _CHANCES)]
  if kind == 'cat_eye' and not traits.female:
    kind = 'wayfarer'
  metal = kind in ('rimless', 'aviator') or (kind not in ('wayfarer', 'cat_eye') and bool(rng.random() < 0.5))
  palette = _METAL if metal else _PLASTIC
  tint = np.array(((0.02, 0.02, 0.022), (0.05, 0.03, 0.015), (0.02, 0.035, 0.03), (0.03, 0.03, 0.06))[rng.integers(4)]) * rng.uniform(0.6, 1.5)
  return Glasses(
      kind=kind, metal=metal, tortoise=not metal and bool(rng.random() < 0.25), colour=fabrics.linear(palette[rng.integers(len(palette))]),
      rim=float(rng.uniform(0.009, 0.014) if metal else rng.uniform(0.012, 0.022)),
      lens=tuple(float(x) for x in tint) if sun else (0.5, 0.56, 0.58),
      opacity=float(rng.uniform(0.66, 0.93) if sun else rng.uniform(0.05, 0.13)),
      size=float(np.clip(rng.normal(0.98 if sun else 0.92, 0.05), 0.82, 1.12)), slip=float(np.clip(rng.normal(0.02, 0.03), -0.02, 0.12)),
      key=int(rng.integers(2**31)))


def build(glasses: Glasses, head: head_lib.Head) -> list[surfaces.Mesh]:
  """Frame, pads and lenses on this nose."""
  front = _Front.on(glasses, head)
  rng = np.random.default_rng(glasses.key)
  pieces = [*_rims(glasses, front), *_bridge(glasses, front), *_arms(glasses, front, head)]
  frame = surfaces.joined([_painted(glasses, grid, wrap_rows, rng) for grid, wrap_rows in pieces])
  meshes = [frame]
  if glasses.metal:
    pads = front.place(np.array([0.12, -0.12]), np.array([-0.13, -0.13])) - np.array([0, 0, 0.06])
    meshes.append(sweeps.spheres(pads, 0.04, (0.6, 0.5, 0.42), GLASSES, stretch=(0.35, 1.0, 0.6), specular=0.05, shininess=90.0))
  return meshes + [surfaces.joined([_lens(glasses, front, side) for side in (1, -1)])]


@dataclasses.dataclass(frozen=True)
class _Front:
  """Where the front of a pair lies.

  Attributes:
    origin: [3] between the pupils, at the lenses' depth.
    across: [3] unit, from the person's right eye to the left one.
    bow: how fast the front curves back towards the temples, 1 / decimetres.
    outline: [points, 2] (u, v) of the left lens, counter-clockwise seen from the front.
  """

  origin: np.ndarray
  across: np.ndarray
  bow: float
  outline: np.ndarray

  @classmethod
  def on(cls, glasses: Glasses, head: head_lib.Head) -> '_Front':
    left, right = head.left_eye.centre, head.right_eye.centre
    middle = 0.5 * (left + right)
    across = (left - right) / np.linalg.norm(left - right)
    depth = float(max(left[2], right[2]) + head.left_eye.radius + 0.11)
    front = cls(np.array([middle[0], middle[1] - glasses.slip, depth]), across, 0.16 if glasses.opacity < 0.5 else 0.24,
                _outline(glasses, 0.5 * np.linalg.norm(left - right)))
    return dataclasses.replace(front, origin=front.origin + np.array([0, 0, front.room_wanted(head)]))

  def place(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """[..., 3] model points of the front; its top leans forwards a little."""
    u, v = np.broadcast_arrays(np.asarray(u, float), np.asarray(v, float))
    point = self.origin + u[..., None] * self.across + v[..., None] * np.array([0, 1.0, 0.1])
    point[..., 2] -= self.bow * np.square(u)
    return point

  def side(self, side: int) -> np.ndarray:
    """[points, 3] the outline of the lens on the person's left (1) or right (-1), counter-clockwise seen from the front."""
    points = self.place(side * self.outline[:, 0], self.outline[:, 1])
    return points if side > 0 else points[::-1]

  def room_wanted(self, head: head_lib.Head) -> float:
    """How far forwards it must go, so that brows, cheeks and nose lie behind the rims and the bridge; at most 0.16."""
    template = head.model.template
    face = head.vertices[(template[:, 2] > 0.8) & (np.abs(template[:, 1] - 7.25) < 0.45) & (np.abs(template[:, 0]) < 0.75)]
    rims = np.concatenate([self.side(1)[::4], self.side(-1)[::4], self.place(np.linspace(-0.06, 0.06, 3), np.full(3, 0.05))])
    behind = face[_nearest(rims[:, :2], face[:, :2]), 2] - rims[:, 2]
    return float(np.clip(behind.max() + 0.02, 0, 0.16))


def _outline(glasses: Glasses, half_eyes: float) -> Float[np.ndarray, 'points 2']:
  shape = _OUTLINES[glasses.kind]
  power = 2 / shape.squareness
  cosine, sine = np.cos(_PHASES), np.sin(_PHASES)
  u, v = np.sign(cosine) * np.abs(cosine) ** power, np.sign(sine) * np.abs(sine) ** power
  step = np.concatenate([[0], np.cumsum(np.hypot(np.diff(u, append=u[:1]), np.diff(v, append=v[:1])))])  # evenly along the curve
  even = np.linspace(0, step[-1], _POINTS, endpoint=False)
  u, v = (np.interp(even, step, np.append(values, values[0])) for values in (u, v))
  u = u * (1 + shape.taper * v)
  width, height = 0.5 * glasses.size * shape.width, 0.5 * glasses.size * shape.height
  u, v = width * u - shape.lean * np.minimum(v, 0) * height * 2, height * v
  v = v + shape.lift * np.clip(u / width, 0, None) ** 2 * np.clip(v / height + 0.4, 0, 1)
  centre = max(0.4 * half_eyes + 0.6 * (width + 0.085), width * (1 + shape.taper) + 0.06)
  return np.stack([u + centre, v - shape.drop], axis=-1)


def _rims(glasses: Glasses, front: _Front) -> list[tuple[np.ndarray, bool]]:
  if glasses.kind == 'rimless':
    return []
  pieces = []
  for side in (1, -1):
    path = front.side(side)
    relative = (path[:, 1] - path[:, 1].mean()) / np.ptp(path[:, 1])
    thickness = glasses.rim * (1 + (0 if glasses.metal else 0.35) * np.clip(relative + 0.2, 0, None))  # browlines are heavier
    if glasses.kind == 'cat_eye':
      thickness = thickness * (1 + 0.8 * np.clip(relative, 0, None) * np.clip(side * (path[:, 0] - path[:, 0].mean()) * 4, 0, 1))
    if glasses.kind == 'half_rim':
      upper = np.flatnonzero(relative > -0.18)
      start = int(np.flatnonzero(np.diff(upper) > 1)[0] + 1) if (np.diff(upper) > 1).any() else 0
      path, thickness = path[np.roll(upper, -start)], thickness[np.roll(upper, -start)]
    closed = glasses.kind != 'half_rim'
    section = dict(flatness=1.0, squareness=1.0) if glasses.metal else dict(flatness=0.9, squareness=0.65)
    pieces.append((sweeps.tube(path, thickness, np.array([0, 0, 1.0]), sides=10, closed=closed, **section), closed))
  return pieces


def _bridge(glasses: Glasses, front: _Front) -> list[tuple[np.ndarray, bool]]:
  outline = front.outline
  heights = {'aviator': (0.2, 0.8), 'round': (0.45,), 'cat_eye': (0.55,)}.get(glasses.kind, (0.55,))
  pieces = []
  for height in heights:
    level = outline[:, 1].min() + (0.25 + 0.7 * height) * np.ptp(outline[:, 1])
    nasal = outline[outline[:, 0] < outline[:, 0].mean()]
    inner = nasal[np.argmin(np.abs(nasal[:, 1] - level))]
    u = np.linspace(-inner[0], inner[0], 15)
    arch = (1 - np.square(u / inner[0])) * (0.0 if len(heights) > 1 and height > 0.5 else 0.045)
    path = front.place(u, inner[1] + arch)
    path[:, 2] += 0.025 * (1 - np.square(u / inner[0]))
    radius = glasses.rim * (1.05 if glasses.metal else 1.25)
    pieces.append((sweeps.tube(path, radius, np.array([0, 0, 1.0]), sides=10, flatness=0.9, squareness=0.8), False))
  return pieces


def _arms(glasses: Glasses, front: _Front, head: head_lib.Head) -> list[tuple[np.ndarray, bool]]:
  template = head.model.template
  pieces = []
  for side in (1, -1):
    outline = front.outline
    outer = outline[np.argmax(outline[:, 0] + 0.5 * outline[:, 1])]
    hinge = front.place(side * (outer[0] + 0.01), outer[1])
    corner = hinge + np.array([side * 0.04, 0.0, -0.05])
    ear = head.displaced(np.array([[side * 0.755, 7.36, 0.52], [side * 0.74, 7.06, 0.37]]))
    ear[0, 1] = max(ear[0, 1], hinge[1] - 0.25)
    t = np.linspace(0, 1, 22)[:, None]
    hook = ear[0] + np.linspace(0.15, 1, 8)[:, None] * (ear[1] - ear[0])
    path = np.concatenate([hinge[None] - [[side * 0.03, 0, 0]], hinge[None], corner + t * (ear[0] - corner), hook])
    not_ear = head.model.scores[:, head_model_lib.LEFT_EAR if side > 0 else head_model_lib.RIGHT_EAR] < -0.45
    beside = (side * template[:, 0] > 0.45) & (np.abs(template[:, 1] - 7.3) < 0.3) & (np.abs(template[:, 2] - 0.6) < 0.65)
    skull = head.vertices[not_ear & beside]
    outside = side * skull[_nearest(path[:, 1:], skull[:, 1:]), 0] + 0.025
    path[2:, 0] = side * np.maximum(side * path[2:, 0], outside[2:])
    path[3:-1] = 0.25 * path[2:-2] + 0.5 * path[3:-1] + 0.25 * path[4:]
    broad = 0.012 if glasses.metal else 0.018
    tall = np.interp(np.arange(len(path)), (0, 3, 14, len(path)), (1.0, 1.0, 0.75, 0.6))
    tall *= 1.3 if glasses.metal else min(1.4 * glasses.rim / broad, 2.2)
    up = np.where(np.arange(len(path))[:, None] < 3, np.array([0.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.15]))
    pieces.append((sweeps.tube(path, broad, up, sides=10, flatness=tall, squareness=0.7), False))
  return pieces


@numba.njit(cache=True, nogil=True, fastmath=True)
def _nearest(places, among):
  """[places] number of the nearest of `among`, both [..., 2]."""
  result = np.empty(places.shape[0], np.int64)
  for i in range(places.shape[0]):
    best = np.inf
    for j in range(among.shape[0]):
      x, y = places[i, 0] - among[j, 0], places[i, 1] - among[j, 1]
      distance = x * x + y * y
      if distance < best:
        best, result[i] = distance, j
  return result


def _painted(glasses: Glasses, grid: np.ndarray, wrap_rows: bool, rng: np.random.Generator) -> surfaces.Mesh:
  colour = np.array(glasses.colour, np.float32)
  colours = np.broadcast_to(colour, grid.shape)
  if glasses.tortoise:
    mottle = np.clip(0.5 + 0.9 * sweeps.waves(rng, grid, np.array([14.0, 14.0, 14.0]), 10), 0, 1)[..., None]
    colours = mottle * np.array([0.30, 0.12, 0.03]) + (1 - mottle) * np.array([0.025, 0.012, 0.008])
  material = dict(specular=0.55, shininess=70.0) if glasses.metal else dict(specular=0.06, shininess=110.0)
  return sweeps.grid_mesh(grid, colours, GLASSES, wrap_rows=wrap_rows, wrap_columns=True, **material)


def _lens(glasses: Glasses, front: _Front, side: int) -> surfaces.Mesh:
  """A lens inside its rim, bulging forwards; sunglasses are darker at the top."""
  edge = front.side(side)
  middle = edge.mean(axis=0)
  radius = np.array([0.0, 0.3, 0.55, 0.78, 0.93, 1.0])
  points = middle + radius[:, None, None] * (edge - middle)
  points[..., 2] += 0.03 * (1 - np.square(radius))[:, None] - 0.004
  height = np.clip((points[..., 1] - middle[1]) / 0.25, -1, 1)[..., None]
  colours = np.array(glasses.lens) * (1 - 0.45 * height * (glasses.opacity > 0.5))
  return sweeps.grid_mesh(points, colours, GLASSES, wrap_columns=True, specular=0.06, shininess=350.0, opacity=glasses.opacity)
