"""Pictures of portraits: colours, labels and depth of every pixel, from 2 x 2 rays a pixel.

`render` turns identity vectors and viewpoints into arrays, on any number of people at once. A pixel's colour is the
mean of its four rays, its label their majority (small classes win a tie), its depth that of the nearest ray of the
winning label.
"""

import enum
import functools

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnerf_jax import camera as camera_lib
from cnerf_jax import semantics
from data_pipeline.portraits import anatomy
from data_pipeline.portraits import identity as identity_lib
from data_pipeline.portraits import raycaster
from data_pipeline.portraits import shading

WORLD_PER_HEAD_UNIT = 0.107
_SUPERSAMPLING = 2
PICTURES_PER_CALL = 16
_FARTHEST = 12.0  # head units; rays that meet nothing get a finite point, which nobody looks at
_TETRAHEDRON = ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1))
_NORMAL_STEP = 0.012
SemanticClass = semantics.SemanticClass
# Who wins a pixel that two labels share half and half: the smaller class.
_TIE_ORDER = (0, 1, 5, 8, 10, 9, 6, 7, 3, 4, 11, 2)


@flax.struct.dataclass
class Picture:
  """A batch of portraits.

  Attributes:
    image: [..., size, size, 3] display RGB in [0, 255].
    label: [..., size, size] `SemanticClass` values.
    depth: [..., size, size] world units along the camera's axis, `camera.FAR` where the background shows.
  """

  image: Array
  label: Array
  depth: Array


class Surface(enum.IntEnum):
  """What a ray can meet; lenses are not among them, because one looks through them."""

  HEAD = 0
  NECK = 1
  TORSO = 2
  CROWN = 3
  BRIM = 4
  EARRING = 5
  FRAME = 6
  NOTHING = 7


def render(
    identity_vectors: Float[Array, 'batch parameters'], viewpoints: Float[Array, 'batch 2'], *, image_size: int,
) -> Picture:
  """Pictures of people from viewpoints (azimuth, elevation in radians)."""
  vectors = jnp.asarray(identity_vectors)
  ray, axis_cosine = _cast(jnp.asarray(viewpoints), _SUPERSAMPLING * image_size)
  head = _trace(ray, vectors)
  distances, lens = _meet(ray, vectors)
  distance, surface = _nearest(head, distances)
  point = _at(ray, distance)
  around = [_head_distance(point, vectors, offset) for offset in range(len(_TETRAHEDRON))]
  skin, hair = _skin_distances(point, vectors), _hair_distance(point, vectors)
  normal = _normal(around, point, surface, vectors)
  brightness, highlight = _light(normal, ray.direction, vectors)
  skin_paint, skin_label = _paint_skin(point, skin, vectors)
  is_hair = _less(hair, skin.skin)
  label = _label(surface, is_hair, skin_label, lens, distance)
  albedo = _albedo(point, surface, is_hair, skin_paint, vectors)
  shade = _occlusion(point, surface, hair, is_hair)
  colour = _compose(albedo, brightness, highlight, shade, surface, is_hair, lens, distance, vectors)
  distance = jnp.minimum(distance, lens)
  return _resolve(colour, label, distance, axis_cosine, image_size)


# Each stage below is compiled for itself. As one program, XLA would fuse them and compute shared values once per output
# that needs them: ten times slower on a CPU, with half a minute of compilation.


@functools.partial(jax.jit, static_argnums=1)
def _cast(viewpoints, fine_size):
  """The rays of `rays.cast_rays`, unit length and in head units, and their cosines with the camera's axis."""
  camera = camera_lib.orbit(viewpoints[:, 0], viewpoints[:, 1])
  pixel = (jnp.arange(fine_size) + 0.5 - fine_size / 2) / (fine_size * camera.focal[0])
  x, y = jnp.meshgrid(pixel, -pixel, indexing='xy')
  x, y = x.reshape(1, -1), y.reshape(1, -1)
  cosine = 1.0 / jnp.sqrt(x * x + y * y + 1.0)
  origin, direction = [], []
  for row in range(3):
    x_axis, y_axis, z_axis, position = (camera.cam_to_world[:, row, column, None] for column in range(4))
    origin.append(position / WORLD_PER_HEAD_UNIT)
    direction.append((x_axis * x + y_axis * y - z_axis) * cosine)
  return raycaster.Ray(anatomy.Point(*origin), anatomy.Point(*direction)), cosine


def _people(vectors) -> identity_lib.Identity:
  return identity_lib.from_vector(vectors[:, None])  # fields [batch, 1] broadcast over rays


