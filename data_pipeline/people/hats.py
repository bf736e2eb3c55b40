"""Hats: knitted and wound ones follow the skull, felt and straw ones have a crown over its girth and a brim.

Everything is built in the skull chart's frame (y up through the pitched-back rim) and turned into model space at the end.
"""

import dataclasses

import numpy as np

from data_pipeline.people import fabrics
from data_pipeline.people import head as head_lib
from data_pipeline.people import skull_chart as skull_chart_lib
from data_pipeline.people import surfaces
from data_pipeline.people import sweeps
from data_pipeline.people import traits as traits_lib

HAT = 14
CHANCE = 0.05
# Chances of men's and women's.
_KINDS = {'cap': (0.36, 0.14), 'beanie': (0.2, 0.2), 'fedora': (0.14, 0.14), 'bowler': (0.08, 0.08), 'sun_hat': (0.02, 0.18),
          'cowboy': (0.1, 0.04), 'bandana': (0.08, 0.1), 'beret': (0.02, 0.12)}
KINDS = tuple(_KINDS)
_COLUMNS = 120
_AZIMUTHS = np.linspace(-np.pi, np.pi, _COLUMNS, endpoint=False)


@dataclasses.dataclass(frozen=True)
class Hat:
  """What sits on a head.

  Attributes:
    kind: one of `KINDS`.
    fabric: its cloth, felt or straw.
    accent: linear albedo of the band, the button, the badge.
    low: how low it sits, radians of elevation that the rim lies below the chart's.
    forward: how far it is pulled over the forehead, radians.
    tilt: to the person's left, radians.
    height: of crown, cuff or slouch, 0 to 1.
    brim: width, 0 to 1.
    clearance: room for hair, decimetres.
    key: seed of folds and prints.
  """

  kind: str
  fabric: fabrics.Fabric
  accent: tuple[float, float, float]
  low: float
  forward: float
  tilt: float
  height: float
  brim: float
  clearance: float
  key: int


def draw(rng: np.random.Generator, traits: traits_lib.Traits) -> Hat | None:
  """A hat, or none in nineteen of twenty."""
  if rng.random() >= CHANCE:
    return None
  chances = np.array([pair[int(traits.female)] for pair in _KINDS.values()])
  kind = KINDS[rng.choice(len(KINDS), p=chances / chances.sum())]
  patterns = dict(bandana=dict(dots=0.4, floral=0.3), beanie=dict(stripes=0.15, heather=0.4), fedora=dict(heather=0.4), cap=dict(heather=0.15))
  fabric = fabrics.draw(rng, patterns.get(kind, {}), dark=0.5, light=0.2)
  if kind in ('sun_hat', 'cowboy') and rng.random() < 0.7:
    straw = np.array(fabrics.linear('#d3b483' if kind == 'sun_hat' else '#8d6a45')) * rng.uniform(0.7, 1.15)
    fabric = dataclasses.replace(fabric, colours=(tuple(float(x) for x in straw), *fabric.colours[1:]))
  return Hat(kind=kind, fabric=fabric, accent=fabrics.draw_colour(rng, 0.5, 0.2), low=float(rng.normal(0.05, 0.05)),
             forward=float(rng.normal(0.04, 0.07)), tilt=float(np.clip(rng.normal(0, 0.05), -0.15, 0.15)),
             height=float(rng.random()), brim=float(rng.random()),
             clearance=float(rng.uniform(0.08, 0.12)), key=int(rng.integers(2**31)))


def build(hat: Hat, head: head_lib.Head) -> list[surfaces.Mesh]:
  """The meshes on this skull."""
  chart = skull_chart_lib.of(head)
  rng = np.random.default_rng(hat.key)
  return sweeps.joined_by_material(_BUILDERS[hat.kind](hat, chart, rng))


def hat_line(hat: Hat, head: head_lib.Head) -> float:
  """Model y of the hat's lower edge at the temples (the mean of both sides): hair above it is pressed to the skull."""
  side = np.array([0.5 * np.pi, -0.5 * np.pi])
  return float(skull_chart_lib.to_model(skull_chart_lib.of(head).at(side, _rim(hat, side)))[:, 1].mean())


def _rim(hat: Hat, azimuth: np.ndarray) -> np.ndarray:
  """Elevation of the lower edge."""
  return -hat.low - hat.forward * np.cos(azimuth) - hat.tilt * np.sin(azimuth) + (0.1 if hat.kind in ('beret', 'fedora', 'cowboy') else 0.0)


