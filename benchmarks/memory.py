"""What a training step holds on one device, by the compiler: python -m benchmarks.memory --config=configs/ffhq12.py --batches=4,24

Compiles without data and runs no step, so that a machine without an accelerator can tell what one would need: by default rays are cut
into the chunks, and convolutions are those, that a GPU or TPU gets. The memory is planned by this backend's compiler, whose order and
fusions differ. Prints state, temporaries and FLOPs for each batch, and appends them to --output as JSON.
"""

import contextlib
import json
import pathlib
from unittest import mock

from absl import app
from absl import flags
import jax
from ml_collections import config_flags

from benchmarks import step
from cnerf_jax.models import convolution
from cnerf_jax.rendering import volume_rendering
from cnerf_jax.run import plan
from cnerf_jax.training import sharding
from configs import checks


@contextlib.contextmanager
def as_on_accelerator():
  """Chunks of rays and convolutions as a GPU or TPU gets them, whatever the backend."""
  chunks = {jax.default_backend(): volume_rendering._ACTIVATIONS_PER_CHUNK_ELSEWHERE}
  with mock.patch.dict(volume_rendering._ACTIVATIONS_PER_CHUNK, chunks), convolution.as_defined():
    yield


def measure(config, batch: int) -> dict:
  """Figures of one batch size on one device, in GiB and TFLOP."""
  mesh = sharding.make_mesh(jax.devices()[:1])
  config = step.vary(config, f'batch_size={batch}')
  memory = plan.step_memory(config, mesh)
  _, generator_part, generator_flops = step.compile_generator_part(config, mesh)
  return dict(
      batch_size=batch, num_micro_batches=config.num_micro_batches, image_size=config.image_size, state_gib=memory.state_bytes / 2**30,
      temporary_gib=memory.temporary_bytes / 2**30, total_gib=memory.total_bytes / 2**30,
      generator_temporary_gib=generator_part.memory_analysis().temp_size_in_bytes / 2**30,
      tflop_per_image=plan.count_flops_per_image(config) / 1e12, generator_tflop_per_image=generator_flops / batch / 1e12)


def main(argv):
  del argv
  with as_on_accelerator() if _FOR_ACCELERATOR.value else contextlib.nullcontext():
    for batch in _BATCHES.value:
      checks.check(step.vary(_CONFIG.value, f'batch_size={batch}'), sharding.make_mesh(jax.devices()[:1]))
    for batch in _BATCHES.value:
      row = measure(_CONFIG.value, int(batch))
      print(', '.join(f'{name} {value:.3g}' for name, value in row.items()), flush=True)
      if _OUTPUT.value:
        with pathlib.Path(_OUTPUT.value).open('a') as file:
          file.write(json.dumps(row) + '\n')


if __name__ == '__main__':
  _CONFIG = config_flags.DEFINE_config_file('config', 'configs/ffhq12.py', 'What to train with.', lock_config=True)
  _BATCHES = flags.DEFINE_list('batches', ['4', '24'], 'Images of a step.')
  _FOR_ACCELERATOR = flags.DEFINE_bool('for_accelerator', True, 'Chunks and convolutions as on a GPU or TPU; else as on this backend.')
  _OUTPUT = flags.DEFINE_string('output', None, 'JSON lines are appended here.')
  app.run(main)
