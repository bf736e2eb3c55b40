"""Procedural people at 64x64 with their true cameras, on two CPU cores: VAE pretraining, then an adversarial phase.

  python main.py --config=configs/people64.py --workdir=DIR

Needs `pip install -r requirements.txt -e '.[people]'`. Seed 0 (90 minutes on two busy cores; shipped as `pretrained/people64.npz`)
reached 7 of 9 bars: images .10, masks .10, agreement .80, azimuth .97, elevation .83, relief .90 of the true one, hair and necks with a
surface; missed are earrings (on 11% of people, 26% of the real ones) and the agreement of rare classes.

The parameters stay below 3 MB in one file with those of the encoder (`cnerf_jax.pretrained.save`,
compact: 2.5 MB; docs/people.md).
"""

import ml_collections

from configs import recipe


def get_config() -> ml_collections.ConfigDict:
  """recipe.py on `people`, at 64x64."""
  config = recipe.on_two_cores().unlock()
  config.data.flip = False
  config.data.name = 'people'
  config.data.num_train = 6_000
  config.data.num_validation = 600
  config.data.num_test_identities = 40
  config.num_steps = 320
  config.num_samples = 12

  config.generator.style_dim = 48
  config.generator.width = 48
  config.generator.gamma_offset = 20.0
  config.global_discriminator.channels = (16, 32, 64, 64, 64, 64)
  config.semantic_discriminator.channels = (16, 32, 64, 64, 64)
  config.semantic_discriminator.head_width = 64

  config.vae_pretraining.num_steps = 2_400
  config.vae_pretraining.prior_weight = 0.0005
  config.vae_pretraining.thin_surfaces = 1.0  # as the shipped parameters were trained

  config.optimizer.generator_warmup_steps = 30

  config.sheet_every = 80
  config.evaluate_every = 320
  config.evaluation.num_images = 512
  config.evaluation.num_edited_people = 4
  config.checkpoint_every = 40
  return config.lock()
