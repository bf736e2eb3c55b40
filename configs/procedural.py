"""What the configs of procedural people share: every camera is known, and VAE pretraining comes first. Not trained by itself.

The adversarial training is gentle, so that discriminators sharpen what pretraining has learnt, and don't undo it (docs/convergence.md).
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
  """`default.py` on `portraits`."""
  config = default.get_config().unlock()
  config.data.name = 'portraits'
  config.data.num_train = 10_000
  config.data.flip = False
  config.generator.region_dim = 16
  config.generator.residual_fusion = 'masked'
  config.generator.view_dependence = 'none'
  config.mixing_probability = 0.0
  config.loss_weights.global_discriminator.viewpoint_real = 15.0
  config.vae_pretraining.prior_weight = 0.001
  config.optimizer.generator = 2e-5
  config.optimizer.generator_multipliers = dict(heads=4.0, film=2.0, density_beta=0.2)
  config.loss_weights.generator.adversarial_semantic = 0.0
  config.loss_weights.generator.semantic_class = 0.0
  for term in config.loss_weights.semantic_discriminator:
    config.loss_weights.semantic_discriminator[term] = 0.0  # so it doesn't play at all
  config.class_draw = 'own'
  return config.lock()
