import pathlib
import sys

import jax
import pytest

import tiny

from cnerf_jax import pretrained

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # for `import asked`, whatever pytest's import mode


@pytest.fixture(name='model_file', scope='session')
def _model_file(tmp_path_factory):
  """A file of a tiny model with the twelve classes, quick to draw."""
  generator = tiny.make_generator(num_classes=12, base='sphere', mask_fusion='softmax')
  model = pretrained.Model(
      generator, tiny.make_params(generator), class_set='ffhq12', image_size=4, num_samples=4, azimuth_std=0.3, elevation_std=0.1)
  path = tmp_path_factory.mktemp('model') / 'tiny.npz'
  pretrained.save(path, model)
  return path


@pytest.fixture(name='model', scope='session')
def _model(model_file):
  return pretrained.load(model_file)


@pytest.fixture(name='styles', scope='session')
def _styles(model):
  """Of two people."""
  return jax.device_get(model.draw_styles(jax.random.key(0), 2))