@jax.jit
def _trace(ray, vectors):
  return raycaster.trace_head(ray, _people(vectors))


@jax.jit
def _meet(ray, vectors):
  """Distances of the surfaces after HEAD, in the order of `Surface`, and of the lenses."""
  person = _people(vectors)
  crown, brim = raycaster.intersect_hat(ray, person)
  frame, lens = raycaster.intersect_glasses(ray, person)
  neck, torso = raycaster.intersect_neck(ray, person), raycaster.intersect_torso(ray, person)
  return [neck, torso, crown, brim, raycaster.intersect_earrings(ray, person), frame], lens


@jax.jit
def _nearest(head, distances):
  surface, nearest = jnp.where(head < raycaster.MISS, int(Surface.HEAD), int(Surface.NOTHING)), head
  for index, distance in enumerate(distances, start=1):
    surface = jnp.where(distance < nearest, index, surface)
    nearest = jnp.minimum(nearest, distance)
  return nearest, surface


@jax.jit
def _at(ray, distance):
  return ray.at(jnp.minimum(distance, _FARTHEST))


@functools.partial(jax.jit, static_argnums=2)
def _head_distance(point, vectors, offset):
  x, y, z = _TETRAHEDRON[offset]
  moved = anatomy.Point(point.x + _NORMAL_STEP * x, point.y + _NORMAL_STEP * y, point.z + _NORMAL_STEP * z)
  return anatomy.head_distance(moved, _people(vectors))


@jax.jit
def _skin_distances(point, vectors):
  return anatomy.skin_distances(point, _people(vectors))


@jax.jit
def _hair_distance(point, vectors):
  return anatomy.hair_distance(point, _people(vectors))


@jax.jit
def _normal(around, point, surface, vectors):
  """Unit normals: of the head by differences of its distance over a tetrahedron, of all else in closed form."""
  normal = [sum(value * corner[axis] for value, corner in zip(around, _TETRAHEDRON)) for axis in range(3)]
  person = _people(vectors)
  for kind, normal_of in _CLOSED_FORM_NORMALS.items():
    normal = shading.choose(surface == kind, normal_of(point, person), normal)
  return shading.unit(anatomy.Point(*normal))


@jax.jit
def _light(normal, view, vectors):
  return shading.light(normal, view, _people(vectors))


@jax.jit
def _paint_skin(point, distances, vectors):
  return shading.paint_skin(point, distances, _people(vectors))


@jax.jit
def _less(first, second):
  return first < second


@jax.jit
def _label(surface, is_hair, skin_label, lens, distance):
  label = jnp.where(is_hair, int(SemanticClass.HAIR), skin_label)
  for kind, semantic_class in _SURFACE_CLASSES.items():
    label = jnp.where(surface == kind, int(semantic_class), label)
  return jnp.where(lens < distance, int(SemanticClass.GLASSES), label)


@jax.jit
def _albedo(point, surface, is_hair, skin_paint, vectors):
  """Colour of the surface before light."""
  person = _people(vectors)
  colour = shading.choose(is_hair, shading.paint_hair(point, person), skin_paint)
  for kind, paint in (
      (Surface.NECK, person.skin_colour), (Surface.CROWN, person.hat_colour), (Surface.BRIM, person.band_colour),
      (Surface.EARRING, person.earring_colour), (Surface.FRAME, person.frame_colour)):
    colour = shading.choose(surface == kind, shading.channels(paint), colour)
  return shading.choose(surface == Surface.TORSO, shading.paint_torso(point, person), colour)


@jax.jit
def _occlusion(point, surface, hair, is_hair):
  """Contact shadows: of the hair on the skin beside it, and of the chin on the neck."""
  beside_hair = jnp.where(is_hair, 1.0, 0.72 + 0.28 * jnp.clip(hair / 0.10, 0.0, 1.0))
  below_chin = 0.62 + 0.38 * jnp.clip((-0.55 - point.y) / 0.25, 0.0, 1.0)
  shade = jnp.where(surface == Surface.HEAD, beside_hair, 1.0)
  return jnp.where(surface == Surface.NECK, below_chin, shade)


