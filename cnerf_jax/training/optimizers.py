"""Adam for each player, with learning-rate multipliers for groups of the generator's parameters.

Groups: heads (mask, sdf, colour, feature), film (gamma and beta projections), density_beta, base (frozen), rest. As published
all multipliers are 1.
"""

from __future__ import annotations

import flax.struct
import jax
import ml_collections
import optax


@flax.struct.dataclass
class Optimizers:
  """One optax transformation per player."""

  generator: optax.GradientTransformation = flax.struct.field(pytree_node=False)
  global_discriminator: optax.GradientTransformation = flax.struct.field(pytree_node=False)
  semantic_discriminator: optax.GradientTransformation = flax.struct.field(pytree_node=False)


def generator_group(path) -> str:
  """Group of a generator parameter from its path in the tree."""
  names = [str(getattr(entry, 'key', entry)) for entry in path]
  if 'base' in names:
    return 'base'
  if 'density_beta' in names:
    return 'density_beta'
  if 'gamma' in names or 'beta' in names:
    return 'film'
  if names[-1].split('_')[0] in ('mask', 'sdf', 'color', 'feature'):
    return 'heads'
  return 'rest'


def _scale_groups(multipliers: dict[str, float]) -> optax.GradientTransformation:
  """Scales updates by their group's multiplier; the frozen base gets zero."""

  def update(updates, state, params=None):
    del params
    scaled = jax.tree_util.tree_map_with_path(lambda path, u: multipliers[generator_group(path)] * u, updates)
    return scaled, state

  return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def generator_optimizer(config: ml_collections.ConfigDict, learning_rate) -> optax.GradientTransformation:
  """Adam at a learning rate (or schedule) with the multipliers of the generator's groups; the base never moves."""
  multipliers = dict(config.optimizer.generator_multipliers) | {'base': 0.0, 'rest': 1.0}
  return optax.chain(_adam(config, learning_rate), _scale_groups(multipliers))


def make_optimizers(config: ml_collections.ConfigDict) -> Optimizers:
  """The optimisers of `config.optimizer`; learning rates are per step, constant unless `decay_from` is below 1."""
  settings = config.optimizer

  def schedule(peak):
    if settings.decay_from >= 1:
      return peak
    flat = int(settings.decay_from * config.num_steps)
    return optax.join_schedules(
        [optax.constant_schedule(peak), optax.cosine_decay_schedule(peak, max(config.num_steps - flat, 1), alpha=0.1)],
        [flat])

  return Optimizers(
      generator=generator_optimizer(config, schedule(settings.generator)),
      global_discriminator=_adam(config, schedule(settings.global_discriminator)),
      semantic_discriminator=_adam(config, schedule(settings.semantic_discriminator)))


def _adam(config, learning_rate) -> optax.GradientTransformation:
  return optax.chain(
      optax.scale_by_adam(b1=config.optimizer.b1, b2=config.optimizer.b2), optax.scale_by_learning_rate(learning_rate))
