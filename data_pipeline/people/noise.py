"""Noise on textures that wrap around: one bank of octaves for the process, which each person reads from another place.

An octave is white noise between two wavelengths, of mean 0 and standard deviation 1.
"""

import functools

from jaxtyping import Float32
import numpy as np

WAVELENGTHS = (3.0, 6.0, 13.0, 30.0, 75.0, 180.0)  # texels of the finest bank
PORES, GRAIN, BLOTCHES, PATCHES, CLOUDS, TINTS = range(len(WAVELENGTHS))
_ROWS, _COLUMNS = 400, 640


@functools.lru_cache(maxsize=4)
def bank(columns: int = _COLUMNS) -> Float32[np.ndarray, 'octaves rows columns']:
  """The octaves of `WAVELENGTHS` at 640 or 320 columns (400 or 200 rows); the coarse ones are means of the fine ones.

  Raises:
    ValueError: another number of columns.
  """
  if columns == _COLUMNS:
    rng = np.random.default_rng(20)
    return np.stack([_band(rng.standard_normal((_ROWS, _COLUMNS)), length) for length in WAVELENGTHS])
  if 2 * columns != _COLUMNS:
    raise ValueError(f'noise of {columns} columns; there are {_COLUMNS} and {_COLUMNS // 2}')
  return bank().reshape(len(WAVELENGTHS), _ROWS // 2, 2, columns, 2).mean(axis=(2, 4))


def _band(white: np.ndarray, wavelength: float) -> np.ndarray:
  """White noise less what is much shorter or longer than `wavelength`."""
  rows, columns = white.shape
  frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)) * wavelength
  gain = np.exp(-np.square(np.log(np.maximum(frequency, 1e-9)) / 0.55))
  noise = np.fft.irfft2(np.fft.rfft2(white) * gain, s=white.shape)
  return ((noise - noise.mean()) / noise.std()).astype(np.float32)
