"""Clothes: the body's own surface below a neckline, lifted off the skin and folded, with what belongs around the neck (`collars`)."""

import dataclasses

from jaxtyping import Float
import numpy as np

from data_pipeline.people import body_chart as body_chart_lib
from data_pipeline.people import collars
from data_pipeline.people import fabrics
from data_pipeline.people import head as head_lib
from data_pipeline.people import surfaces
from data_pipeline.people import sweeps
from data_pipeline.people import traits as traits_lib

CLOTH = 18
# Chances of men's and women's.
_KINDS = {
    't_shirt': (0.33, 0.12), 'v_neck': (0.12, 0.1), 'shirt': (0.16, 0.03), 'blouse': (0.0, 0.12), 'suit': (0.17, 0.02), 'jacket': (0.05, 0.03),
    'turtleneck': (0.03, 0.03), 'hoodie': (0.05, 0.02), 'scarf': (0.02, 0.02), 'straps': (0.05, 0.28), 'off_shoulder': (0.0, 0.23),
    'polo': (0.02, 0.0)}
KINDS = tuple(_KINDS)
_PRINTS = {
    't_shirt': dict(stripes=0.13, heather=0.2, floral=0.03), 'v_neck': dict(heather=0.15, stripes=0.08, leopard=0.04),
    'shirt': dict(checks=0.22, stripes=0.06, pinstripes=0.14, dots=0.04), 'blouse': dict(floral=0.18, dots=0.12, leopard=0.07, stripes=0.05),
    'suit': dict(pinstripes=0.12, heather=0.2), 'jacket': dict(heather=0.2, leopard=0.05, checks=0.06),
    'turtleneck': dict(heather=0.25, stripes=0.06), 'hoodie': dict(heather=0.35), 'scarf': dict(heather=0.2),
    'straps': dict(floral=0.2, dots=0.06, leopard=0.05), 'off_shoulder': dict(floral=0.12, dots=0.05), 'polo': dict(stripes=0.3)}
# Patterns, and chances of dark and of light colours.
_UNDER_A_TIE = (dict(pinstripes=0.1, checks=0.05), 0.12, 0.7)
_UNDER_A_JACKET = (dict(checks=0.12, stripes=0.1, floral=0.06), 0.35, 0.3)
_COLUMNS = 184
_ANGLES = np.linspace(-np.pi, np.pi, _COLUMNS, endpoint=False)


@dataclasses.dataclass(frozen=True)
class Clothing:
  """What somebody wears about the shoulders.

  Attributes:
    kind: one of `KINDS`.
    fabric: of the outer piece.
    inner: of the shirt under a jacket, the scarf over a sweater, the tie.
    accent: a third fabric: the tie.
    depth: of the neckline, 0 (high) to 1 (low).
    height: of the collar, 0 to 1.
    openness: of the collar, 0 (buttoned) to 1.
    folds: depth of the cloth's folds, 1 is usual.
    key: seed of folds and prints.
  """

  kind: str
  fabric: fabrics.Fabric
  inner: fabrics.Fabric
  accent: fabrics.Fabric
  depth: float
  height: float
  openness: float
  folds: float
  key: int


def draw(rng: np.random.Generator, traits: traits_lib.Traits) -> Clothing:
  """Everybody wears something; it may lie below the picture."""
  chances = np.array([pair[int(traits.female)] for pair in _KINDS.values()])
  kind = KINDS[rng.choice(len(KINDS), p=chances / chances.sum())]
  tied = kind == 'suit'
  openness = 0.0 if tied and not traits.female else float(np.clip(rng.normal(0.45, 0.35), 0, 1))
  return Clothing(
      kind=kind, fabric=fabrics.draw(rng, _PRINTS[kind], dark=0.72 if kind in ('suit', 'jacket') else 0.4, light=0.12 if tied else 0.28),
      inner=fabrics.draw(rng, *_UNDER_A_TIE) if tied else fabrics.draw(rng, *_UNDER_A_JACKET),
      accent=fabrics.draw(rng, dict(stripes=0.3, dots=0.2), 0.45, 0.05), depth=float(rng.beta(1.6, 2.2)), height=float(rng.random()),
      openness=openness, folds=float(rng.uniform(0.5, 1.6)), key=int(rng.integers(2**31)))


