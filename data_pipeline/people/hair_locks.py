"""What grown strands become: locks, waves and curls, and somebody's hair instead of the neutral head's.

Compiled by numba; the charts are `scalp`'s.
"""

import numba
import numpy as np

from data_pipeline.people import scalp as scalp_lib

_CX, _CY, _CZ = (float(value) for value in scalp_lib.CENTRE)


@numba.njit(cache=True, nogil=True)
def follow(points, guides, guide_of, strength, spread):
  """Pulls strands to the middles of their locks: not at the root, by `strength` at the tip.

  Args:
    points: [strands, points, 3]; written.
    guides: [locks, points, 3].
    guide_of: [strands].
    strength: [strands] at the tip, [0, 1].
    spread: [strands, 2] place in the lock, decimetres.
  """
  count = points.shape[1]
  for s in range(points.shape[0]):
    g = guide_of[s]
    for j in range(1, count):
      part = strength[s] * min(1.6 * j / (count - 1), 1.0)
      for axis in range(3):
        target = guides[g, j, axis] + spread[s, axis % 2] * (1.0 if axis != 1 else 0.3)
        points[s, j, axis] += part * (target - points[s, j, axis])


@numba.njit(cache=True, nogil=True)
def bend(points, length, wave, wavelength, curl, phase, own):
  """Waves (sideways) or curls (helices) that grow from the root on.

  Args:
    points: [strands, points, 3]; written.
    length: [strands].
    wave, curl: amplitudes, decimetres.
    wavelength: decimetres.
    phase: [strands, 2] radians; those of a lock alike.
    own: [strands] factor of the amplitude.
  """
  count = points.shape[1]
  for s in range(points.shape[0]):
    step = 2 * np.pi * length[s] / (count - 1) / wavelength
    cosine, sine = np.cos(step), -np.sin(step)
    last = step * (count - 1)
    wave_cos, wave_sin = np.cos(last + phase[s, 0]), np.sin(last + phase[s, 0])
    curl_cos, curl_sin = np.cos(last + phase[s, 1]), np.sin(last + phase[s, 1])
    for j in range(count - 1, 0, -1):  # from the tip, so that the points that directions come from aren't bent yet
      dx, dy, dz = points[s, j, 0] - points[s, j - 1, 0], points[s, j, 1] - points[s, j - 1, 1], points[s, j, 2] - points[s, j - 1, 2]
      squared = dx * dx + dy * dy + dz * dz
      if squared > 1e-8:
        n = 1 / np.sqrt(squared)
        dx, dy, dz = dx * n, dy * n, dz * n
        ox, oy, oz = points[s, j, 0] - _CX, points[s, j, 1] - _CY, points[s, j, 2] - _CZ
        n = 1 / (np.sqrt(ox * ox + oy * oy + oz * oz) + 1e-6)
        ox, oy, oz = ox * n, oy * n, oz * n
        sx, sy, sz = dy * oz - dz * oy, dz * ox - dx * oz, dx * oy - dy * ox  # along the scalp, across the strand
        n = 1 / (np.sqrt(sx * sx + sy * sy + sz * sz) + 0.2)
        grown = min(length[s] * j / (count - 1) / (1.2 * wavelength + 0.05), 1.0) * own[s]
        high = min(max((points[s, j, 1] - 7.3) / 0.35, 0.0), 1.0)  # over the forehead waves are combed flat
        grown *= 1 - (0.8 if curl < wave else 0.5) * high * min(max((points[s, j, 2] - 0.75) / 0.3, 0.0), 1.0)
        a = (wave * wave_sin + curl * curl_sin) * grown * n
        b = (0.3 * wave * curl_sin + curl * curl_cos) * grown
        points[s, j, 0] += a * sx + b * ox
        points[s, j, 1] += a * sy + b * oy
        points[s, j, 2] += a * sz + b * oz
      wave_cos, wave_sin = wave_cos * cosine - wave_sin * sine, wave_sin * cosine + wave_cos * sine
      curl_cos, curl_sin = curl_cos * cosine - curl_sin * sine, curl_sin * cosine + curl_cos * sine


@numba.njit(cache=True, nogil=True)
def carry(points, chart, displacement, least, hat_line, hat_volume):
  """Moves points from the neutral head to somebody's, out of the skull and under a hat.

  Args:
    points: [strands, points, 3]; written.
    chart: [rows, columns] the neutral skull.
    displacement: [3, rows, columns] of the skin.
    least: distance from the skull that points keep, decimetres.
    hat_line: model y above which hair is pressed.
    hat_volume: the most that pressed hair stands off, decimetres.
  """
  for s in range(points.shape[0]):
    for j in range(points.shape[1]):
      x, y, z = points[s, j, 0] - _CX, points[s, j, 1] - _CY, points[s, j, 2] - _CZ
      i, k, u, v, r = scalp_lib.cell(x, y, z)
      skull = scalp_lib.look_up(chart, i, k, u, v)
      moved = y + _CY + scalp_lib.look_up(displacement[1], i, k, u, v)
      off = r - skull
      press = min(max((moved - hat_line + 0.12) / 0.12, 0.0), 1.0)
      if off > hat_volume:
        off += press * (hat_volume * (0.7 + 0.3 * min(off, 1.0)) - off)
      if j > 0 and off < least and y > -1.0:
        off = least
      factor = (skull + off) / r
      points[s, j, 0] = _CX + x * factor + scalp_lib.look_up(displacement[0], i, k, u, v)
      points[s, j, 1] = _CY + y * factor + scalp_lib.look_up(displacement[1], i, k, u, v)
      points[s, j, 2] = _CZ + z * factor + scalp_lib.look_up(displacement[2], i, k, u, v)


@numba.njit(cache=True, nogil=True)
def nearest(roots, guides, side, guide_side, out):
  """The nearest guide of each root on the same side of the parting."""
  for s in range(roots.shape[0]):
    best, which = np.inf, 0
    for g in range(guides.shape[0]):
      dx, dy, dz = roots[s, 0] - guides[g, 0], roots[s, 1] - guides[g, 1], roots[s, 2] - guides[g, 2]
      distance = dx * dx + dy * dy + dz * dz + (4.0 if side[s] != guide_side[g] else 0.0)
      if distance < best:
        best, which = distance, g
    out[s] = which
