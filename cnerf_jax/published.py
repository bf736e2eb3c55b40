"""Published PyTorch weights: state_dict names and layouts to this package's parameter trees.

Linear weights turn from (out, in) to [in, out], convolutions from (out, in, y, x) to [y, x, in, out]; the local generators stack
along a leading class axis. Generators are matched by name. Discriminators are matched by structure: their tensors, in the
order of the state_dict, fill this package's layers in order of execution, and every shape must fit.
"""

from __future__ import annotations

from collections.abc import Mapping
import re

import flax.traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax.models import generator as generator_lib
from cnerf_jax.models import global_discriminator as global_discriminator_lib
from cnerf_jax.models import players as players_lib
from cnerf_jax.models import semantic_discriminator as semantic_discriminator_lib


# a 1x1 convolution with fewer inputs sees an image or masks, not features
_FEWEST_CHANNELS = 32


# settings of the published generator that no shape tells
GENERATOR = dict(
    gamma_offset=30.0, base='network', residual_scale=1.0, residual_from_zero=False, mask_fusion='raw', mask_sharpness=1.0, color_gain=1.0,
    density_beta_init=0.1)


def to_numpy(tensor) -> np.ndarray:
  """A NumPy array of a torch tensor or anything array-like."""
  if hasattr(tensor, 'detach'):
    tensor = tensor.detach().cpu().numpy()
  return np.asarray(tensor, np.float32)


def _dense(weights, name):
  return {'kernel': weights[f'{name}.weight'].T, 'bias': weights[f'{name}.bias']}


def _film_siren(weights, name):
  return _dense(weights, name) | {film: _dense(weights, f'{name}.{film}') for film in ('gamma', 'beta')}


def _local_generator(weights, prefix, num_shape_layers, num_texture_layers):
  tree = {f'shape_{i}': _film_siren(weights, f'{prefix}.shape_linears.{i}') for i in range(num_shape_layers)}
  tree |= {f'texture_{i}': _film_siren(weights, f'{prefix}.texture_linears.{i}') for i in range(num_texture_layers)}
  heads = {'mask': 'mask_linears', 'feature': 'feature_linear', 'color': 'rgb_linear', 'sdf': 'sdf_linear'}
  for ours, theirs in heads.items():
    dense = _dense(weights, f'{prefix}.{theirs}')
    tree |= {f'{ours}_kernel': dense['kernel'], f'{ours}_bias': dense['bias']}
  return tree


def _count(weights, pattern):
  found = {int(match.group(1)) for match in (re.match(pattern, name) for name in weights) if match}
  return len(found)


def generator_from(weights: Mapping[str, object]) -> tuple[generator_lib.Generator, dict]:
  """Generator and parameters from a published generator's state_dict; sizes are read off the shapes.

  Raises:
    ValueError: if a tensor of the published stage 1 generator is missing.
  """
  weights = {name.removeprefix('module.'): to_numpy(value) for name, value in weights.items()}
  try:
    first = weights['renderer.network.0.shape_linears.0.weight']
    generator = generator_lib.Generator(
        num_classes=_count(weights, r'renderer\.network\.(\d+)\.'),
        style_dim=weights['style.0.weight'].shape[0],
        width=first.shape[0],
        mapping_layers=_count(weights, r'style\.(\d+)\.weight'),
        num_shape_layers=_count(weights, r'renderer\.network\.0\.shape_linears\.(\d+)\.weight'),
        num_texture_layers=_count(weights, r'renderer\.network\.0\.texture_linears\.(\d+)\.weight'),
        **GENERATOR)
    layers = generator.num_shape_layers, generator.num_texture_layers
    local_generators = [
        _local_generator(weights, f'renderer.network.{k}', *layers) for k in range(generator.num_classes)]
    params = {
        'mapping': {f'layer_{i}': _dense(weights, f'style.{i}') for i in range(generator.mapping_layers)},
        'field': {
            'bank': jax.tree.map(lambda *rows: np.stack(rows), *local_generators),
            'base': {'trunk': _local_generator(weights, 'renderer.init_network', *layers)},
            'density_beta': weights['renderer.sigmoid_beta'].reshape(()),
        },
    }
  except KeyError as error:
    raise ValueError(f'published generator weights lack {error}; pass the state_dict of a stage 1 generator (keys like '
                     '"renderer.network.0.shape_linears.0.weight")') from error
  return generator, jax.tree.map(jnp.asarray, {'params': params})


