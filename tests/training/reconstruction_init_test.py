import itertools

import numpy as np
import pytest

import tiny

import jax

from cnerf_jax.training import reconstruction_init
from cnerf_jax.training import sharding

pytestmark = pytest.mark.usefixtures('quick_compilation')


def test_generator_learns_to_redraw_portraits():
  """Protects the warm start: redrawn portraits come to look like the reals, by the generator's parameters."""
  config = tiny.make_config(reconstruction__num_steps=30, reconstruction__learning_rate=3e-3)
  players, _, state = tiny.make_run(config)
  params = jax.device_get(state.generator_params)
  losses = []
  batches = itertools.repeat(tiny.make_batch(config))
  fitted = reconstruction_init.initialise(
      jax.random.key(0), players, params, config, batches, sharding.make_mesh(jax.devices()[:1]),
      on_step=lambda step, loss: losses.append((step, loss)))
  assert [step for step, _ in losses] == [10, 20, 30]
  assert losses[-1][1] < losses[0][1]
  assert tiny.flat(fitted).keys() == tiny.flat(params).keys()
  assert all(np.isfinite(value).all() for value in tiny.flat(fitted).values())
