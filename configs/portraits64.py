"""Procedural portraits at 64x64 on one GPU: half the published width, two thirds of its samples, narrow discriminators.

  python main.py --config=configs/portraits64.py --workdir=DIR

Not yet trained to its end: hours and scores are unknown; `--mode=plan` says what the device at hand would take.
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
  config.data.flip = False
  config.loss_weights.global_discriminator.viewpoint_real = 15.0  # every camera is known
  config.generator.width = 64
  config.generator.style_dim = 128
  config.num_samples = 16
  config.reconstruction.num_steps = 4_000
  config.reconstruction.prior_weight = 0.001
  # gentle, as in portraits32.py
  config.optimizer.generator = 2e-5
  config.optimizer.generator_multipliers = dict(heads=4.0, film=2.0, density_beta=0.2)
  config.optimizer.generator_warmup_steps = 200
  config.loss_weights.generator.adversarial_semantic = 0.5
  config.loss_weights.generator.semantic_class = 0.0
  config.class_draw = 'own'
  config.global_discriminator.channels = (32, 64, 96, 128, 128, 128)
  config.semantic_discriminator.channels = (32, 64, 96, 128, 128)
  config.semantic_discriminator.head_width = 128
  config.ema_half_life_images = 3_000.0
  config.sheet_every = 500
  config.evaluate_every = 2_000
  return config.lock()
