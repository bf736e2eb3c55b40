"""Earrings that hang from this head's lobes, necklaces that lie on this neck."""

import dataclasses

import numpy as np

from data_pipeline.people import body_chart as body_chart_lib
from data_pipeline.people import fabrics
from data_pipeline.people import head as head_lib
from data_pipeline.people import surfaces
from data_pipeline.people import sweeps
from data_pipeline.people import traits as traits_lib

EARRING, NECKLACE = 15, 16
_EARRINGS = {'stud': 0.22, 'hoop': 0.24, 'drop': 0.26, 'chandelier': 0.14, 'chain': 0.14}
_NECKLACES = {'chain': 0.36, 'pendant': 0.34, 'pearls': 0.16, 'choker': 0.08, 'beads': 0.06}
EARRING_KINDS, NECKLACE_KINDS = tuple(_EARRINGS), tuple(_NECKLACES)
# Linear albedo, as gold, silver, rose gold and gunmetal reflect.
_METALS = ((0.85, 0.56, 0.2), (0.8, 0.8, 0.78), (0.78, 0.46, 0.34), (0.2, 0.2, 0.22))
_METAL_CHANCES = (0.48, 0.4, 0.08, 0.04)
_GEMS = ('#f4f1ea', '#8e1026', '#12356e', '#0d5c3c', '#151515', '#3fa7a0', '#5a2a82', '#e8e8ee', '#d8762a')
_METAL = dict(specular=0.6, shininess=60.0)
_GEM = dict(specular=0.12, shininess=160.0)
# Profile of a drop: (radius, height).
_DROP = np.array([
    (0, 1.7), (0.16, 1.5), (0.38, 1.05), (0.68, 0.5), (0.9, 0.0), (1, -0.35), (0.93, -0.68), (0.72, -0.95), (0.4, -1.14), (0, -1.22)])


@dataclasses.dataclass(frozen=True)
class Earrings:
  """A pair.

  Attributes:
    kind: one of `EARRING_KINDS`.
    metal: linear albedo of the metal.
    gem: linear albedo of stones or pearls.
    size: 0 to 1.
    turn: radians about the vertical that hoops and chandeliers are turned by.
    key: seed of small differences.
  """

  kind: str
  metal: tuple[float, float, float]
  gem: tuple[float, float, float]
  size: float
  turn: float
  key: int


@dataclasses.dataclass(frozen=True)
class Necklace:
  """What hangs about a neck.

  Attributes:
    kind: one of `NECKLACE_KINDS`.
    metal: linear albedo of the metal.
    gem: linear albedo of stones or pearls.
    length: 0 (at the base of the neck) to 1 (on the chest).
    size: 0 (fine) to 1 (bold).
    key: seed of small differences.
  """

  kind: str
  metal: tuple[float, float, float]
  gem: tuple[float, float, float]
  length: float
  size: float
  key: int


def draw_earrings(rng: np.random.Generator, traits: traits_lib.Traits) -> Earrings | None:
  """On half of the women, one man in sixteen (studs and small hoops)."""
  if rng.random() >= (0.46 if traits.female else 0.06):
    return None
  kind = EARRING_KINDS[rng.choice(len(EARRING_KINDS), p=list(_EARRINGS.values()))]
  size = float(rng.random())
  if not traits.female:
    kind, size = ('stud', 'hoop')[rng.integers(2)], 0.3 * size
  return Earrings(kind=kind, metal=_metal(rng), gem=_gem(rng), size=size, turn=float(rng.normal(0.35, 0.3)), key=int(rng.integers(2**31)))


def draw_necklace(rng: np.random.Generator, traits: traits_lib.Traits) -> Necklace | None:
  """On a sixth of the women, one man in twenty-five; clothes hide many."""
  if rng.random() >= (0.17 if traits.female else 0.04):
    return None
  kind = NECKLACE_KINDS[rng.choice(len(NECKLACE_KINDS), p=list(_NECKLACES.values()))]
  if not traits.female:
    kind = 'chain'
  return Necklace(kind=kind, metal=_metal(rng), gem=_gem(rng), length=float(rng.random()), size=float(rng.random()),
                  key=int(rng.integers(2**31)))


def build_earrings(earrings: Earrings, head: head_lib.Head) -> list[surfaces.Mesh]:
  """Both earrings: one mesh of metal, one of stones where there are any."""
  rng = np.random.default_rng(earrings.key)
  pieces = [piece for side in (1, -1) for piece in _EARRING_BUILDERS[earrings.kind](earrings, _lobe(head, side), side, rng)]
  return sweeps.joined_by_material(pieces)


