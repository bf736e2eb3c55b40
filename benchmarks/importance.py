"""Even samples against importance: python -m benchmarks.importance [--params=pretrained/portraits32.npz] [--size=64] [--people=4]

Error of image, mask and depth against 256 even samples a ray, and seconds, of pictures drawn with n even samples and with n + m, m of them by
importance. Errors are means over pixels: of all, and of those that the person covers, where the end of the ray plays no part (even
samples move it: the last one stands for all that lies behind). Timed in turns; appended to --output as JSON.
"""

from absl import app
from absl import flags
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import machine
from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax import sampler

REFERENCE_SAMPLES = 256
SAMPLES = ((8, 0), (16, 0), (24, 0), (32, 0), (64, 0), (8, 4), (8, 8), (8, 16), (12, 12), (16, 16))  # (even, importance)
_BACKGROUND = 0  # the first class of every class set
_QUANTITIES = ('rgb', 'semantic_mask', 'depth')


def measure(model: pretrained.Model, *, people: int, image_size: int, repeats: int, samples=SAMPLES) -> list[dict]:
  """Rows of (even, importance): seconds and errors."""
  styles = model.draw_styles(jax.random.key(1), people)
  camera = camera_lib.orbit(jnp.linspace(-0.4, 0.4, people), jnp.zeros(people))

  def drawn(even, importance):
    draw = jax.jit(lambda params: sampler.render(
        model.generator, params, styles, camera, image_size=image_size, num_samples=even, num_importance=importance))
    return lambda: draw(model.params)

  draws = [drawn(*pair) for pair in samples]
  exact = drawn(REFERENCE_SAMPLES, 0)()
  person = np.asarray(exact.semantic_mask)[..., _BACKGROUND] < 0.5
  seconds = machine.interleaved(draws, repeats)
  rows = []
  for (even, importance), draw, row in zip(samples, draws, seconds):
    found = draw()
    errors = {}
    for name in _QUANTITIES:
      error = np.abs(np.asarray(getattr(found, name)) - np.asarray(getattr(exact, name)))
      errors |= {f'{name}_error': float(error.mean()), f'{name}_error_of_person': float(error[person].mean())}
    rows.append(dict(
        even=even, importance=importance, samples=even + importance, seconds=min(row), median_seconds=float(np.median(row)), **errors))
  return rows


def table(rows: list[dict]) -> str:
  """The rows as text, by number of samples, which is their time on a machine at rest."""
  lines = ['even + importance   seconds   of all pixels: image   mask    depth     of the person: image   mask    depth']
  for row in sorted(rows, key=lambda row: (row['samples'], row['importance'])):
    errors = [row[f'{name}_error{where}'] for where in ('', '_of_person') for name in _QUANTITIES]
    lines.append('{:4d} + {:<10d} {:9.2f}   {:21.4f} {:7.4f} {:8.5f} {:22.4f} {:7.4f} {:8.5f}'.format(
        row['even'], row['importance'], row['seconds'], *errors))
  return '\n'.join(lines)


def main(argv):
  del argv
  rows = measure(pretrained.load(_PARAMS.value), people=_PEOPLE.value, image_size=_SIZE.value, repeats=_REPEATS.value)
  print(table(rows))
  for row in rows:
    machine.append(row, _OUTPUT.value)


if __name__ == '__main__':
  _PARAMS = flags.DEFINE_string('params', 'pretrained/portraits32.npz', 'Model: a file, or the folder of a run.')
  _PEOPLE = flags.DEFINE_integer('people', 4, 'People drawn, from as many sides.', lower_bound=1)
  _SIZE = flags.DEFINE_integer('size', 64, 'Side of the pictures, pixels.', lower_bound=4)
  _REPEATS = flags.DEFINE_integer('repeats', 5, 'Timed repetitions.', lower_bound=1)
  _OUTPUT = flags.DEFINE_string('output', None, 'JSON lines are appended here.')
  app.run(main)
