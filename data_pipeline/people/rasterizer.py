"""A z-buffer: which triangle or strand each sample of the picture sees, and where on it.

Positions come in as (x, y, depth): x and y in samples (the centre of the upper left sample is at 0.5, 0.5), depth along the
camera's axis. Perspective divides by depth, so 1 / depth is linear on the picture; the buffers keep weights of the corners in space.
Compiled by numba, one thread, without the interpreter's lock.
"""

import numba
import numpy as np

NOTHING = -1
FAR = 1e9  # depth of an empty sample; not infinite, which compilers may take liberties with
_ROUNDING = 1 - 1e-6  # on the depth of the nearest corner: samples that already see something nearer than that are passed over


def empty_depth(size: int) -> np.ndarray:
  """Depth [size, size] of nothing."""
  return np.full((size, size), FAR, np.float32)


def buffers(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Empty (depth [size, size], primitive [size, size], weights [size, size, 2])."""
  return (empty_depth(size), np.full((size, size), NOTHING, np.int32),
          np.zeros((size, size, 2), np.float32))


@numba.njit(cache=True, nogil=True, fastmath=True)
def draw_triangles(corners, triangles, first, depth, primitive, weights, both_sides):
  """Draws triangles over what the buffers hold; triangle i is primitive `first` + i.

  Args:
    corners: [vertices, 3] (x, y, depth).
    triangles: [triangles, 3] counter-clockwise in space, so clockwise where y runs down.
    first: number of the first primitive.
    depth: [size, size] nearest depth so far; written.
    primitive: [size, size] whose it is; written. None, like `weights`, where depth alone is wanted.
    weights: [size, size, 2] weights of the first two corners, perspective-correct; written.
    both_sides: whether triangles that face away are drawn too.
  """
  size = depth.shape[0]
  for t in range(triangles.shape[0]):
    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
    ax, ay, az = corners[a, 0], corners[a, 1], corners[a, 2]
    bx, by, bz = corners[b, 0], corners[b, 1], corners[b, 2]
    cx, cy, cz = corners[c, 0], corners[c, 1], corners[c, 2]
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if area == 0.0 or (area > 0.0 and not both_sides):
      continue
    x0, x1 = max(int(np.ceil(min(ax, bx, cx) - 0.5)), 0), min(int(np.floor(max(ax, bx, cx) - 0.5)), size - 1)
    y0, y1 = max(int(np.ceil(min(ay, by, cy) - 0.5)), 0), min(int(np.floor(max(ay, by, cy) - 0.5)), size - 1)
    if x0 > x1 or y0 > y1:
      continue
    inverse = 1.0 / area
    ia, ib, ic = 1.0 / az, 1.0 / bz, 1.0 / cz
    nearest = _ROUNDING * min(az, bz, cz)
    for y in range(y0, y1 + 1):
      py = y + 0.5
      for x in range(x0, x1 + 1):
        if nearest > depth[y, x]:
          continue
        px = x + 0.5
        wa = ((bx - px) * (cy - py) - (by - py) * (cx - px)) * inverse
        wb = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) * inverse
        wc = 1.0 - wa - wb
        if wa < 0.0 or wb < 0.0 or wc < 0.0:
          continue
        wa *= ia
        wb *= ib
        z = 1.0 / (wa + wb + wc * ic)
        if z < depth[y, x]:
          depth[y, x] = z
          if primitive is not None:
            primitive[y, x] = first + t
            weights[y, x, 0] = wa * z
            weights[y, x, 1] = wb * z


@numba.njit(cache=True, nogil=True, fastmath=True)
def draw_strands(points, radius, first, depth, primitive, weights, narrowest, opaque):
  """Draws strands as round ribbons; segment j of strand i is primitive `first` + i * segments + j.

  Args:
    points: [strands, points, 3] (x, y, depth).
    radius: [strands, points] half widths in samples.
    first: number of the first primitive.
    depth: [size, size]; written.
    primitive: [size, size]; written. None, like `weights`, where depth alone is wanted.
    weights: [size, size, 2] how far along the segment, [0, 1], and how far from its middle, [-1, 1]; written.
    narrowest: half width in samples below which a strand is drawn this wide.
    opaque: [size, size] depth of the triangles alone: a segment with both ends behind them is left out.
  """
  size = depth.shape[0]
  segments = points.shape[1] - 1
  for i in range(points.shape[0]):
    for j in range(segments):
      ax, ay, az = points[i, j, 0], points[i, j, 1], points[i, j, 2]
      bx, by, bz = points[i, j + 1, 0], points[i, j + 1, 1], points[i, j + 1, 2]
      ra, rb = max(radius[i, j], narrowest), max(radius[i, j + 1], narrowest)
      widest = max(ra, rb)
      x0, x1 = max(int(np.ceil(min(ax, bx) - widest - 0.5)), 0), min(int(np.floor(max(ax, bx) + widest - 0.5)), size - 1)
      y0, y1 = max(int(np.ceil(min(ay, by) - widest - 0.5)), 0), min(int(np.floor(max(ay, by) + widest - 0.5)), size - 1)
      if x0 > x1 or y0 > y1 or (_behind(ax, ay, az, opaque) and _behind(bx, by, bz, opaque)):
        continue
      dx, dy = bx - ax, by - ay
      squared = dx * dx + dy * dy
      inverse = 1.0 / squared if squared > 1e-12 else 0.0
      across = 1.0 / np.sqrt(squared) if squared > 1e-12 else 0.0
      steep = abs(dy) > 1e-6
      reach = widest * np.sqrt(squared) / abs(dy) if steep else 0.0  # half the width of the band's cut by a row
      nearest = _ROUNDING * min(az, bz)
      for y in range(y0, y1 + 1):
        py = y + 0.5 - ay
        first_x, last_x = x0, x1
        if steep:
          middle = ax + py * dx / dy - 0.5
          first_x, last_x = max(x0, int(np.ceil(middle - reach))), min(x1, int(np.floor(middle + reach)))
        for x in range(first_x, last_x + 1):
          if nearest > depth[y, x]:
            continue
          px = x + 0.5 - ax
          t = min(max((px * dx + py * dy) * inverse, 0.0), 1.0)
          ex, ey = px - t * dx, py - t * dy
          r = ra + t * (rb - ra)
          if ex * ex + ey * ey > r * r:
            continue
          z = az + t * (bz - az)
          if z < depth[y, x]:
            depth[y, x] = z
            if primitive is not None:
              primitive[y, x] = first + i * segments + j
              weights[y, x, 0] = t
              weights[y, x, 1] = (px * dy - py * dx) * across / r


@numba.njit(cache=True, nogil=True, inline='always')
def _behind(x, y, z, opaque):
  """Whether a point is hidden by what is `opaque`; outside of the picture it is not."""
  column, row, size = int(np.floor(x)), int(np.floor(y)), opaque.shape[0]
  return 0 <= column < size and 0 <= row < size and z > opaque[row, column]
