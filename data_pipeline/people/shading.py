"""Light on what the picture sees: from primitives and weights (the z-buffer) to linear colour, sample by sample.

Every light is a direction with a shadow map: one key light, and a handful of fills that stand for the room and, being shaded
too, darken what is enclosed. Skin scatters light past the terminator, red furthest, and shines in two lobes; hair shines along its
strands (Kajiya and Kay 1989) in a white and a coloured lobe; eyes are wet.
"""

import numba
import numpy as np

from data_pipeline.people import shadows

# What a sample sees.
BACKGROUND, SKIN, EYE, MESH, STRAND = range(5)
_SKULL_HEIGHT = 7.35  # decimetres: of the middle of the skull
_HAIR_DEPTH = 0.22  # decimetres of hair after which a key light is gone
_RED, _GREEN, _BLUE = 0.32, 0.16, 0.10  # by how much skin's terminator is softened
_NO_HIGHLIGHT = 0.64  # squared cosine between normal and half vector below which nothing shines
_DULL, _BRIGHT = 1.95, 3.3  # strengths of the skin's two lobes, cosines to the power of 24 and 64, each (exponent + 2) / 8 times 0.6 and 0.4
_TINY = 1e-9
_KEY_BIAS, _FILL_BIAS = 0.03, 0.12  # decimetres that a surface must lie below what shades it


@numba.njit(cache=True, nogil=True, fastmath=True)
def gather_skin(primitive, weights, first, triangles, vertices, normals, chart, irradiance, texture, inner_mouth, scores, scored_labels,
                kind, position, normal, albedo, gloss, label, received):
  """What samples of the skin are: fills `kind` ... `label` where `primitive` is one of the skin's triangles.

  Args:
    primitive: [size, size]; weights: [size, size, 2]: the z-buffer.
    first: number of the skin's first primitive.
    triangles, vertices, normals, chart, scores: the skin's, by vertex; see `head_model.HeadModel`.
    irradiance: [vertices, 3] from the fills; see `irradiate`.
    texture: [rows, columns, 6] linear albedo, slope sideways, slope downwards, factor on the highlight; it wraps around sideways.
    inner_mouth: [3] linear albedo where the label is 10: the chart has lips there.
    scored_labels: [labels] integers of the scores.
  """
  size, rows, columns = primitive.shape[0], texture.shape[0], texture.shape[1]
  read = np.empty(6, np.float32)
  for y in range(size):
    for x in range(size):
      t = primitive[y, x] - first
      if t < 0 or t >= triangles.shape[0]:
        continue
      a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
      wa, wb = weights[y, x, 0], weights[y, x, 1]
      wc = 1 - wa - wb
      kind[y, x] = SKIN
      nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
      ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
      nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
      for i in range(3):
        position[y, x, i] = wa * vertices[a, i] + wb * vertices[b, i] + wc * vertices[c, i]
        received[y, x, i] = wa * irradiance[a, i] + wb * irradiance[b, i] + wc * irradiance[c, i]
      ca, cb, cc = chart[a, 0], chart[b, 0], chart[c, 0]
      if max(ca, cb, cc) - min(ca, cb, cc) > 0.5:  # across the seam at the back of the head
        ca, cb, cc = ca + (ca < 0.5), cb + (cb < 0.5), cc + (cc < 0.5)
      u = (wa * ca + wb * cb + wc * cc) * columns - 0.5
      v = min(max((wa * chart[a, 1] + wb * chart[b, 1] + wc * chart[c, 1]) * rows - 0.5, 0.0), rows - 1.001)
      u0, v0 = int(np.floor(u)), int(v)
      fu, fv = u - u0, v - v0
      u0, u1 = (u0 + columns) % columns, (u0 + 1 + columns) % columns
      for i in range(6):
        read[i] = ((texture[v0, u0, i] * (1 - fu) + texture[v0, u1, i] * fu) * (1 - fv)
                   + (texture[v0 + 1, u0, i] * (1 - fu) + texture[v0 + 1, u1, i] * fu) * fv)
      for i in range(3):
        albedo[y, x, i] = read[i]
      sideways, down = read[3], read[4]
      length = np.sqrt(nx * nx + nz * nz) + 1e-6
      ux, uz = nz / length, -nx / length  # along the surface, level, towards +x at the front
      vx, vy, vz = ny * uz, nz * ux - nx * uz, -ny * ux  # normal x u: along the surface, upwards
      nx = nx - sideways * ux + down * vx
      ny = ny + down * vy
      nz = nz - sideways * uz + down * vz
      length = 1 / (np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9)
      normal[y, x, 0], normal[y, x, 1], normal[y, x, 2] = nx * length, ny * length, nz * length
      gloss[y, x, 0] = 0.028 * read[5]
      gloss[y, x, 1] = 0.0
      best, chosen = 0.0, 1
      for i in range(scores.shape[1]):
        score = wa * scores[a, i] + wb * scores[b, i] + wc * scores[c, i]
        if score > best:
          best, chosen = score, scored_labels[i]
      label[y, x] = chosen
      if chosen == 10:
        gloss[y, x, 0] *= 0.4
        for i in range(3):
          albedo[y, x, i] = inner_mouth[i]