def build(clothing: Clothing, head: head_lib.Head) -> list[surfaces.Mesh]:
  """The meshes on this body."""
  chart = body_chart_lib.of(head)
  rng = np.random.default_rng(clothing.key)
  return sweeps.joined_by_material(_BUILDERS[clothing.kind](clothing, head, chart, rng))


def piece(
    head: head_lib.Head, chart: body_chart_lib.BodyChart, fabric: fabrics.Fabric, neckline: Float[np.ndarray, 'columns'],
    rng: np.random.Generator, *, thickness: float, folds: float, band: float = 0.0, end: float = 1.9, rows: int = 34, shoulder: float = 0.0,
) -> surfaces.Mesh:
  """The body's surface below a neckline as cloth.

  Args:
    head: whose body.
    chart: of the body.
    fabric: the cloth.
    neckline: fall of the upper hem at `_ANGLES`.
    rng: of folds and print.
    thickness: how far it is off the skin, decimetres.
    folds: depth of folds, decimetres.
    band: width of a ribbed band along the hem.
    end: fall where the cloth ends, out of the picture.
    rows: from hem to end.
    shoulder: how far pads lift the shoulders.
  """
  hem = thickness * np.array([0, 0, 0.3, 1.0])
  edge = np.array([0.0, band * 0.5, band, band + 0.012]) + hem[-1] if band else np.array([])
  start = np.concatenate([hem, edge[1:] if band else edge])
  down = np.linspace(0, 1, rows - len(start) + 1)[1:, None] ** 1.4
  length = np.maximum(end - neckline - start[-1], 0.05)
  below = np.concatenate([np.broadcast_to(start[:, None], (len(start), _COLUMNS)), start[-1] + down * length])
  fall = neckline + below
  angle = np.broadcast_to(_ANGLES, fall.shape)
  lift = thickness * np.sqrt(np.clip(1 - np.square(1 - np.clip(below / thickness, 0, 1)), 0, 1))
  lift[0] = -0.02
  if band:
    lift[1:] += 0.016 * np.clip((band + 0.012 + thickness - below[1:]) / 0.012, 0, 1)
    lift[2:len(start) - 1] += 0.004 * np.cos(_ANGLES * 46)
  loose = np.clip((below - band) / 0.25, 0, 1)
  around = np.stack([np.cos(angle) * 1.3, np.sin(angle) * 1.3, fall], axis=-1)
  skin = chart.sampled(angle, fall)
  lift = lift + 0.8 * skin[..., 6] + folds * loose * np.logaddexp(0, 1.6 * sweeps.waves(rng, around, np.array([3.2, 3.2, 1.6]), 9))
  lift += shoulder * np.exp(-np.square((np.abs(angle) - np.pi / 2 + 0.15) / 0.55)) * np.clip(below / 0.6, 0, 1)
  points = skin[..., :3] + lift[..., None].astype(np.float32) * skin[..., 3:6]
  flat = points @ head.body_rotation
  places = np.stack([flat[..., 0] + 0.3 * flat[..., 2], -0.9 * flat[..., 1] + 0.6 * flat[..., 2]], axis=-1)
  colours = fabrics.albedo(fabric, places, rng)
  if band:
    colours[2:len(start) - 1] *= (0.9 + 0.07 * np.cos(_ANGLES * 46))[None, :, None]
  return sweeps.grid_mesh(points, colours, CLOTH, wrap_columns=True)


def _scoop(front: float, back: float, side: float, sharpness: float = 1.0) -> np.ndarray:
  """Fall of a neckline at `_ANGLES`: rounded in front by default, a V where sharpness is 0."""
  angle = np.abs(_ANGLES)
  ahead = np.clip(np.cos(angle * 0.95), 0, None) ** (1.6 if sharpness else 1) if sharpness else np.clip(1 - angle / 0.95, 0, 1)
  behind = np.clip(-np.cos(angle), 0, None) ** 1.5
  return side + (front - side) * ahead + (back - side) * behind


