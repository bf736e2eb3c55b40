import chex
import jax
import numpy as np
import pytest

import tiny

from cnerf_jax.training import sphere_init
from configs import ffhq12_published

pytestmark = pytest.mark.usefixtures('quick_compilation')


def test_base_becomes_the_sphere_and_nothing_else_moves():
  """Protects the start of training: the fit lowers the distance to the sphere, and touches the base network alone."""
  config = tiny.make_config(ffhq12_published, sphere__num_steps=60, sphere__learning_rate=3e-4)
  generator = tiny.make_players(config).generator
  params = tiny.make_params(generator)
  reports = []
  fitted = sphere_init.initialise(
      jax.random.key(0), generator, params, config, on_step=lambda step, loss: reports.append((step, loss)))
  assert [step for step, _ in reports] == [20, 40, 60]
  assert reports[-1][1] < 0.6 * reports[0][1]
  before, after = tiny.flat(params), tiny.flat(fitted)
  chex.assert_trees_all_equal_structs(fitted, params)
  for path in before:
    if '/base/' not in path:
      np.testing.assert_array_equal(after[path], before[path], err_msg=path)
  # the sdf of the base comes from its trunk and sdf head; its other heads are not used
  assert all((after[path] != before[path]).any() for path in before if '/base/' in path and 'shape_' in path)


def test_chunks_of_rays_fit_the_same_sphere():
  """Protects memory, and the fit from it: points in chunks of rays give the gradients of all at once."""
  fitted = []
  for num_chunks in (1, 4):
    config = tiny.make_config(ffhq12_published, sphere__num_steps=3, num_chunks=num_chunks)
    generator = tiny.make_players(config).generator
    fitted.append(sphere_init.initialise(jax.random.key(0), generator, tiny.make_params(generator), config))
  chex.assert_trees_all_close(*fitted, rtol=1e-4, atol=1e-6)
