"""Arrays in fewer bytes: near the float32 ones, and the same when compacted again."""

import numpy as np
import pytest

from cnerf_jax.persistence import compact_arrays


@pytest.fixture
def arrays():
  draw = np.random.default_rng(0)
  return {
      'kernel': draw.standard_normal((3, 40, 20)).astype(np.float32) * np.float32([[[0.01]], [[1]], [[30]]]),
      'bias': draw.standard_normal((3, 20)).astype(np.float32)}


def test_whole_numbers_are_near_by_each_output(arrays):
  """Protects small channels beside large ones: the error is half a step of each class's and output's own scale; small arrays are untouched."""
  found = compact_arrays.expanded(compact_arrays.in_bytes(arrays, {'kernel': (1,)}))
  step = np.abs(arrays['kernel']).max(axis=1, keepdims=True) / compact_arrays._LARGEST
  assert (np.abs(found['kernel'] - arrays['kernel']) <= 0.5001 * step).all()
  assert np.abs(found['kernel'] - arrays['kernel']).max() > 0
  np.testing.assert_array_equal(found['bias'], arrays['bias'])


def test_compacted_again_is_the_same(arrays):
  """Protects files of files, and pages built from them: nothing is lost a second time."""
  for compact in (compact_arrays.in_halves, lambda arrays: compact_arrays.in_bytes(arrays, {'kernel': (1,)})):
    once = compact(arrays)
    again = compact(compact_arrays.expanded(once))
    assert once.keys() == again.keys() and once['kernel'].dtype != np.float32
    for name in once:
      np.testing.assert_array_equal(once[name], again[name])


def test_what_is_kept_stays_float32(arrays):
  """Protects sine layers, and what float16 can't hold."""
  assert compact_arrays.in_halves(arrays, keep=('kernel',))['kernel'].dtype == np.float32
  assert compact_arrays.in_halves({'kernel': arrays['kernel'] * 1e5})['kernel'].dtype == np.float32


def test_a_kernel_of_zeros_stays_zero():
  """Protects from a division by nothing."""
  found = compact_arrays.expanded(compact_arrays.in_bytes({'kernel': np.zeros((50, 40), np.float32)}, {'kernel': (0,)}))
  assert not found['kernel'].any()


def test_missing_scales_are_told(arrays):
  """Protects from weights a hundred times too large."""
  with pytest.raises(ValueError, match='kernel has no scales'):
    compact_arrays.expanded({'kernel': np.ones((50, 40), np.int8)})
