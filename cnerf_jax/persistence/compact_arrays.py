"""Arrays of parameters in fewer bytes: float16, or whole numbers of 7 bits with a float32 scale for each output channel.

A file holds them under their names, scales beside them; `expanded` gives float32 arrays back. What was expanded is compacted to the same bytes
again, so that a file of a file is the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float, Int8
import numpy as np

SCALE = ':scale'  # after a name: the scales of its whole numbers
_LARGEST = 63  # 7 bits: with 8, pages and files are an eighth larger, and pictures of encoded people no better to the eye
_LEAST = 1_000  # numbers in an array; a smaller one saves too little


def is_large(array: np.ndarray) -> bool:
  """Whether an array of parameters has enough numbers, in a kernel's shape, to be worth it."""
  return array.dtype == np.float32 and array.ndim >= 2 and array.size >= _LEAST


def quantized(kernel: Float[np.ndarray, '*inputs outputs'], axes: tuple[int, ...]) -> tuple[Int8[np.ndarray, '*inputs outputs'], np.ndarray]:
  """Whole numbers of -63 to 63 and the scales to multiply them by, one for each place along all axes but `axes`."""
  scale = np.abs(kernel).max(axis=axes, keepdims=True).astype(np.float32) / np.float32(_LARGEST)
  scale = np.where(scale > 0, scale, np.float32(1))
  return np.clip(np.round(kernel / scale), -_LARGEST, _LARGEST).astype(np.int8), scale


def in_halves(arrays: Mapping[str, np.ndarray], keep: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
  """The large arrays in float16, others and those that are to be kept as they are."""
  return {
      name: array.astype(np.float16) if is_large(array) and name not in keep and np.abs(array).max() <= np.finfo(np.float16).max else array
      for name, array in arrays.items()}


def in_bytes(arrays: Mapping[str, np.ndarray], inputs: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
  """The large arrays as whole numbers and scales, others as they are; `inputs` are the axes that each kernel sums over."""
  found = {}
  for name, array in arrays.items():
    if is_large(array) and name in inputs:
      found[name], found[name + SCALE] = quantized(array, inputs[name])
    else:
      found[name] = array
  return found


def expanded(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Float32 arrays of what `in_halves` and `in_bytes` made.

  Raises:
    ValueError: if scales are missing or don't fit.
  """
  found = {}
  for name, array in arrays.items():
    if name.endswith(SCALE):
      continue
    if array.dtype == np.int8:
      if name + SCALE not in arrays:
        raise ValueError(f'{name} has no scales')
      scale = arrays[name + SCALE]
      if np.broadcast_shapes(scale.shape, array.shape) != array.shape:
        raise ValueError(f'the scales of {name} have shape {scale.shape}, its numbers {array.shape}')
      array = array * scale
    found[name] = array.astype(np.float32) if array.dtype in (np.float16, np.float32) else array
  return found