def build_necklace(necklace: Necklace, head: head_lib.Head) -> list[surfaces.Mesh]:
  """The chain or the beads, and what hangs from it."""
  chart = body_chart_lib.of(head)
  fine = np.linspace(-np.pi, np.pi, 720, endpoint=False)
  low = 0.12 + 0.6 * necklace.length
  drop = {'choker': -0.16, 'pearls': 0.06 + 0.25 * necklace.length, 'beads': 0.1 + 0.3 * necklace.length}.get(necklace.kind, low)
  ahead = (0.5 + 0.5 * np.cos(fine)) ** (1.6 + necklace.length)
  back = -0.18 if necklace.kind == 'choker' else -0.1 + 0.04 * necklace.size
  path = chart.at(fine, back + (drop - back) * ahead)
  normal = chart.sampled(fine, back + (drop - back) * ahead)[:, 3:6]
  arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])

  def even(count):
    places = np.linspace(0, arc[-1], count, endpoint=False)
    return (np.stack([np.interp(places, arc, column) for column in values.T], axis=-1) for values in (path, normal))

  if necklace.kind in ('pearls', 'beads'):
    radius = 0.026 + 0.03 * necklace.size
    middle, off = even(int(arc[-1] / (2.02 * radius)))
    colour = (0.86, 0.8, 0.72) if necklace.kind == 'pearls' else necklace.gem
    return [sweeps.spheres(middle + 0.85 * radius * off, radius, colour, NECKLACE, rings=8, sides=11, specular=0.1, shininess=70.0)]
  radius = 0.011 + 0.012 * necklace.size
  if necklace.kind == 'choker':
    middle, off = even(160)
    grid = sweeps.tube(middle + 0.02 * off, 0.02 + 0.05 * necklace.size, off, sides=10, closed=True, flatness=0.25, squareness=0.6)
    return [sweeps.grid_mesh(grid, np.array(necklace.gem) * 0.5, NECKLACE, wrap_rows=True, wrap_columns=True, specular=0.05)]
  middle, off = even(420)
  links = radius * (1 + 0.35 * np.where(np.arange(420) % 4 < 2, 1, -1))
  chain = sweeps.tube(middle + radius * off, links, off, sides=6, closed=True, flatness=0.8)
  meshes = [sweeps.grid_mesh(chain, np.array(necklace.metal), NECKLACE, wrap_rows=True, wrap_columns=True, **_METAL)]
  if necklace.kind == 'pendant':
    at = int(np.argmin(np.abs(fine)))
    size = 0.05 + 0.06 * necklace.size
    place = path[at] + 0.035 * normal[at] + np.array([0, -1.2 * size, 0])
    meshes.append(sweeps.spheres(place[None], size, necklace.gem, NECKLACE, rings=10, sides=16, stretch=(0.75, 1.15, 0.4), **_GEM))
    rim = _circle(0.82 * size, 40) * np.array([1.0, 1.5, 1.0]) + place
    meshes.append(sweeps.grid_mesh(sweeps.tube(rim, 0.014, np.array([0, 0, 1.0]), sides=6, closed=True), np.array(necklace.metal), NECKLACE,
                                   wrap_rows=True, wrap_columns=True, **_METAL))
  return meshes


def _metal(rng: np.random.Generator) -> tuple[float, float, float]:
  return _METALS[rng.choice(len(_METALS), p=_METAL_CHANCES)]


def _gem(rng: np.random.Generator) -> tuple[float, float, float]:
  return fabrics.linear(_GEMS[0] if rng.random() < 0.3 else _GEMS[rng.integers(len(_GEMS))])


def _lobe(head: head_lib.Head, side: int) -> np.ndarray:
  """[3] the front of the lobe where it is pierced."""
  vertex = head.at((side * 0.81, 6.86, 0.5))
  return head.vertices[vertex] + 0.012 * head.normals[vertex]


def _circle(radius: float, count: int) -> np.ndarray:
  """[count, 3] in the x-y plane."""
  angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
  return np.stack([radius * np.cos(angle), radius * np.sin(angle), 0 * angle], axis=-1)


def _facing(turn: float, side: int) -> np.ndarray:
  """[3, 3] rows: axes of an earring's plane (along, up) and across; a hoop lies along the cheek, turned outwards in front."""
  angle = np.pi / 2 - turn
  along = np.array([side * np.cos(angle), 0, np.sin(angle)])
  return np.stack([along, np.array([0, 1.0, 0]), np.cross(along, [0, 1.0, 0])])


def _wire(
    earrings: Earrings, path: np.ndarray, radius: float, closed: bool = False, up=(0.31, 0.2, 0.93), sides: int = 7,
) -> surfaces.Mesh:
  return sweeps.grid_mesh(sweeps.tube(path, radius, np.array(up), sides=sides, closed=closed), np.array(earrings.metal), EARRING,
                          wrap_rows=closed, wrap_columns=True, **_METAL)


