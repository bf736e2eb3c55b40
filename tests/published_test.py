import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import published_oracle
import tiny

from cnerf_jax import pretrained
from cnerf_jax import published
from cnerf_jax.models import global_discriminator
from cnerf_jax.models import semantic_discriminator
from cnerf_jax.training import discriminator_step

pytestmark = pytest.mark.usefixtures('quick_compilation')

NUM_CLASSES = 5
# fewer channels than published, some kept from block to block, so that skips with and without weights are read
GLOBAL = global_discriminator.GlobalDiscriminator(channels=(6, 8, 8, 10))
SEMANTIC = semantic_discriminator.SemanticDiscriminator(num_classes=NUM_CLASSES, channels=(6, 8, 8), head_width=12, kind='published')
SIZE = 16


@pytest.fixture(scope='module')
def generator_weights():
  with np.load(pathlib.Path(__file__).parent / 'golden' / 'published_tiny.npz') as arrays:
    prefix = 'weights/generator/'
    return {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}


@pytest.fixture(scope='module')
def checkpoint(generator_weights):
  """A whole checkpoint of random players."""
  return {
      'g': generator_weights,
      'g_ema': {name: value + 1 for name, value in generator_weights.items()},
      'gd': published_oracle.global_weights(GLOBAL.channels, NUM_CLASSES),
      'sd': published_oracle.semantic_weights(SEMANTIC.channels, SEMANTIC.head_width, NUM_CLASSES)}


@pytest.fixture(scope='module')
def portraits():
  """Eight images and masks, and a class of each; two groups of minibatch stddev."""
  draw = np.random.default_rng(2)
  image = draw.uniform(-1, 1, (8, SIZE, SIZE, 3)).astype(np.float32)
  masks = draw.dirichlet(np.ones(NUM_CLASSES), (8, SIZE, SIZE)).astype(np.float32)
  return {'image': image, 'semantic_mask': masks}, np.arange(8) % NUM_CLASSES


def assert_equal(actual, expected):
  assert jax.tree.structure(actual) == jax.tree.structure(expected)
  for (path, a), e in zip(jax.tree_util.tree_flatten_with_path(actual)[0], jax.tree.leaves(expected)):
    np.testing.assert_array_equal(a, e, err_msg=jax.tree_util.keystr(path))


def test_global_discriminator_is_the_published_function(checkpoint, portraits):
  """Protects going on from a published checkpoint: logit and viewpoint are those of the layers as published."""
  players, params = pretrained.players_from_published(checkpoint)
  assert players.global_discriminator == GLOBAL
  real, _ = portraits
  outputs = jax.jit(players.global_discriminator.apply)(params['global_discriminator_params'], real['image'], real['semantic_mask'])
  logits, viewpoint = published_oracle.global_outputs(checkpoint['gd'], real['image'], real['semantic_mask'])
  tiny.assert_close(outputs.realness_logits, logits, rtol=1e-4, what='realness logits')
  tiny.assert_close(outputs.viewpoint, viewpoint, rtol=1e-4, what='viewpoint')


def test_semantic_discriminator_is_the_published_function(checkpoint, portraits):
  """Protects going on from a published checkpoint: both heads' logits are those of the layers as published, which ours are not."""
  players, params = pretrained.players_from_published(checkpoint)
  assert players.semantic_discriminator == SEMANTIC
  real, classes = portraits
  region, mask = semantic_discriminator.cut_out(*map(jnp.asarray, (real['image'], real['semantic_mask'], classes)))
  logits, class_logits = published_oracle.semantic_outputs(checkpoint['sd'], real['image'], mask)
  outputs = jax.jit(players.semantic_discriminator.apply)(params['semantic_discriminator_params'], region, mask)
  tiny.assert_close(outputs.realness_logits, logits, rtol=1e-4, what='realness logits')
  tiny.assert_close(outputs.class_logits, class_logits, rtol=1e-4, what='class logits')
  ours = jax.jit(SEMANTIC.clone(kind='recommended').apply)(params['semantic_discriminator_params'], region, mask)
  for name, expected in (('realness_logits', logits), ('class_logits', class_logits)):
    assert np.abs(getattr(ours, name) - expected).max() > 0.1 * np.abs(expected).max()


