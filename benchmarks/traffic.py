"""Bytes that devices exchange in a training step: python -m benchmarks.traffic --config=configs/portraits32.py --devices=8

Devices are simulated on the CPU and the step is compiled, not run. Payload is what one device puts into a collective operation; of an
all-reduce a ring moves 2 (n - 1) / n times as much over each link.
"""

import os
import sys

from absl import app
from absl import flags

_DEVICES = flags.DEFINE_integer('devices', 8, 'Devices to simulate.', lower_bound=1)
_OUTPUT = flags.DEFINE_string('output', None, 'JSON lines are appended here.')

def measure(config) -> dict:
  """Figures of one compiled step on all devices."""
  import jax  # after the number of devices is set

  from cnerf_jax.models import convolution
  from cnerf_jax.run import plan
  from cnerf_jax.training import sharding
  from benchmarks import collectives as traffic_lib
  mesh = sharding.make_mesh()
  sharding.check_batch(config.batch_size, mesh)
  with convolution.as_defined():  # what a GPU exchanges: gradients of kernels, not of the tiles that a CPU turns them into
    compiled = plan.compile_step(config, mesh)
  traffic = traffic_lib.count_traffic(compiled.as_text())
  trained = sum(plan.count_parameters(config).values())
  row = dict(devices=jax.device_count(), batch_size=config.batch_size, image_size=config.image_size, gradient_mb=4 * trained / 1e6)
  for kind, total in sorted(traffic.items()):
    row |= {f'{kind}_count': total.count, f'{kind}_mb': total.payload_bytes / 1e6}
  row['temporary_gib'] = compiled.memory_analysis().temp_size_in_bytes / 2**30
  return row


def main(argv):
  del argv
  from benchmarks import machine
  machine.report(measure(_CONFIG.value), _OUTPUT.value)


if __name__ == '__main__':
  asked = next((arg.split('=')[1] for arg in sys.argv if arg.startswith('--devices=')), '8')
  os.environ['XLA_FLAGS'] = os.environ.get('XLA_FLAGS', '') + f' --xla_force_host_platform_device_count={asked}'
  os.environ['JAX_PLATFORMS'] = 'cpu'
  from ml_collections import config_flags
  _CONFIG = config_flags.DEFINE_config_file('config', 'configs/portraits32.py', 'What to compile.', lock_config=True)
  app.run(main)
