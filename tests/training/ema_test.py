import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax.training import ema
from configs import ffhq12_published


def test_decay_is_the_published_one():
  """Protects the half life: 0.5^(32/10000) a step as published, at its batch of 24, and the same per image at any batch."""
  config = ffhq12_published.get_config()
  assert ema.decay_from_half_life(config.batch_size, config.ema_half_life_images) == pytest.approx(0.5**(32 / 10_000), rel=1e-12)
  assert ema.decay_from_half_life(16, 10_000)**2 == pytest.approx(ema.decay_from_half_life(32, 10_000))


def test_average_follows():
  """Protects the formula, for every leaf: decay * average + (1 - decay) * params."""
  average, params = {'a': jnp.array([1.0, 2.0]), 'b': jnp.array(0.0)}, {'a': jnp.array([3.0, 2.0]), 'b': jnp.array(1.0)}
  after = ema.update(average, params, 0.9)
  np.testing.assert_allclose(after['a'], [1.2, 2.0], rtol=1e-6)
  np.testing.assert_allclose(after['b'], 0.1, rtol=1e-5)


def test_half_life_halves():
  """Protects the name: after the half life's images, half of the start is left."""
  average, decay = 1.0, ema.decay_from_half_life(8, 800)
  for _ in range(100):
    average = ema.update(average, 0.0, decay)
  assert average == pytest.approx(0.5)


def test_young_average_forgets_its_start():
  """Protects early pictures: with a ramp, the half life is at most that share of the images seen, and the full one later."""
  decay = lambda step, ramp=0.1: float(ema.ramped_decay(step, 8, 800, ramp))
  assert decay(9) == pytest.approx(0.5**(8 / 8))
  assert decay(99) == pytest.approx(0.5**(8 / 80))
  assert decay(999) == decay(5_000) == pytest.approx(ema.decay_from_half_life(8, 800))
  assert decay(0, ramp=0) == ema.decay_from_half_life(8, 800)
