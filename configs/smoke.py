"""The smallest run: every part of training once, in some minutes, nearly all of them compilation. For tests and for a first look.

  python main.py --config=configs/smoke.py --workdir=DIR
"""

import ml_collections

from configs import portraits32


def get_config() -> ml_collections.ConfigDict:
  """portraits32.py made tiny."""
  config = portraits32.get_config().unlock()
  config.num_steps = 6
  config.batch_size = 4
  config.image_size = 16
  config.coarse_to_fine = ((2, 8),)
  config.num_samples = 4
  config.data.record_size = 16
  config.data.num_train = 96
  config.data.num_validation = 32
  config.data.num_test_identities = 2

  config.generator.style_dim = 8
  config.generator.region_dim = 4
  config.generator.width = 8
  config.global_discriminator.channels = (8, 8, 8, 8)
  config.semantic_discriminator.channels = (8, 8, 8)
  config.semantic_discriminator.head_width = 8
  config.loss_weights.generator.adversarial_semantic = 0.5
  config.loss_weights.generator.reconstruction = 0.1
  config.vae_pretraining.num_steps = 2
  config.vae_pretraining.batches_per_step = 2
  config.vae_pretraining.rays_per_portrait = 16
  config.vae_pretraining.num_encoded = 64
  config.vae_pretraining.refit_steps = 2
  config.optimizer.decay_from = 1.0  # so that a run stopped early and resumed is the same run

  config.report_every = 1
  config.sheet_every = 6
  config.evaluate_every = 6
  config.checkpoint_every = 2
  config.evaluation.num_images = 32
  config.evaluation.num_oracle_images = 64
  config.evaluation.num_edited_people = 2
  config.evaluation.oracle.steps = 10
  config.evaluation.oracle.batch_size = 8
  return config.lock()
