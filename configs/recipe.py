"""The recommended recipe, of all configs but the published ones: VAE pretraining from known cameras, regional latents, and an adversarial
training that is gentle, so that the discriminator sharpens what pretraining has learnt, and doesn't undo it. Not trained by itself.

docs/differences.md has a row for every choice, docs/convergence.md the runs. Cameras of photographs are read off their label maps
(`python -m data_pipeline.prepare`).
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
  """`default.py` with VAE pretraining, but for the number of its steps."""
  config = default.get_config().unlock()
  config.generator.region_dim = 16
  config.generator.residual_fusion = 'masked'
  config.generator.view_dependence = 'none'
  config.mixing_probability = 0.0
  config.loss_weights.global_discriminator.viewpoint_real = 15.0
  config.vae_pretraining.warmup_steps = 100
  config.vae_pretraining.prior_weight = 0.0003
  config.vae_pretraining.free_nats = 1.0
  config.vae_pretraining.rays_of_classes = 0.5
  config.vae_pretraining.sharpen_masks = 2.0
  config.vae_pretraining.thin_surfaces = 1.4
  config.vae_pretraining.refit_steps = 300
  config.optimizer.generator = 2e-5
  config.optimizer.generator_multipliers = dict(heads=4.0, film=2.0, density_beta=0.2)
  config.loss_weights.generator.backdrop = 0.2
  config.loss_weights.generator.adversarial_semantic = 0.0
  config.loss_weights.generator.semantic_class = 0.0
  config.class_draw = 'own'
  return config.lock()


def on_two_cores() -> ml_collections.ConfigDict:
  """The recipe in batches and fractions that two CPU cores bear: what the configs at 32x32, and `people64` and `photographs64`, share."""
  config = get_config().unlock()
  config.batch_size = 8
  config.vae_pretraining.rays_per_portrait = 64
  config.r1_fraction = 0.5
  config.eikonal_fraction = 1 / 16
  config.optimizer.decay_from = 0.7
  config.report_every = 20
  config.evaluation.num_oracle_images = 4_000
  return config.lock()


def at_32x32() -> ml_collections.ConfigDict:
  """That at 32x32: what dolls and photographs of this size share."""
  config = on_two_cores().unlock()
  config.image_size = 32
  config.num_samples = 8

  config.generator.style_dim = 32
  config.generator.width = 32
  config.generator.gamma_offset = 15.0
  config.global_discriminator.channels = (16, 32, 64, 64, 64)
  config.semantic_discriminator.channels = (16, 32, 64, 64)
  config.semantic_discriminator.head_width = 64

  config.optimizer.generator_warmup_steps = 50

  config.sheet_every = 100
  config.evaluation.num_edited_people = 8
  config.evaluation.oracle.steps = 400
  config.checkpoint_every = 100
  return config.lock()