@numba.njit(cache=True, nogil=True, fastmath=True)
def gather_mesh(primitive, weights, first, triangles, vertices, normals, colours, labels, irradiance, specular, shininess, iris,
                kind, position, normal, albedo, gloss, label, received):
  """What samples of a mesh are. With an `iris` [radii, angles, 3] it is an eyeball, whose `colours` are places on the unit sphere."""
  size = primitive.shape[0]
  radii, angles = iris.shape[0], iris.shape[1]
  for y in range(size):
    for x in range(size):
      t = primitive[y, x] - first
      if t < 0 or t >= triangles.shape[0]:
        continue
      a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
      wa, wb = weights[y, x, 0], weights[y, x, 1]
      wc = 1 - wa - wb
      kind[y, x] = EYE if radii > 1 else MESH
      length = 0.0
      for i in range(3):
        position[y, x, i] = wa * vertices[a, i] + wb * vertices[b, i] + wc * vertices[c, i]
        albedo[y, x, i] = wa * colours[a, i] + wb * colours[b, i] + wc * colours[c, i]
        received[y, x, i] = wa * irradiance[a, i] + wb * irradiance[b, i] + wc * irradiance[c, i]
        normal[y, x, i] = wa * normals[a, i] + wb * normals[b, i] + wc * normals[c, i]
        length += normal[y, x, i] ** 2
      length = 1 / (np.sqrt(length) + 1e-9)
      for i in range(3):
        normal[y, x, i] *= length
      gloss[y, x, 0], gloss[y, x, 1] = specular, shininess
      label[y, x] = labels[t]
      if radii > 1:
        lx, ly, lz = albedo[y, x, 0], albedo[y, x, 1], albedo[y, x, 2]
        angle = np.arctan2(np.sqrt(lx * lx + ly * ly), lz)
        radius = min(angle / (0.5 * np.pi) * radii - 0.5, radii - 1.001)
        radius = max(radius, 0.0)
        turn = (np.arctan2(ly, lx) / (2 * np.pi) + 1.0) * angles - 0.5
        r0, t0 = int(radius), int(turn)
        fr, ft = radius - r0, turn - t0
        t1 = (t0 + 1) % angles
        t0 = t0 % angles
        for i in range(3):
          albedo[y, x, i] = ((iris[r0, t0, i] * (1 - ft) + iris[r0, t1, i] * ft) * (1 - fr)
                             + (iris[r0 + 1, t0, i] * (1 - ft) + iris[r0 + 1, t1, i] * ft) * fr)


