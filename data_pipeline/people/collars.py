"""What stands around a neck: shirt collars, rolled necks, hoods that hang, lapels, ties, scarves.

A collar is a section (how far up the neck, how far off it) swept around the neckline; sections run from the neck's side over the
top and down the outside, so that the sheet has an inside and an outside.
"""

from jaxtyping import Float
import numpy as np

from data_pipeline.people import body_chart as body_chart_lib
from data_pipeline.people import fabrics
from data_pipeline.people import surfaces
from data_pipeline.people import sweeps

CLOTH = 18
_COLUMNS = 120


def swept(
    chart: body_chart_lib.BodyChart, angle: Float[np.ndarray, 'rows columns'], base: Float[np.ndarray, 'columns'],
    rise: Float[np.ndarray, 'rows columns'], stand_off: Float[np.ndarray, 'rows columns'],
) -> Float[np.ndarray, 'rows columns 3']:
  """Points `rise` up the neck from the fall `base` and `stand_off` away from it; the neck is a smooth cone here, not its muscles."""
  base = np.broadcast_to(base, angle.shape)
  out = chart.sampled(angle, base - 0.1)[..., 3:6]
  out[..., 1] *= 0.35
  out /= np.sqrt((out * out).sum(axis=-1, keepdims=True))
  place = chart.at(angle, base)
  up = chart.at(angle, base - 0.2) - place
  up[..., 1] += 0.2
  up /= np.sqrt((up * up).sum(axis=-1, keepdims=True))
  return place + rise[..., None].astype(np.float32) * up + stand_off[..., None].astype(np.float32) * out


def shirt_collar(
    chart: body_chart_lib.BodyChart, fabric: fabrics.Fabric, rng: np.random.Generator, *, openness: float, height: float,
    points: float = 0.5, gap: float = 0.03, base: float = 0.04,
) -> surfaces.Mesh:
  """A stand and a leaf folded over it.

  Args:
    chart: the body.
    fabric: its cloth.
    rng: of the pattern.
    openness: 0 is buttoned, 1 wide open.
    height: of the stand at the back, decimetres.
    points: length of the leaf's points in front.
    gap: how far it stands off the neck.
    base: fall at which it starts.
  """
  side = np.linspace(-1, 1, _COLUMNS)  # around the neck from its left front, 0 at the back
  front = np.abs(side) ** 3
  stand = height * (1 - 0.25 * front) * (1 - 0.35 * openness * front)
  leaf = height * 1.25 + (points - height * 1.25) * front
  rows = []  # (rise, stand off, how far along the leaf)
  for rise, off, along in ((-0.04, 0.0, 0), (0.3, 0.0, 0), (0.8, 0.005, 0), (1.0, 0.02, 0)):
    rows.append((rise * stand, gap + off + 0 * front, along))
  rows.append((stand + 0.025, gap + 0.045 + 0 * front, 0.0))
  for along in (0.06, 0.2, 0.4, 0.6, 0.8, 0.97, 1.0, 0.98):
    flare = 0.065 + 0.05 * along + 0.06 * along * front
    tuck = {0.97: 0.0, 1.0: -0.012, 0.98: -0.03}.get(along, 0.0)
    rows.append((stand - along * leaf * (0.9 + 0.1 * front), gap + flare + tuck, along))
  rise, off, along = (np.array([np.broadcast_to(row[i], side.shape) for row in rows]) for i in range(3))
  off = off + openness * (0.1 + 0.14 * along) * front
  half_opening = 0.03 + 0.42 * openness + (0.36 + 0.12 * openness) * along * np.abs(side) ** 4  # the leaf's points spread
  angle = np.where(side < 0, 1, -1) * (np.pi - (np.pi - half_opening) * np.abs(side))
  points_ = swept(chart, angle, base + 0.12 * openness * front, rise, off)
  arc = np.cumsum(np.concatenate([[0], np.hypot(np.diff(rise[:, 0]), np.diff(off[:, 0]))]))
  places = np.stack(np.broadcast_arrays(side[None] * 1.8, arc[:, None]), axis=-1)
  return sweeps.grid_mesh(_closed_ends(points_), _closed_ends(fabrics.albedo(fabric, places, rng)), CLOTH)


def rolled_neck(
    chart: body_chart_lib.BodyChart, fabric: fabrics.Fabric, rng: np.random.Generator, *, height: float, folded: bool, looseness: float,
) -> surfaces.Mesh:
  """A tube up the neck, folded over or not, ribbed."""
  angle = np.linspace(-np.pi, np.pi, 192, endpoint=False)
  gap = 0.025 + looseness
  section = [(-0.1, 0.02), (0.2, gap), (0.7, gap), (0.96, gap), (1.0, gap + 0.02), (0.985, gap + 0.05)]
  if folded:
    section += [(0.9, gap + 0.075), (0.7, gap + 0.085), (0.45, gap + 0.09), (0.26, gap + 0.085), (0.2, gap + 0.06), (0.22, gap + 0.035)]
  else:
    section += [(0.9, gap + 0.055), (0.6, gap + 0.055), (0.3, gap + 0.06)]
  section += [(0.08, gap + 0.04), (-0.12, 0.035), (-0.3, 0.02)]
  rise, off = (np.array(section)[:, i, None] * np.ones(len(angle)) for i in range(2))
  rise = rise * height * (0.9 - 0.1 * np.cos(angle))  # lower under the chin
  around = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
  slack = sweeps.waves(rng, around, np.array([1.6, 1.6]), 5)
  off = off + (0.012 + 0.4 * looseness) * slack * np.clip(rise, 0, None) / max(height, 0.1) + 0.006 * np.cos(48 * angle) * (off > gap)
  rise = rise * (1 + 0.07 * sweeps.waves(rng, around, np.array([1.3, 1.3]), 4))
  points = swept(chart, np.broadcast_to(angle, rise.shape), 0.03, rise, off)
  places = np.stack(np.broadcast_arrays(angle * 0.6, -rise), axis=-1)
  shade = 1 - 0.12 * (0.5 + 0.5 * np.cos(48 * angle))[None, :, None]
  return sweeps.grid_mesh(points, fabrics.albedo(fabric, places, rng) * shade, CLOTH, wrap_columns=True)


