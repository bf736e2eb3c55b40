"""Exponential moving average of the generator's parameters: the average draws the pictures."""

import jax
import jax.numpy as jnp


def decay_from_half_life(batch_size: int, half_life_images: float) -> float:
  """Decay per step at which the weight of a parameter halves every `half_life_images` images; published: 7,500 at batch 24."""
  return 0.5**(batch_size / half_life_images)


def update(average, params, decay):
  """decay * average + (1 - decay) * params."""
  return jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, average, params)


def ramped_decay(step, batch_size: int, half_life_images: float, ramp: float):
  """Decay at a step whose half life is at most `ramp` times the images seen so far, so that a young average forgets its start.

  Args:
    step: steps done, may be traced.
    batch_size: images a step.
    half_life_images: half life once the ramp is over.
    ramp: fraction of the images seen; 0 for no ramp, as published.
  """
  if not ramp:
    return decay_from_half_life(batch_size, half_life_images)
  seen = (step + 1) * batch_size
  return 0.5**(batch_size / jnp.minimum(half_life_images, ramp * seen))