@numba.njit(cache=True, nogil=True, fastmath=True)
def gather_strands(primitive, weights, first, points, colours, irradiance, specular, strand_label, eye_position,
                   kind, position, normal, albedo, gloss, label, received, tangent):
  """What samples of strands are; `tangent` is the direction of the strand, `normal` outwards across it. Roots are darker than tips."""
  size = primitive.shape[0]
  segments = points.shape[1] - 1
  count = points.shape[0] * segments
  for y in range(size):
    for x in range(size):
      t = primitive[y, x] - first
      if t < 0 or t >= count:
        continue
      i, j = t // segments, t % segments
      w = weights[y, x, 0]
      kind[y, x] = STRAND
      length = 0.0
      for k in range(3):
        position[y, x, k] = points[i, j, k] * (1 - w) + points[i, j + 1, k] * w
        direction = points[i, j + 1, k] - points[i, j, k]
        tangent[y, x, k] = direction
        received[y, x, k] = irradiance[i, j, k] * (1 - w) + irradiance[i, j + 1, k] * w
        length += direction * direction
      length = 1 / (np.sqrt(length) + 1e-9)
      along = (j + w) / segments
      side = weights[y, x, 1]
      shade = (0.72 + 0.28 * min(along * 3, 1.0)) * (1 - 0.25 * side * side)
      for k in range(3):
        tangent[y, x, k] *= length
        albedo[y, x, k] = colours[i, k] * shade
      _face_across(y, x, position, tangent, eye_position, normal)
      gloss[y, x, 0], gloss[y, x, 1] = specular, 0.0
      label[y, x] = strand_label


@numba.njit(cache=True, nogil=True, inline='always')
def _face_across(y, x, position, tangent, eye_position, normal):
  """The normal of a strand: away from the middle of the skull, across the strand, and towards the camera."""
  tx, ty, tz = tangent[y, x, 0], tangent[y, x, 1], tangent[y, x, 2]
  nx, ny, nz = _outwards(position[y, x, 0], position[y, x, 1], position[y, x, 2])
  vx, vy, vz = eye_position[0] - position[y, x, 0], eye_position[1] - position[y, x, 1], eye_position[2] - position[y, x, 2]
  along = nx * tx + ny * ty + nz * tz
  nx, ny, nz = nx - along * tx, ny - along * ty, nz - along * tz
  length = np.sqrt(nx * nx + ny * ny + nz * nz)
  facing = nx * vx + ny * vy + nz * vz
  if length < 0.2 or facing < 0:  # seen from behind, or standing off the skull: what faces the camera most
    along = vx * tx + vy * ty + vz * tz
    nx, ny, nz = vx - along * tx, vy - along * ty, vz - along * tz
    length = np.sqrt(nx * nx + ny * ny + nz * nz)
  length = 1 / (length + _TINY)
  normal[y, x, 0], normal[y, x, 1], normal[y, x, 2] = nx * length, ny * length, nz * length


@numba.njit(cache=True, nogil=True, inline='always')
def _power(base, exponent):
  return np.exp(exponent * np.log(max(base, 1e-6)))


@numba.njit(cache=True, nogil=True, fastmath=True)
def irradiate(vertices, normals, directions, radiances, softness, ambient_up, ambient_down, axes, fill_maps, is_skin):
  """[vertices, 3] light that the fills and the ambient bring to points with normals; the key light is left to `illuminate`."""
  received = np.empty((vertices.shape[0], 3), np.float32)
  for v in range(vertices.shape[0]):
    px, py, pz = vertices[v, 0], vertices[v, 1], vertices[v, 2]
    nx, ny, nz = normals[v, 0], normals[v, 1], normals[v, 2]
    up = 0.5 + 0.5 * ny
    red = ambient_up[0] * up + ambient_down[0] * (1 - up)
    green = ambient_up[1] * up + ambient_down[1] * (1 - up)
    blue = ambient_up[2] * up + ambient_down[2] * (1 - up)
    for i in range(1, directions.shape[0]):
      cosine = nx * directions[i, 0] + ny * directions[i, 1] + nz * directions[i, 2]
      if cosine < (-_RED if is_skin else 0.0):
        continue
      bias = _FILL_BIAS * (2.0 - max(cosine, 0.0))
      shade = shadows.lit(fill_maps[i - 1], axes[i], px + nx * bias, py + ny * bias, pz + nz * bias, softness[i], _FILL_BIAS)
      red += radiances[i, 0] * shade * (_soft(cosine, _RED) if is_skin else cosine)
      green += radiances[i, 1] * shade * (_soft(cosine, _GREEN) if is_skin else cosine)
      blue += radiances[i, 2] * shade * (_soft(cosine, _BLUE) if is_skin else cosine)
    received[v, 0], received[v, 1], received[v, 2] = red, green, blue
  return received


