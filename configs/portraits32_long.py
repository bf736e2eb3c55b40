"""portraits32.py, about four times as long: meant for two hours on two CPU cores.

  python main.py --config=configs/portraits32_long.py --workdir=DIR
"""

import ml_collections

from configs import portraits32


def get_config() -> ml_collections.ConfigDict:
  """portraits32.py, longer."""
  config = portraits32.get_config().unlock()
  config.num_steps = 1_000
  config.vae_pretraining.num_steps = 5_000
  config.vae_pretraining.refit_steps = 300
  config.ema_half_life_images = 2_000.0
  config.sheet_every = 250
  config.evaluate_every = 500
  config.evaluation.num_edited_people = 32
  return config.lock()
