import numpy as np
import pytest

from cnerf_jax.evaluation import sliced_wasserstein

distance = sliced_wasserstein.sliced_wasserstein


def draw(seed, shape=(32, 4, 4, 3)):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_equal_sets_are_zero_apart_in_any_order():
  """A distance between sets does not see the order of their examples."""
  assert distance(draw(0), draw(0)[::-1]) == pytest.approx(0, abs=1e-6)


def test_symmetric():
  """The distance of fakes from real is that of real from fakes."""
  assert distance(draw(0), draw(1) + 0.3) == pytest.approx(distance(draw(1) + 0.3, draw(0)), rel=1e-6)


@pytest.mark.parametrize('size', [8, 32])
def test_shifted_sets_are_the_shift_apart_at_any_resolution(size):
  """The unit is a pixel's value: sets that differ by a constant image are sqrt(2/pi) of its root mean square apart."""
  real = draw(0, (64, size, size, 3))
  shift = 0.4 * draw(1, (size, size, 3))
  expected = np.sqrt(2 / np.pi * np.mean(shift**2))
  assert distance(real, real + shift, num_directions=2000) == pytest.approx(expected, rel=0.1)


def test_matches_a_loop_over_directions():
  """Oracle: the one-dimensional transport along each direction, sample by sample."""
  first, second = draw(0).reshape(32, -1), 0.5 * draw(1).reshape(32, -1) + 0.2
  generator = np.random.default_rng(7)
  total = 0.0
  for _ in range(20):
    direction = generator.standard_normal(first.shape[1], np.float32)
    direction = direction / np.sqrt(sum(value**2 for value in direction))
    along_first = sorted(sum(x * u for x, u in zip(example, direction)) for example in first)
    along_second = sorted(sum(x * u for x, u in zip(example, direction)) for example in second)
    total += sum(abs(a - b) for a, b in zip(along_first, along_second)) / len(first)
  assert distance(first, second, num_directions=20, seed=7) == pytest.approx(total / 20, rel=1e-4)


def test_chunks_of_directions_change_nothing(monkeypatch):
  """High resolutions are projected on fewer directions at a time, and the distance must be the same."""
  whole = distance(draw(0), draw(1) + 1)
  monkeypatch.setattr(sliced_wasserstein, '_CHUNK_VALUES', 48 * 7)
  assert distance(draw(0), draw(1) + 1) == pytest.approx(whole, rel=1e-5)


def test_sets_of_different_sizes_are_refused():
  """Sorted samples pair up only in equally large sets."""
  with pytest.raises(ValueError, match='equally large'):
    distance(draw(0), draw(1)[:5])
