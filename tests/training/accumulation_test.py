import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax.models import discriminator_blocks
from cnerf_jax.training import accumulation


@pytest.mark.parametrize('batch, num_micro_batches', [(16, 1), (16, 2), (16, 4), (24, 3), (6, 2), (10, 5)])
def test_map_keeps_the_order_of_the_batch(batch, num_micro_batches):
  """Protects fakes from being judged by another's viewpoint: cut into micro-batches and put back is the identity, for every leaf."""
  tree = {'a': jnp.arange(batch), 'b': jnp.arange(batch * 6.0).reshape(batch, 2, 3), 'empty': jnp.zeros((batch, 0))}
  back = accumulation.map_micro_batches(
      lambda t: {'a': t['a'] + 1, 'b': -t['b'], 'empty': t['empty']}, tree, num_micro_batches)
  np.testing.assert_array_equal(back['a'], tree['a'] + 1)
  np.testing.assert_array_equal(back['b'], -tree['b'])
  assert back['empty'].shape == (batch, 0)


@pytest.mark.parametrize('batch, num_micro_batches', [(16, 2), (16, 4), (24, 3), (6, 2)])
def test_micro_batches_take_whole_groups(batch, num_micro_batches):
  """Protects minibatch stddev: each sample sees the same group in its micro-batch as in the whole batch."""
  x = jnp.asarray(np.random.default_rng(0).standard_normal((batch, 2, 2, 3)), jnp.float32)
  whole = discriminator_blocks.minibatch_stddev(x)
  cut = accumulation.map_micro_batches(discriminator_blocks.minibatch_stddev, x, num_micro_batches)
  np.testing.assert_allclose(cut, whole, rtol=1e-6)
  micro_batches = accumulation.split({'i': jnp.arange(batch)}, num_micro_batches)['i']
  assert micro_batches.shape == (num_micro_batches, batch // num_micro_batches)
  assert sorted(np.asarray(micro_batches).ravel()) == list(range(batch))


def test_mean_is_the_mean():
  """Protects the scale of gradients (trap: a sum over chunks): the mean over micro-batches of means is the whole mean, for every leaf."""
  x = jnp.asarray(np.random.default_rng(0).standard_normal((16, 3)), jnp.float32)
  mean = lambda b: {'x': jnp.mean(b['x'], axis=0), 'count': jnp.float32(1)}
  for num_micro_batches in (1, 2, 4):
    result = accumulation.mean_over_micro_batches(mean, {'x': x}, num_micro_batches)
    np.testing.assert_allclose(result['x'], x.mean(axis=0), atol=1e-6)
    assert result['count'] == 1


@pytest.mark.parametrize('batch, num_micro_batches, remedy', [(8, 4, 16), (16, 3, 12), (16, 0, 4), (12, 2, 8)])
def test_torn_groups_are_refused(batch, num_micro_batches, remedy):
  """Protects equality with the whole batch: the values, the rule and a batch size that would do, in one line."""
  with pytest.raises(ValueError) as error:
    accumulation.check(batch, num_micro_batches)
  message = str(error.value)
  assert f'batch_size {batch} does not divide into {num_micro_batches} micro-batches' in message and '\n' not in message
  assert f'use a multiple of {remedy}' in message
  accumulation.check(remedy, max(num_micro_batches, 1))


def test_possible_cuts_are_accepted():
  """Protects configs that work, batches that 4 does not divide among them."""
  for batch, num_micro_batches in ((8, 1), (8, 2), (16, 4), (24, 6), (6, 2), (7, 7), (7, 1)):
    accumulation.check(batch, num_micro_batches)
