"""The head as cameras outline it: whatever a camera of training sees as background is no head, all along its ray.

A portrait's solid is not its head. Around and behind it there is matter that is painted as background, for a picture is the same with it.
So the portrait is drawn from a few views within those of training, and a point belongs to the head only if it falls on the head in all of
them. Outlines are signed distances in the picture, which makes the hull of all views nearly a signed distance, and smooth.

Pixels that the head surrounds count as head although they are painted as background: they would drill through it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Float
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import sampler
from cnerf_jax.meshing import extras
from cnerf_jax.meshing import rasterizing
from cnerf_jax.meshing import triangles as triangles_lib

IMAGE_SIZE = 64
NUM_SAMPLES = 8  # even ones of a ray, and as many again where those have weight
# views, as fractions of the largest azimuth and elevation that count as seen
VIEWS = ((-0.75, 0.0), (-0.375, 0.0), (0.0, 0.0), (0.375, 0.0), (0.75, 0.0), (0.0, 0.75), (0.0, -0.75))
_FINE = 4  # parts of a pixel's side, for distances


def cameras(largest_azimuth: float, largest_elevation: float) -> list[camera_lib.Camera]:
  """Those of VIEWS, one by one."""
  angles = np.array(VIEWS) * (largest_azimuth, largest_elevation)
  orbit = camera_lib.orbit(jnp.asarray(angles[:, 0]), jnp.asarray(angles[:, 1]))
  return [rasterizing.camera_at(orbit, i) for i in range(len(VIEWS))]


def draw(
    generator, params, styles, views: Sequence[camera_lib.Camera], *, on_progress: Callable[[float], None] = lambda fraction: None,
) -> list[sampler.Rendering]:
  """The portrait as the cameras see it, `IMAGE_SIZE` pixels wide.

  Args:
    generator: the module.
    params: its parameters.
    styles: [1, classes, 2, style_dim].
    views: cameras to draw from.
    on_progress: told the fraction that is done, in [0, 1].
  """
  devices = jax.local_devices()
  mesh = jax.sharding.Mesh(np.array(devices), ('rays',)) if len(devices) > 1 and IMAGE_SIZE**2 % len(devices) == 0 else None
  render = jax.jit(lambda params, styles, camera: sampler.render(
      generator, params, styles, camera, image_size=IMAGE_SIZE, num_samples=NUM_SAMPLES, num_importance=NUM_SAMPLES, mesh=mesh))
  renderings = []
  for i, view in enumerate(views):
    renderings.append(jax.device_get(render(params, styles[0], view)))
    on_progress((i + 1) / len(views))
  return renderings


def outline(mask: Float[np.ndarray, 'height width']) -> Float[np.ndarray, 'fine_height fine_width']:
  """Signed distance from the head's outline, in sides of the picture, positive outside, at `_FINE` times the pixels.

  Args:
    mask: of the background, in [0, 1].
  """
  ndimage = extras.load('scipy.ndimage', 'scikit-image')
  fine = ndimage.zoom(mask, _FINE, order=1, mode='nearest', grid_mode=True)
  outside = ~ndimage.binary_fill_holes(fine <= 0.5)
  if not outside.any() or outside.all():
    return np.full(fine.shape, 1.0 if outside.any() else -1.0, np.float32)
  distance = np.where(
      outside, ndimage.distance_transform_edt(outside) - 0.5, 0.5 - ndimage.distance_transform_edt(~outside))
  return (ndimage.gaussian_filter(distance, _FINE / 2, mode='nearest') / len(fine)).astype(np.float32)


def inner_pixels(outline: Float[np.ndarray, 'fine_height fine_width']) -> np.ndarray:
  """[height, width] which pixels of the picture lie inside of an outline."""
  size = len(outline) // _FINE
  return outline.reshape(size, _FINE, size, _FINE).mean(axis=(1, 3)) < 0


def carve(
    points: Float[np.ndarray, 'points 3'], outlines: Sequence[Float[np.ndarray, 'height width']], views: Sequence[camera_lib.Camera],
) -> Float[np.ndarray, 'points']:
  """The greatest of what cameras' outlines say of points, world units; beyond a picture its border goes on."""
  ndimage = extras.load('scipy.ndimage', 'scikit-image')
  greatest = np.full(len(points), -np.inf, np.float32)
  for picture, camera in zip(outlines, views):
    column, row, depth = rasterizing.project(points, camera, image_size=len(picture)).T
    distance = ndimage.map_coordinates(picture, [row - 0.5, column - 0.5], order=1, mode='nearest')
    greatest = np.maximum(greatest, distance * depth / float(camera.focal))
  return greatest


def seen_pieces(triangles: triangles_lib.Triangles, views: Sequence[camera_lib.Camera]) -> triangles_lib.Triangles:
  """Only the connected pieces that a camera sees: what stands in the shadow of the head in all views is not known to be there."""
  parts = triangles_lib.pieces(triangles)
  if len(parts) < 2:
    return triangles
  together = triangles_lib.join(parts)
  piece = np.repeat(np.arange(len(parts)), [len(part.faces) for part in parts])
  seen = set()
  for view in views:
    face = rasterizing.rasterize(together, view, image_size=2 * IMAGE_SIZE).face
    seen |= set(piece[face[face >= 0]].tolist())
  return triangles_lib.join([part for i, part in enumerate(parts) if i in seen])