def _beads(colour, places: np.ndarray, radii, stretch=(1, 1, 1), **material) -> surfaces.Mesh:
  return sweeps.spheres(places, radii, colour, EARRING, rings=9, sides=13, stretch=stretch, **(material or _GEM))


def _stud(earrings, lobe, side, rng):
  radius = 0.042 + 0.05 * earrings.size
  setting = _circle(radius, 24) @ _facing(np.pi / 2 - 0.5, side) + lobe
  return [_beads(earrings.gem, lobe + np.array([side * 0.01, 0, 0.01]), radius, stretch=(0.8, 1, 0.8)),
          _wire(earrings, setting, 0.011, closed=True)]


def _hoop(earrings, lobe, side, rng):
  radius = 0.09 + 0.3 * earrings.size ** 1.3
  facing = _facing(earrings.turn + 0.1 * rng.standard_normal(), side)
  path = _circle(radius, 56) @ facing + lobe + np.array([side * 0.012, -radius, 0])
  return [_wire(earrings, path, 0.02 + 0.032 * ((earrings.key % 100) / 100) ** 2, closed=True, up=facing[2], sides=9)]


def _hook(earrings, lobe, side, length):
  t = np.linspace(0, 1, 9)[:, None]
  top = lobe + np.array([0, 0.02, 0.0])
  return _wire(earrings, top + np.array([side * 0.015, 0, 0.025]) * np.sin(np.pi * t) - np.array([0, length, 0]) * t, 0.008)


def _drop(earrings, lobe, side, rng):
  length = 0.08 + 0.22 * rng.random()
  size = 0.07 + 0.07 * earrings.size
  tip = lobe - np.array([0, length, 0])
  drop = sweeps.revolved(_DROP * size, sides=16) * np.array([1, 1, 0.8]) + tip - np.array([0, 1.7 * size, 0])
  gem = sweeps.grid_mesh(drop, np.array(earrings.gem), EARRING, wrap_columns=True, **_GEM)
  return [_hook(earrings, lobe, side, length + 0.03), gem, _beads(earrings.metal, tip, 0.02, **_METAL), _beads(earrings.gem, lobe, 0.024)]


def _chain(earrings, lobe, side, rng):
  count = 3 + int(4 * earrings.size)
  step = 0.1 + 0.03 * rng.random()
  places = lobe - np.array([0, 1.0, 0]) * (step * (1 + np.arange(count)))[:, None]
  radii = 0.028 + 0.014 * (np.arange(count) % 2) + 0.035 * (np.arange(count) == count - 1)
  return [_hook(earrings, lobe, side, step * count), _beads(earrings.gem, places, radii), _beads(earrings.metal, lobe[None], 0.025, **_METAL)]


def _chandelier(earrings, lobe, side, rng):
  facing = _facing(earrings.turn, side)
  scale = 0.95 + 0.6 * earrings.size
  local = lambda points: np.asarray(points) * scale @ facing[:2] + lobe
  t = np.linspace(0, np.pi, 20)
  fan = local(np.stack([0.12 * np.cos(t), -0.1 - 0.1 * np.sin(t)], axis=-1))
  top = local(np.stack([np.linspace(-0.12, 0.12, 9), -0.1 + 0.035 * np.cos(np.linspace(-1, 1, 9) * np.pi / 2)], axis=-1))
  roots = np.linspace(0.25, np.pi - 0.25, 5)
  hang = np.array([0.08, 0.13, 0.17, 0.13, 0.08])
  ends = np.stack([0.125 * np.cos(roots), -0.1 - 0.1 * np.sin(roots) - hang], axis=-1)
  rows = np.concatenate([ends + [[0, 1]] * (hang * fraction)[:, None] for fraction in (0.65, 0.32)])
  wires = _beads(earrings.metal, local(ends + 0.5 * np.stack([0 * hang, hang], axis=-1)), 0.5 * scale * hang, stretch=(0.09, 1, 0.09), **_METAL)
  return [_wire(earrings, fan, 0.014, up=facing[2]), _wire(earrings, top, 0.012, up=facing[2]), wires,
          _hook(earrings, lobe, side, 0.1 * scale),
          _beads(earrings.gem, local(ends), 0.03 * scale, stretch=(0.8, 1.3, 0.8)),
          _beads(earrings.metal, local(rows), 0.015 * scale, **_METAL),
          _beads(earrings.gem, local([[0.0, -0.14]]), 0.045 * scale), _beads(earrings.gem, lobe, 0.03)]


_EARRING_BUILDERS = {'stud': _stud, 'hoop': _hoop, 'drop': _drop, 'chain': _chain, 'chandelier': _chandelier}
