import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cnerf_jax.editing import descent


def loop(loss, x, steps, rate):
  """(points, losses) of Adam with a cosine, step by step."""
  optimizer = optax.adam(optax.cosine_decay_schedule(rate, steps), b1=0.9, b2=0.99)
  state, points, losses = optimizer.init(x), [], []
  for i in range(steps):
    value, gradient = jax.value_and_grad(loss)(x, i)
    points, losses = points + [x], losses + [value]
    updates, state = optimizer.update(gradient, state)
    x = optax.apply_updates(x, updates)
  return points + [x], losses


def test_descents_are_adams():
  """Protects the loop from optax, step by step: `descend` gives the last point, `minimise` the best."""
  loss = lambda x, i: jnp.sum((x - 1)**4)
  points, losses = loop(loss, jnp.array([0.0, 3.0]), 6, 2.0)
  last, found = jax.jit(lambda x: descent.descend(loss, x, steps=6, learning_rates=2.0))(points[0])
  np.testing.assert_allclose(last, points[-1], rtol=1e-4)
  np.testing.assert_allclose(found, losses, rtol=1e-4)
  best, found = jax.jit(lambda x: descent.minimise(lambda x: loss(x, 0), x, steps=6, learning_rates=2.0))(points[0])
  assert 0 < int(np.argmin(losses)) < 5  # so that best and last differ
  np.testing.assert_allclose(best, points[int(np.argmin(losses))], rtol=1e-4)
  np.testing.assert_allclose(found, losses, rtol=1e-4)


def test_every_variable_has_its_rate():
  """Protects fixed variables: a rate of zero keeps one where it was, bitwise; the others move."""
  start = (jnp.float32(0.3), jnp.float32(0.3))
  (moved, kept), _ = descent.minimise(lambda x: (x[0] - 1)**2 + (x[1] - 1)**2, start, steps=20, learning_rates=(0.1, 0.0))
  assert kept == start[1] and moved == pytest.approx(1, abs=0.2)


def test_it_never_ends_worse():
  """Protects the beginning: where every step makes it worse, the beginning comes back."""
  start = jnp.float32(0.5)
  best, _ = descent.minimise(lambda x: (x - 0.5)**2 + 0.01 * jnp.abs(x - 0.4), start, steps=3, learning_rates=50.0)
  assert best == start


def test_the_loop_says_how_far_it_is():
  """Protects progress: each step's loss while it runs, and the same result."""
  seen = []
  loss = lambda x: jnp.sum((x - 1)**2)
  options = dict(steps=5, learning_rates=0.1)
  quiet, losses = descent.minimise(loss, jnp.zeros(2), **options)
  told, _ = jax.jit(lambda x: descent.minimise(loss, x, **options, on_step=lambda value: seen.append(float(value))))(jnp.zeros(2))
  jax.effects_barrier()
  np.testing.assert_allclose(sorted(seen), np.sort(losses), rtol=1e-6)
  np.testing.assert_allclose(told, quiet, rtol=1e-6)
