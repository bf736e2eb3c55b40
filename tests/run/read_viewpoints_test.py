import json

import numpy as np
import pytest

from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax.models import portrait_encoder
from cnerf_jax.run import read_viewpoints

import tiny

import jax


def make_encoder(viewpoint_std=(0.3, 0.15)):
  module = portrait_encoder.PortraitEncoder(style_dim=4, channels=(4, 4), hidden=8, viewpoint_std=viewpoint_std)
  num_classes = semantics.FFHQ12.num_classes
  shapes = jax.eval_shape(module.init, jax.random.key(0), np.zeros((1, 8, 8, 3)), np.zeros((1, 8, 8, num_classes)))
  return pretrained.Encoder(module, tiny.fill(shapes), np.zeros(4), np.eye(4), 'ffhq12', 8)


def make_batch(names, seed):
  random = np.random.default_rng(seed)
  image = random.uniform(-1, 1, (len(names), 8, 8, 3)).astype(np.float32)
  return names, {'image': image, 'semantic_mask': random.uniform(0, 1, (len(names), 8, 8, 12)).astype(np.float32)}


def test_every_portrait_has_its_own_viewpoint(tmp_path):
  """Protects the pairing of names and viewpoints, in batches that are not full too; what is written is what was read."""
  encoder = make_encoder()
  batches, counts = [make_batch([f'a{i}' for i in range(5)], 0), make_batch(['b "1"'], 1)], []
  found = read_viewpoints.read(encoder, batches, counts.append)
  assert counts == [5, 6] and len(found) == 6
  for names, examples in batches:
    expected = encoder(examples['image'], examples['semantic_mask'])[1]
    np.testing.assert_allclose([found[name] for name in names], expected, atol=1e-4)
  assert np.std(list(found.values()), axis=0).min() > 1e-3
  path = read_viewpoints.write(tmp_path, found)
  assert path == tmp_path / 'viewpoints.json' and json.loads(path.read_text()) == found


def test_encoder_that_reads_none_is_one_line(tmp_path):
  """Protects from a file of nothing: a run with known cameras has an encoder without viewpoints, which is told with the remedy."""
  pretrained.save_encoder(tmp_path / pretrained.ENCODER_FILE, make_encoder(viewpoint_std=None))
  with pytest.raises(ValueError, match='reads no viewpoints.*vae_pretraining.viewpoints=refined or guessed') as error:
    read_viewpoints.load_reader(tmp_path)
  assert '\n' not in str(error.value)
  pretrained.save_encoder(tmp_path / pretrained.ENCODER_FILE, make_encoder())
  assert read_viewpoints.load_reader(tmp_path).image_size == 8
