"""How fast VAE pretraining learns to reconstruct: python -m benchmarks.vae_pretraining --config=configs/portraits32.py [--config.key=value ...]

Runs `config.vae_pretraining.num_steps` of it and prints, of held-out portraits reconstructed from their mean latents, the squared error of the
image and the cross-entropy of the masks (each a mean over pixels; lower is better), steps a second and the load.
"""

import os
import time

from absl import app
from absl import flags
import jax
from ml_collections import config_flags
import numpy as np

from benchmarks import machine
from cnerf_jax.models import players as players_lib
from cnerf_jax.reporting import progress as progress_lib
from cnerf_jax.run import redrawing
from cnerf_jax.run import start
from cnerf_jax.training import sharding
from cnerf_jax.training import vae_pretraining
from configs import checks
from data_pipeline import loader

_CONFIG = config_flags.DEFINE_config_file('config', 'configs/portraits32.py', 'What to run.', lock_config=True)
_NUM_HELD_OUT = flags.DEFINE_integer('num_held_out', 256, 'Validation portraits to reconstruct.', lower_bound=1)
_OUTPUT = flags.DEFINE_string('output', None, 'JSON lines are appended here.')


def held_out_errors(players, params, encoder_params, config, portraits: dict[str, np.ndarray]) -> redrawing.Errors:
  """Of held-out portraits, redrawn by generator and encoder as `vae_pretraining.fit` leaves them."""
  encoder = vae_pretraining.make_encoder(players, config)

  def encode(params, batch):
    encoding = encoder.apply(params[1], batch['image'], batch['semantic_mask'])
    return vae_pretraining.styles_of_encoded(players.generator, params[0], encoding.z.mean, encoding.present), encoding.viewpoint

  return redrawing.make_measure(players.generator, config, encode)((params, encoder_params), portraits)


def measure(config, num_held_out: int) -> dict:
  """Runs the VAE pretraining of a config, and reconstructs held-out portraits."""
  mesh = sharding.make_mesh()
  checks.check(config, mesh)
  if not config.vae_pretraining.num_steps:
    raise app.UsageError('vae_pretraining.num_steps 0 leaves nothing to measure; use at least 1')
  data = loader.open(config.data)
  data.prepare()
  players = players_lib.make_players(config)
  iterator = data.training_iterator(
      image_size=config.image_size, batch_size=config.batch_size, seed=config.seed)
  started = []
  with progress_lib.Progress(config.vae_pretraining.num_steps, description='vae pretraining') as progress:
    def on_step(step, loss):
      started.append(time.perf_counter())
      progress.update(step, {'loss': loss})
    params, encoder_params = jax.device_get(vae_pretraining.fit(
        jax.random.key(config.seed), players, start.untrained_params(config, players), config, iterator, mesh, on_step))
  portraits = data.load_split('validation', image_size=config.image_size, max_examples=num_held_out)
  found = len(portraits['image'])
  if found != num_held_out:
    raise app.UsageError(f'num_held_out {num_held_out} must be at most the split; {found} were found')
  errors = held_out_errors(players, params, encoder_params, config, portraits)
  steps = config.vae_pretraining.num_steps
  return dict(
      steps=steps, num_held_out=found, portraits_a_step=config.batch_size * config.vae_pretraining.batches_per_step,
      rays_a_portrait=config.vae_pretraining.rays_per_portrait, held_out_image_error=errors.image, held_out_mask_error=errors.mask,
      density_beta=float(params['params']['field']['density_beta']),
      steps_a_second=(steps - 10) / (started[-1] - started[0]) if len(started) > 1 else None, load=os.getloadavg()[0])


def main(argv):
  del argv
  machine.report(measure(_CONFIG.value, _NUM_HELD_OUT.value), _OUTPUT.value)


if __name__ == '__main__':
  app.run(main)
