"""Stage 1 on the paper's nine classes at 64x64.

  python main.py --config=configs/ffhq9.py --workdir=DIR --config.data.dir=DATA
"""

import ml_collections

from configs import ffhq12


def get_config() -> ml_collections.ConfigDict:
  """ffhq12.py with nine classes."""
  config = ffhq12.get_config().unlock()
  config.data.class_set = 'ffhq9'
  return config.lock()
