"""Sharpening (not in the paper): what VAE pretraining leaves soft is made sharp, before the discriminators begin.

A decoder draws the mean of all portraits that its latents may stand for. Where a border may run here or there its mask is soft, and where a
surface may lie here or there the density rises slowly, so that edits of hair show through the face beside it and the background
shines through hair. That softness says how unsure the decoder is, not what portraits look like. So the scores of masks are multiplied
before their softmax, and the width of the surface is divided, once:

  m = softmax(a s_k),   density_beta <- density_beta / b

The adversarial training then goes on from there. Needs masks that sum to one (softmax fusion), as VAE pretraining does.
"""

from __future__ import annotations

from typing import Any

import jax

_MASK_HEADS = ('mask_kernel', 'mask_bias')


def sharpen(params: Any, *, masks: float = 1.0, surfaces: float = 1.0) -> Any:
  """Parameters of a generator whose masks have steeper borders, and whose surfaces are thinner.

  Args:
    params: of a `Generator` with softmax fusion.
    masks: factor a on all mask scores, above 0; 1 leaves them.
    surfaces: factor b by which surfaces are thinner, above 0; 1 leaves them.

  Returns:
    The parameters, of the same structure; those not named here are the same arrays.

  Raises:
    ValueError: if a factor is not above 0.
  """
  for name, factor in (('masks', masks), ('surfaces', surfaces)):
    if not factor > 0:
      raise ValueError(f'{name} {factor} must be above 0; 1 leaves them as they are')

  def scaled(path, value):
    names = [getattr(part, 'key', None) for part in path]
    if 'bank' in names and names[-1] in _MASK_HEADS:
      return value * masks
    return value / surfaces if names[-1] == 'density_beta' else value

  if masks == surfaces == 1:
    return params
  return jax.tree_util.tree_map_with_path(scaled, params)
