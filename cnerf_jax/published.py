"""Published PyTorch weights: state_dict names and layouts to this package's parameter trees.

Tensors are matched by name. Linear weights turn from (out, in) to [in, out]; the local generators stack along a leading class axis.
The discriminators are read in `published_discriminators`.
"""

from __future__ import annotations

from collections.abc import Mapping
import re

import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax import published_discriminators
from cnerf_jax.models import generator as generator_lib
from cnerf_jax.models import players as players_lib


# settings of the published generator that no shape tells
GENERATOR = dict(
    gamma_offset=30.0, base='network', residual_scale=1.0, residual_from_zero=False, mask_fusion='raw', mask_sharpness=1.0, color_gain=1.0,
    density_beta_init=0.1)


def _arrays(weights: Mapping[str, object]) -> dict[str, np.ndarray]:
  """NumPy arrays of torch tensors or anything array-like; names without the prefix of a wrapped module."""
  plain = lambda value: value.detach().cpu().numpy() if hasattr(value, 'detach') else value
  return {name.removeprefix('module.'): np.asarray(plain(value), np.float32) for name, value in weights.items()}


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
  weights = _arrays(weights)
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
  discriminator, discriminator_params = published_discriminators.global_discriminator_from(
      _arrays(checkpoint['gd']), generator.num_classes)
  semantic_discriminator, semantic_params = published_discriminators.semantic_discriminator_from(
      _arrays(checkpoint['sd']), generator.num_classes)
  return players_lib.Players(generator, discriminator, semantic_discriminator), {
      'generator_params': generator_params,
      'ema_params': ema_params,
      'global_discriminator_params': discriminator_params,
      'semantic_discriminator_params': semantic_params,
  }