def roll(
    chart: body_chart_lib.BodyChart, colours: np.ndarray, rng: np.random.Generator, *, base: tuple[float, float], lift: tuple[float, float],
    thickness: tuple[float, float], flatness: float, folds: float, opening: float = 0.0,
) -> surfaces.Mesh:
  """A thick roll of cloth that lies around the neck: a hood that hangs, one turn of a scarf.

  Args:
    chart: the body.
    colours: [sides, columns, 3] or [3].
    rng: of the folds.
    base: fall of its middle in front and at the back.
    lift: how far the middle is off the skin in front and at the back.
    thickness: half its width in front and at the back.
    flatness: its height in widths.
    folds: depth of the creases in thicknesses.
    opening: half the angle that it leaves free in front.
  """
  angle = np.linspace(-np.pi, np.pi, 160, endpoint=False) if not opening else np.linspace(opening, 2 * np.pi - opening, 150)
  back = 0.5 - 0.5 * np.cos(angle)
  blend = lambda pair: pair[0] + (pair[1] - pair[0]) * back
  middle = swept(chart, angle[None], blend(base), np.zeros((1, len(angle))), blend(lift)[None])[0]
  out = swept(chart, angle[None], blend(base), np.zeros((1, len(angle))), blend(lift)[None] + 0.1)[0] - middle
  grid = sweeps.tube(middle, blend(thickness), out, sides=28, closed=not opening, flatness=flatness, squareness=0.9)
  caps = 0 if not opening else 2
  full = grid[caps:len(grid) - caps] if caps else grid
  phase = np.linspace(0, 2 * np.pi, 28, endpoint=False)
  around = np.stack(np.broadcast_arrays(np.cos(angle)[:, None] * 2, np.sin(angle)[:, None] * 2, np.cos(phase), np.sin(phase)), axis=-1)
  creases = np.abs(sweeps.waves(rng, around, np.array([1.2, 1.2, 3.5, 3.5]), 7))
  bulge = folds * (0.6 * sweeps.waves(rng, around, np.array([1.0, 1.0, 2.6, 2.6]), 9) + 0.4 * creases)
  full += (full - middle[:, None]) * np.clip(bulge, -0.4, 0.6)[..., None]
  return sweeps.grid_mesh(grid, colours, CLOTH, wrap_rows=not opening, wrap_columns=True)


def tie(chart: body_chart_lib.BodyChart, fabric: fabrics.Fabric, rng: np.random.Generator, lift: float) -> surfaces.Mesh:
  """A knot and what hangs from it."""
  fall = np.array([-0.04, -0.02, 0.0, 0.1, 0.19, 0.21, 0.22, 0.26, 0.4, 0.7, 1.1, 1.4])
  width = np.array([0.06, 0.15, 0.17, 0.145, 0.11, 0.1, 0.08, 0.1, 0.14, 0.2, 0.27, 0.3])
  bulge = np.array([0.0, 0.04, 0.07, 0.08, 0.07, 0.05, 0.01, 0.02, 0.02, 0.02, 0.02, 0.02])
  across = np.linspace(-1, 1, 13)
  dome = bulge[:, None] * np.sqrt(np.clip(1 - across**2, 0, 1)) + 0.012 * (1 - across**8)
  places = np.stack(np.broadcast_arrays(width[:, None] * across + 0.6 * fall[:, None], fall[:, None]), axis=-1)
  angle = np.arctan2(width[:, None] * across, 0.62 + 0.25 * np.clip(fall, 0, None)[:, None])
  points = chart.at(angle, np.broadcast_to(fall[:, None], angle.shape), lift + dome)
  return sweeps.grid_mesh(points, fabrics.albedo(fabric, places * 1.6, rng), CLOTH, specular=0.07, shininess=30.0)


def lapels(chart: body_chart_lib.BodyChart, colours: np.ndarray, opening: np.ndarray, fall: np.ndarray, lift: float) -> list[surfaces.Mesh]:
  """The turned-back edges of a jacket: strips outwards from the curve (opening, fall) on both sides, notched near their top."""
  along = np.linspace(0, 1, len(fall))
  width = 0.34 * np.interp(along, (0, 0.1, 0.16, 0.2, 0.5, 1), (0.55, 0.8, 0.85, 1.0, 0.9, 0.1))
  meshes = []
  across = np.array([-0.06, -0.02, 0.04, 0.35, 0.7, 0.97, 1.0, 0.98])
  height = lift + np.array([-0.02, 0.015, 0.035, 0.045, 0.04, 0.035, 0.02, -0.005])
  for sign in (1, -1):
    angle = sign * (opening + width[:, None] * across / (0.55 + 0.3 * np.clip(fall, 0, None)[:, None]))
    points = chart.at(angle, fall[:, None] - 0.03 * across, height)
    meshes.append(sweeps.grid_mesh(points if sign > 0 else points[:, ::-1], colours, CLOTH))
  return meshes


def _closed_ends(points: np.ndarray) -> np.ndarray:
  """Adds columns at both ends where the sheet's inside and outside meet."""
  ends = []
  for end in (0, -1):
    column = points[:, end]
    ends.append(0.5 * (column + column[::-1])[:, None])
  return np.concatenate([ends[0], points, ends[1]], axis=1)