@numba.njit(cache=True, nogil=True, fastmath=True)
def illuminate(kind, position, normal, tangent, albedo, gloss, received, eye_position, directions, radiances, softness, penumbra, axes, key_map,
               linear):
  """Linear colour of every sample that isn't background; writes `linear` [size, size, 3].

  Args:
    kind, position, normal, tangent, albedo, gloss, received: what the samples see; see the `gather_...` functions.
    eye_position: [3] of the camera, model space.
    directions: [lights, 3] unit, towards the light; radiances: [lights, 3].
    softness: [lights] decimetres behind what shades them at which points are dark.
    penumbra: how wide the border of the key light's shadow is, decimetres.
    axes, key_map: see `shadows.ShadowMaps`.
  """
  size = kind.shape[0]
  for y in range(size):
    for x in range(size):
      what = kind[y, x]
      if what == BACKGROUND:
        continue
      if what == SKIN and _is_smooth(y & ~1, x & ~1, kind):  # one sample of light for the pixel
        if y & 1 or x & 1:
          for i in range(3):
            linear[y, x, i] = linear[y & ~1, x & ~1, i]
          continue
        _average(y, x, position, normal, albedo, gloss, received)
      px, py, pz = position[y, x, 0], position[y, x, 1], position[y, x, 2]
      vx, vy, vz = eye_position[0] - px, eye_position[1] - py, eye_position[2] - pz
      length = 1 / np.sqrt(vx * vx + vy * vy + vz * vz)
      vx, vy, vz = vx * length, vy * length, vz * length
      if what == STRAND:
        _light_strand(y, x, px, py, pz, vx, vy, vz, tangent, albedo, gloss, received, directions, radiances, softness, axes, key_map, linear)
      else:
        _light_surface(y, x, px, py, pz, vx, vy, vz, what, normal, albedo, gloss, received, directions, radiances, softness, penumbra,
                       axes, key_map, linear)


@numba.njit(cache=True, nogil=True, inline='always')
def _is_smooth(y, x, kind):
  """Whether all four samples of a pixel see skin."""
  return kind[y, x] == SKIN and kind[y, x + 1] == SKIN and kind[y + 1, x] == SKIN and kind[y + 1, x + 1] == SKIN


@numba.njit(cache=True, nogil=True, inline='always')
def _average(y, x, position, normal, albedo, gloss, received):
  """Writes the mean of the four samples of a pixel to its first one."""
  for values in (position, normal, albedo, received):
    for i in range(3):
      values[y, x, i] = 0.25 * (values[y, x, i] + values[y, x + 1, i] + values[y + 1, x, i] + values[y + 1, x + 1, i])
  gloss[y, x, 0] = 0.25 * (gloss[y, x, 0] + gloss[y, x + 1, 0] + gloss[y + 1, x, 0] + gloss[y + 1, x + 1, 0])
  length = 1 / (np.sqrt(normal[y, x, 0] ** 2 + normal[y, x, 1] ** 2 + normal[y, x, 2] ** 2) + _TINY)
  for i in range(3):
    normal[y, x, i] *= length


