"""The mapping of regional latents: every class has a shape and a texture latent of its own (not in the paper).

  (u, e) = mean + L z,  z ~ N(0, I);   styles of class k = absent_k where u_k <= threshold_k, else MLP_k(e_k)

The paper gives all classes of a portrait one latent, and a region is told from the others by style mixing alone. Here a region can be
exchanged because nothing else ever depended on its latent, and the regions of a random person match because one Gaussian draws them all: its
covariance knows that dark noses go with dark skin. Whether a class is there at all (glasses, a hat) is drawn with them: a threshold on one
coordinate of the same Gaussian, so that nobody wears half a pair of glasses.

Letters: K classes, r width of a latent, D = 2 K r; u is [K], e is [K, 2, r], z is [K + D].
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int
import numpy as np

from cnerf_jax.models import mapping_network

KINDS = 2  # shape and texture, in the order of `latents`
ALWAYS = -10.0  # a threshold that nothing falls below


def latent_dim(num_classes: int, region_dim: int) -> int:
  """Width of z: a coordinate for the presence of each class, then all latents."""
  return num_classes * (1 + KINDS * region_dim)


class RegionalMapping(nn.Module):
  """z → styles of every class.

  Attributes:
    num_classes: semantic classes.
    region_dim: width of a shape or texture latent.
    style_dim: width of a style.
    num_layers: linear layers from a latent to its style.
  """

  num_classes: int
  region_dim: int
  style_dim: int
  num_layers: int

  def setup(self):
    over = dict(variable_axes={'params': 0}, split_rngs={'params': True}, in_axes=0, out_axes=0)
    of_kinds = nn.vmap(mapping_network.MappingNetwork, axis_size=KINDS, **over)
    self.regions = nn.vmap(of_kinds, axis_size=self.num_classes, **over)(self.style_dim, self.num_layers)
    self.absent = self.param(
        'absent', nn.initializers.normal(1.0), (self.num_classes, KINDS, self.style_dim), jnp.float32)
    width = latent_dim(self.num_classes, self.region_dim)
    self.mean = self.param('mean', nn.initializers.zeros, (width,), jnp.float32)
    self.factor = self.param('factor', lambda key, shape: jnp.eye(*shape), (width, width))
    self.threshold = self.param('threshold', nn.initializers.constant(ALWAYS), (self.num_classes,), jnp.float32)

  def __call__(self, z: Float[Array, '*batch latents']) -> Float[Array, '*batch classes 2 style_dim']:
    return self.styles_of_draw(self.draw(z))

  def draw(self, z: Float[Array, '*batch latents']) -> Float[Array, '*batch latents']:
    """(u, e) of z."""
    # the Gaussian is that of real people, and stays so: training moves what becomes of its latents
    mean, factor = jax.lax.stop_gradient((self.mean, self.factor))
    return mean + z @ factor.T

  def styles_of_draw(self, drawn: Float[Array, '*batch latents']) -> Float[Array, '*batch classes 2 style_dim']:
    """Styles of (u, e)."""
    threshold = jax.lax.stop_gradient(self.threshold)
    return self.styles(drawn[..., self.num_classes:], drawn[..., :self.num_classes] > threshold)

  def styles(
      self, regions: Float[Array, '*batch regions'], present: Bool[Array, '*batch classes'],
  ) -> Float[Array, '*batch classes 2 style_dim']:
    """Styles of the latents of all classes, flat as [K, 2, r] are; those of `absent` where a class is not there."""
    batch_shape = regions.shape[:-1]
    regions = regions.reshape(-1, self.num_classes, KINDS, self.region_dim)
    of_classes = self.regions(jnp.moveaxis(regions, 0, 2))  # [K, 2, batch, style_dim]
    styles = jnp.moveaxis(of_classes, 2, 0).reshape(*batch_shape, self.num_classes, KINDS, self.style_dim)
    return jnp.where(present[..., None, None], styles, self.absent)


def with_prior(
    params: Mapping[str, object], mean: Float[np.ndarray, 'latents'], covariance: Float[np.ndarray, 'latents latents'],
    threshold: Float[np.ndarray, 'classes'],
) -> dict[str, object]:
  """Parameters whose people are drawn from N(mean, covariance) of (u, e), with these thresholds of presence."""
  return dict(params) | {'mean': mean, 'factor': np.linalg.cholesky(covariance.astype(np.float64)).astype(np.float32), 'threshold': threshold}


def class_of_coordinates(num_classes: int, region_dim: int) -> Int[np.ndarray, 'latents']:
  """Whose each coordinate of (u, e) is."""
  classes = np.arange(num_classes)
  return np.concatenate([classes, np.repeat(classes, KINDS * region_dim)])


@dataclasses.dataclass(frozen=True, eq=False)
class GivenOthers:
  """The latents x = (u, e) of each class, given those of all others: E[x_R | x_O] = E[x_R] + gain_RO (x_O - E[x_O]).

  Attributes:
    gain: C_RO C_OO^-1 for the rows of each class R; zero within a class.
    presence_std: standard deviation of each class's u, given all others.
    carry: how much each coordinate changes with its own class's u, given all others; 1 for u itself.
  """

  gain: Float[np.ndarray, 'latents latents']
  presence_std: Float[np.ndarray, 'classes']
  carry: Float[np.ndarray, 'latents']


def given_others(factor: Float[np.ndarray, 'latents latents'], num_classes: int) -> GivenOthers:
  """What the latents of all other classes tell of those of each, from the Gaussian's factor L; C = L L^T.

  With P the inverse of C: C_RO C_OO^-1 = -P_RR^-1 P_RO, and the covariance of x_R that is left is P_RR^-1.
  """
  factor = np.asarray(factor, np.float64)
  precision = np.linalg.inv(factor @ factor.T)
  owners = class_of_coordinates(num_classes, (len(factor) // num_classes - 1) // KINDS)
  gain, presence_std, carry = np.zeros_like(precision), np.zeros(num_classes), np.zeros(len(factor))
  for semantic_class in range(num_classes):
    own, others = np.flatnonzero(owners == semantic_class), np.flatnonzero(owners != semantic_class)
    left = np.linalg.inv(precision[np.ix_(own, own)])
    gain[np.ix_(own, others)] = -left @ precision[np.ix_(own, others)]
    presence_std[semantic_class] = np.sqrt(left[0, 0])  # a class's own coordinates begin with its u
    carry[own] = left[:, 0] / left[0, 0]
  return GivenOthers(*(array.astype(np.float32) for array in (gain, presence_std, carry)))


def redraw(
    gain: Float[Array, 'latents latents'], drawn: Float[Array, 'latents'], anybody: Float[Array, 'latents'],
    is_known: Float[Array, 'latents'],
) -> Float[Array, 'latents']:
  """One class drawn anew from the Gaussian, given all others: a draw of anybody, corrected by what its other classes are off.

  Args:
    gain: of `given_others`.
    drawn: (u, e) of the person.
    anybody: (u, e) of an independent draw.
    is_known: 0 for the coordinates of one class, 1 for those of all others.
  """
  return jnp.where(is_known > 0, drawn, anybody + gain @ (is_known * (drawn - anybody)))
