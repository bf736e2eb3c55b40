"""Where rays meet a portrait: sphere tracing for head and hair, closed forms for neck, clothes and what is worn.

Rays are unit directions from origins, in head units; a distance of `MISS` means no surface.
"""

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from data_pipeline.portraits import anatomy
from data_pipeline.portraits import identity as identity_lib

MISS = 1e3
_TRACE_STEPS = 12
_SURFACE = 0.012  # a point this close to the surface, about a third of a pixel at 64x64, has met it

NECK_TILT = 0.12  # the neck leans forward going up, by so much z per y
TORSO_CENTRE = (0.0, -1.44, -0.14)


@flax.struct.dataclass
class Ray:
  """Origins and unit directions, arrays of one shape, in head units."""

  origin: anatomy.Point
  direction: anatomy.Point

  def at(self, distance: Float[Array, '*shape']) -> anatomy.Point:
    return jax.tree.map(lambda origin, direction: origin + distance * direction, self.origin, self.direction)


def trace_head(ray: Ray, person: identity_lib.Identity) -> Float[Array, '*shape']:
  """Distance to head or hair by sphere tracing from a bounding ellipsoid."""
  start, _ = intersect_ellipsoid(ray, (0.0, 0.05, -0.08), (0.86, 1.08, 0.96))
  inside_bound = start < MISS
  distance = jnp.where(inside_bound, start, 9.0)

  def step(_, distance):
    return distance + anatomy.head_distance(ray.at(distance), person)

  distance = jax.lax.fori_loop(0, _TRACE_STEPS, step, distance)
  met = inside_bound & (anatomy.head_distance(ray.at(distance), person) < _SURFACE)
  return jnp.where(met, distance, MISS)


def intersect_ellipsoid(ray: Ray, centre: tuple, radii: tuple) -> tuple[Array, Array]:
  """Near and far distance to an axis-aligned ellipsoid."""
  o, d = ray.origin, ray.direction
  inverse = tuple(1.0 / jnp.asarray(radius) for radius in radii)
  ox, oy, oz = (o.x - centre[0]) * inverse[0], (o.y - centre[1]) * inverse[1], (o.z - centre[2]) * inverse[2]
  dx, dy, dz = d.x * inverse[0], d.y * inverse[1], d.z * inverse[2]
  return _roots(dx * dx + dy * dy + dz * dz, ox * dx + oy * dy + oz * dz, ox * ox + oy * oy + oz * oz - 1.0)


def intersect_neck(ray: Ray, person: identity_lib.Identity) -> Array:
  """Near distance to the neck: an upright cylinder that leans forward going up."""
  o, d = ray.origin, ray.direction
  dw, ow = d.z - NECK_TILT * d.y, o.z - NECK_TILT * o.y + 0.14
  near, _ = _roots(d.x * d.x + dw * dw, o.x * d.x + ow * dw, o.x * o.x + ow * ow - person.neck_radius**2)
  return jnp.where(o.y + near * d.y < -0.15, near, MISS)


def intersect_torso(ray: Ray, person: identity_lib.Identity) -> Array:
  """Near distance to the shoulders."""
  return intersect_ellipsoid(ray, TORSO_CENTRE, (person.shoulder_width, 0.66, 0.50))[0]


