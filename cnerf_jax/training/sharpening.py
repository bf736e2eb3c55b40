"""Sharpening (not in the paper): what VAE pretraining leaves soft is made steep, once, before the discriminators begin.

A decoder draws the mean of all portraits that its latents may stand for. Where a border may run here or there its mask is soft, and where a
surface may lie before or behind it is a fog, so that edits of hair show on the face beside it, and the background shines through hair. That
softness says how unsure the decoder is, not what portraits look like. So the scores of masks are multiplied before their softmax, and the
width of the surface in the density is divided:

  m = softmax(a s_k),  sigma = sigmoid(-d / beta) / beta  with beta / b for beta

The adversarial training then goes on from there. Masks must sum to one (softmax fusion), as in VAE pretraining.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from cnerf_jax.rendering import density

_MASK_HEADS = ('mask_kernel', 'mask_bias')


def sharpen_masks(params: Any, factor: float) -> Any:
  """Parameters of a generator whose masks have steeper borders.

  Args:
    params: of a `Generator` with softmax fusion.
    factor: on all mask scores, above 0; 1 leaves them.

  Returns:
    The parameters, of the same structure; all but those of the mask heads are the same arrays.

  Raises:
    ValueError: if the factor is not above 0.
  """
  if not factor > 0:
    raise ValueError(f'factor {factor} on mask scores must be above 0; 1 leaves them as they are')
  if factor == 1:
    return params

  def scaled(path, value):
    names = [getattr(part, 'key', None) for part in path]
    return value * factor if 'bank' in names and names[-1] in _MASK_HEADS else value

  return jax.tree_util.tree_map_with_path(scaled, params)


def thin_surfaces(params: Any, factor: float) -> Any:
  """Parameters of a generator whose surfaces are thinner.

  Args:
    params: of a `Generator`.
    factor: divides `density_beta`, above 0; 1 leaves it. A surface thinner than half the distance of two samples falls between them.

  Returns:
    The parameters, of the same structure; all but `density_beta`, which stays at `density.SMALLEST_BETA` or above, are the same arrays.

  Raises:
    ValueError: if the factor is not above 0.
  """
  if not factor > 0:
    raise ValueError(f'factor {factor} on the thinness of surfaces must be above 0; 1 leaves them as they are')
  if factor == 1:
    return params

  def thinner(path, value):
    is_beta = getattr(path[-1], 'key', None) == 'density_beta'
    return jnp.maximum(value / factor, density.SMALLEST_BETA).astype(value.dtype) if is_beta else value

  return jax.tree_util.tree_map_with_path(thinner, params)
