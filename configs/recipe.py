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
  config.vae_pretraining.refit_steps = 300
  config.optimizer.generator = 2e-5
  config.optimizer.generator_multipliers = dict(heads=4.0, film=2.0, density_beta=0.2)
  config.loss_weights.generator.backdrop = 0.2
  config.loss_weights.generator.adversarial_semantic = 0.0
  config.loss_weights.generator.semantic_class = 0.0
  config.class_draw = 'own'
  return config.lock()
