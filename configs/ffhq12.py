"""Stage 1 on photographs with twelve classes, at the paper's size: 64x64, width 128, 24 samples, batches of 24. For a GPU or TPU.

  python -m data_pipeline.prepare PHOTOS DATA --labels LABELS
  python main.py --config=configs/ffhq12.py --workdir=DIR --config.data.dir=DATA

Trains from cameras that `prepare` reads off the label maps; tens of thousands of photographs are what it is for. `--mode=plan` says what the
device at hand would take.
"""

import ml_collections

from configs import recipe


def get_config() -> ml_collections.ConfigDict:
  """recipe.py at full size."""
  config = recipe.get_config().unlock()
  config.camera.from_data = True
  config.vae_pretraining.prior_weight = 0.001  # seen from one side alone, whose latents may say much become flat
  config.num_steps = 2_000
  config.vae_pretraining.num_steps = 20_000
  config.optimizer.generator_warmup_steps = 200
  config.optimizer.global_discriminator = 2e-4  # one as wide as this runs away at 1e-3
  config.optimizer.decay_from = 0.7
  config.sheet_every = 200
  config.evaluate_every = 1_000
  config.checkpoint_every = 500
  return config.lock()