def _t_shirt(clothing, head, chart, rng):
  front = 0.06 + 0.3 * clothing.depth
  line = _scoop(front, 0.02, 0.04 + 0.3 * clothing.depth)
  return [piece(head, chart, clothing.fabric, line, rng, thickness=0.022, folds=0.012 * clothing.folds, band=0.17)]


def _v_neck(clothing, head, chart, rng):
  line = _scoop(0.4 + 0.5 * clothing.depth, 0.08, 0.14 + 0.15 * clothing.depth, sharpness=0.0)
  return [piece(head, chart, clothing.fabric, line, rng, thickness=0.03, folds=0.012 * clothing.folds, band=0.13)]


def _collared(clothing, head, chart, rng, fabric, openness, height, thickness=0.02):
  line = _scoop(0.06 + 0.75 * openness, -0.02, 0.0, sharpness=0.0)
  return [piece(head, chart, fabric, line, rng, thickness=thickness, folds=0.012 * clothing.folds),
          collars.shirt_collar(chart, fabric, rng, openness=openness, height=height, points=0.48 + 0.15 * clothing.height)]


def _shirt(clothing, head, chart, rng):
  return _collared(clothing, head, chart, rng, clothing.fabric, clothing.openness, 0.25 + 0.12 * clothing.height)


def _polo(clothing, head, chart, rng):
  return _collared(clothing, head, chart, rng, clothing.fabric, 0.3 + 0.4 * clothing.openness, 0.22 + 0.08 * clothing.height, 0.03)


def _blouse(clothing, head, chart, rng):
  if clothing.height > 0.6:
    return _collared(clothing, head, chart, rng, clothing.fabric, 0.3 + 0.6 * clothing.openness, 0.24)
  line = _scoop(0.1 + 0.6 * clothing.depth, 0.1, 0.14 + 0.4 * clothing.depth)
  line = line + 0.012 * np.cos(_ANGLES * 23)
  return [piece(head, chart, clothing.fabric, line, rng, thickness=0.03, folds=0.026 * clothing.folds)]


def _open_front(clothing, head, chart, rng, lift):
  """A jacket: the piece, the collar at the back, lapels."""
  bottom = 0.9 + 0.4 * clothing.depth
  width = 0.62
  aside = np.abs(_ANGLES) - width
  line = np.where(aside < 0, 0.08 - (bottom - 0.08) * aside / width, 0.08 - 0.06 * np.clip(aside / 1.2, 0, 1))
  body = piece(head, chart, clothing.fabric, line, rng, thickness=lift, folds=0.01 * clothing.folds, shoulder=0.05)
  along = np.linspace(0, 1, 40)[:, None]
  opening, fall = width * (1 - along), 0.08 + (bottom - 0.08) * along
  colour = np.array(clothing.fabric.colours[0], np.float32) * 0.93
  collar = collars.shirt_collar(chart, dataclasses.replace(clothing.fabric, pattern='plain'), rng, openness=0.9, height=0.19, points=0.36,
                                gap=lift + 0.02, base=0.08)
  return [body, collar, *collars.lapels(chart, colour, opening, fall[:, 0], lift)]


def _suit(clothing, head, chart, rng):
  meshes = _collared(clothing, head, chart, rng, clothing.inner, clothing.openness, 0.28 + 0.08 * clothing.height)
  if clothing.openness < 0.1:
    meshes.append(collars.tie(chart, clothing.accent, rng, 0.035))
  return meshes + _open_front(clothing, head, chart, rng, 0.055)


def _jacket(clothing, head, chart, rng):
  inner = dataclasses.replace(clothing, fabric=clothing.inner)
  return _t_shirt(inner, head, chart, rng) + _open_front(clothing, head, chart, rng, 0.065)


def _turtleneck(clothing, head, chart, rng):
  line = np.full(_COLUMNS, -0.04)
  return [piece(head, chart, clothing.fabric, line, rng, thickness=0.03, folds=0.012 * clothing.folds),
          collars.rolled_neck(chart, clothing.fabric, rng, height=0.34 + 0.24 * clothing.height, folded=clothing.depth < 0.55,
                              looseness=0.05 * clothing.openness)]


