"""Exponential moving average of the generator's parameters: the average draws the pictures."""

import jax


def decay_from_half_life(batch_size: int, half_life_images: float) -> float:
  """Decay per step at which a parameter's share halves every `half_life_images` images; 0.5^(32/10000) at batch 32 as published."""
  return 0.5**(batch_size / half_life_images)


def update(average, params, decay):
  """decay * average + (1 - decay) * params."""
  return jax.tree.map(lambda a, p: decay * a + (1 - decay) * p, average, params)
