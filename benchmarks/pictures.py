"""What the commands of cnerf_jax.draw take, start and compilation included: python -m benchmarks.pictures [--sizes=256,512] [--model=people64]

Ten views at 64x64 of a model of full size (configs/ffhq12.py, untrained: time does not depend on the parameters), and one picture of a
trained model at each of --sizes: seconds, processor seconds (of all cores together; the machine's other work touches them less) and peak
memory of the process. With an empty cache of compiled programs. Appended to --output as JSON.
"""

import os
import pathlib
import resource
import sys
import tempfile
import time

from absl import app
from absl import flags
import jax
import jax.numpy as jnp

from benchmarks import machine
from cnerf_jax import pretrained
from cnerf_jax.models import players as players_lib
from configs import ffhq12


def save_full_model(path: pathlib.Path) -> None:
  """A model of configs/ffhq12.py with its first parameters."""
  config = ffhq12.get_config()
  generator = players_lib.make_players(config).generator
  params = jax.jit(generator.init)(jax.random.key(0), jnp.zeros((1, generator.latent_dim)))
  pretrained.save(path, pretrained.Model(
      generator, params, class_set=config.data.class_set, image_size=config.image_size, num_samples=config.num_samples,
      azimuth_std=config.camera.azimuth_std, elevation_std=config.camera.elevation_std, elevation_mean=config.camera.elevation_mean))


def measure(name: str, arguments: list[str], folder: pathlib.Path) -> dict:
  """Runs one command in a process of its own."""
  os.environ['JAX_COMPILATION_CACHE_DIR'] = str(folder / f'cache_{name}')
  before = resource.getrusage(resource.RUSAGE_CHILDREN)
  started = time.perf_counter()
  _, peak = machine.timed(
      [sys.executable, '-m', 'cnerf_jax.draw', *arguments, '--output', str(folder), '--name', name], folder / f'{name}.log')
  after = resource.getrusage(resource.RUSAGE_CHILDREN)
  processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
  return dict(what=name, seconds=time.perf_counter() - started, processor_seconds=processor, peak_gib=peak / 2**30, load=os.getloadavg()[0])


def main(argv):
  del argv
  with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    commands = {}
    if _VIEWS.value:
      save_full_model(folder / 'full.npz')
      commands['ten_views_64_full'] = ['views', '--model', str(folder / 'full.npz')]
    # people with one view: image, mask and normals of one person
    one = ['people', '--model', _MODEL.value, '--seeds', '1', '--views', '1']
    commands |= {f'one_{size}_{pathlib.Path(_MODEL.value).stem}': [*one, '--size', size] for size in _SIZES.value}
    for name, arguments in commands.items():
      machine.report(measure(name, arguments, folder), _OUTPUT.value)
      print(flush=True)


if __name__ == '__main__':
  _SIZES = flags.DEFINE_list('sizes', ['256', '512', '1024'], 'Sides of the pictures of the trained model.')
  _MODEL = flags.DEFINE_string('model', 'portraits32', 'Trained model: a shipped one by name, a file, or the folder of a run.')
  _VIEWS = flags.DEFINE_bool('views', True, 'Also the ten views of a model of full size.')
  _OUTPUT = flags.DEFINE_string('output', None, 'JSON lines are appended here.')
  app.run(main)
