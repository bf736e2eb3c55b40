"""People of ellipses, with the interface of `person`, `rendering` and `edits`: for tests of what is around the renderer."""

import dataclasses

import numpy as np

from cnerf_jax import camera as camera_lib

VECTOR_SIZE = 5
REGIONS = ('hair', 'skin')
# (label, middle x, middle y, half width, half height) in sides of the image, painted in this order
_PARTS = (
    (13, .50, .40, .36, .38), (18, .50, 1.06, .50, .22), (17, .50, .90, .14, .14), (8, .24, .53, .04, .07), (9, .76, .53, .04, .07),
    (15, .24, .62, .02, .03), (1, .50, .54, .26, .34), (6, .375, .41, .07, .015), (7, .625, .41, .07, .015), (4, .375, .474, .045, .02),
    (5, .625, .474, .045, .02), (2, .50, .57, .05, .09), (11, .50, .715, .09, .02), (10, .50, .735, .06, .012), (12, .50, .755, .09, .02))


@dataclasses.dataclass(frozen=True)
class Framing:
  shift_x: float = 0.0
  shift_y: float = 0.0
  zoom: float = 1.0
  roll_radians: float = 0.0


@dataclasses.dataclass(frozen=True)
class Picture:
  image: np.ndarray
  label: np.ndarray
  depth: np.ndarray
  normal: np.ndarray
  landmarks: np.ndarray


def draw(seed, index):
  return tuple(np.random.default_rng((seed, index)).uniform(size=VECTOR_SIZE))


def to_vector(person):
  return np.array(person, np.float32)


def attributes(person):
  return dict(age=20 + 60 * person[0], hair='short' if person[1] > 0.5 else 'long')


def exchange(first, second, region, what):
  del what
  return (*first[:3], second[3], first[4]) if region == 'hair' else (*first[:4], second[4])


def render(person, viewpoint, *, image_size, framing=Framing()):
  y, x = (np.mgrid[:image_size, :image_size] + 0.5) / image_size - 0.5
  x, y = x - framing.shift_x, y - framing.shift_y
  cos, sin = np.cos(framing.roll_radians), np.sin(framing.roll_radians)
  x, y = (cos * x + sin * y) / framing.zoom + 0.5, (cos * y - sin * x) / framing.zoom + 0.5
  label = np.zeros((image_size, image_size), np.uint8)
  for part, middle_x, middle_y, width, height in _PARTS:
    middle_x -= 0.15 * viewpoint[0]
    wide = 0.9 + 0.2 * person[2]
    label[((x - middle_x) / (wide * width))**2 + ((y - middle_y - 0.1 * viewpoint[1]) / height)**2 <= 1] = part
  colours = np.random.default_rng(7).integers(30, 226, (19, 3))
  colours[13], colours[1] = 255 * person[3], 255 * person[4]
  there = label > 0
  depth = np.where(there, 1 - 0.05 * np.cos(3 * (x - 0.5)), camera_lib.FAR).astype(np.float32)
  normal = np.where(there[..., None], np.float32([0.6, 0, 0.8]), np.float32(0))
  landmarks = np.concatenate([np.full((68, 2), image_size / 2), np.ones((68, 1))], axis=-1).astype(np.float32)
  return Picture(colours[label].astype(np.uint8), label, depth, normal, landmarks)


def portray(seed, index, viewpoint, *, image_size, framing=Framing()):
  person = draw(seed, index)
  return person, render(person, viewpoint, image_size=image_size, framing=framing)


def portray_edited(edited, person, viewpoint, *, image_size):
  del person
  return render(edited, viewpoint, image_size=image_size)