def intersect_glasses(ray: Ray, person: identity_lib.Identity) -> tuple[Array, Array]:
  """Distances to the frame (rings, bridge and temples) and to the lenses, on a plane before the eyes."""
  o, d = ray.origin, ray.direction
  plane_z, centre_x, centre_y = 0.53, person.eye_spacing + 0.015, anatomy.EYE_HEIGHT - 0.005
  distance = (plane_z - o.z) / d.z
  point = ray.at(distance)
  x = (jnp.abs(point.x) - centre_x) / (person.lens_width + person.frame_width)
  y = (point.y - centre_y) / (person.lens_height + person.frame_width)
  x, y = x * x, y * y
  outline = x * x + y * y + x * y  # between a circle and a square
  x = (jnp.abs(point.x) - centre_x) / person.lens_width
  y = (point.y - centre_y) / person.lens_height
  x, y = x * x, y * y
  in_lens = x * x + y * y + x * y < 1.0
  between = jnp.abs(point.x) < centre_x - person.lens_width
  bridge = between & (jnp.abs(point.y - centre_y - 0.03) < 0.6 * person.frame_width)
  front = d.z < 0
  worn = person.lens_width > 0
  frame = jnp.where(front & worn & ~in_lens & ((outline < 1.0) | bridge), distance, MISS)
  lens = jnp.where(front & worn & in_lens, distance, MISS)
  for sign in (-1.0, 1.0):
    hinge_x = centre_x + person.lens_width + 0.02
    slope = (0.56 * person.head_width - hinge_x) / (plane_z + 0.05)
    # Temple: the vertical plane sign * x = hinge_x + slope * (plane_z - z), as a strip.
    along = (hinge_x + slope * (plane_z - o.z) - sign * o.x) / (sign * d.x + slope * d.z)
    point = ray.at(along)
    on_temple = jnp.abs(point.y - centre_y - 0.03) < 0.9 * person.frame_width
    on_temple &= (point.z < plane_z) & (point.z > -0.08)
    frame = jnp.minimum(frame, jnp.where(worn & on_temple & (along > 0), along, MISS))
  return frame, lens


def intersect_hat(ray: Ray, person: identity_lib.Identity) -> tuple[Array, Array]:
  """Distances to the crown and to the brim, bill or rim."""
  height = 0.36  # of the hat's edge at the middle of the head
  tilt = 0.10  # the edge rises towards the face
  worn = person.hat_height > 0
  skull = anatomy.SKULL_CENTRE
  crown, _ = intersect_ellipsoid(
      ray, (skull[0], skull[1] + 0.06, skull[2]),
      (0.60 * person.head_width, jnp.maximum(person.hat_height, 0.1), 0.70))
  point = ray.at(crown)
  crown = jnp.where(worn & (point.y > height + tilt * point.z), crown, MISS)
  # Tilted frame of the brim: y' = y - tilt * z.
  sheared = Ray(ray.origin.replace(y=ray.origin.y - tilt * ray.origin.z),
                ray.direction.replace(y=ray.direction.y - tilt * ray.direction.z))
  brim, _ = intersect_ellipsoid(
      sheared, (0.0, height + 0.02, skull[2] + 0.7 * person.brim_length),
      (jnp.maximum(person.brim_width * person.head_width, 0.1), jnp.maximum(person.brim_thickness, 0.01),
       0.72 + 0.3 * jnp.maximum(person.brim_length, 0.0) + 0.4 * jnp.maximum(person.brim_width - 0.7, 0.0)))
  return crown, jnp.where(worn, brim, MISS)


def intersect_earrings(ray: Ray, person: identity_lib.Identity) -> Array:
  """Near distance to the earrings: a ball under each ear."""
  radius = jnp.maximum(person.earring_radius, 0.01)
  x, y, z = earring_centre(person)
  near = [intersect_ellipsoid(ray, (sign * x, y, z), (radius, 1.25 * radius, radius))[0] for sign in (-1.0, 1.0)]
  return jnp.where(person.earring_radius > 0, jnp.minimum(*near), MISS)


def earring_centre(person: identity_lib.Identity) -> tuple[Array, Array, float]:
  return 0.56 * person.head_width, -0.06 - 0.155 * person.ear_size - 0.02, -0.06


def _roots(a: Array, half_b: Array, c: Array) -> tuple[Array, Array]:
  """Both roots of a t^2 + 2 half_b t + c, or MISS."""
  discriminant = half_b * half_b - a * c
  root = jnp.sqrt(jnp.maximum(discriminant, 0.0))
  hit = discriminant > 0
  return jnp.where(hit, (-half_b - root) / a, MISS), jnp.where(hit, (-half_b + root) / a, MISS)
