"""Gradient accumulation: the mean over micro-batches, equal to the whole batch's.

Every loss is a mean over portraits, but minibatch stddev looks at groups of four: a micro-batch takes whole groups.
`optax.microbatch` keeps those groups too, but deals samples out in strides, so that R1 of every n-th real (`r1_fraction`) would be of
other reals than in the whole batch; here a micro-batch takes neighbouring groups, and R1 stays that of the whole batch.
"""

import jax
import jax.numpy as jnp

from cnerf_jax.models import discriminator_blocks


def check(batch_size: int, num_micro_batches: int, r1_fraction: float = 1.0) -> None:
  """ValueError if micro-batches would be unequal or tear a group of minibatch stddev apart, also among the reals that R1 is taken of."""
  group = discriminator_blocks.group_size(batch_size)
  if num_micro_batches < 1 or batch_size % (num_micro_batches * group):
    raise ValueError(
        f'batch_size {batch_size} does not divide into {num_micro_batches} micro-batches of whole groups of {group}; '
        f'use a multiple of {max(num_micro_batches, 1) * group}')
  whole_groups = group * round(1 / r1_fraction) * num_micro_batches
  if num_micro_batches > 1 and batch_size % whole_groups:
    raise ValueError(f'r1_fraction {r1_fraction} of {num_micro_batches} micro-batches of batch_size {batch_size} '
                     f'tears groups of minibatch stddev; use a multiple of {whole_groups}, or r1_fraction 1')


def split(tree, num_micro_batches: int):
  """Leaves [batch, ...] → [micro-batches, batch / micro-batches, ...], keeping each group of minibatch stddev together."""

  def split_leaf(x):
    batch = x.shape[0]
    size = discriminator_blocks.group_size(batch)
    groups = x.reshape((size, num_micro_batches, batch // (size * num_micro_batches)) + x.shape[1:])
    return jnp.moveaxis(groups, 1, 0).reshape((num_micro_batches, batch // num_micro_batches) + x.shape[1:])

  return jax.tree.map(split_leaf, tree)


def mean_over_micro_batches(function, batches, num_micro_batches: int):
  """Mean of `function(micro_batch)` (a tree of arrays) over the micro-batches of `batches`."""
  if num_micro_batches == 1:
    return function(batches)
  micro_batches = split(batches, num_micro_batches)
  shapes = jax.eval_shape(function, jax.tree.map(lambda x: x[0], micro_batches))
  zeros = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
  add = lambda total, micro_batch: (jax.tree.map(jnp.add, total, function(micro_batch)), None)
  total, _ = jax.lax.scan(add, zeros, micro_batches)
  return jax.tree.map(lambda x: x / num_micro_batches, total)


def map_micro_batches(function, batches, num_micro_batches: int):
  """`function(micro_batch)` for every micro-batch, its leaves [batch, ...] put back in the order of the whole batch."""
  if num_micro_batches == 1:
    return function(batches)

  def merge_leaf(x):
    batch = x.shape[0] * x.shape[1]
    size = discriminator_blocks.group_size(batch)
    groups = x.reshape((num_micro_batches, size, batch // (size * num_micro_batches)) + x.shape[2:])
    return jnp.moveaxis(groups, 0, 1).reshape((batch,) + x.shape[2:])

  return jax.tree.map(merge_leaf, jax.lax.map(function, split(batches, num_micro_batches)))
