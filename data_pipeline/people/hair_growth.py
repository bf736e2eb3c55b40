"""Strands that grow from the scalp: away from the parting or the crown, along the skull, then down, over the shoulders.

Compiled by numba; everything over the neutral head (`scalp`), which `carry` moves to somebody's. A strand keeps its distance from
the skull (`layer`), stays outside of the face and follows the middle of its lock more and more towards the tip.
"""

import numba
import numpy as np

from data_pipeline.people import scalp as scalp_lib

# Numbers of a style as `grow` reads them.
FIELDS = ('whorl', 'parting', 'backward', 'forward', 'tail', 'gravity', 'stiffness', 'lift', 'volume', 'curtain', 'parting_x', 'clump',
          'wave', 'wavelength', 'curl', 'tail_y', 'tail_z', 'flare', 'fringe_cut', 'hem', 'tuck')
(_WHORL, _PARTING, _BACKWARD, _FORWARD, _TAIL, _GRAVITY, _STIFFNESS, _LIFT, _VOLUME, _CURTAIN, _PARTING_X, _CLUMP, _WAVE, _WAVELENGTH,
 _CURL, _TAIL_Y, _TAIL_Z, _FLARE, _FRINGE_CUT, _HEM, _TUCK) = range(len(FIELDS))
_CX, _CY, _CZ = (float(value) for value in scalp_lib.CENTRE)
_AX, _AY, _AZ = 0.77, 1.03, 0.97  # the ellipsoid whose normals the skull's are taken to be
# Half the width of the face that hair leaves free, by height from _CURTAIN_BOTTOM in steps of _CURTAIN_STEP.
_CURTAIN_BOTTOM, _CURTAIN_STEP = 5.9, 0.2
_CURTAIN_WIDTHS = np.array([0.42, 0.48, 0.53, 0.58, 0.63, 0.65, 0.65, 0.64, 0.6, 0.49, 0.27, 0.0, 0.0, 0.0])


@numba.njit(cache=True, nogil=True)
def grow(roots, side, layer, length, cut, style, chart, front, back, lock, out):
  """Writes the strands' points.

  Args:
    roots: [strands, 3] on the neutral scalp.
    side: [strands] which side of the parting each belongs to, -1 or 1.
    layer: [strands] 0 (innermost) to 1 (outermost).
    length: [strands] decimetres.
    cut: [strands] height below which it ends, model y.
    style: [len(FIELDS)].
    chart: [rows, columns] of the head that hair stays outside of.
    front, back: [body rows, body columns].
    lock: [strands, 4] random numbers in [-1, 1] that bend it, those of a lock alike.
    out: [strands, points, 3]; written.
  """
  points = out.shape[1]
  for s in range(roots.shape[0]):
    x, y, z = roots[s, 0], roots[s, 1], roots[s, 2]
    h = length[s] / (points - 1)
    nx, ny, nz = (x - _CX) / _AX**2, (y - _CY) / _AY**2, (z - _CZ) / _AZ**2
    n = 1 / np.sqrt(nx * nx + ny * ny + nz * nz)
    tx, ty, tz = nx * n, ny * n, nz * n
    out[s, 0, 0], out[s, 0, 1], out[s, 0, 2] = x, y, z
    front_root = min(max((z - 0.75) / 0.35, 0.0), 1.0)
    ended = False
    for j in range(1, points):
      if ended:
        out[s, j, 0], out[s, j, 1], out[s, j, 2] = x, y, z
        continue
      part = j / (points - 1)
      tx, ty, tz = _turned(x, y, z, tx, ty, tz, j, part, length[s], side[s], front_root, layer[s], lock[s], style)
      ox, oy, oz = x, y, z
      x, y, z = x + h * tx, y + h * ty, z + h * tz
      # Outside of the skull, by its layer.
      i, k, u, v, r = scalp_lib.cell(x - _CX, y - _CY, z - _CZ)
      travelled = part * length[s]
      wanted = scalp_lib.look_up(chart, i, k, u, v) + 0.012 + style[_VOLUME] * (0.12 + 0.88 * layer[s]) * min(travelled / 0.3, 1.0)
      if r < wanted and y > 6.0:
        x, y, z = _CX + (x - _CX) * wanted / r, _CY + (y - _CY) * wanted / r, _CZ + (z - _CZ) * wanted / r
      x, z = _beside_face(x, y, z, side[s], front_root, style, layer[s])
      z = _outside_body(x, y, z, front, back, roots[s, 2] > 0.35 + 0.2 * lock[s, 3], layer[s])
      # As long as it was, and along where it went.
      dx, dy, dz = x - ox, y - oy, z - oz
      n = np.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
      tx, ty, tz = dx / n, dy / n, dz / n
      if n > 1.25 * h:
        x, y, z = ox + 1.25 * h * tx, oy + 1.25 * h * ty, oz + 1.25 * h * tz
      bottom = cut[s]
      if style[_FRINGE_CUT] > 0 and front_root > 0.5 and z > 0.95:
        bottom = max(bottom, style[_FRINGE_CUT] + 0.06 * lock[s, 3] - 0.1 * x * x)
      if y < bottom and oy > y:
        share = min(max((oy - bottom) / (oy - y), 0.0), 1.0)
        x, y, z = ox + share * (x - ox), oy + share * (y - oy), oz + share * (z - oz)
        ended = True
      out[s, j, 0], out[s, j, 1], out[s, j, 2] = x, y, z


