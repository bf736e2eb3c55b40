"""The quick start: procedural portraits at 32x32 on two CPU cores, 15 to 20 minutes of training.

  python main.py --config=configs/portraits32.py --workdir=DIR
"""

import ml_collections

from configs import ffhq12


def get_config() -> ml_collections.ConfigDict:
  """ffhq12.py made small."""
  config = ffhq12.get_config().unlock()
  config.num_steps = 200
  config.batch_size = 8
  config.image_size = 32
  config.coarse_size = 16
  config.num_samples = 8
  config.data.name = 'portraits'
  config.data.record_size = 64
  config.data.num_train = 10_000
  config.data.flip = False
  config.loss_weights.global_discriminator.viewpoint_real = 15.0  # every camera is known

  config.generator.style_dim = 64
  config.generator.width = 32
  config.generator.gamma_offset = 15.0
  config.global_discriminator.channels = (16, 32, 64, 64, 64)
  config.semantic_discriminator.channels = (16, 32, 64, 64)
  config.semantic_discriminator.head_width = 64

  config.reconstruction.num_steps = 1_300
  config.reconstruction.rays_per_portrait = 64
  config.reconstruction.prior_weight = 0.001
  config.r1_share = 0.5
  config.eikonal_share = 1 / 16

  # gentle, so that discriminators sharpen what the warm start has learnt, and don't undo it (docs/convergence.md)
  config.optimizer.generator = 2e-5
  config.optimizer.generator_multipliers = dict(heads=4.0, film=2.0, density_beta=0.2)
  config.optimizer.generator_warmup_steps = 50
  config.optimizer.decay_from = 0.7
  config.loss_weights.generator.adversarial_semantic = 0.5
  config.loss_weights.generator.semantic_class = 0.0
  config.class_draw = 'own'

  config.report_every = 20
  config.sheet_every = 100
  config.evaluate_every = 200
  config.evaluation.num_images = 512
  config.evaluation.num_oracle_images = 4_000
  config.evaluation.oracle = dict(steps=400)
  config.checkpoint_every = 100
  return config.lock()
