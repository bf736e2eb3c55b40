"""A local generator: the radiance field of one semantic class, conditioned on a shape and a texture style.

Three FiLM-SIREN layers see the point and the shape style, two more the texture style. Heads: mask score from shape features,
feature and colour from texture features (both with the view direction, as published, or without it), residual signed distance from
texture features.
The module turns styles into a `LocalField`, which is a pure function of points. Colour is linear in the feature, and the feature
linear in its inputs, so colour is read by one folded head unless the feature itself is asked for.
"""

from __future__ import annotations

import flax.linen as nn
import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnerf_jax.models import film_siren
from cnerf_jax.models import initializers

VIEW_CHANNELS = 3
# which heads see the view direction: mask and feature, as published; the feature's alone; neither
VIEW_DEPENDENCES = ('all', 'colour', 'none')


@flax.struct.dataclass
class ViewHead(film_siren.Linear):
  """Linear head on [features, view direction], or on features alone; the view's part is computed once a ray, not once a sample."""

  def __call__(
      self, features: Float[Array, 'rays samples width'], viewdirs: Float[Array, 'rays 3']
  ) -> Float[Array, 'rays samples outputs']:
    width = features.shape[-1]
    if self.kernel.shape[0] == width:
      return features @ self.kernel + self.bias
    per_ray = viewdirs @ self.kernel[width:] + self.bias
    return features @ self.kernel[:width] + per_ray[:, None, :]


@flax.struct.dataclass
class LocalQuery:
  """What one local generator says about points.

  Attributes:
    mask_score: [..., samples] unnormalised.
    color_logit: [..., samples, 3] before the sigmoid.
    residual_sdf: [..., samples] world units.
  """

  mask_score: Float[Array, '*batch samples']
  color_logit: Float[Array, '*batch samples 3']
  residual_sdf: Float[Array, '*batch samples']


@flax.struct.dataclass
class LocalField:
  """One class's field for one portrait: pure function of scaled points (world / half depth range) and view directions."""

  shape_layers: tuple[film_siren.SineLayer, ...]
  texture_layers: tuple[film_siren.SineLayer, ...]
  sdf_head: film_siren.Linear
  mask_head: ViewHead
  feature_head: ViewHead
  color_head: film_siren.Linear

  def _shape_features(self, points):
    for layer in self.shape_layers:
      points = layer(points)
    return points

  def _texture_features(self, shape_features):
    for layer in self.texture_layers:
      shape_features = layer(shape_features)
    return shape_features

  def residual_sdf(self, points: Float[Array, '*points 3']) -> Float[Array, '*points']:
    """Residual signed distance, world units."""
    return self.sdf_head(self._texture_features(self._shape_features(points)))[..., 0]

  def residual_sdf_and_mask_score(self, points: Float[Array, '*points 3']) -> tuple[Float[Array, '*points'], Float[Array, '*points']]:
    """(`residual_sdf`, mask score) of a generator whose masks don't see the view direction."""
    shape_features = self._shape_features(points)
    residual_sdf = self.sdf_head(self._texture_features(shape_features))[..., 0]
    return residual_sdf, (shape_features @ self.mask_head.kernel + self.mask_head.bias)[..., 0]

  def query(self, points: Float[Array, 'rays samples 3'], viewdirs: Float[Array, 'rays 3']) -> LocalQuery:
    """Mask score, colour logit and residual signed distance of every point."""
    shape_features = self._shape_features(points)
    texture_features = self._texture_features(shape_features)
    color_of_feature = ViewHead(
        kernel=self.feature_head.kernel @ self.color_head.kernel,
        bias=self.feature_head.bias @ self.color_head.kernel + self.color_head.bias)
    return LocalQuery(
        mask_score=self.mask_head(shape_features, viewdirs)[..., 0],
        color_logit=color_of_feature(texture_features, viewdirs),
        residual_sdf=self.sdf_head(texture_features)[..., 0])

  def features(self, points: Float[Array, 'rays samples 3'], viewdirs: Float[Array, 'rays 3']):
    """Feature vectors [rays, samples, width] of every point: what a super-resolution decoder reads."""
    return self.feature_head(self._texture_features(self._shape_features(points)), viewdirs)


class LocalGenerator(nn.Module):
  """Styles of one class → its `LocalField`s, one per portrait of the batch.

  Attributes:
    width: channels of every layer and of the feature (128 as published).
    num_shape_layers: FiLM-SIREN layers that see the shape style.
    num_texture_layers: FiLM-SIREN layers that see the texture style.
    gamma_offset: mean frequency of the sines.
    residual_scale: factor on the residual signed distance.
    residual_from_zero: start the sdf head at zero, so that training starts from the base SDF's sphere. As published the heads
      start random, and twelve random residuals bury the sphere (docs/differences.md).
    view_dependence: which heads see the view direction, one of `VIEW_DEPENDENCES`. A mask that does can paint what a shape should carve.
  """

  width: int = 128
  num_shape_layers: int = 3
  num_texture_layers: int = 2
  gamma_offset: float = 30.0
  residual_scale: float = 0.25
  residual_from_zero: bool = True
  view_dependence: str = 'all'

  @nn.compact
  def __call__(self, styles: Float[Array, 'batch 2 style_dim']) -> LocalField:
    shape_layers = tuple(
        self._layer(f'shape_{i}', inputs=3 if i == 0 else self.width, is_first=i == 0)(styles[:, 0])
        for i in range(self.num_shape_layers))
    texture_layers = tuple(self._layer(f'texture_{i}')(styles[:, 1]) for i in range(self.num_texture_layers))
    siren = initializers.siren()
    sdf_init = nn.initializers.zeros if self.residual_from_zero else siren
    sdf_head = self._head(film_siren.Linear, 'sdf', self.width, 1, sdf_init, zero_bias=self.residual_from_zero)
    mask_inputs = self.width + VIEW_CHANNELS * (self.view_dependence == 'all')
    feature_inputs = self.width + VIEW_CHANNELS * (self.view_dependence != 'none')
    # the bank has a batch axis in its layers only; heads are shared by the portraits of a batch
    return LocalField(
        shape_layers=shape_layers,
        texture_layers=texture_layers,
        sdf_head=sdf_head.replace(kernel=self.residual_scale * sdf_head.kernel, bias=self.residual_scale * sdf_head.bias),
        mask_head=self._head(ViewHead, 'mask', mask_inputs, 1, siren),
        feature_head=self._head(ViewHead, 'feature', feature_inputs, self.width, initializers.kaiming(0.25)),
        color_head=self._head(film_siren.Linear, 'color', self.width, 3, siren))

  def _layer(self, name, inputs=None, is_first=False):
    return film_siren.FilmSiren(
        inputs=inputs or self.width, outputs=self.width, is_first=is_first, gamma_offset=self.gamma_offset, name=name)

  def _head(self, kind, name, inputs, outputs, kernel_init, zero_bias=False):
    bias_init = nn.initializers.zeros if zero_bias else initializers.bias_for(inputs)
    return kind(
        kernel=self.param(f'{name}_kernel', kernel_init, (inputs, outputs), jnp.float32),
        bias=self.param(f'{name}_bias', bias_init, (outputs,), jnp.float32))


# vmap axes of a LocalField whose layers carry a batch of portraits and whose heads don't
BATCH_AXES = LocalField(shape_layers=0, texture_layers=0, sdf_head=None, mask_head=None, feature_head=None, color_head=None)
