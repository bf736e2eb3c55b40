"""Stage 1 on twelve-class portraits at 64x64: the recommended recipe.

  python main.py --config=configs/ffhq12.py --workdir=DIR --config.data.dir=DATA

Departs from ffhq12_published.py where measurement on `portraits` says so (docs/differences.md, docs/convergence.md): exact sphere
and residuals that start at zero, softmax masks, calmer learning rates.

DATA is what `python -m data_pipeline.prepare` made (docs/data.md). Photographs come without cameras, so that nothing here needs them. Where
they are known (prepare --viewpoints), the sign of the azimuth is learnt more reliably with
--config.loss_weights.global_discriminator.viewpoint_real=15.
"""

import ml_collections

from configs import ffhq12_published


def get_config() -> ml_collections.ConfigDict:
  """The published configuration with the changes that make it learn."""
  config = ffhq12_published.get_config().unlock()
  # the field starts as one sphere, and every class shares its surface
  config.generator.base = 'sphere'
  config.generator.residual_from_zero = True
  config.generator.residual_scale = 0.25
  config.generator.density_beta_init = 0.03
  config.generator.mask_fusion = 'softmax'
  config.generator.mask_sharpness = 10.0
  config.generator.color_gain = 5.0
  config.data.dilation = 'exclusive'  # softmax masks can't overlap, so real ones must not
  config.data.flip = True
  config.sphere.num_steps = 0
  config.eikonal_of = 'whole'
  config.eikonal_share = 0.125
  config.mixing_probability = 0.5

  config.class_draw = 'present'
  config.share_fakes = True
  config.loss_weights.global_discriminator.r1_image = 2.0
  config.loss_weights.global_discriminator.r1_mask = 4.0
  config.loss_weights.semantic_discriminator.r1_image = 2.0
  config.loss_weights.semantic_discriminator.r1_mask = 4.0

  config.optimizer.generator = 6e-5
  config.optimizer.global_discriminator = 1e-3
  config.optimizer.semantic_discriminator = 1e-3
  config.optimizer.b2 = 0.99
  config.optimizer.generator_multipliers = dict(heads=8.0, film=3.0, density_beta=0.2)
  config.ema_half_life_images = 1_106.0  # .995 a step at batch 8
  config.ema_ramp = 0.2
  return config.lock()
