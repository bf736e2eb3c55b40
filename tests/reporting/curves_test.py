import math

from PIL import Image
import numpy as np
import pytest

from cnerf_jax.persistence import jsonl
from cnerf_jax.reporting import curves


def test_loss_plot(tmp_path):
  """Protects the curves of a broken run: zero gradients, values that are not finite, and missing values still draw."""
  lines = []
  for step in range(0, 100, 10):
    record = {'step': step, 'seconds': step, 'generator/eikonal': math.nan if step == 50 else 1.0,
              'generator_gradient_norm/adversarial_global': 0.0, 'global_discriminator/accuracy': 1.0,
              'global_discriminator/r1_mask': math.inf, 'mask_area/fake/hair': -0.13, 'mask_area/real/hair': 0.2}
    if step % 50 == 0:
      record['score/image_normalised'] = 1 - step / 100
    lines.append(jsonl.line(record))
  (tmp_path / 'metrics.jsonl').write_text(''.join(lines))
  curves.loss_plot(tmp_path / 'metrics.jsonl', tmp_path / 'losses.png')
  picture = np.asarray(Image.open(tmp_path / 'losses.png').convert('RGB')).astype(int)
  assert picture.shape[1] > picture.shape[0] > 400
  assert (picture == (255, 0, 0)).all(-1).sum() > 50  # the marks of what is not finite


def test_panels():
  """Protects every number that a person judges by from being left out of the plot."""
  names = ['score/presence_ratio_hat', 'generator/eikonal', 'global_discriminator/adversarial', 'semantic_discriminator/adversarial',
           'global_discriminator/accuracy', 'semantic_discriminator/class_accuracy', 'score/azimuth',
           'score/geometry_relief', 'score/geometry_fog', 'score/geometry_in_order', 'score/locality_both',
           'generator_gradient_norm/eikonal', 'mask_area/fake/hair', 'score/mask_normalised']
  panels = curves._panels([*names, 'seconds', 'step'])
  drawn = [name for panel in panels for name in panel.series]
  assert sorted(drawn) == sorted(names)
  assert names[2:4] in [list(panel.series) for panel in panels]
  assert ['score/geometry_fog', 'score/geometry_relief'] in [sorted(panel.series) for panel in panels]


@pytest.mark.parametrize('content', ['', '{"step": 0, "seconds": 0.1}\n'], ids=['empty', 'no metrics'])
def test_plot_of_nothing(tmp_path, content):
  """Protects the first seconds of a run, when there is nothing to draw."""
  (tmp_path / 'metrics.jsonl').write_text(content)
  curves.loss_plot(tmp_path / 'metrics.jsonl', tmp_path / 'losses.png')
  assert Image.open(tmp_path / 'losses.png').size[0] > 100
