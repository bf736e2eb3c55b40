"""Times rendering: python -m benchmarks.render --config=configs/ffhq12.py --batches=1,4 --repeats=5 [--config.key=value ...]

One row for each batch size on each number of devices, repetitions of all rows taken in turn, so that a busy moment of the machine
touches them alike. Appended to --output as JSON.
"""

import os

from absl import app
from absl import flags
import jax
import jax.numpy as jnp
from ml_collections import config_flags

from benchmarks import drawing
from benchmarks import machine
from cnerf_jax.models import players as players_lib
from cnerf_jax.run import flops
from cnerf_jax.training import sharding

_CONFIG = config_flags.DEFINE_config_file('config', 'configs/ffhq12.py', 'What to draw with.', lock_config=True)
_BATCHES = flags.DEFINE_list('batches', ['1'], 'Images drawn at once.')
_DEVICES = flags.DEFINE_list('devices', ['1'], 'Devices over which the rays are cut; on a CPU, ask for as many by XLA_FLAGS first.')
_REPEATS = flags.DEFINE_integer('repeats', 5, 'Timed repetitions of each row.', lower_bound=1)
_OUTPUT = flags.DEFINE_string('output', None, 'JSON lines are appended here.')


def measure(config, batches: list[int], device_counts: list[int], repeats: int) -> list[dict]:
  """Rows of metrics, one for each batch size on each number of devices."""
  generator = players_lib.make_players(config).generator
  z = jnp.zeros((1, generator.latent_dim))
  init = jax.jit(generator.init)
  variants = []
  for count in device_counts:
    devices = jax.devices()[:count]
    if len(devices) < count:
      raise app.UsageError(f'--devices={count}: there are {len(devices)}; on a CPU set XLA_FLAGS=--xla_force_host_platform_device_count=N')
    mesh = sharding.make_mesh(devices)
    params = jax.device_put(init(jax.random.key(0), z), sharding.replicated(mesh))
    for batch in batches:
      draw = jax.jit(drawing.make_draw(config, generator, batch, config.num_chunks or None, mesh if count > 1 else None))
      variants.append((count, batch, params, draw.lower(params).compile()))
  peaks = {count: machine.matrix_peak(jax.devices()[:count]) for count in device_counts}
  seconds = machine.interleaved([lambda draw=draw, params=params: draw(params) for _, _, params, draw in variants], repeats)
  rows = []
  for (count, batch, params, draw), row in zip(variants, seconds):
    memory = draw.memory_analysis()
    rows.append(dict(
        device=jax.devices()[0].device_kind, devices=count, batch=batch, image_size=config.image_size, width=generator.width,
        num_samples=config.num_samples, temporary_gib=memory.temp_size_in_bytes / 2**30 if memory else None,
        load=os.getloadavg()[0],
        **machine.metrics(
            row, images=batch, flops=flops.count(drawing.make_draw(config, generator, batch, num_chunks=1), params), peak=peaks[count])))
  return rows


def main(argv):
  del argv
  numbers = lambda texts: [int(text) for text in texts]
  for row in measure(_CONFIG.value, numbers(_BATCHES.value), numbers(_DEVICES.value), _REPEATS.value):
    machine.report(row, _OUTPUT.value)
    print()


if __name__ == '__main__':
  app.run(main)