@numba.njit(cache=True, nogil=True, fastmath=True, inline='always')
def _light_surface(y, x, px, py, pz, vx, vy, vz, what, normal, albedo, gloss, received, directions, radiances, softness, penumbra, axes,
                   key_map, linear):
  nx, ny, nz = normal[y, x, 0], normal[y, x, 1], normal[y, x, 2]
  red, green, blue = albedo[y, x, 0] * received[y, x, 0], albedo[y, x, 1] * received[y, x, 1], albedo[y, x, 2] * received[y, x, 2]
  specular, shininess = gloss[y, x, 0], gloss[y, x, 1]
  grazing = 1 - min(max(nx * vx + ny * vy + nz * vz, 0.0), 1.0)
  grazing *= grazing
  fresnel = specular + (1 - specular) * (0.2 if what == SKIN else 0.6) * grazing * grazing * np.sqrt(grazing)
  for i in range(directions.shape[0]):
    lx, ly, lz = directions[i, 0], directions[i, 1], directions[i, 2]
    cosine = nx * lx + ny * ly + nz * lz
    shade = 1.0
    if i == 0 and cosine > -_RED:
      bias = _KEY_BIAS * (2.5 - 1.5 * max(cosine, 0.0))
      shade = shadows.lit_by_area(key_map, axes[0], px + nx * bias, py + ny * bias, pz + nz * bias, softness[0], _KEY_BIAS, penumbra,
                                  ((x >> 1) + 2 * (y >> 1) + (y >> 2) + (x & 1) + 2 * (y & 1)) & 3)
      if what == SKIN:
        red += radiances[0, 0] * albedo[y, x, 0] * _soft(cosine, _RED) * shade * (1.2 - 0.2 * shade)
        green += radiances[0, 1] * albedo[y, x, 1] * _soft(cosine, _GREEN) * shade
        blue += radiances[0, 2] * albedo[y, x, 2] * _soft(cosine, _BLUE) * shade
      elif cosine > 0:
        red += radiances[0, 0] * albedo[y, x, 0] * cosine * shade
        green += radiances[0, 1] * albedo[y, x, 1] * cosine * shade
        blue += radiances[0, 2] * albedo[y, x, 2] * cosine * shade
    if cosine <= 0.0 or shade <= 0.0:
      continue
    hx, hy, hz = lx + vx, ly + vy, lz + vz
    half = nx * hx + ny * hy + nz * hz
    squared = half * half / (hx * hx + hy * hy + hz * hz + _TINY)
    if half < 0 or squared < _NO_HIGHLIGHT:
      continue
    if what == SKIN:
      eighth = squared * squared
      eighth *= eighth
      sharp = eighth * eighth * eighth * eighth
      shine = fresnel * (_DULL * eighth * eighth * eighth + _BRIGHT * sharp * sharp)
    else:
      shine = fresnel * (shininess + 2) * 0.125 * _power(squared, 0.5 * shininess)
    shine *= cosine * shade
    red += radiances[i, 0] * shine
    green += radiances[i, 1] * shine
    blue += radiances[i, 2] * shine
  linear[y, x, 0], linear[y, x, 1], linear[y, x, 2] = red, green, blue


