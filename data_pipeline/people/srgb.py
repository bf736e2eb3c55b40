"""Colours as people name them (sRGB, 8 bits) in the linear light that shading adds up."""

from jaxtyping import Float
import numpy as np


def to_linear(values: Float[np.ndarray, '*shape']) -> Float[np.ndarray, '*shape']:
  """Linear light in [0, 1] of sRGB values in [0, 255] (IEC 61966-2-1)."""
  values = np.asarray(values, np.float64) / 255
  return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