@numba.njit(cache=True, nogil=True, inline='always')
def _turned(x, y, z, tx, ty, tz, j, part, length, side, front_root, layer, lock, style):
  """Where a strand that comes along (tx, ty, tz) goes on: by the comb, gravity, its stiffness; unit vector."""
  nx, ny, nz = (x - _CX) / _AX**2, (y - _CY) / _AY**2, (z - _CZ) / _AZ**2
  n = 1 / np.sqrt(nx * nx + ny * ny + nz * nz)
  nx, ny, nz = nx * n, ny * n, nz * n
  fx, fy, fz = _flow(x, y, z, side, front_root, style)
  fx += 0.35 * lock[0]
  fz += 0.35 * lock[1]
  along = fx * nx + fy * ny + fz * nz
  fx, fy, fz = fx - along * nx, fy - along * ny, fz - along * nz
  n = 1 / (np.sqrt(fx * fx + fy * fy + fz * fz) + 1e-6)
  fall = style[_GRAVITY] * min(part * length / 1.2, 1.0)
  aside = 0.0
  if style[_CURTAIN] > 0 and z > 0.6 and not (style[_FRINGE_CUT] > 0 and front_root > 0.5):
    way = side if y > 7.5 else (1.0 if x > 0 else -1.0)
    missing = min(max(_free_half_width(y - 0.1, style, layer) - x * way, 0.0), 0.3) / 0.3
    missing *= min((z - 0.6) / 0.25, 1.0)
    aside, fall = 2.5 * missing * way, fall * (1 - 0.85 * missing)
  lift = style[_LIFT] * (1 - part) * (0.75 + 0.5 * lock[2])
  fx, fy, fz = fx * n + lift * nx + aside, fy * n + lift * ny - fall, fz * n + lift * nz
  n = 1 / (np.sqrt(fx * fx + fy * fy + fz * fz) + 1e-6)
  keep = style[_STIFFNESS] if j > 1 else min(style[_LIFT], 0.8)
  tx, ty, tz = keep * tx + (1 - keep) * fx * n, keep * ty + (1 - keep) * fy * n, keep * tz + (1 - keep) * fz * n
  n = 1 / (np.sqrt(tx * tx + ty * ty + tz * tz) + 1e-6)
  tx, ty, tz = tx * n, ty * n, tz * n
  return tx, ty, tz