def _hoodie(clothing, head, chart, rng):
  body = piece(head, chart, clothing.fabric, _scoop(0.1, -0.02, -0.02), rng, thickness=0.05, folds=0.02 * clothing.folds)
  ground = np.array(clothing.fabric.colours[0], np.float32)
  hood = collars.roll(chart, ground, rng, base=(0.1, 0.12), lift=(0.1, 0.2), thickness=(0.13, 0.34 + 0.08 * clothing.height), flatness=0.5,
                      folds=0.35)
  lining = collars.roll(chart, ground * 0.8, rng, base=(0.06, -0.1), lift=(0.08, 0.12), thickness=(0.1, 0.2), flatness=0.5, folds=0.3)
  meshes = [body, hood, lining]
  for sign in (1, -1):
    fall = np.linspace(0.12, 1.2, 24)
    path = chart.at(np.full(24, sign * 0.3), fall, 0.13 - 0.05 * np.clip((fall - 0.12) / 0.5, 0, 1))
    string = sweeps.tube(path, 0.022, np.array([0, 0.2, 1]), sides=7)
    meshes.append(sweeps.grid_mesh(string, np.minimum(ground * 0.5 + 0.35, 0.9), CLOTH, wrap_columns=True))
  return meshes


def _scarf(clothing, head, chart, rng):
  meshes = [piece(head, chart, clothing.inner, _scoop(0.0, -0.04, -0.05), rng, thickness=0.03, folds=0.012 * clothing.folds)]
  angle, phase = np.meshgrid(np.linspace(-np.pi, np.pi, 160, endpoint=False), np.linspace(-0.4, 0.4, 28), indexing='ij')
  print_ = clothing.fabric
  if clothing.openness > 0.45:
    print_ = dataclasses.replace(clothing.fabric, pattern=('checks', 'stripes')[clothing.key % 2])
  for base, lift, thickness in (((0.16, 0.02), (0.14, 0.1), (0.22, 0.2)), ((-0.06, -0.16), (0.13, 0.1), (0.19, 0.17))):
    colours = fabrics.albedo(print_, np.stack([angle * 0.8, phase * 1.2], axis=-1), rng)
    meshes.append(collars.roll(chart, colours, rng, base=base, lift=lift, thickness=thickness, flatness=0.62, folds=0.42))
  return meshes


def _straps(clothing, head, chart, rng):
  hem = _scoop(0.75 + 0.25 * clothing.depth, 0.75, 1.35)
  meshes = [piece(head, chart, clothing.fabric, hem, rng, thickness=0.025, folds=0.008, rows=20)]
  width = 0.03 + 0.12 * clothing.height
  for sign in (1, -1):
    angle = np.linspace(0.45, np.pi - 0.5, 48)
    fall = 0.42 + 0.42 * np.square((angle - 1.5) / 1.05)
    across = np.array([-1, -0.98, -0.8, 0, 0.8, 0.98, 1])[None]
    lift = np.array([-0.01, 0.01, 0.022, 0.024, 0.022, 0.01, -0.01])
    points = chart.at(np.broadcast_to(sign * angle[:, None], (48, 7)), fall[:, None] + width * across, np.broadcast_to(lift, (48, 7)))
    points = points if sign < 0 else points[::-1]
    meshes.append(sweeps.grid_mesh(points, np.array(clothing.fabric.colours[0]), CLOTH))
  return meshes


def _off_shoulder(clothing, head, chart, rng):
  line = _scoop(0.7 + 0.2 * clothing.depth, 0.7, 0.95 + 0.2 * clothing.height)
  return [piece(head, chart, clothing.fabric, line, rng, thickness=0.04, folds=0.02 * clothing.folds, band=0.1, rows=24)]


_BUILDERS = {
    't_shirt': _t_shirt, 'v_neck': _v_neck, 'shirt': _shirt, 'polo': _polo, 'blouse': _blouse, 'suit': _suit, 'jacket': _jacket,
    'turtleneck': _turtleneck, 'hoodie': _hoodie, 'scarf': _scarf, 'straps': _straps, 'off_shoulder': _off_shoulder}
