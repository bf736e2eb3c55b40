"""Procedural portraits at 64x64 on one GPU: half the published width, two thirds of its samples, narrow discriminators.

  python main.py --config=configs/portraits64.py --workdir=DIR

Not yet trained to its end: hours and scores are unknown; `--mode=plan` says what the device at hand would take.
"""

import ml_collections

from configs import recipe


def get_config() -> ml_collections.ConfigDict:
  """recipe.py on `portraits`, at 64x64."""
  config = recipe.get_config().unlock()
  config.data.name = 'portraits'
  config.data.num_train = 10_000
  config.data.flip = False
  config.num_steps = 20_000
  config.generator.width = 64
  config.generator.style_dim = 64
  config.num_samples = 16
  config.vae_pretraining.num_steps = 4_000
  config.optimizer.generator_warmup_steps = 200
  config.global_discriminator.channels = (32, 64, 96, 128, 128, 128)
  config.semantic_discriminator.channels = (32, 64, 96, 128, 128)
  config.semantic_discriminator.head_width = 128
  config.ema_half_life_images = 3_000.0
  config.sheet_every = 500
  config.evaluate_every = 2_000
  return config.lock()
