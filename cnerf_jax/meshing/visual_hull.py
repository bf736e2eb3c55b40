"""The head as cameras outline it: whatever a camera of training sees as background is no head, all along its ray.

A portrait's solid is not its head. Around and behind it there is matter that is painted as background, for a picture is the same with it. So the
portrait is drawn from a few views within those of training, and a point belongs to the head only if it falls on the head in all of them. Pixels
of background that the head surrounds count as head: they would drill through it.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import sampler
from cnerf_jax.meshing import extras
from cnerf_jax.meshing import rasterizing

IMAGE_SIZE = 64
NUM_SAMPLES = 24
# views, as fractions of the largest azimuth and elevation that count as seen
VIEWS = ((-1.0, 0.0), (-0.5, 0.0), (0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.0, 1.0), (0.0, -1.0))


def find(
    generator, params, styles, background: int, *, largest_azimuth: float, largest_elevation: float,
) -> Callable[[Float[np.ndarray, 'points 3']], Float[np.ndarray, 'points']]:
  """World points → at least how far they are outside of the head's outlines, as a mask: positive outside, in [-.5, .5].

  Args:
    generator: the module.
    params: its parameters.
    styles: [1, classes, 2, style_dim].
    background: the background's class.
    largest_azimuth: of the views, radians.
    largest_elevation: likewise.
  """
  angles = np.array(VIEWS) * (largest_azimuth, largest_elevation)
  cameras = camera_lib.orbit(jnp.asarray(angles[:, 0]), jnp.asarray(angles[:, 1]))
  draw = jax.jit(lambda params, styles, camera: sampler.render(
      generator, params, styles, camera, image_size=IMAGE_SIZE, num_samples=NUM_SAMPLES).semantic_mask[..., background])
  views = [rasterizing.camera_at(cameras, i) for i in range(len(VIEWS))]
  outside = [fill_holes(np.asarray(draw(params, styles[0], view)) - 0.5) for view in views]
  return lambda points: carve(points, outside, views)


def fill_holes(outside: Float[np.ndarray, 'height width']) -> Float[np.ndarray, 'height width']:
  """The same, but negative where positive pixels don't reach the picture's border."""
  filled = extras.load('scipy.ndimage', 'scikit-image').binary_fill_holes(outside <= 0)
  return np.where(filled, np.minimum(outside, -1e-3), outside)


def carve(
    points: Float[np.ndarray, 'points 3'], outside: list[Float[np.ndarray, 'height width']], cameras: list[camera_lib.Camera],
) -> Float[np.ndarray, 'points']:
  """The greatest of what cameras' pictures say of points; beyond a picture its border goes on."""
  ndimage = extras.load('scipy.ndimage', 'scikit-image')
  greatest = np.full(len(points), -np.inf, np.float32)
  for picture, camera in zip(outside, cameras):
    column, row, _ = rasterizing.project(points, camera, image_size=len(picture)).T
    greatest = np.maximum(greatest, ndimage.map_coordinates(picture, [row - 0.5, column - 0.5], order=1, mode='nearest'))
  return greatest