@numba.njit(cache=True, nogil=True, inline='always')
def _flow(x, y, z, side, front_root, style):
  """Direction of the comb at a point, not yet along the scalp."""
  fx, fy, fz = 0.0, 0.0, 0.0
  crown_x, crown_y, crown_z = 0.06 - style[_PARTING_X] * 0.3, 8.42, 0.2
  dx, dy, dz = x - crown_x, y - crown_y, z - crown_z
  n = 1 / (np.sqrt(dx * dx + dy * dy + dz * dz) + 0.05)
  behind = min(max((0.35 - z) / 0.4, 0.0), 1.0)
  parting = style[_PARTING] * (1 - front_root) if style[_FRINGE_CUT] > 0 else style[_PARTING]
  whorl = style[_WHORL] + parting * behind
  fx, fy, fz = whorl * dx * n, whorl * dy * n, whorl * dz * n
  beside = min(abs(x) / 0.62, 1.0)
  fx += parting * (1 - behind) * (1 - 0.75 * beside) * side
  fy -= parting * (0.2 + 0.8 * beside)
  fz -= style[_BACKWARD]
  fy -= 0.35 * style[_BACKWARD] * min(abs(x) / 0.7, 1.0)
  fz += style[_FORWARD] * front_root
  if style[_TAIL] > 0:
    dx, dy, dz = 0.0 - x, style[_TAIL_Y] - y, style[_TAIL_Z] - z
    n = 1 / (np.sqrt(dx * dx + dy * dy + dz * dz) + 0.05)
    fx, fy, fz = fx + style[_TAIL] * dx * n, fy + style[_TAIL] * dy * n, fz + style[_TAIL] * dz * n
  if style[_TUCK] > 0 and y < 7.75:
    fz -= style[_TUCK] * min((7.75 - y) / 0.3, 1.0)
  return fx, fy, fz


@numba.njit(cache=True, nogil=True, inline='always')
def _free_half_width(y, style, layer):
  """Half the width of the face that hair leaves free at a height."""
  place = min(max((y - _CURTAIN_BOTTOM) / _CURTAIN_STEP, 0.0), len(_CURTAIN_WIDTHS) - 1.001)
  i = int(place)
  return (_CURTAIN_WIDTHS[i] + (place - i) * (_CURTAIN_WIDTHS[i + 1] - _CURTAIN_WIDTHS[i])) * style[_CURTAIN] + 0.12 * style[_VOLUME] * layer


@numba.njit(cache=True, nogil=True, inline='always')
def _beside_face(x, y, z, side, front_root, style, layer):
  """(x, z) moved out of the face."""
  if z < 0.6 or style[_CURTAIN] <= 0:
    return x, z
  if style[_FRINGE_CUT] > 0 and front_root > 0.5 and y > style[_FRINGE_CUT] - 0.1 and abs(x) < 0.56:
    return x, z
  half = _free_half_width(y, style, layer)
  if half <= 0:
    return x, z
  way = side if y > 7.5 else (1.0 if x > 0 else -1.0)
  if x * way < half:
    deep = min(max((z - 0.6) / 0.25, 0.0), 1.0)
    x += 0.5 * deep * (half * way - x)
  if y < 7.95:
    limit = 0.96 + 0.12 * layer + 0.5 * min(max((y - 7.2) / 0.75, 0.0), 1.0)
    z += 0.4 * (min(z, limit) - z)
  return x, z


@numba.njit(cache=True, nogil=True, inline='always')
def _outside_body(x, y, z, front, back, in_front, layer):
  """z before the chest or behind the back."""
  i = int((y - scalp_lib.BODY_BOTTOM) / scalp_lib.BODY_CELL)
  j = int((x - scalp_lib.BODY_LEFT) / scalp_lib.BODY_CELL)
  if i < 0 or i >= scalp_lib.BODY_ROWS or j < 0 or j >= scalp_lib.BODY_COLUMNS:
    return z
  margin = 0.08 + 0.1 * layer
  if in_front:
    return max(z, front[i, j] + margin) if front[i, j] > -2 else z
  return min(z, back[i, j] - margin) if back[i, j] < 2 else z
