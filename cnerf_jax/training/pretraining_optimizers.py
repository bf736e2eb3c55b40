"""Adam for VAE pretraining: rates that rise at first and then fall to a tenth, guarded from gradients that are far too large."""

from __future__ import annotations

import jax.numpy as jnp
import ml_collections
import optax

from cnerf_jax.training import optimizers as optimizers_lib

_OUTLIER = 4.0  # times the usual norm of a gradient


def warmed_up(rate: optax.ScalarOrSchedule, num_steps: int) -> optax.ScalarOrSchedule:
  """A learning rate that rises from nearly zero over so many steps; as it is for 0.

  Without it, Adam's first steps now and then throw the encoder's latents so far apart that nothing is learnt from them any more.
  """
  if not num_steps:
    return rate
  at = rate if callable(rate) else lambda step: rate
  return lambda step: at(step) * jnp.minimum(1.0, (step + 1) / num_steps)


def make_optimizers(config: ml_collections.ConfigDict) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
  """Those of (generator, encoder), with the rates of `config.vae_pretraining`."""
  settings = config.vae_pretraining
  schedule = dict(num_steps=settings.num_steps, warmup_steps=settings.warmup_steps)
  generator = optimizers_lib.generator_optimizer(settings, _rate(settings.learning_rate, **schedule))
  return (optax.chain(optimizers_lib.limit_outliers(_OUTLIER), generator),
          encoder_optimizer(settings.encoder_learning_rate, **schedule))


def encoder_optimizer(peak: float, *, num_steps: int, warmup_steps: int) -> optax.GradientTransformation:
  """Adam, guarded from outliers, whose rate rises to its peak over the first of these steps and falls to a tenth until the last."""
  return optax.chain(optimizers_lib.limit_outliers(_OUTLIER), optax.adam(_rate(peak, num_steps=num_steps, warmup_steps=warmup_steps)))


def _rate(peak, *, num_steps, warmup_steps):
  return warmed_up(optax.cosine_decay_schedule(peak, num_steps, alpha=0.1), warmup_steps)