def test_r1_of_the_semantic_discriminator_is_the_published_one(checkpoint):
  """Protects R1 of the published kind: squared differences of the logits with respect to the whole image and to the mask, which moves
  the region too."""
  weights = published_oracle.semantic_weights((3, 4), 5, NUM_CLASSES)
  players, params = pretrained.players_from_published(
      checkpoint | {'gd': published_oracle.global_weights((3, 4, 4), NUM_CLASSES), 'sd': weights})
  draw, classes, h = np.random.default_rng(3), np.array([1, 4]), 1e-6
  real = {
      'image': draw.uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32),
      'semantic_mask': draw.dirichlet(np.ones(NUM_CLASSES), (2, 8, 8)).astype(np.float32)}
  inputs = {
      'r1_image': real['image'].astype(np.float64),
      'r1_mask': np.stack([real['semantic_mask'][i, :, :, k, None] for i, k in enumerate(classes)]).astype(np.float64)}

  def penalty(name):
    total = 0.0
    for index in np.ndindex(inputs[name].shape):
      moved = {name: value.copy() for name, value in inputs.items()}
      moved[name][index] += h
      above = published_oracle.semantic_outputs(weights, *moved.values())[0].sum()
      moved[name][index] -= 2 * h
      total += ((above - published_oracle.semantic_outputs(weights, *moved.values())[0].sum()) / (2 * h))**2
    return total / len(classes)

  terms = lambda players: jax.jit(lambda p: discriminator_step.semantic_terms(
      players, p, real, real, jnp.asarray(classes), jnp.asarray(classes))[0])(params['semantic_discriminator_params'])
  published_terms = terms(players)
  ours = terms(players.replace(semantic_discriminator=players.semantic_discriminator.clone(kind='recommended')))
  for name in inputs:
    expected = penalty(name)
    np.testing.assert_allclose(published_terms[name], expected, rtol=1e-3, err_msg=name)
    assert abs(ours[name] - expected) > 0.1 * expected


def test_generator_sizes_are_read_off_the_shapes(checkpoint):
  """Protects published generators of any size; the average comes from g_ema, the trained one from g."""
  players, read = published.players_from(checkpoint)
  generator = players.generator
  assert (generator.num_classes, generator.width, generator.style_dim) == (5, 16, 16)
  assert (generator.mapping_layers, generator.num_shape_layers, generator.num_texture_layers) == (3, 3, 2)
  assert (generator.base, generator.mask_fusion) == ('network', 'raw')
  shapes = jax.eval_shape(lambda: generator.init(jax.random.key(0), jnp.zeros((1, 16))))
  for name in ('generator_params', 'ema_params'):
    assert jax.tree.map(jnp.shape, read[name]) == jax.tree.map(lambda x: x.shape, shapes)
  beta = lambda name: float(read[name]['params']['field']['density_beta'])
  assert beta('ema_params') == pytest.approx(beta('generator_params') + 1)
  from_whole = pretrained.from_published(checkpoint)
  assert_equal(from_whole.params, read['ema_params'])


def test_wrapped_names_and_tensors_are_read(generator_weights):
  """Protects checkpoints of several GPUs (names with module.) and torch tensors, without torch."""

  class Tensor:
    def __init__(self, array):
      self.array = array
    detach = cpu = lambda self: self
    numpy = lambda self: self.array

  wrapped = {f'module.{name}': Tensor(value) for name, value in generator_weights.items()}
  assert_equal(published.generator_from(wrapped)[1], published.generator_from(generator_weights)[1])


@pytest.mark.parametrize('missing', [
    'style.1.bias', 'renderer.network.3.rgb_linear.weight', 'renderer.network.0.shape_linears.0.weight',
    'renderer.init_network.sdf_linear.bias', 'renderer.sigmoid_beta'])
def test_missing_tensor_is_named(generator_weights, missing):
  """Protects users of incomplete files: one line with the name that is missing and what to pass."""
  weights = {name: value for name, value in generator_weights.items() if name != missing}
  with pytest.raises(ValueError) as error:
    published.generator_from(weights)
  assert missing in str(error.value) and 'state_dict of a stage 1 generator' in str(error.value)
  assert '\n' not in str(error.value)


def test_missing_player_is_named(checkpoint):
  """Protects users of partial checkpoints: which key is missing, which are there."""
  weights = {name: value for name, value in checkpoint.items() if name != 'sd'}
  with pytest.raises(ValueError, match='lacks sd; its keys are g, g_ema, gd'):
    published.players_from(weights)


def test_file_without_torch_is_one_line(tmp_path, monkeypatch):
  """Protects users without torch: what to install, or what to pass instead."""
  monkeypatch.setitem(__import__('sys').modules, 'torch', None)
  with pytest.raises(ValueError, match='needs torch; pip install torch, or pass'):
    pretrained.players_from_published(tmp_path / 'model.pt')