def _mesh(points: np.ndarray, colours: np.ndarray, *, wrap: bool = True, **material) -> surfaces.Mesh:
  return sweeps.grid_mesh(skull_chart_lib.to_model(points), colours, HAT, wrap_columns=wrap, **material)


def _unit(vectors: np.ndarray) -> np.ndarray:
  return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _fitted(hat: Hat, chart: skull_chart_lib.SkullChart, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Skin [rows, columns, 3] from the pole (0) to the rim (1), and directions outwards."""
  rim = _rim(hat, _AZIMUTHS)
  elevation = np.pi / 2 - rows[:, None] * (np.pi / 2 - rim)
  skin = chart.at(_AZIMUTHS[None], elevation)
  return skin, _unit(skin * np.array([1, 0.9, 1], np.float32))


def _colours(hat: Hat, rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
  return fabrics.albedo(hat.fabric, np.stack(np.broadcast_arrays(_AZIMUTHS[None] * 0.9, rows[:, None] * 1.5), axis=-1), rng)


def _beanie(hat, chart, rng):
  rows = np.concatenate([np.linspace(0, 0.94, 40), [0.97, 0.99, 1.0, 1.0]])
  skin, out = _fitted(hat, chart, rows)
  slouch = max(hat.height - 0.45, 0) * 1.2
  ribs = 0.010 * np.cos(_AZIMUTHS * 30)[None] * np.clip(rows * 4, 0, 1)[:, None]
  folds = sweeps.waves(rng, _unit(skin), np.array([2.5, 4.0, 2.5]), 8) * (0.012 + 0.05 * slouch) * np.clip(1.2 - rows, 0, 1)[:, None]
  lift = (hat.clearance + 0.02 + ribs + folds) * np.concatenate([np.ones(41), [0.7, 0.3, -0.3]])[:, None]
  top = np.clip(1 - rows / 0.55, 0, 1)[:, None] ** 1.5
  points = skin + lift[..., None] * out + slouch * top[..., None] * np.array([0, 0.35, -0.45], np.float32)
  shade = (1 + 6 * ribs)[..., None]
  meshes = [_mesh(points, _colours(hat, rng, rows) * shade)]
  cuff = np.array([0.0, 0.0, 0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 1.0, 0.98])
  thickness = np.array([-0.02, 0.02, 0.045, 0.055, 0.06, 0.06, 0.06, 0.055, 0.045, 0.01, -0.05])
  skin, out = _fitted(hat, chart, 0.8 - 0.05 * hat.height + (0.215 + 0.05 * hat.height) * cuff)
  ribs = 0.012 * np.cos(_AZIMUTHS * 30)[None] * np.ones((len(cuff), 1))
  cuff_colours = np.array(hat.fabric.colours[0]) * (1 + 6 * ribs)[..., None]
  meshes.append(_mesh(skin + (hat.clearance + thickness[:, None] + ribs)[..., None] * out, cuff_colours))
  if hat.brim > 0.72:  # a bobble
    ball = sweeps.revolved(np.stack([np.sin(np.linspace(0, np.pi, 14)), np.cos(np.linspace(0, np.pi, 14))], axis=-1), sides=24)
    ball = ball * (0.22 * (1 + 0.1 * rng.standard_normal(ball.shape[:2])[..., None])) + points[0, 0] + np.array([0, 0.14, 0])
    meshes.append(_mesh(ball, np.array(hat.accent) * (1 + 0.15 * rng.standard_normal(ball.shape[:2])[..., None])))
  return meshes


def _bandana(hat, chart, rng):
  rows = np.concatenate([np.linspace(0, 0.97, 36), [0.985, 1.0, 1.0]])
  skin, out = _fitted(hat, chart, rows)
  folds = sweeps.waves(rng, np.stack([skin[..., 0] * 2, skin[..., 1] * 5, skin[..., 2]], axis=-1), np.array([1.0, 2.0, 1.0]), 8)
  lift = (hat.clearance + 0.012 * folds * rows[:, None]) * np.concatenate([np.ones(36), [0.8, 0.5, -0.3]])[:, None]
  meshes = [_mesh(skin + lift[..., None] * out, _colours(hat, rng, rows))]
  back, _ = _fitted(hat, chart, np.array([0.99]))
  knot = back[0, 0] + np.array([0, 0.0, -hat.clearance - 0.03], np.float32)
  colour = np.array(hat.fabric.colours[0])
  meshes.append(sweeps.spheres(skull_chart_lib.to_model(knot)[None], 0.09, colour, HAT, rings=9, sides=12, stretch=(1.2, 0.8, 0.8)))
  for side in (1, -1):
    t = np.linspace(0, 1, 14)
    path = knot + np.stack([side * (0.05 + 0.22 * t), -0.5 * t**1.3, -0.08 - 0.1 * np.sin(3 * t + side)], axis=-1)
    tail = sweeps.tube(path, 0.03 + 0.08 * np.sin(np.pi * np.clip(t * 0.9 + 0.1, 0, 1)), np.array([0, 0.3, 1]), sides=10, flatness=0.15)
    meshes.append(_mesh(tail, colour))
  return meshes


def _ring(hat: Hat, chart: skull_chart_lib.SkullChart) -> np.ndarray:
  """[columns, 3] a smooth oval around the skull at the rim, with room for hair."""
  skin = chart.at(_AZIMUTHS, _rim(hat, _AZIMUTHS))
  out = _unit(skin * np.array([1, 0, 1], np.float32))
  ring = skin + (hat.clearance + 0.03) * out
  harmonics = np.fft.rfft(ring, axis=0)
  harmonics[5:] = 0
  return np.fft.irfft(harmonics, _COLUMNS, axis=0)


def _crown(ring: np.ndarray, top: float, rows: np.ndarray, roundness: float, taper: float = 0.0) -> np.ndarray:
  """[rows, columns, 3] from the pole (0) to the ring (1): a superellipse of this exponent over the ring, `top` above the frame's middle."""
  height = np.sin(np.pi / 2 * (1 - rows)) ** (2 / roundness)
  width = np.cos(np.pi / 2 * (1 - rows)) ** (2 / roundness)
  middle = ring.mean(axis=0)
  points = middle + (ring - middle) * (width * (1 - taper * height))[:, None, None]
  points[..., 1] = ring[None, :, 1] + height[:, None] * (top - ring[None, :, 1])
  return points


def _top(hat: Hat, chart: skull_chart_lib.SkullChart, extra: float) -> float:
  return float(chart.points[..., 1].max() + hat.clearance + extra)


def _shell(hat: Hat, crown: np.ndarray, colours: np.ndarray) -> surfaces.Mesh:
  """The crown, closed towards the skull along its rim, so that nobody looks through."""
  inner = crown[-1] - (hat.clearance + 0.08) * _unit((crown[-1] - crown[-1].mean(axis=0)) * np.array([1, 0, 1]))
  return _mesh(np.concatenate([crown, inner[None]]), np.concatenate([colours, 0.5 * colours[-1:]]))


def _brim(ring: np.ndarray, width: np.ndarray, rise: np.ndarray, colours: np.ndarray, *, droop: float = 1.6) -> surfaces.Mesh:
  """A brim around the ring: `width` and `rise` of its edge at the columns; rises as a power of the way out."""
  way = np.concatenate([np.linspace(-0.1, 0.97, 12), [1.0, 1.0, 0.97], np.linspace(0.9, -0.1, 6)])
  side = np.concatenate([np.ones(12), [0.8, -0.8, -1], -np.ones(6)]) * 0.022
  out = _unit((ring - ring.mean(axis=0)) * np.array([1, 0, 1]))
  points = ring[None] + (way[:, None] * width)[..., None] * out
  points[..., 1] += np.abs(way[:, None]) ** droop * rise + side[:, None]
  return _mesh(points, np.broadcast_to(colours, (12, _COLUMNS, 3))[np.r_[0:12, 11, 11, 11, 10, 9, 7, 5, 3, 0]])


def _band(crown: np.ndarray, rows: np.ndarray, start: float, colour: np.ndarray, off: float = 0.012) -> surfaces.Mesh:
  """A ribbon around the lowest part of the crown, from the row fraction `start` to the rim."""
  fraction = start + (1 - start) * np.array([0.0, 0.0, 0.06, 0.3, 0.6, 0.94, 1.0, 1.0])
  index = np.interp(fraction, rows, np.arange(len(rows)))
  low = np.minimum(index.astype(int), len(rows) - 2)
  points = crown[low] + (index - low)[:, None, None] * (crown[low + 1] - crown[low])
  out = _unit((points - points.mean(axis=1, keepdims=True)) * np.array([1, 0, 1]))
  return _mesh(points + (off * np.array([-1, 0.8, 1, 1, 1, 1, 0.8, -1]))[:, None, None] * out, colour, specular=0.06, shininess=25.0)


_ROWS = np.concatenate([np.linspace(0, 0.6, 26), np.linspace(0.63, 1, 10)])


def _cap(hat, chart, rng):
  ring = _ring(hat, chart)
  crown = _crown(ring, _top(hat, chart, 0.06), _ROWS, 2.35)
  seam = 0.008 * np.exp(-np.square(((_AZIMUTHS + np.pi / 6) % (np.pi / 3) - np.pi / 6) / 0.05)) * np.clip(6 * _ROWS, 0, 1)[:, None]
  crown = crown - seam[..., None] * _unit(crown - crown[-1].mean(axis=0))
  colours = _colours(hat, rng, _ROWS) * (1 - 25 * seam)[..., None]
  if hat.height > 0.6:  # another colour behind
    colours = np.where((np.abs(_AZIMUTHS) > 0.9)[None, :, None], np.array(hat.accent), colours)
  meshes = [_shell(hat, crown, colours)]
  angle = np.linspace(-1, 1, 49)
  edge = np.stack([np.interp(angle * 1.0, _AZIMUTHS, ring[:, axis]) for axis in range(3)], axis=-1)
  length = (0.62 + 0.2 * hat.brim) * np.clip(1 - angle**2, 0.002, 1) ** 0.42
  way = np.concatenate([np.linspace(-0.06, 0.97, 14), [1.0, 1.0, 0.97], np.linspace(0.9, -0.06, 6)])
  side = np.concatenate([np.ones(14), [0.7, -0.7, -1], -np.ones(6)]) * 0.02
  points = edge[None] + (way[:, None] * length)[..., None] * _unit(np.array([0.0, -0.3, 1.0]) + 0.35 * angle[:, None] * np.array([1.0, 0, 0]))
  points[..., 1] += side[:, None] + 0.06 - 0.22 * np.abs(angle) ** 2.2 - 0.06 * way[:, None] ** 2
  stitches = 1 - 0.12 * (np.cos(np.clip(way, 0, 1) * 40) > 0.9)
  visor = np.array(hat.accent if hat.height > 0.6 else hat.fabric.colours[0])
  meshes.append(_mesh(points, visor * stitches[:, None, None], wrap=False))
  meshes.append(sweeps.spheres(skull_chart_lib.to_model(crown[0, 0])[None], 0.06, visor, HAT, stretch=(1, 0.6, 1)))
  return meshes


def _fedora(hat, chart, rng):
  ring = _ring(hat, chart)
  crown = _crown(ring, _top(hat, chart, 0.32 + 0.15 * hat.height), _ROWS, 4.2, taper=0.1)
  height = np.clip((crown[..., 1] - ring[:, 1]) / (crown[0, 0, 1] - ring[:, 1].mean()), 0, 1)
  crease = 0.24 * np.exp(-np.square(crown[..., 0] / 0.17)) * np.clip((height - 0.7) / 0.3, 0, 1)
  pinch = 0.13 * np.exp(-np.square((np.abs(_AZIMUTHS) - 0.55) / 0.3)) * np.clip((height - 0.25) / 0.6, 0, 1)
  crown[..., 1] -= crease
  crown[..., :3:2] -= (pinch[..., None] * _unit(crown * np.array([1, 0, 1])))[..., :3:2]
  front = 0.5 + 0.5 * np.cos(_AZIMUTHS)
  width = 0.42 + 0.18 * hat.brim + 0 * front
  return [_shell(hat, crown, _colours(hat, rng, _ROWS)), _band(crown, _ROWS, 0.9, np.array(hat.accent)),
          _brim(ring, width, 0.13 - 0.22 * front + 0.05 * np.abs(np.sin(_AZIMUTHS)), np.array(hat.fabric.colours[0]))]


def _bowler(hat, chart, rng):
  ring = _ring(hat, chart)
  crown = _crown(ring, _top(hat, chart, 0.12 + 0.1 * hat.height), _ROWS, 2.5)
  rise = 0.04 + 0.14 * np.abs(np.sin(_AZIMUTHS)) ** 2
  return [_shell(hat, crown, _colours(hat, rng, _ROWS)), _band(crown, _ROWS, 0.84, np.array(hat.accent)),
          _brim(ring, 0.34 + 0.2 * hat.brim, rise, np.array(hat.fabric.colours[0]), droop=2.2)]


def _sun_hat(hat, chart, rng):
  ring = _ring(hat, chart)
  crown = _crown(ring, _top(hat, chart, 0.1), _ROWS, 2.7)
  weave = 1 + 0.14 * np.where(np.arange(len(_ROWS)) % 2, 1, -1)[:, None, None] * np.sign(np.cos(_AZIMUTHS * 30))[None, :, None]
  wave = sweeps.waves(rng, np.stack([np.cos(_AZIMUTHS), np.sin(_AZIMUTHS)], axis=-1), np.array([2.2, 2.2]), 6)
  rows = np.where(np.arange(12) % 2, 1.1, 0.9)[:, None, None] * (1 + 0.06 * np.sign(np.cos(_AZIMUTHS * 30)))[None, :, None]
  straw = np.array(hat.fabric.colours[0])
  return [_shell(hat, crown, straw * weave), _band(crown, _ROWS, 0.84, np.array(hat.accent)),
          _brim(ring, 0.65 + 0.35 * hat.brim + 0 * wave, -0.16 + 0.07 * wave, straw * rows, droop=1.4)]


def _cowboy(hat, chart, rng):
  ring = _ring(hat, chart)
  crown = _crown(ring, _top(hat, chart, 0.35 + 0.1 * hat.height), _ROWS, 3.4, taper=0.16)
  height = np.clip((crown[..., 1] - ring[:, 1]) / (crown[0, 0, 1] - ring[:, 1].mean()), 0, 1)
  crown[..., 1] -= 0.26 * np.exp(-np.square(crown[..., 0] / 0.2)) * np.clip((height - 0.6) / 0.4, 0, 1)
  curl = np.abs(np.sin(_AZIMUTHS))
  return [_shell(hat, crown, _colours(hat, rng, _ROWS)), _band(crown, _ROWS, 0.93, np.array(hat.accent)),
          _brim(ring, 0.7 + 0.15 * hat.brim - 0.2 * curl**3, 0.5 * curl**2.5 - 0.1, np.array(hat.fabric.colours[0]), droop=1.8)]


def _beret(hat, chart, rng):
  ring = _ring(hat, chart)
  top = _top(hat, chart, 0.1)
  middle = ring.mean(axis=0)
  profile = np.array([(0.0, 1.0), (0.3, 1.0), (0.6, 0.96), (0.9, 0.87), (1.1, 0.74), (1.24, 0.58), (1.28, 0.42), (1.24, 0.29), (1.14, 0.19),
                      (1.05, 0.12), (1.0, 0.09), (0.985, 0.04), (0.97, 0.0)])
  dense = np.linspace(0, 1, 40)
  radius, height = (np.interp(dense, np.linspace(0, 1, len(profile)), profile[:, i]) for i in range(2))
  smooth = lambda values: np.convolve(np.pad(values, 1, mode='edge'), [0.25, 0.5, 0.25], 'valid')
  radius = smooth(smooth(radius))
  radius[0] = 0
  points = middle + (ring - middle) * radius[:, None, None]
  points[..., 1] = ring[None, :, 1] + smooth(height)[:, None] * (top - ring[None, :, 1])
  side = 1 if hat.key % 2 else -1
  slide = np.clip(height * 2.5, 0, 1)[:, None]
  points[..., 0] += side * 0.18 * slide
  points[..., 1] -= side * 0.2 * slide * (points[..., 0] - middle[0])
  points[..., 1] += 0.02 * slide * sweeps.waves(rng, points, np.array([3.0, 3.0, 3.0]), 8)
  stalk = sweeps.tube(points[0, 0] + np.array([0, 1.0, 0]) * np.array([-0.02, 0.03, 0.08])[:, None], 0.02, np.array([0, 0, 1.0]), sides=8)
  return [_mesh(points, _colours(hat, rng, dense)), _mesh(stalk, np.array(hat.fabric.colours[0]))]


_BUILDERS = {'cap': _cap, 'beanie': _beanie, 'fedora': _fedora, 'bowler': _bowler, 'sun_hat': _sun_hat, 'cowboy': _cowboy,
             'bandana': _bandana, 'beret': _beret}
