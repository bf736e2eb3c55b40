"""Adam for each player, with learning-rate multipliers for groups of the generator's parameters.

Groups: heads (mask, sdf, colour, feature), film (gamma and beta projections), density_beta, base (frozen), rest. As published
all multipliers are 1.
"""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
import ml_collections
import optax

from cnerf_jax.rendering import density


_NORMS_REMEMBERED = 50  # steps


@flax.struct.dataclass
class OutlierState:
  """Running mean of gradient norms, and of how many steps."""

  mean_norm: jax.Array
  count: jax.Array


def limit_outliers(factor: float) -> optax.GradientTransformation:
  """Scales gradients whose norm is more than `factor` times the usual one down to that; gradients that are not finite become zero.

  The usual norm is a running mean over the last 50 steps or so, in which outliers count as what they were scaled to, so that no constant has
  to suit every width and loss. For chains in front of Adam, where one outlier would move all parameters by several times the learning rate.
  """

  def update(updates, state, params=None):
    del params
    norm = optax.tree.norm(updates)
    finite = jnp.isfinite(norm)
    known = state.count > 0
    limited = jnp.where(known, jnp.minimum(norm, factor * state.mean_norm), norm)
    scale = jnp.where(finite, limited / jnp.maximum(norm, jnp.finfo(jnp.float32).tiny), 0.0)
    updates = jax.tree.map(lambda u: jnp.where(finite, u * scale, 0.0), updates)
    weight = 1 / jnp.minimum(state.count + 1, _NORMS_REMEMBERED)
    mean = jnp.where(finite, state.mean_norm + weight * (limited - state.mean_norm), state.mean_norm)
    return updates, OutlierState(mean_norm=mean, count=state.count + finite)

  return optax.GradientTransformation(lambda params: OutlierState(mean_norm=jnp.zeros(()), count=jnp.zeros((), jnp.int32)), update)


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
  """Scales updates by their group's multiplier; the frozen base gets zero, and density_beta stays at `density.SMALLEST_BETA` or above."""

  def scale(path, update, param):
    group = generator_group(path)
    scaled = multipliers[group] * update
    if group != 'density_beta':
      return scaled
    return jnp.where(param + scaled < density.SMALLEST_BETA, density.SMALLEST_BETA - param, scaled)

  def update(updates, state, params):
    return jax.tree_util.tree_map_with_path(scale, updates, params), state

  return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def generator_optimizer(settings: ml_collections.ConfigDict, learning_rate) -> optax.GradientTransformation:
  """Adam with the multipliers of the generator's groups; the base never moves, and density_beta stays positive.

  Args:
    settings: `config.optimizer` or `config.vae_pretraining`: b1, b2 and generator_multipliers.
    learning_rate: per step, or a schedule.
  """
  multipliers = dict(settings.generator_multipliers) | {'base': 0.0, 'rest': 1.0}
  return optax.chain(_adam(settings, learning_rate), _scale_groups(multipliers))


def make_optimizers(config: ml_collections.ConfigDict) -> Optimizers:
  """The optimisers of `config.optimizer`; learning rates are per step, constant unless `decay_from` is below 1.

  The generator's rises linearly over its first `generator_warmup_steps`: discriminators that have seen little yet would
  undo what VAE pretraining has learnt.
  """
  settings = config.optimizer

  def schedule(peak, warmup_steps=0):
    flat = int(settings.decay_from * config.num_steps)

    def rate(step):
      rising = jnp.minimum((step + 1) / (warmup_steps + 1), 1.0)
      decay = optax.cosine_decay_schedule(1.0, max(config.num_steps - flat, 1), alpha=0.1)
      falling = 1.0 if settings.decay_from >= 1 else decay(jnp.maximum(step - flat, 0))
      return peak * rising * falling

    return rate

  return Optimizers(
      generator=generator_optimizer(settings, schedule(settings.generator, settings.generator_warmup_steps)),
      global_discriminator=_adam(settings, schedule(settings.global_discriminator)),
      semantic_discriminator=_adam(settings, schedule(settings.semantic_discriminator)))


def update(optimizer: optax.GradientTransformation, grads, state: optax.OptState, params) -> tuple[dict, optax.OptState]:
  """(params, optimiser state) after one step along the gradients."""
  updates, state = optimizer.update(grads, state, params)
  return optax.apply_updates(params, updates), state


def _adam(settings, learning_rate) -> optax.GradientTransformation:
  return optax.chain(optax.scale_by_adam(b1=settings.b1, b2=settings.b2), optax.scale_by_learning_rate(learning_rate))
