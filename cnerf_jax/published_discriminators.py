"""Published discriminators: state_dict names and layouts to this package's modules and parameter trees.

Tensors are matched by name, in whatever order they stand. What the names are read for:

  <branch>.<n>.conv.weight                     a branch's 1x1 convolution, the first number of the branch
  <branch>.<n>.{conv1,conv2}.conv.conv.weight  its residual blocks, the numbers after it
  <branch>.<n>.skip.conv.weight                where a block changes the width
  <head>.<n>.weight                            a head's two linear layers (semantic discriminator)
  <last>.conv.weight                           the one convolution behind the branches

Biases stand beside the weights, as `bias`, `conv.bias` or `activation.bias`. Any words will do for <branch>, <head> and <last>: the image
branch is the one that takes three channels, and the realness head the one with one output. Convolutions turn from (out, in, y, x) to
[y, x, in, out], linear weights from (out, in) to [in, out]; every shape must fit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
import re

import flax.linen as nn
import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax.models import global_discriminator as global_discriminator_lib
from cnerf_jax.models import semantic_discriminator as semantic_discriminator_lib

# published name of a block's layer → its weight's name in the block, our path in the block
_BLOCK = {
    'conv1': ('conv1.conv.conv.weight', 'conv_0/convolution/conv'),
    'conv2': ('conv2.conv.conv.weight', 'conv_1/convolution/conv'),
    'skip': ('skip.conv.weight', 'skip/conv'),
}

# {'weight' or 'bias': (published name, array)}
_Layer = dict[str, tuple[str, np.ndarray]]
# what stands before and behind the number in the names of a branch or head
_Series = tuple[str, str]


def global_discriminator_from(
    weights: Mapping[str, np.ndarray], num_classes: int) -> tuple[global_discriminator_lib.GlobalDiscriminator, dict]:
  """Global discriminator and parameters from a published state_dict; widths are read off the shapes.

  Raises:
    ValueError: in one line, if a tensor is missing, unexpected or of another shape.
  """
  read = _Reader(weights, 'global discriminator')
  channels = read.branches()
  read.last('head/conv')
  module = global_discriminator_lib.GlobalDiscriminator(channels=channels)
  size = 2**len(channels)
  return module, read.params(module, (1, size, size, 3), (1, size, size, num_classes))


def semantic_discriminator_from(
    weights: Mapping[str, np.ndarray], num_classes: int) -> tuple[semantic_discriminator_lib.SemanticDiscriminator, dict]:
  """Semantic discriminator of the published kind and parameters from a published state_dict; widths are read off the shapes.

  Raises:
    ValueError: in one line, if a tensor is missing, unexpected or of another shape.
  """
  read = _Reader(weights, 'semantic discriminator')
  channels = read.branches()
  read.last('last/conv')
  module = semantic_discriminator_lib.SemanticDiscriminator(
      num_classes=num_classes, channels=channels, head_width=read.heads(), kind='published')
  size = 2**(len(channels) + 1)
  return module, read.params(module, (1, size, size, 3), (1, size, size, 1))


class _Reader:
  """Places a state_dict's layers in our tree, part by part."""

  def __init__(self, weights: Mapping[str, np.ndarray], player: str):
    self.player = player
    self.placed: dict[str, _Layer] = {}  # by our path
    self.absent: dict[str, str] = {}  # our path → what the weight would be called
    self.starts, self.lasts = {}, {}
    self.blocks: dict[str, dict[str, _Layer]] = defaultdict(dict)
    self.linears = {}
    for name, layer in _layers(weights, self.fail).items():
      parent, _, leaf = name.rpartition('.')
      kernel = layer['weight'][1]
      if leaf in _BLOCK:
        self.blocks[parent][leaf] = layer
      elif kernel.ndim == 2:
        self.linears[name] = layer
      elif kernel.ndim == 4:
        (self.starts if kernel.shape[2:] == (1, 1) else self.lasts)[name] = layer
      else:
        raise self.fail(f'{layer["weight"][0]} has shape {kernel.shape}, neither of a convolution nor of a linear layer')

  def fail(self, fault: str) -> ValueError:
    """The error that says so, to be raised."""
    return ValueError(f'published {self.player}: {fault}; it is not the published stage 1 architecture')

  def series(self, names) -> dict[_Series, dict[int, str]]:
    """Names that differ in their last number alone, by that number."""
    found = defaultdict(dict)
    for name in names:
      match = re.fullmatch(r'(.*?)(\d+)(\D*)', name)
      if not match:
        raise self.fail(f'{name} has no number that says its place')
      found[match[1], match[3]][int(match[2])] = name
    return dict(found)

  def branches(self) -> tuple[int, ...]:
    """Places both branches; returns their channels."""
    branches = self.series([*self.starts, *self.blocks])
    starts = {series: min(numbers) for series, numbers in branches.items()}
    for (before, after), first in starts.items():
      if branches[before, after][first] not in self.starts:
        raise self.fail(f'lacks {before}{first - 1}{after}.conv.weight, the 1x1 convolution at the start of a branch')
    if len(branches) != 2:
      raise self.fail(f'has {len(branches)} branches where two are expected, image and mask')
    start = {series: self.starts[branches[series][first]] for series, first in starts.items()}
    of_image = [series for series, layer in start.items() if layer['weight'][1].shape[1] == 3]
    if len(of_image) != 1:
      takes = ' and '.join(f'{name} {kernel.shape[1]}' for name, kernel in (layer['weight'] for layer in start.values()))
      raise self.fail(f'of its branches just one must take the 3 channels of an image: {takes}')
    length = max(max(numbers) - starts[series] for series, numbers in branches.items())
    for series in branches:
      branch = 'image' if series in of_image else 'mask'
      self.placed[f'{branch}/from_image/conv'] = start[series]
      for i in range(length):
        name = f'{series[0]}{starts[series] + 1 + i}{series[1]}'
        if name in self.starts:
          raise self.fail(f'{self.starts[name]["weight"][0]} is unexpected')
        for leaf, (weight, path) in _BLOCK.items():
          path = f'{branch}/block_{i}/{path}'
          self.absent[path] = f'{name}.{weight}'
          if leaf in self.blocks.get(name, {}):
            self.placed[path] = self.blocks[name][leaf]
    return tuple(self.outputs(f'image/{path}') for path in (
        'from_image/conv', *(f'block_{i}/conv_0/convolution/conv' for i in range(length))))

  def last(self, path: str) -> None:
    """Places the convolution behind the branches."""
    if len(self.lasts) != 1:
      names = ', '.join(layer['weight'][0] for layer in self.lasts.values()) or 'none'
      raise self.fail(f'one convolution is expected behind the branches, there is {names}')
    self.placed[path], = self.lasts.values()

  def heads(self) -> int:
    """Places the two heads of two linear layers each; returns their hidden width."""
    heads = self.series(self.linears)
    everywhere = sorted({number for numbers in heads.values() for number in numbers})
    for (before, after), numbers in heads.items():
      for number in everywhere:
        if number not in numbers:
          raise self.fail(f'lacks {before}{number}{after}.weight')
    if len(heads) != 2 or len(everywhere) != 2:
      raise self.fail(f'has {len(heads)} heads of {len(everywhere)} linear layers where two of two are expected')
    for numbers in heads.values():
      hidden, output = (self.linears[numbers[number]] for number in everywhere)
      head = 'realness' if len(output['weight'][1]) == 1 else 'class'
      if f'{head}_0' in self.placed:
        raise self.fail(f'of its heads just one must have one output: {output["weight"][0]} is the second {head} head')
      self.placed |= {f'{head}_0': hidden, f'{head}_1': output}
    self.linears = {}
    return self.outputs('realness_0')

  def outputs(self, path: str) -> int:
    """Channels that a layer gives."""
    if path not in self.placed:
      raise self.fail(f'lacks {self.absent[path]}')
    return len(self.placed[path]['weight'][1])

  def params(self, module: nn.Module, *shapes: tuple[int, ...]) -> dict:
    """The module's parameters, once every tensor has its place and shape."""
    for layer in self.linears.values():
      raise self.fail(f'{layer["weight"][0]} is unexpected')
    tree = jax.eval_shape(lambda: module.init(jax.random.key(0), *map(jnp.zeros, shapes)))['params']
    expected = flax.traverse_util.flatten_dict(tree, sep='/')
    filled = {}
    for path in sorted({path.rpartition('/')[0] for path in expected} | set(self.placed)):
      if path not in self.placed:
        raise self.fail(f'lacks {self.absent[path]}')
      if f'{path}/kernel' not in expected:
        raise self.fail(f'{self.placed[path]["weight"][0]} is unexpected')
      for kind, leaf in (('weight', f'{path}/kernel'), ('bias', f'{path}/bias')):
        name, value = self.placed[path][kind]
        array = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
        if array.shape != expected[leaf].shape:
          raise self.fail(f'{name} has shape {value.shape}, read as {array.shape}, where {leaf} needs {expected[leaf].shape}')
        filled[leaf] = jnp.asarray(array)
    return {'params': flax.traverse_util.unflatten_dict(filled, sep='/')}


def _layers(weights: Mapping[str, np.ndarray], fail) -> dict[str, _Layer]:
  """Weight and bias of each layer: a name less its last word and the `conv` and `activation` before it, which don't say which layer."""
  layers = defaultdict(dict)
  for name, value in weights.items():
    if not value.ndim:  # a counter
      continue
    parent, _, kind = name.rpartition('.')
    if kind not in ('weight', 'bias') or not parent:
      raise fail(f'{name} is unexpected')
    layer = re.sub(r'(\.(conv|activation))+$', '', parent)
    if kind in layers[layer]:
      raise fail(f'{name} and {layers[layer][kind][0]} are both the {kind} of {layer}')
    layers[layer][kind] = name, value
  for layer, tensors in layers.items():
    if len(tensors) == 1:
      missing = 'bias' if 'weight' in tensors else 'weight'
      raise fail(f'lacks the {missing} of {layer}, to go with {next(iter(tensors.values()))[0]}')
  return dict(layers)
