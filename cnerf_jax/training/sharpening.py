"""Sharpening (not in the paper): the borders of classes that VAE pretraining leaves soft are made steep, before the discriminators begin.

A decoder draws the mean of all portraits that its latents may stand for. Where a border may run here or there its mask is soft, so that
edits of hair show on the face beside it. That softness says how unsure the decoder is, not what portraits look like. So the scores of
masks are multiplied before their softmax, once:

  m = softmax(a s_k)

The adversarial training then goes on from there. Needs masks that sum to one (softmax fusion), as VAE pretraining does.
"""

from __future__ import annotations

from typing import Any

import jax

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
