"""The benchmark of importance: its errors are those against many samples, and its table has every row."""

import tiny

from benchmarks import importance
from cnerf_jax import pretrained


def test_errors_fall_with_samples(quick_compilation):
  """Protects the table: more even samples, less error, none at the reference itself; one line a row."""
  generator = tiny.make_generator(num_classes=12, base='sphere', mask_fusion='softmax', density_beta_init=0.01)
  model = pretrained.Model(generator, tiny.make_params(generator))
  samples = ((4, 0), (32, 0), (4, 4), (importance.REFERENCE_SAMPLES, 0))
  rows = importance.measure(model, people=1, image_size=6, repeats=1, samples=samples)
  few, many, both, exact = (row['depth_error'] for row in rows)
  assert few > 3 * many > 0 and few > both > 0 and exact == 0
  lines = importance.table(rows).splitlines()
  assert len(lines) == 5 and '4 + 4' in lines[2]
