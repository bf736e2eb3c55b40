"""The quick start: procedural portraits at 32x32 on two CPU cores, 15 to 20 minutes of training.

  python main.py --config=configs/portraits32.py --workdir=DIR
"""

import ml_collections

from configs import recipe


def get_config() -> ml_collections.ConfigDict:
  """recipe.py on `portraits`, at 32x32."""
  config = recipe.get_config().unlock()
  config.data.name = 'portraits'
  config.data.num_train = 10_000
  config.data.flip = False
  config.num_steps = 200
  config.batch_size = 8
  config.image_size = 32
  config.num_samples = 8

  config.generator.style_dim = 32
  config.generator.width = 32
  config.generator.gamma_offset = 15.0
  config.global_discriminator.channels = (16, 32, 64, 64, 64)
  config.semantic_discriminator.channels = (16, 32, 64, 64)
  config.semantic_discriminator.head_width = 64

  config.vae_pretraining.num_steps = 1_300
  config.vae_pretraining.rays_per_portrait = 64
  config.vae_pretraining.refit_steps = 40  # some seconds
  config.loss_weights.generator.backdrop = 0.0  # turned far, dolls keep their hair without
  config.r1_fraction = 0.5
  config.eikonal_fraction = 1 / 16

  config.optimizer.generator_warmup_steps = 50
  config.optimizer.decay_from = 0.7

  config.report_every = 20
  config.sheet_every = 100
  config.evaluate_every = 200
  config.evaluation.num_images = 512
  config.evaluation.num_oracle_images = 4_000
  config.evaluation.num_edited_people = 8
  config.evaluation.oracle.steps = 400
  config.checkpoint_every = 100
  return config.lock()
