"""The solid shape of a head: signed distances to its skin and hair, in head units, negative inside.

Parts are ellipsoids and capsules joined by a polynomial smooth minimum, mirrored in x where people are symmetric. All
functions take a point as three arrays (x, y, z) and an `Identity` whose scalars broadcast against them. Distances are
first-order approximations, exact at the surface: sphere tracing takes them with a small safety factor.
"""

import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Float

from data_pipeline.portraits import identity as identity_lib

EYE_HEIGHT = 0.05  # y of the eyes' centres
MOUTH_HEIGHT = -0.35
EAR_CENTRE = (0.535, -0.02, -0.10)  # x for a head of width 1
SKULL_CENTRE = (0.0, 0.17, -0.12)
SKULL_RADII = (0.53, 0.59, 0.62)


@flax.struct.dataclass
class Point:
  """Coordinates in the head's frame, arrays of one shape."""

  x: Float[Array, '*shape']
  y: Float[Array, '*shape']
  z: Float[Array, '*shape']


@flax.struct.dataclass
class SkinDistances:
  """Signed distances to the parts of the bare head; their smooth union is `skin`."""

  skin: Float[Array, '*shape']
  face: Float[Array, '*shape']
  nose: Float[Array, '*shape']
  ears: Float[Array, '*shape']


def smooth_min(first: Array, second: Array, width: float) -> Array:
  """Polynomial minimum: equals min where the two differ by more than `width`, and is rounded in between."""
  overlap = jnp.maximum(width - jnp.abs(first - second), 0.0)
  return jnp.minimum(first, second) - overlap * overlap * (0.25 / width)


def smooth_max(first: Array, second: Array, width: float) -> Array:
  return -smooth_min(-first, -second, width)


def ellipsoid(point: Point, centre: tuple, radii: tuple) -> Array:
  """Signed distance to an axis-aligned ellipsoid, first order in the distance."""
  x, y, z = point.x - centre[0], point.y - centre[1], point.z - centre[2]
  inverse = tuple(1.0 / jnp.asarray(radius) for radius in radii)
  u, v, w = x * inverse[0], y * inverse[1], z * inverse[2]
  scaled = jnp.sqrt(u * u + v * v + w * w + 1e-9)
  u, v, w = u * inverse[0], v * inverse[1], w * inverse[2]
  return scaled * (scaled - 1.0) / jnp.sqrt(u * u + v * v + w * w + 1e-9)


def sphere(point: Point, centre: tuple, radius: Array) -> Array:
  x, y, z = point.x - centre[0], point.y - centre[1], point.z - centre[2]
  return jnp.sqrt(x * x + y * y + z * z + 1e-9) - radius


def mirrored(point: Point) -> Point:
  return point.replace(x=jnp.abs(point.x))


def nose_tip(person: identity_lib.Identity) -> tuple[Array, Array, Array]:
  """Centre of the nose's tip in the head's frame; the surface lies `nose_width` in front of it."""
  y = EYE_HEIGHT - person.nose_length
  return jnp.zeros_like(y), y, 0.42 + person.nose_height


def skin_distances(point: Point, person: identity_lib.Identity) -> SkinDistances:
  """The head without hair: skull, jaw, cheeks, eye sockets, lips, nose and ears."""
  side = mirrored(point)
  width, height = person.head_width, person.head_height
  skull = ellipsoid(point, SKULL_CENTRE, (SKULL_RADII[0] * width, SKULL_RADII[1] * height, SKULL_RADII[2]))
  jaw = ellipsoid(point, (0.0, -0.22, 0.09), (person.jaw_width * width, person.chin_length, 0.40))
  face = smooth_min(skull, jaw, 0.20)
  face = smooth_min(face, sphere(side, (0.22, -0.13, 0.30), 0.165), 0.12)
  socket = sphere(side, (person.eye_spacing, EYE_HEIGHT + 0.02, 0.62), 0.15)
  face = smooth_max(face, -socket, 0.10)
  eyeball = sphere(side, (person.eye_spacing, EYE_HEIGHT, 0.335), 0.135)
  face = smooth_min(face, eyeball, 0.03)
  lips = ellipsoid(point, (0.0, MOUTH_HEIGHT, 0.40), (0.17, 0.075, 0.105))
  face = smooth_min(face, lips, 0.05)
  nose = _nose(side, person)
  ear_radii = (0.07, 0.155 * person.ear_size, 0.11 * person.ear_size)
  ears = ellipsoid(side, (EAR_CENTRE[0] * width, *EAR_CENTRE[1:]), ear_radii)
  skin = smooth_min(smooth_min(face, nose, 0.06), ears, 0.03)
  return SkinDistances(skin, face, nose, ears)


def _nose(side: Point, person: identity_lib.Identity) -> Array:
  """A capsule that widens from the bridge, between the eyes, to the tip, with a wing on either side."""
  _, tip_y, tip_z = nose_tip(person)
  bridge_y, bridge_z, bridge_radius = EYE_HEIGHT + 0.06, 0.435, 0.045
  y, z = tip_y - bridge_y, tip_z - bridge_z
  along = ((point_y := side.y - bridge_y) * y + (point_z := side.z - bridge_z) * z) / (y * y + z * z)
  along = jnp.clip(along, 0.0, 1.0)
  off_y, off_z = point_y - along * y, point_z - along * z
  radius = bridge_radius + along * (person.nose_width - bridge_radius)
  ridge = jnp.sqrt(side.x * side.x + off_y * off_y + off_z * off_z + 1e-9) - radius
  wings = sphere(side, (0.85 * person.nose_width, tip_y - 0.02, tip_z - 0.07), 0.06)
  return smooth_min(ridge, wings, 0.05)


def hair_distance(point: Point, person: identity_lib.Identity) -> Array:
  """Hair: a shell around the skull and, for long cuts, a fall behind the face; openings for the face and the ears."""
  side = mirrored(point)
  thickness = person.hair_thickness
  skull_x, skull_y, skull_z = SKULL_RADII
  shell = ellipsoid(
      point, (0.0, SKULL_CENTRE[1] + 0.25 * thickness, SKULL_CENTRE[2] - 0.02),
      (skull_x * person.head_width + 0.9 * thickness, skull_y * person.head_height + thickness, skull_z + thickness))
  fall = ellipsoid(
      point, (0.0, 0.20 - 0.5 * person.hair_fall, -0.22),
      (person.hair_fall_width * person.head_width, jnp.maximum(0.62 * person.hair_fall + 0.1, 0.02), 0.42))
  fall = jnp.where(person.hair_fall > 0, fall, 9.0)
  bun = sphere(point, (0.0, 0.80, -0.22), person.bun_radius)
  bun = jnp.where(person.bun_radius > 0, bun, 9.0)
  hair = smooth_min(jnp.minimum(shell, bun), fall, 0.08)
  face_opening = ellipsoid(
      point, (0.06 * person.hair_part, -0.22, 0.75), (0.50, person.hairline + 0.26, 0.80))
  hair = smooth_max(hair, -face_opening, 0.05)
  ear_opening = ellipsoid(side, (0.58 * person.head_width, -0.10, -0.06), (0.26, 0.24, 0.17))
  ear_opening = jnp.where(person.ear_opening > 0, ear_opening, 9.0)
  return smooth_max(hair, -ear_opening, 0.04)


def head_distance(point: Point, person: identity_lib.Identity) -> Array:
  """Signed distance to head and hair together: what rays are traced against."""
  return jnp.minimum(skin_distances(point, person).skin, hair_distance(point, person))
