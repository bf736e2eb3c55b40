"""Procedural portraits at 64x64 on one GPU: the full generator, discriminators of a quarter of the published width.

  python main.py --config=configs/portraits64.py --workdir=DIR
"""

import ml_collections

from configs import ffhq12


def get_config() -> ml_collections.ConfigDict:
  """ffhq12.py on embedded data."""
  config = ffhq12.get_config().unlock()
  config.num_steps = 20_000
  config.coarse_size = 32
  config.data.name = 'portraits'
  config.data.record_size = 64
  config.data.num_train = 10_000
  config.generator.width = 64
  config.generator.style_dim = 128
  config.num_samples = 16
  config.reconstruction.num_steps = 4_000
  config.global_discriminator.channels = (32, 64, 96, 128, 128, 128)
  config.semantic_discriminator.channels = (32, 64, 96, 128, 128)
  config.semantic_discriminator.head_width = 128
  config.ema_half_life_images = 3_000.0
  config.sheet_every = 500
  config.evaluate_every = 2_000
  return config.lock()
