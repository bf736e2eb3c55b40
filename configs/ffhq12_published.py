"""Stage 1 on twelve-class portraits at 64x64, faithful to the published code. Kept for comparison; train with ffhq12.py.

  python main.py --config=configs/ffhq12_published.py --workdir=DIR --config.data.dir=DATA  (made as docs/data.md says)

Hardware and hours: published as batch 24 on 8 GPUs; 300k steps. Expected: made small, this recipe stayed flat grey on
procedural heads (docs/differences.md says why, row by row), so no scores are promised. Runs of version 0.1
were trained with our semantic discriminator: go on with them with --config.semantic_discriminator.kind=recommended.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
  """The published values where we recommend others."""
  config = default.get_config().unlock()
  config.generator.base = 'network'
  config.generator.residual_scale = 1.0
  config.generator.residual_from_zero = False
  config.generator.density_beta_init = 0.1
  config.generator.mask_fusion = 'raw'
  config.generator.mask_sharpness = 1.0
  config.generator.color_gain = 1.0
  config.sphere.num_steps = 10_000
  config.data.dilation = 'overlap'
  config.data.flip = False
  config.mixing_probability = 0.9
  config.semantic_discriminator.kind = 'published'
  config.eikonal_of = 'residual'
  config.eikonal_fraction = 1.0
  config.class_draw = 'uniform'
  config.reuse_fakes = False
  for player in ('global_discriminator', 'semantic_discriminator'):
    config.loss_weights[player].r1_image = 10 / 2
    config.loss_weights[player].r1_mask = 1000 / 2
  config.optimizer.generator = 2e-5
  config.optimizer.global_discriminator = 2e-4
  config.optimizer.semantic_discriminator = 2e-4
  config.optimizer.b2 = 0.9
  config.optimizer.generator_multipliers = dict(heads=1.0, film=1.0, density_beta=1.0)
  config.ema_half_life_images = 7_500.0  # 0.5^(batch / half life) a step: 0.5^(32/10000) at batch 24
  config.ema_ramp = 0.0
  return config.lock()
