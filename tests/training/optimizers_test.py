import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import tiny

from cnerf_jax.rendering import density
from cnerf_jax.training import optimizers as optimizers_lib

pytestmark = pytest.mark.usefixtures('quick_compilation')


@pytest.fixture(scope='module')
def params(quick_compilation):
  return tiny.make_params(tiny.make_generator())


def first_updates(optimizer, params):
  """Updates from a gradient of ones: Adam's first step has the size of the learning rate."""
  gradients = jax.tree.map(jnp.ones_like, params)
  return tiny.flat(jax.jit(lambda g: optimizer.update(g, optimizer.init(params), params)[0])(gradients))


def test_groups_get_their_multipliers(params):
  """Protects the recipe: heads 8, film 3, beta 0.2 times the rate, the rest 1; the frozen base does not move."""
  config = tiny.make_config(optimizer__generator=1e-3)
  multipliers = dict(config.optimizer.generator_multipliers)
  assert multipliers == dict(heads=8.0, film=3.0, density_beta=0.2)
  seen = set()
  for path, update in first_updates(optimizers_lib.make_optimizers(config).generator, params).items():
    parts = path.split('/')
    if 'base' in parts:
      group, factor = 'base', 0.0
    elif parts[-1] == 'density_beta':
      group, factor = 'density_beta', 0.2
    elif parts[-2] in ('gamma', 'beta'):
      group, factor = 'film', 3.0
    elif parts[-1] in [f'{head}_{kind}' for head in ('mask', 'sdf', 'color', 'feature') for kind in ('kernel', 'bias')]:
      group, factor = 'heads', 8.0
    else:
      group, factor = 'rest', 1.0
    seen.add(group)
    np.testing.assert_allclose(update, -1e-3 * factor, rtol=1e-4, err_msg=path)
  assert seen == {'base', 'density_beta', 'film', 'heads', 'rest'}


def test_surface_stays_open(params):
  """Protects the density from a width that crosses zero, where it would change its sign: updates stop at the smallest width."""
  optimizer = optimizers_lib.make_optimizers(tiny.make_config(optimizer__generator=1.0)).generator
  updates = first_updates(optimizer, params)
  (name,) = (path for path in updates if path.endswith('density_beta'))
  after = tiny.flat(params)[name] + updates[name]
  np.testing.assert_allclose(after, density.SMALLEST_BETA, rtol=1e-3)


def test_discriminators_have_their_own_rates(params):
  """Protects the balance of the game: each player its learning rate."""
  config = tiny.make_config(optimizer__global_discriminator=2e-3, optimizer__semantic_discriminator=5e-4)
  optimizers = optimizers_lib.make_optimizers(config)
  for name, rate in (('global_discriminator', 2e-3), ('semantic_discriminator', 5e-4)):
    updates = first_updates(getattr(optimizers, name), {'x': jnp.zeros(3)})
    np.testing.assert_allclose(updates['x'], -rate, rtol=1e-4)


def test_rates_decay_at_the_end():
  """Protects the schedule: constant, then a cosine to a tenth from `decay_from` on; constant for ever at 1."""
  size_at = {}
  for decay_from in (0.5, 1.0):
    config = tiny.make_config(num_steps=40, optimizer__decay_from=decay_from, optimizer__global_discriminator=1e-2)
    optimizer = optimizers_lib.make_optimizers(config).global_discriminator
    params, sizes = jnp.zeros(()), []
    state = optimizer.init(params)
    update = jax.jit(optimizer.update)
    for _ in range(41):
      step, state = update(jnp.ones(()), state, params)
      params = optax.apply_updates(params, step)
      sizes.append(-float(step))
    size_at[decay_from] = np.array(sizes)
  np.testing.assert_allclose(size_at[1.0], 1e-2, rtol=1e-4)
  np.testing.assert_allclose(size_at[0.5][:21], 1e-2, rtol=1e-4)
  np.testing.assert_allclose(size_at[0.5][30], 0.55e-2, rtol=1e-3)
  np.testing.assert_allclose(size_at[0.5][40], 1e-3, rtol=1e-3)


def test_generator_rate_rises_alone():
  """Protects what pretraining has learnt: the generator's rate rises over its first steps, theirs is whole at once."""
  config = tiny.make_config(
      optimizer__generator_warmup_steps=3, optimizer__generator=1e-2, optimizer__global_discriminator=1e-2)
  optimizers = optimizers_lib.make_optimizers(config)
  sizes = {}
  for name in ('generator', 'global_discriminator'):
    optimizer = getattr(optimizers, name)
    params = {'x': jnp.zeros(())}
    state = optimizer.init(params)
    update = jax.jit(optimizer.update)
    sizes[name] = []
    for _ in range(6):
      step, state = update({'x': jnp.ones(())}, state, params)
      sizes[name].append(-float(step['x']))
  np.testing.assert_allclose(sizes['generator'], 1e-2 * np.array([0.25, 0.5, 0.75, 1, 1, 1]), rtol=1e-4)
  np.testing.assert_allclose(sizes['global_discriminator'], 1e-2, rtol=1e-4)


def test_outliers_are_scaled_to_what_is_usual():
  """Protects pretraining: a gradient ten times the usual norm is cut, one that is not finite is left out, usual ones pass as they are."""
  limit = optimizers_lib.limit_outliers(4.0)
  params = {'a': jnp.zeros(3), 'b': jnp.zeros(1)}
  of_norm = lambda norm: {'a': jnp.array([0.6, 0.0, 0.0]) * norm, 'b': jnp.array([0.8]) * norm}
  state = limit.init(params)
  for norm in (2.0, 1.0, 3.0, 2.0):
    updates, state = limit.update(of_norm(norm), state)
    chex.assert_trees_all_close(updates, of_norm(norm), rtol=1e-6)
  updates, after = limit.update(of_norm(20.0), state)
  chex.assert_trees_all_close(updates, of_norm(8.0), rtol=1e-5)
  np.testing.assert_allclose(after.mean_norm, (2.0 * 4 + 8.0) / 5, rtol=1e-5)
  for bad in (jnp.nan, jnp.inf):
    updates, after = limit.update(of_norm(bad), state)
    chex.assert_trees_all_equal(updates, params)
    chex.assert_trees_all_equal(after, state)


def test_outliers_that_stay_become_usual():
  """Protects learning that speeds up: norms that grow for good are followed."""
  limit = optimizers_lib.limit_outliers(4.0)
  state = limit.init({'a': jnp.zeros(1)})
  for norm in [1.0] * 10 + [100.0] * 100:
    updates, state = limit.update({'a': jnp.full(1, norm)}, state)
  np.testing.assert_allclose(updates['a'], 100.0)
