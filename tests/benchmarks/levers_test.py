"""Levers of speed change nothing that is computed: every one of `benchmarks.levers` undone draws the same pictures."""

import jax
import numpy as np
import pytest

import tiny

from benchmarks import drawing
from benchmarks import levers


@pytest.fixture(name='scene', scope='module')
def _scene():
  config = tiny.make_config(image_size=8)
  generator, params = levers.make_params(config)
  draw = drawing.make_draw(config, generator, batch=2)
  return config, generator, params, jax.jit(draw)(params)


@pytest.mark.parametrize('name', [name for name in levers.undone() if name != 'as it is'])
def test_undone_lever_draws_the_same(scene, name, monkeypatch):
  """Protects the mathematics from the levers: folding, batching, chunks and the polynomial are the same function."""
  config, generator, params, expected = scene
  monkeypatch.setitem(levers.volume_rendering._ACTIVATIONS_PER_CHUNK, 'cpu', 64)  # so that a tiny picture has chunks
  with levers.undone()[name]():
    actual = jax.jit(drawing.make_draw(config, generator, batch=2))(params)
  for a, b in zip(actual, expected):
    assert np.ptp(b) > 0.1
    np.testing.assert_allclose(a, b, atol=2e-4)
