import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import pretrained
from cnerf_jax import published
from cnerf_jax.models import global_discriminator
from cnerf_jax.models import semantic_discriminator

NUM_CLASSES = 5
GLOBAL = global_discriminator.GlobalDiscriminator(channels=(32, 40, 40, 48))
SEMANTIC = semantic_discriminator.SemanticDiscriminator(num_classes=NUM_CLASSES, channels=(32, 40, 40), head_width=24)
# Layers as a published state_dict lists them: as they are executed.
BLOCK = ('conv_0/convolution/conv', 'conv_1/convolution/conv', 'skip/conv')
BRANCH = ('from_image/conv',) + tuple(f'block_{i}/{layer}' for i in range(3) for layer in BLOCK)
BRANCHES = tuple(f'{branch}/{layer}' for branch in ('image', 'mask') for layer in BRANCH)
ORDER = {
    'gd': BRANCHES + ('head/conv',),
    'sd': BRANCHES + ('last/conv', 'realness_0', 'realness_1', 'class_0', 'class_1'),
}


@pytest.fixture(scope='module')
def generator_weights():
  with np.load(pathlib.Path(__file__).parent / 'golden' / 'published_tiny.npz') as arrays:
    prefix = 'weights/generator/'
    return {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}


def random_params(module, *shapes):
  """Parameters with another random number in every entry, biases included."""
  shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), *[jnp.zeros(shape) for shape in shapes]))
  draw = np.random.default_rng(0)
  return jax.tree.map(lambda leaf: draw.standard_normal(leaf.shape).astype(np.float32), shapes)


def to_torch(params, order):
  """A state_dict in torch's layouts: (out, in, y, x) and (out, in), each layer's bias behind its weight."""
  state_dict = {}
  for number, layer in enumerate(order):
    node = params['params']
    for part in layer.split('/'):
      node = node.get(part) if node else None
    if node is None:  # a skip that keeps its width has no weights
      continue
    kernel = node['kernel']
    state_dict[f'layer{number}.weight'] = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
    state_dict[f'layer{number}.activation.bias'] = node['bias']
  return state_dict


@pytest.fixture(scope='module')
def checkpoint(generator_weights):
  """A whole checkpoint, and the parameters that it was made of."""
  params = {
      'gd': random_params(GLOBAL, (1, 16, 16, 3), (1, 16, 16, NUM_CLASSES)),
      'sd': random_params(SEMANTIC, (1, 16, 16, 3), (1, 16, 16, 1))}
  ema = {name: value + 1 for name, value in generator_weights.items()}
  state_dicts = {name: to_torch(params[name], ORDER[name]) for name in params}
  return {'g': generator_weights, 'g_ema': ema} | state_dicts, params


def assert_equal(actual, expected):
  assert jax.tree.structure(actual) == jax.tree.structure(expected)
  for (path, a), e in zip(jax.tree_util.tree_flatten_with_path(actual)[0], jax.tree.leaves(expected)):
    np.testing.assert_array_equal(a, e, err_msg=jax.tree_util.keystr(path))


def test_discriminators_come_back(checkpoint):
  """Protects going on from a published checkpoint: our own parameters, written in torch's order and layout, come back in their places."""
  weights, params = checkpoint
  players, read = pretrained.players_from_published(weights)
  assert players.global_discriminator == GLOBAL and players.semantic_discriminator == SEMANTIC
  assert_equal(read['global_discriminator_params'], params['gd'])
  assert_equal(read['semantic_discriminator_params'], params['sd'])


def test_generator_sizes_are_read_off_the_shapes(checkpoint):
  """Protects published generators of any size; the average comes from g_ema, the trained one from g."""
  weights, _ = checkpoint
  players, read = published.players_from(weights)
  generator = players.generator
  assert (generator.num_classes, generator.width, generator.style_dim) == (5, 16, 16)
  assert (generator.mapping_layers, generator.num_shape_layers, generator.num_texture_layers) == (3, 3, 2)
  assert (generator.base, generator.mask_fusion) == ('network', 'raw')
  shapes = jax.eval_shape(lambda: generator.init(jax.random.key(0), jnp.zeros((1, 5, 2, 16))))
  for name in ('generator_params', 'ema_params'):
    assert jax.tree.map(jnp.shape, read[name]) == jax.tree.map(lambda x: x.shape, shapes)
  beta = lambda name: float(read[name]['params']['field']['density_beta'])
  assert beta('ema_params') == pytest.approx(beta('generator_params') + 1)
  from_whole = pretrained.from_published(weights)
  assert from_whole.generator == generator
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
  weights = {name: value for name, value in checkpoint[0].items() if name != 'sd'}
  with pytest.raises(ValueError, match='lacks sd; its keys are g, g_ema, gd'):
    published.players_from(weights)


@pytest.mark.parametrize('spoil, message', [
    (lambda d: d | {'layer1.weight': d['layer1.weight'][:, :-1]}, r'layer1.weight has shape .* needs'),
    (lambda d: {name: value for name, value in d.items() if name != 'layer4.weight'}, r'has \d+ weights and \d+ biases where'),
], ids=['shape', 'count'])
def test_other_architecture_is_refused(checkpoint, spoil, message):
  """Protects against weights in the wrong places: every count and shape must fit."""
  weights = checkpoint[0] | {'gd': spoil(checkpoint[0]['gd'])}
  with pytest.raises(ValueError, match=message) as error:
    published.players_from(weights)
  assert '\n' not in str(error.value)


def test_file_without_torch_is_one_line(tmp_path, monkeypatch):
  """Protects users without torch: what to install, or what to pass instead."""
  monkeypatch.setitem(__import__('sys').modules, 'torch', None)
  with pytest.raises(ValueError, match='needs torch; pip install torch, or pass'):
    pretrained.players_from_published(tmp_path / 'model.pt')