def players_from(checkpoint: Mapping[str, Mapping[str, object]]) -> tuple[players_lib.Players, dict]:
  """Every player of a published checkpoint (keys g, g_ema, gd, sd); image size and widths are read off the shapes.

  Raises:
    ValueError: if a player is missing or is not the published stage 1 architecture.
  """

  missing = [name for name in ('g', 'g_ema', 'gd', 'sd') if name not in checkpoint]
  if missing:
    raise ValueError(f'published checkpoint lacks {", ".join(missing)}; its keys are {", ".join(map(str, checkpoint))}')
  generator, generator_params = generator_from(checkpoint['g'])
  _, ema_params = generator_from(checkpoint['g_ema'])
  kernels = {name: _kernels(checkpoint[name]) for name in ('gd', 'sd')}
  global_discriminator = global_discriminator_lib.GlobalDiscriminator(channels=_widths(kernels['gd']))
  semantic_channels = _widths(kernels['sd'])
  head_width = next(k.shape[0] for k in kernels['sd'] if k.ndim == 2)
  semantic_discriminator = semantic_discriminator_lib.SemanticDiscriminator(
      num_classes=generator.num_classes, channels=semantic_channels, head_width=head_width)
  image = (1, 2**len(global_discriminator.channels), 2**len(global_discriminator.channels), 3)
  masks = image[:-1] + (generator.num_classes,)
  players = players_lib.Players(generator, global_discriminator, semantic_discriminator)
  return players, {
      'generator_params': generator_params,
      'ema_params': ema_params,
      'global_discriminator_params': _fill_in_order(
          global_discriminator, (image, masks), checkpoint['gd'], 'global discriminator'),
      'semantic_discriminator_params': _fill_in_order(
          semantic_discriminator, (image, masks[:-1] + (1,)), checkpoint['sd'], 'semantic discriminator'),
  }


def _kernels(weights) -> list[np.ndarray]:
  return [value for value in map(to_numpy, weights.values()) if value.ndim in (2, 4)]


def _widths(kernels) -> tuple[int, ...]:
  """Channels at each resolution, read off the first branch: its 1x1 convolution, then the first 3x3 of each block."""
  starts = [i for i, k in enumerate(kernels) if k.ndim == 4 and k.shape[2:] == (1, 1) and k.shape[1] < _FEWEST_CHANNELS]
  if len(starts) != 2:
    raise ValueError(f'published discriminator has {len(starts)} branches where two are expected, image and mask')
  branch = kernels[starts[0] + 1:starts[1]]
  return (kernels[starts[0]].shape[0],) + tuple(k.shape[0] for k in branch if k.shape[2:] == (3, 3))[::2]


def _fill_in_order(module, arguments, weights: Mapping[str, object], player: str) -> dict:
  """Fills a module's parameters, in order of execution, with a state_dict's tensors in its order."""
  ours = {}

  def initialise():
    params = module.init(jax.random.key(0), *[jnp.zeros(a) for a in arguments])['params']
    # kept here, because what eval_shape returns is sorted by name: Flax makes parameters in order of execution
    ours.update(flax.traverse_util.flatten_dict(params))
    return params

  jax.eval_shape(initialise)
  theirs = {name: value for name, value in ((n, to_numpy(v)) for n, v in weights.items()) if value.ndim >= 1}
  kernels = [(name, value) for name, value in theirs.items() if value.ndim > 1]
  filled = {}
  kernel_paths = [path for path in ours if path[-1] == 'kernel']
  bias_values = [value.reshape(-1) for value in theirs.values() if value.ndim == 1]
  if len(kernels) != len(kernel_paths) or len(bias_values) != len(kernel_paths):
    raise ValueError(f'published {player} has {len(kernels)} weights and {len(bias_values)} biases where this package has '
                     f'{len(kernel_paths)} of each; it is not the published stage 1 architecture')
  # in a PyTorch module's state_dict the layers stand in the order of their definition, which here is that of execution
  for path, (name, value), bias in zip(kernel_paths, kernels, bias_values):
    kernel = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
    for leaf, array in ((path, kernel), (path[:-1] + ('bias',), bias)):
      if ours[leaf].shape != array.shape:
        raise ValueError(f'published {player}: {name} has shape {array.shape} where {"/".join(leaf)} needs {ours[leaf].shape}')
      filled[leaf] = jnp.asarray(array)
  return {'params': flax.traverse_util.unflatten_dict(filled)}
