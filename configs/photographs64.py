"""Photographs at 64x64 on two CPU cores, about an hour, or some minutes of a GPU: cameras read off label maps, VAE pretraining, a short
adversarial phase. On 900 of CelebAMask-HQ (seed 0) it reached 7 of 9 bars: images .13, masks .15 (missed), relief .082
(docs/convergence.md, Photographs).

  python -m data_pipeline.prepare PHOTOS DATA --labels LABELS
  python main.py --config=configs/photographs64.py --workdir=DIR --config.data.dir=DATA
"""

import ml_collections

from configs import people64


def get_config() -> ml_collections.ConfigDict:
  """people64.py on prepared photographs: mirrored too, fakes seen as the photographs are."""
  config = people64.get_config().unlock()
  config.data.name = 'real_portraits'
  config.data.flip = True
  config.camera.from_data = True
  config.num_steps = 120
  config.sheet_every = 40
  config.evaluate_every = 120
  config.vae_pretraining.prior_weight = 0.001  # seen from one side alone, whose latents may say much become flat
  config.evaluation.num_images = 400
  return config.lock()
