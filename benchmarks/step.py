"""Times whole training steps: python -m benchmarks.step --config=configs/portraits32.py --repeats=5 [--config.key=value ...]

Prints a row (median, minimum, maximum seconds; images/s; the model's FLOPs and their share of what matrix products reach on this
machine; memory; load) and appends it to --output as JSON.
"""

import os
import time

from absl import app
from absl import flags
import jax
from ml_collections import config_flags
import numpy as np

from benchmarks import machine
from cnerf_jax.training import loop
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import plan
from cnerf_jax.training import sharding
from cnerf_jax.training import train_state
from cnerf_jax.training import train_step

_CONFIG = config_flags.DEFINE_config_file('config', 'configs/portraits32.py', 'What to time.', lock_config=True)
_REPEATS = flags.DEFINE_integer('repeats', 5, 'Timed steps, after two that are not.', lower_bound=1)
_OUTPUT = flags.DEFINE_string('output', None, 'JSON lines are appended here.')


def random_batch(config, num_classes: int) -> dict[str, np.ndarray]:
  """Reals of the right shapes; their content does not matter to the clock."""
  rng = np.random.default_rng(0)
  shape = (config.batch_size, config.image_size, config.image_size)
  masks = rng.random(shape + (num_classes,), np.float32)
  return dict(
      image=rng.uniform(-1, 1, shape + (3,)).astype(np.float32),
      semantic_mask=masks / masks.sum(-1, keepdims=True),
      viewpoint=rng.normal(0, 0.2, (config.batch_size, 2)).astype(np.float32))


def measure(config, repeats: int) -> dict:
  """Times `repeats` steps of a config on all devices."""
  mesh = sharding.make_mesh()
  loop.check(config, mesh)
  config = plan.resolve(config, mesh)
  players = train_state.make_players(config)
  optimizers = optimizers_lib.make_optimizers(config)
  state = jax.device_put(
      train_state.create(jax.random.key(0), players, optimizers, image_size=config.image_size), sharding.replicated(mesh))
  batch = sharding.put_batch(random_batch(config, players.generator.num_classes), mesh)
  started = time.perf_counter()
  step = sharding.jit_step(train_step.make_train_step(config, players, optimizers), mesh).lower(state, batch).compile()
  compile_seconds = time.perf_counter() - started
  seconds = []
  for _ in range(repeats + 2):
    started = time.perf_counter()
    state, metrics = step(state, batch)
    jax.block_until_ready((state, metrics))
    seconds.append(time.perf_counter() - started)
  seconds = seconds[2:]
  memory = step.memory_analysis()
  return dict(
      device=jax.devices()[0].device_kind, devices=mesh.size, image_size=config.image_size, width=config.generator.width,
      num_samples=config.num_samples, batch_size=config.batch_size, compile_seconds=compile_seconds,
      temporary_gib=memory.temp_size_in_bytes / 2**30 if memory else None, load=os.getloadavg()[0],
      **machine.figures(
          seconds, images=config.batch_size, flops=plan.count_flops_per_image(config) * config.batch_size,
          peak=machine.matrix_peak()),
      peak_resident_gib=machine.peak_resident_gib(), peak_device_gib=machine.peak_device_gib())


def main(argv):
  del argv
  machine.report(measure(_CONFIG.value, _REPEATS.value), _OUTPUT.value)


if __name__ == '__main__':
  app.run(main)