@jax.jit
def _compose(albedo, brightness, highlight, shade, surface, is_hair, lens, distance, vectors):
  """Final colours of what is seen through the lenses if there are any."""
  person = _people(vectors)
  fine_size = round(surface.shape[-1] ** 0.5)
  height = jnp.broadcast_to(jnp.linspace(1, -1, fine_size)[:, None], (fine_size, fine_size)).reshape(-1)
  gloss = jnp.where(surface == Surface.HEAD, jnp.where(is_hair, 0.12, 0.10), 0.0)
  gloss = shade * highlight * jnp.where(surface == Surface.EARRING, 0.6, gloss)
  colour = tuple(channel * (brightness * shade) + gloss for channel in albedo)
  colour = shading.choose(surface == Surface.FRAME, shading.channels(person.frame_colour), colour)
  colour = shading.choose(surface == Surface.NOTHING, shading.background(height, person), colour)
  glass = shading.mix(colour, shading.channels(person.lens_colour), person.lens_opacity)
  return shading.choose(lens < distance, glass, colour)


def _neck_normal(point, person):
  del person
  return point.x, jnp.full_like(point.y, -0.1), point.z + 0.14 - raycaster.NECK_TILT * point.y


def _torso_normal(point, person):
  x, y, z = raycaster.TORSO_CENTRE
  return (point.x - x) / person.shoulder_width**2, (point.y - y) / 0.66**2, (point.z - z) / 0.50**2


def _crown_normal(point, person):
  del person
  return point.x, point.y - 0.30, point.z - anatomy.SKULL_CENTRE[2]


def _brim_normal(point, person):
  del person
  return point.x, 3.0 * (point.y - 0.30), point.z - anatomy.SKULL_CENTRE[2]


def _earring_normal(point, person):
  x, y, z = raycaster.earring_centre(person)
  return point.x - jnp.sign(point.x) * x, point.y - y, point.z - z


_CLOSED_FORM_NORMALS = {
    Surface.NECK: _neck_normal, Surface.TORSO: _torso_normal, Surface.CROWN: _crown_normal,
    Surface.BRIM: _brim_normal, Surface.EARRING: _earring_normal}
_SURFACE_CLASSES = {
    Surface.NECK: SemanticClass.NECK, Surface.TORSO: SemanticClass.NECK, Surface.CROWN: SemanticClass.HAT,
    Surface.BRIM: SemanticClass.HAT, Surface.EARRING: SemanticClass.EARRINGS, Surface.FRAME: SemanticClass.GLASSES,
    Surface.NOTHING: SemanticClass.BACKGROUND}


@functools.partial(jax.jit, static_argnums=4)
def _resolve(colour, label, distance, axis_cosine, image_size) -> Picture:
  """Sub-samples to pixels."""
  depth = jnp.where(label == SemanticClass.BACKGROUND, camera_lib.FAR, distance * axis_cosine * WORLD_PER_HEAD_UNIT)
  def subsamples(values):
    n = _SUPERSAMPLING
    values = values.reshape(values.shape[0], image_size, n, image_size, n, *values.shape[2:])
    return [values[:, :, i, :, j] for i in range(n) for j in range(n)]

  image = [sum(subsamples(jnp.clip(channel, 0.0, 1.0))) / _SUPERSAMPLING**2 for channel in colour]
  labels, depths = subsamples(label), subsamples(depth)
  order = jnp.asarray(_TIE_ORDER)
  votes = [16 * sum((first == second).astype(jnp.int32) for second in labels) + order[first] for first in labels]
  winner, best = labels[0], votes[0]
  for candidate, vote in zip(labels[1:], votes[1:]):
    winner, best = jnp.where(vote > best, candidate, winner), jnp.maximum(vote, best)
  depth = functools.reduce(
      jnp.minimum, [jnp.where(candidate == winner, value, camera_lib.FAR) for candidate, value in zip(labels, depths)])
  return Picture(jnp.round(255.0 * jnp.stack(image, axis=-1)).astype(jnp.uint8), winner.astype(jnp.uint8), depth)


def render_people(
    people: list[identity_lib.Identity], viewpoints: Float[np.ndarray, 'batch 2'], *, image_size: int) -> Picture:
  """`render` for any number of people, as NumPy arrays; always in calls of one size, so that it compiles once."""
  vectors = np.stack([identity_lib.to_vector(person) for person in people])
  viewpoints = np.asarray(viewpoints, np.float32)
  padding = -len(people) % PICTURES_PER_CALL
  vectors, viewpoints = (np.concatenate([rows, rows[-1:].repeat(padding, axis=0)]) for rows in (vectors, viewpoints))
  pictures = [
      jax.device_get(render(vectors[start:start + PICTURES_PER_CALL], viewpoints[start:start + PICTURES_PER_CALL],
                            image_size=image_size))
      for start in range(0, len(vectors), PICTURES_PER_CALL)]
  return jax.tree.map(lambda *parts: np.concatenate(parts)[:len(people)], *pictures)
