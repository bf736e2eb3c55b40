import jax
import numpy as np
import pytest

import published_oracle
import tiny

from cnerf_jax import published_discriminators

NUM_CLASSES = 5
READERS = {'global': published_discriminators.global_discriminator_from, 'semantic': published_discriminators.semantic_discriminator_from}
STATE_DICTS = {
    'global': published_oracle.global_weights((6, 8, 8, 10), NUM_CLASSES),
    'semantic': published_oracle.semantic_weights((6, 8, 8), 12, NUM_CLASSES)}


def read(player, weights):
  module, params = READERS[player](weights, NUM_CLASSES)
  return module, tiny.flat(params)


@pytest.mark.parametrize('player', READERS)
def test_order_does_not_matter(player):
  """Protects against weights in the wrong places: a state_dict in any order is read the same, by name."""
  weights = STATE_DICTS[player]
  module, params = read(player, weights)
  names = list(weights)
  for seed in range(3):
    shuffled = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    other, found = read(player, {name: weights[name] for name in shuffled})
    assert other == module and found.keys() == params.keys()
    for name in params:
      np.testing.assert_array_equal(found[name], params[name], err_msg=name)


@pytest.mark.parametrize('rename', [
    lambda name: name.replace('mask_convs', 'a.convs2').replace('final_linear', 'b'),
    lambda name: name.replace('convs.', 'blocks.1').replace('final_conv', 'z.conv'),
    lambda name: name.replace('activation.bias', 'conv.bias'),
], ids=['words', 'two_digits', 'biases'])
def test_words_do_not_matter(rename):
  """Protects state_dicts that call their branches and heads otherwise: numbers, shapes and the layers of a block are what counts."""
  expected = read('semantic', STATE_DICTS['semantic'])
  module, params = read('semantic', {rename(name): value for name, value in STATE_DICTS['semantic'].items()})
  assert module == expected[0]
  for name in params:
    np.testing.assert_array_equal(params[name], expected[1][name], err_msg=name)


def test_numbers_are_in_order_of_counting():
  """Protects deep branches: block 10 comes behind block 9, whatever the alphabet says."""
  channels = tuple(range(3, 15))
  module, params = READERS['global'](published_oracle.global_weights(channels, NUM_CLASSES), NUM_CLASSES)
  assert module.channels == channels
  assert params['params']['image']['block_10']['skip']['conv']['kernel'].shape == (1, 1, 13, 14)


@pytest.mark.parametrize('player', READERS)
def test_each_missing_tensor_is_named(player):
  """Protects users of incomplete files: whichever tensor is missing, one line names its layer."""
  for missing in STATE_DICTS[player]:
    weights = {name: value for name, value in STATE_DICTS[player].items() if name != missing}
    with pytest.raises(ValueError, match='it is not the published stage 1 architecture') as error:
      READERS[player](weights, NUM_CLASSES)
    layer = missing.rpartition('.')[0].removesuffix('.conv').removesuffix('.conv').removesuffix('.activation')
    assert f'the {missing.rpartition(".")[2]} of {layer},' in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('player, layer, message', [
    ('global', 'convs.0', r'lacks convs\.0\.conv\.weight'),
    ('global', 'mask_convs.2.conv2', r'lacks mask_convs\.2\.conv2\.conv\.conv\.weight'),
    ('global', 'convs.1.conv1', r'lacks convs\.1\.conv1\.conv\.conv\.weight'),
    ('global', 'convs.3', r'lacks convs\.3\.conv1\.conv\.conv\.weight'),
    ('semantic', 'mask_convs.1', r'lacks mask_convs\.1\.conv1\.conv\.conv\.weight'),
    ('semantic', 'mask_convs.1.skip', r'lacks mask_convs\.1\.skip\.conv\.weight'),
    ('semantic', 'mask_convs', 'has 1 branches where two are expected'),
    ('semantic', 'final_conv', 'one convolution is expected behind the branches, there is none'),
    ('semantic', 'class_linear.1', r'lacks class_linear\.1\.weight'),
    ('semantic', 'class_linear', 'has 1 heads of 2 linear layers where two of two are expected'),
])
def test_missing_layer_is_named(player, layer, message):
  """Protects users of incomplete files: a whole layer, block, branch or head that is missing."""
  weights = {name: value for name, value in STATE_DICTS[player].items() if not name.startswith(f'{layer}.')}
  with pytest.raises(ValueError, match=message) as error:
    READERS[player](weights, NUM_CLASSES)
  assert '\n' not in str(error.value)


KERNEL, ROW = np.zeros((8, 8, 1, 1), np.float32), np.zeros(8, np.float32)


@pytest.mark.parametrize('player, more, message', [
    ('global', {'extra.kernel': KERNEL}, 'extra.kernel is unexpected'),
    ('global', {'head.0.weight': np.zeros((2, 8)), 'head.0.bias': np.zeros(2)}, r'head\.0\.weight is unexpected'),
    ('global', {'convs.2.skip.conv.weight': KERNEL, 'convs.2.skip.conv.bias': ROW}, r'convs\.2\.skip\.conv\.weight is unexpected'),
    ('global', {'convs.4.conv.weight': KERNEL, 'convs.4.conv.bias': ROW}, r'convs\.4\.conv\.weight is unexpected'),
    ('global', {'to_rgb.conv.weight': KERNEL, 'to_rgb.conv.bias': ROW}, 'to_rgb has no number that says its place'),
    ('global', {'norm.weight': ROW, 'norm.bias': ROW}, r'norm\.weight has shape \(8,\), neither of a convolution nor'),
    ('global', {'final_conv.activation.bias': ROW}, r'final_conv\.activation\.bias and final_conv\.conv\.bias are both the bias'),
    ('global', {'convs.0.conv.weight': np.zeros((6, 4, 1, 1))}, r'just one must take the 3 channels of an image: convs\.0\.conv\.weight 4'),
    ('global', {'mask_convs.0.conv.weight': np.zeros((6, 4, 1, 1))}, r'mask_convs\.0\.conv\.weight has shape \(6, 4, 1, 1\), .* needs'),
    ('global', {'convs.1.conv1.conv.conv.weight': np.zeros((8, 6, 3, 3))}, r'convs\.1\.conv1\.conv\.conv\.weight has shape .* needs'),
    ('semantic', {'class_linear.1.weight': np.zeros((4, 12))}, r'class_linear\.1\.weight has shape \(4, 12\), .* needs \(12, 5\)'),
    ('semantic', {'class_linear.1.weight': np.zeros((1, 12))}, 'of its heads just one must have one output'),
])
def test_other_architecture_is_refused(player, more, message):
  """Protects against weights in the wrong places: what has no place, two of one place, and shapes that do not fit."""
  with pytest.raises(ValueError, match=message) as error:
    READERS[player](STATE_DICTS[player] | more, NUM_CLASSES)
  assert '\n' not in str(error.value)


def test_published_sizes_are_read():
  """Protects the published checkpoint: at its full widths every tensor has a place, and all parameters are filled."""
  empty = lambda weights: {name: np.broadcast_to(np.float32(0), value.shape) for name, value in weights.items()}
  for player, weights, count in (
      ('global', published_oracle.global_weights((128, 256, 400, 400, 400, 400), 12), 24_192_367),
      ('semantic', published_oracle.semantic_weights((256, 512, 512, 512, 512), 512, 12), 40_279_053)):
    _, params = READERS[player](empty(weights), 12)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count