@numba.njit(cache=True, nogil=True, fastmath=True, inline='always')
def _light_strand(y, x, px, py, pz, vx, vy, vz, tangent, albedo, gloss, received, directions, radiances, softness, axes, key_map, linear):
  """Hair in the key light, and the highlights of all lights: along the strand, a white lobe and a coloured one."""
  tx, ty, tz = tangent[y, x, 0], tangent[y, x, 1], tangent[y, x, 2]
  rx, ry, rz = _outwards(px, py, pz)
  red, green, blue = albedo[y, x, 0] * received[y, x, 0], albedo[y, x, 1] * received[y, x, 1], albedo[y, x, 2] * received[y, x, 2]
  specular = gloss[y, x, 0]
  brightness = (received[y, x, 0] + received[y, x, 1] + received[y, x, 2]) * 0.3
  for i in range(directions.shape[0]):
    lx, ly, lz = directions[i, 0], directions[i, 1], directions[i, 2]
    around = min(max((rx * lx + ry * ly + rz * lz + 0.55) * 0.645, 0.0), 1.0)
    if around <= 0.001:
      continue
    shade, diffuse = min(brightness, 1.0), 0.0  # a fill's shadow is in what the strand received
    if i == 0:
      cosine = tx * lx + ty * ly + tz * lz
      diffuse = (0.35 + 0.65 * np.sqrt(max(1 - cosine * cosine, 0.0))) * around
      shade = shadows.lit(key_map, axes[0], px, py, pz, _HAIR_DEPTH + softness[0], _KEY_BIAS * 0.5)
      shade *= shade
    hx, hy, hz = lx + vx, ly + vy, lz + vz
    along = (tx * hx + ty * hy + tz * hz) / np.sqrt(hx * hx + hy * hy + hz * hz + _TINY)
    white = tinted = 0.0
    if abs(along) < 0.5:
      inner, outer = 1 - (along - 0.06) ** 2, 1 - (along + 0.10) ** 2
      outer *= outer
      outer *= outer
      outer *= outer
      tinted = outer * outer * outer * specular * 1.6 * around
      if inner > 0.95:
        white = _power(inner, 90.0) * specular * 0.35 * around
    red += shade * radiances[i, 0] * (albedo[y, x, 0] * (diffuse + tinted) + white)
    green += shade * radiances[i, 1] * (albedo[y, x, 1] * (diffuse + tinted) + white)
    blue += shade * radiances[i, 2] * (albedo[y, x, 2] * (diffuse + tinted) + white)
  linear[y, x, 0], linear[y, x, 1], linear[y, x, 2] = red, green, blue


@numba.njit(cache=True, nogil=True, inline='always')
def _outwards(px, py, pz):
  """Which way the surface of the hair faces: away from the middle of the skull."""
  rx, ry, rz = px - shadows.CENTRE[0], py - _SKULL_HEIGHT, pz - shadows.CENTRE[2]
  length = 1 / np.sqrt(rx * rx + ry * ry + rz * rz + _TINY)
  return rx * length, ry * length, rz * length


@numba.njit(cache=True, nogil=True, fastmath=True)
def irradiate_strands(points, directions, radiances, softness, ambient_up, ambient_down, axes, fill_maps):
  """[strands, points, 3] light that the fills and the ambient bring to strands; it fades with the depth of hair above."""
  received = np.empty(points.shape, np.float32)
  last = points.shape[1] - 1
  for s in range(points.shape[0]):
    for j in range(0, last + 2, 2):
      j = min(j, last)
      px, py, pz = points[s, j, 0], points[s, j, 1], points[s, j, 2]
      rx, ry, rz = _outwards(px, py, pz)
      up = 0.5 + 0.5 * ry
      red = ambient_up[0] * up + ambient_down[0] * (1 - up)
      green = ambient_up[1] * up + ambient_down[1] * (1 - up)
      blue = ambient_up[2] * up + ambient_down[2] * (1 - up)
      for i in range(1, directions.shape[0]):
        around = (rx * directions[i, 0] + ry * directions[i, 1] + rz * directions[i, 2] + 0.55) * 0.645
        if around <= 0.001:
          continue
        shade = shadows.lit(fill_maps[i - 1], axes[i], px, py, pz, _HAIR_DEPTH + softness[i], _FILL_BIAS * 0.5)
        shade *= shade * min(around, 1.0) * 0.85
        red += shade * radiances[i, 0]
        green += shade * radiances[i, 1]
        blue += shade * radiances[i, 2]
      received[s, j, 0], received[s, j, 1], received[s, j, 2] = red, green, blue
    for j in range(1, last, 2):  # every other point is between its neighbours
      for k in range(3):
        received[s, j, k] = 0.5 * (received[s, j - 1, k] + received[s, min(j + 1, last), k])
  return received


@numba.njit(cache=True, nogil=True, inline='always')
def _soft(cosine, wrap):
  """Diffuse light that reaches past the terminator by `wrap`: (cosine + wrap) / (1 + wrap), eased in."""
  value = (cosine + wrap) / (1 + wrap)
  if value <= 0.0:
    return 0.0
  ease = min(value * 3.0, 1.0)  # a straight line where there is plenty of light, a soft toe where it ends
  return value * ease * (2.0 - ease)
