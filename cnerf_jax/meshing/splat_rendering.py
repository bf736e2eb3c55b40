"""Splats seen by a camera: Gaussians projected to the picture and composited front to back. Small and exact, for checks, not for speed.

A Gaussian's covariance in the picture is J C J^T, with C its own in the camera's axes and J the projection's derivative (EWA splatting, Zwicker
et al. 2001); a pixel's own width is added, and what that adds to a splat's area is taken off its opacity.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from cnerf_jax import camera as camera_lib
from cnerf_jax.meshing import rasterizing
from cnerf_jax.meshing import splats as splats_lib

_PIXEL_VARIANCE = 0.1  # about that of a pixel's square, 1/12
_REACH = 3  # pixels around a splat's centre; its standard deviation should be below half of it
_MOST_OPAQUE = 0.999


def render(splats: splats_lib.Splats, camera: camera_lib.Camera, *, image_size: int) -> Float[np.ndarray, 'height width 4']:
  """Colour times opacity, and opacity, in [0, 1], of splats of at most a pixel or two."""
  projected = rasterizing.project(splats.positions, camera, image_size=image_size)
  covariance = _covariance(splats, camera, projected, image_size)
  wide = covariance + _PIXEL_VARIANCE * np.eye(2)
  area = np.sqrt(np.linalg.det(covariance).clip(0) / np.linalg.det(wide))
  inverse = np.linalg.inv(wide)
  first = np.floor(projected[:, :2]).astype(int)
  pixels, alphas, sources = [], [], []
  for down in range(-_REACH, _REACH + 1):
    for right in range(-_REACH, _REACH + 1):
      pixel = first + (right, down)
      offset = pixel + 0.5 - projected[:, :2]
      alpha = splats.opacity * area * np.exp(-np.einsum('ni,nij,nj->n', offset, inverse, offset) / 2)
      source = np.flatnonzero((alpha > 1e-3) & (pixel >= 0).all(axis=-1) & (pixel < image_size).all(axis=-1))
      pixels.append(pixel[source, 1] * image_size + pixel[source, 0])
      alphas.append(alpha[source])
      sources.append(source)
  pixel, alpha, source = np.concatenate(pixels), np.concatenate(alphas).clip(0, _MOST_OPAQUE), np.concatenate(sources)
  order = np.lexsort((projected[source, 2], pixel))
  pixel, alpha, source = pixel[order], alpha[order], source[order]
  passed = np.cumsum(np.log1p(-alpha)) - np.log1p(-alpha)  # of all before, those of earlier pixels as well
  begins = np.r_[True, pixel[1:] != pixel[:-1]] if len(pixel) else np.zeros(0, bool)
  passed -= passed[begins][np.cumsum(begins) - 1]
  weights = alpha * np.exp(passed)
  picture = np.zeros((image_size**2, 4))
  np.add.at(picture, pixel, weights[:, None] * np.concatenate([splats.colors[source], np.ones((len(source), 1))], axis=-1))
  return picture.reshape(image_size, image_size, 4)


def _covariance(splats, camera, projected, image_size: int) -> np.ndarray:
  """[splats, 2, 2] of the splats in the picture, pixels squared."""
  w, x, y, z = splats.rotations.T
  turn = np.stack([
      1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y), 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
      2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=-1).reshape(-1, 3, 3)
  axes = np.asarray(camera.cam_to_world, np.float64)[:, :3].T @ (turn * splats.scales[:, None, :])
  depth = projected[:, 2]
  focal = image_size * float(camera.focal)
  along = (projected[:, :2] - image_size / 2) / depth[:, None]  # pixels that a unit of depth moves a point towards the middle
  in_picture = focal / depth[:, None, None] * axes[:, :2] * np.array([1, -1])[:, None] + along[..., None] * axes[:, 2:]
  return in_picture @ np.swapaxes(in_picture, 1, 2)
