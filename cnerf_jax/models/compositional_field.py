"""The compositional field: K local generators fused into one radiance field (paper section 3, fusion).

  sdf = base + sum_k d_k;   colour logit = gain * sum_k m_k c_k;   feature = sum_k m_k f_k

Or, not in the paper, sdf = base + sum_k m_k d_k ('masked' residuals): a class then shapes what its mask covers, and nothing else.

Axes: classes lead ([classes, batch, ...]) because the bank of local generators is one module mapped over its class axis. The
module turns styles into a `RadianceField`, the radiance field of a batch of portraits; rendering sees only that.
"""

from __future__ import annotations

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from cnerf_jax import camera
from cnerf_jax.models import base_sdf
from cnerf_jax.models import local_generator

# The networks see points scaled to about [-1, 1]; signed distances stay in world units.
POINT_SCALE = 2.0 / (camera.FAR - camera.NEAR)
MASK_FUSIONS = ('raw', 'softmax')
BASES = ('network', 'sphere')
RESIDUAL_FUSIONS = ('sum', 'masked')


@flax.struct.dataclass
class FieldSample:
  """What the fused field says about points.

  Attributes:
    sdf: [..., samples] world units, negative inside.
    residual_sdf: [..., samples] the classes' part of it, world units.
    color: [..., samples, 3] in [0, 1].
    mask_scores: [..., samples, classes]; sum to 1 under softmax fusion, unbounded under raw fusion.
  """

  sdf: Float[Array, '*batch samples']
  residual_sdf: Float[Array, '*batch samples']
  color: Float[Array, '*batch samples 3']
  mask_scores: Float[Array, '*batch samples classes']


@flax.struct.dataclass
class RadianceField:
  """The field of a batch of portraits: a pure function of world points and view directions.

  Attributes:
    bank: `LocalField` with axes [classes, batch, ...].
    base: base SDF network's `LocalField` with axes [batch, ...], or None for the exact sphere.
    density_beta: scalar, world units: the width of the surface in the density.
    class_weights: [classes] factor on each class's colour and mask: 1 draws it, 0 leaves it out, geometry is always whole.
    mask_fusion: 'raw' or 'softmax'.
    mask_sharpness: factor on mask scores before the softmax.
    color_gain: factor on the fused colour logit.
    residual_fusion: 'sum' or 'masked'.
  """

  bank: local_generator.LocalField
  base: local_generator.LocalField | None
  density_beta: Float[Array, '']
  class_weights: Float[Array, 'classes']
  mask_fusion: str = flax.struct.field(pytree_node=False)
  mask_sharpness: float = flax.struct.field(pytree_node=False)
  color_gain: float = flax.struct.field(pytree_node=False)
  residual_fusion: str = flax.struct.field(pytree_node=False, default='sum')

  def base_sdf(self, points: Float[Array, 'batch *points 3']) -> Float[Array, 'batch *points']:
    """Base signed distance, world units."""
    if self.base is None:
      return base_sdf.sphere_sdf(points)
    per_portrait = jax.vmap(local_generator.LocalField.residual_sdf, in_axes=(local_generator.BATCH_AXES, 0))
    return per_portrait(self.base, points * POINT_SCALE)

  def residual_sdf(self, points: Float[Array, 'batch *points 3']) -> Float[Array, 'batch *points']:
    """The classes' residual signed distances, fused, world units."""
    over_bank = lambda method: jax.vmap(
        jax.vmap(method, in_axes=(local_generator.BATCH_AXES, 0)), in_axes=(0, None))(self.bank, points * POINT_SCALE)
    if self.residual_fusion == 'sum':
      return jnp.sum(over_bank(local_generator.LocalField.residual_sdf), axis=0)
    residual_sdfs, mask_scores = over_bank(local_generator.LocalField.residual_sdf_and_mask_score)
    return self._fuse_residuals(residual_sdfs, self.fuse_masks(mask_scores))

  def _fuse_residuals(self, residual_sdfs: Float[Array, 'classes *points'], masks: Float[Array, 'classes *points']) -> Float[Array, '*points']:
    return jnp.sum(residual_sdfs if self.residual_fusion == 'sum' else masks * residual_sdfs, axis=0)

  def sdf(self, points: Float[Array, 'batch *points 3']) -> Float[Array, 'batch *points']:
    """Whole signed distance at world points, world units, negative inside."""
    return self.base_sdf(points) + self.residual_sdf(points)

  def fuse_masks(self, mask_scores: Float[Array, 'classes *points']) -> Float[Array, 'classes *points']:
    """Mask of each class at each point: the raw scores, as published, or their softmax over classes."""
    if self.mask_fusion == 'raw':
      return mask_scores
    return jax.nn.softmax(self.mask_sharpness * mask_scores, axis=0)

  def query(
      self, points: Float[Array, 'batch rays samples 3'], viewdirs: Float[Array, 'batch rays 3']
  ) -> FieldSample:
    """The fused field at world points seen along unit directions."""
    return self.fuse(points, self.local_queries(points, viewdirs))

  def local_queries(
      self, points: Float[Array, 'batch rays samples 3'], viewdirs: Float[Array, 'batch rays 3'],
      classes: Int[Array, 'several'] | None = None,
  ) -> local_generator.LocalQuery:
    """What each class, or each of some classes, says of world points by itself, [classes, batch, ...]."""
    bank = self.bank if classes is None else jax.tree.map(lambda x: x[classes], self.bank)
    per_portrait = jax.vmap(local_generator.LocalField.query, in_axes=(local_generator.BATCH_AXES, 0, 0))
    return jax.vmap(per_portrait, in_axes=(0, None, None))(bank, points * POINT_SCALE, viewdirs)

  def fuse(self, points: Float[Array, 'batch rays samples 3'], answers: local_generator.LocalQuery) -> FieldSample:
    """The fused field at world points, of what all classes say of them."""
    all_masks = self.fuse_masks(answers.mask_score)
    masks = self._drawn(all_masks)
    color_logit = self.color_gain * jnp.sum(masks[..., None] * answers.color_logit, axis=0)
    residual_sdf = self._fuse_residuals(answers.residual_sdf, all_masks)
    return FieldSample(
        sdf=self.base_sdf(points) + residual_sdf,
        residual_sdf=residual_sdf,
        color=jax.nn.sigmoid(color_logit),
        mask_scores=jnp.moveaxis(masks, 0, -1))

  def query_with_gradient(
      self, points: Float[Array, 'batch rays samples 3'], viewdirs: Float[Array, 'batch rays 3'], *, of: str
  ) -> tuple[FieldSample, Float[Array, 'batch rays samples 3']]:
    """`query`, and the gradient with respect to points of the 'whole' signed distance or its 'residual' part, from one evaluation."""
    def sdf(points):
      sample = self.query(points, viewdirs)
      return {'whole': sample.sdf, 'residual': sample.residual_sdf}[of], sample

    value, pull_back, sample = jax.vjp(sdf, points, has_aux=True)
    return sample, pull_back(jnp.ones_like(value))[0]

  def features(self, points: Float[Array, 'batch rays samples 3'], viewdirs: Float[Array, 'batch rays 3']):
    """Fused feature [batch, rays, samples, width] at world points: sum_k m_k f_k, the super-resolution decoder's input."""
    scaled = points * POINT_SCALE
    over_bank = lambda method: jax.vmap(
        jax.vmap(method, in_axes=(local_generator.BATCH_AXES, 0, 0)), in_axes=(0, None, None))(self.bank, scaled, viewdirs)
    masks = self._drawn(self.fuse_masks(over_bank(local_generator.LocalField.query).mask_score))
    return jnp.einsum('kbrs,kbrsc->brsc', masks, over_bank(local_generator.LocalField.features))

  def _drawn(self, masks):
    return masks * self.class_weights.reshape((-1,) + (1,) * (masks.ndim - 1))


