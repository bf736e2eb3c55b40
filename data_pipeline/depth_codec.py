"""Depth as records store it: 16 bits between the near and the far plane of `cnerf_jax.camera`."""

import numpy as np
from jaxtyping import Float, UInt16

from cnerf_jax import camera as camera_lib

_STEPS = 65535


def encode(depth: Float[np.ndarray, '*shape']) -> UInt16[np.ndarray, '*shape']:
  """World units as 16 bits between near and far; what lies outside is clipped."""
  fraction = (depth - camera_lib.NEAR) / (camera_lib.FAR - camera_lib.NEAR)
  return np.round(np.clip(fraction, 0, 1) * _STEPS).astype(np.uint16)


def decode(encoded: UInt16[np.ndarray, '*shape']) -> Float[np.ndarray, '*shape']:
  """World units, to 2e-6, from `encode`; float32."""
  return (camera_lib.NEAR + encoded * ((camera_lib.FAR - camera_lib.NEAR) / _STEPS)).astype(np.float32)
