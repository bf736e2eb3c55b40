"""Colours and labels of surface points: features painted on the skin, materials, and one directional light.

The light is fixed to the head's frame, so that a person looks the same from every side. Colours are tuples of three
arrays (red, green, blue) of the shape of the point's coordinates: XLA then fuses all of it into a few loops.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array

from cnerf_jax import semantics
from data_pipeline.portraits import anatomy
from data_pipeline.portraits import identity as identity_lib

Colour = tuple[Array, Array, Array]
SemanticClass = semantics.SemanticClass


def channels(colour: Array) -> Colour:
  """A colour with channels last as three arrays."""
  return colour[..., 0], colour[..., 1], colour[..., 2]


def choose(condition: Array, first: Colour, second: Colour) -> Colour:
  return tuple(jnp.where(condition, a, b) for a, b in zip(first, second))


def mix(first: Colour, second: Colour, fraction: Array) -> Colour:
  """`first` where fraction is 0, `second` where it is 1."""
  return tuple(a + fraction * (b - a) for a, b in zip(first, second))


def scale(colour: Colour, factor: Array) -> Colour:
  return tuple(channel * factor for channel in colour)


def unit(vector: anatomy.Point) -> anatomy.Point:
  inverse = 1.0 / jnp.sqrt(vector.x * vector.x + vector.y * vector.y + vector.z * vector.z + 1e-12)
  return jax.tree.map(lambda component: component * inverse, vector)


def light(normal: anatomy.Point, view: anatomy.Point, person: identity_lib.Identity) -> tuple[Array, Array]:
  """(brightness, highlight): wrapped diffuse light with sky light from above, and a specular lobe in [0, 1].

  `view` points along the ray.
  """
  towards = channels(person.light_direction)
  diffuse = normal.x * towards[0] + normal.y * towards[1] + normal.z * towards[2]
  diffuse = jnp.maximum(0.25 + 0.75 * diffuse, 0.0)
  sky = person.ambient * (0.9 + 0.15 * normal.y)
  half = unit(anatomy.Point(towards[0] - view.x, towards[1] - view.y, towards[2] - view.z))
  highlight = jnp.maximum(normal.x * half.x + normal.y * half.y + normal.z * half.z, 0.0) ** 16
  return sky + (1.05 - person.ambient) * diffuse, highlight


def paint_skin(point: anatomy.Point, distances: anatomy.SkinDistances, person: identity_lib.Identity):
  """Colour and label of the bare head: skin, nose, ears, eyes, brows and mouth by position."""
  skin = channels(person.skin_colour)
  side_x = jnp.abs(point.x)
  front = point.z > 0.12
  label = jnp.full(point.x.shape, int(SemanticClass.SKIN), jnp.int32)
  colour = tuple(jnp.broadcast_to(channel, point.x.shape) for channel in skin)

  blush = jnp.maximum(1.0 - ((side_x - 0.27) / 0.17) ** 2 - ((point.y + 0.16) / 0.15) ** 2, 0.0) * front
  colour = tuple(channel * (1.0 - weight * blush) for channel, weight in zip(colour, (0.0, 0.16, 0.14)))

  is_nose = (distances.nose < distances.face + 0.015) & (point.y < anatomy.EYE_HEIGHT - 0.01) & front
  label = jnp.where(is_nose, int(SemanticClass.NOSE), label)
  tip_y = anatomy.EYE_HEIGHT - person.nose_length
  ruddy = is_nose * jnp.clip(1.0 - (point.y - tip_y) / 0.3, 0.0, 1.0)
  colour = tuple(channel * (1.0 - weight * ruddy) for channel, weight in zip(colour, (0.02, 0.20, 0.20)))
  nostril = ((side_x - 0.6 * person.nose_width) / 0.034) ** 2 + ((point.y - tip_y + 0.075) / 0.026) ** 2 < 1.0
  colour = choose(nostril & is_nose, scale(colour, 0.4), colour)

  is_ear = distances.ears < distances.face + 0.01
  label = jnp.where(is_ear & ~is_nose, int(SemanticClass.EARS), label)
  _, ear_y, ear_z = anatomy.EAR_CENTRE
  hollow = ((point.y - ear_y) / 0.085) ** 2 + ((point.z - ear_z - 0.02) / 0.055) ** 2 < 1.0
  colour = tuple(channel * jnp.where(is_ear, weight, 1.0) for channel, weight in zip(colour, (0.97, 0.86, 0.84)))
  colour = choose(is_ear & hollow, scale(colour, 0.72), colour)

  for paint in (_paint_eyes, _paint_brows, _paint_mouth):
    colour, label = paint(point, side_x, front, colour, label, person)
  return colour, label


def _paint_eyes(point, side_x, front, colour, label, person):
  """An almond of white with a dark-rimmed iris and pupil, a line of lashes above, shade in the socket."""
  u = (side_x - person.eye_spacing) / person.eye_width
  v = point.y - anatomy.EYE_HEIGHT - 0.01 * u
  socket = jnp.maximum(1.0 - (u / 1.6) ** 2 - ((v - 0.02) / 0.16) ** 2, 0.0)
  colour = choose(front, scale(colour, 1.0 - 0.22 * socket), colour)
  lid = 1.0 - u * u
  open_eye = (v < person.eye_height * lid) & (v > -0.75 * person.eye_height * lid) & front
  lashes = (v < person.eye_height * lid + 0.030) & (v > 0) & (u * u < 1.25) & front & ~open_eye
  iris_x = point.x - jnp.sign(point.x) * person.eye_spacing - person.gaze
  radius2 = iris_x * iris_x + (point.y - anatomy.EYE_HEIGHT - 0.006) ** 2
  white = (0.97, 0.97, 0.96)
  iris = choose(radius2 < 0.035**2, (0.02, 0.02, 0.02), channels(person.iris_colour))
  glint = (iris_x - 0.022) ** 2 + (point.y - anatomy.EYE_HEIGHT - 0.030) ** 2 < 0.017**2
  iris = choose(glint, (1.0, 1.0, 1.0), iris)
  eye = choose(radius2 < 0.072**2, iris, white)
  colour = choose(open_eye, eye, colour)
  colour = choose(lashes, scale(channels(person.brow_colour), 0.5), colour)
  return colour, jnp.where(open_eye | lashes, int(SemanticClass.EYES), label)


def _paint_brows(point, side_x, front, colour, label, person):
  """An arched band above each eye, thinner towards the temple."""
  u = (side_x - person.eye_spacing - 0.01) / 0.175
  centre = anatomy.EYE_HEIGHT + person.brow_raise + 0.15 * person.brow_tilt * u - 0.035 * u * u
  brow = (jnp.abs(point.y - centre) < person.brow_thickness * (1.15 - 0.35 * u)) & (u * u < 1.0) & front
  return choose(brow, channels(person.brow_colour), colour), jnp.where(brow, int(SemanticClass.BROWS), label)


def _paint_mouth(point, side_x, front, colour, label, person):
  """Two lips with a dark line, or teeth, between them."""
  u = side_x / person.mouth_width
  v = point.y - anatomy.MOUTH_HEIGHT - 0.045 * person.smile * u * u
  taper = 1.0 - u * u
  bow = 1.0 - 0.25 * jnp.maximum(1.0 - (u / 0.25) ** 2, 0.0)  # the dip of the upper lip
  gap = 0.008 + 0.034 * person.teeth
  upper, lower = (0.050 * bow * person.lip_fullness + gap) * taper, -(0.066 * person.lip_fullness + gap) * taper
  mouth = (v < upper) & (v > lower) & (u < 1.0) & front
  between = (jnp.abs(v) < gap * taper) & (u < 0.92)
  inside = choose(person.teeth > 0, (0.93, 0.91, 0.87), scale(channels(person.lip_colour), 0.35))
  lips = scale(channels(person.lip_colour), jnp.where(v > 0, 0.88, 1.0))
  return choose(mouth, choose(between, inside, lips), colour), jnp.where(mouth, int(SemanticClass.MOUTH), label)


def paint_hair(point: anatomy.Point, person: identity_lib.Identity) -> Colour:
  """Hair colour with broad locks that run from the parting down."""
  along = jnp.abs(point.x - 0.25 * person.hair_part) * 3.2 + jnp.maximum(-point.z, 0.0) * 2.2 + 0.35 * point.y
  wave = along - jnp.floor(along)
  wave = 4.0 * wave * (1.0 - wave)  # a smooth ripple in [0, 1] without a sine
  return scale(channels(person.hair_colour), 0.80 + 0.36 * wave)


def paint_torso(point: anatomy.Point, person: identity_lib.Identity) -> Colour:
  """Clothes with a collar around a round neckline."""
  radius = jnp.sqrt(point.x * point.x + (point.z + 0.2) ** 2) - person.neck_radius
  skin = scale(channels(person.skin_colour), 0.96)
  cloth = choose(radius < person.neckline + 0.09, channels(person.collar_colour), channels(person.clothes_colour))
  return choose(radius < person.neckline, skin, cloth)


def background(height: Array, person: identity_lib.Identity) -> Colour:
  """A vertical gradient; `height` runs from -1 at the bottom of the picture to 1 at its top."""
  return mix(channels(person.background_bottom), channels(person.background_top), 0.5 + 0.5 * height)