class CompositionalField(nn.Module):
  """Styles → `RadianceField`. Fields as in `Generator`."""

  num_classes: int
  width: int
  num_shape_layers: int
  num_texture_layers: int
  gamma_offset: float
  base: str
  residual_scale: float
  residual_from_zero: bool
  mask_fusion: str
  mask_sharpness: float
  color_gain: float
  density_beta_init: float
  view_dependence: str
  residual_fusion: str

  @nn.compact
  def __call__(self, styles: Float[Array, 'batch classes 2 style_dim']) -> RadianceField:
    trunk = dict(
        width=self.width, num_shape_layers=self.num_shape_layers, num_texture_layers=self.num_texture_layers,
        gamma_offset=self.gamma_offset)
    bank = nn.vmap(
        local_generator.LocalGenerator, variable_axes={'params': 0}, split_rngs={'params': True}, in_axes=1, out_axes=0,
        axis_size=self.num_classes)
    base = base_sdf.NetworkBase(**trunk, name='base') if self.base == 'network' else base_sdf.SphereBase(name='base')
    density_beta = self.param('density_beta', nn.initializers.constant(self.density_beta_init), (), jnp.float32)
    return RadianceField(
        bank=bank(
            **trunk, residual_scale=self.residual_scale, residual_from_zero=self.residual_from_zero,
            view_dependence=self.view_dependence, name='bank')(styles),
        base=base_sdf.freeze(base(styles)),
        density_beta=density_beta,
        class_weights=jnp.ones(self.num_classes),
        mask_fusion=self.mask_fusion,
        mask_sharpness=self.mask_sharpness,
        color_gain=self.color_gain,
        residual_fusion=self.residual_fusion)
