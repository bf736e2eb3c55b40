"""The generator's parameters: mapping network and compositional field. Rendering is `cnerf_jax.sampler`'s."""

import dataclasses

import flax.linen as nn
from jaxtyping import Array, Float

from cnerf_jax.models import compositional_field
from cnerf_jax.models import local_generator
from cnerf_jax.models import mapping_network


class Generator(nn.Module):
  """All that is learnt of a CNeRF generator; defaults are those of configs/default.py.

  Attributes:
    num_classes: semantic classes, one local generator each.
    style_dim: width of z and w.
    width: channels of the local generators.
    mapping_layers: linear layers of the mapping network.
    num_shape_layers: FiLM-SIREN layers that see the shape style.
    num_texture_layers: FiLM-SIREN layers that see the texture style.
    gamma_offset: mean frequency of the sines.
    base: 'sphere' (exact) or 'network' (fitted to a sphere, then frozen, as published).
    residual_scale: factor on residual signed distances.
    residual_from_zero: start residual signed distances at zero.
    mask_fusion: 'softmax' over classes or 'raw' (as published).
    mask_sharpness: factor on mask scores before the softmax.
    color_gain: factor on the fused colour logit.
    density_beta_init: initial width of the surface in the density, world units.
    view_dependence: which heads see the view direction: 'all' (masks and colours, as published), 'colour' or 'none'.
  """

  num_classes: int = 12
  style_dim: int = 256
  width: int = 128
  mapping_layers: int = 3
  num_shape_layers: int = 3
  num_texture_layers: int = 2
  gamma_offset: float = 30.0
  base: str = 'sphere'
  residual_scale: float = 0.25
  residual_from_zero: bool = True
  mask_fusion: str = 'softmax'
  mask_sharpness: float = 10.0
  color_gain: float = 5.0
  density_beta_init: float = 0.03
  view_dependence: str = 'all'

  def __post_init__(self):
    for value, known, name in (
        (self.base, compositional_field.BASES, 'base'), (self.mask_fusion, compositional_field.MASK_FUSIONS, 'mask_fusion'),
        (self.view_dependence, local_generator.VIEW_DEPENDENCES, 'view_dependence')):
      if value not in known:
        raise ValueError(f'generator.{name} {value!r} is not known; use one of {", ".join(known)}')
    super().__post_init__()

  @property
  def latent_dim(self) -> int:
    """Width of z."""
    return self.style_dim

  def setup(self):
    self.mapping = mapping_network.MappingNetwork(self.style_dim, self.mapping_layers)
    self.field = compositional_field.CompositionalField(
        num_classes=self.num_classes, width=self.width, num_shape_layers=self.num_shape_layers,
        num_texture_layers=self.num_texture_layers, gamma_offset=self.gamma_offset, base=self.base,
        residual_scale=self.residual_scale, residual_from_zero=self.residual_from_zero, mask_fusion=self.mask_fusion,
        mask_sharpness=self.mask_sharpness, color_gain=self.color_gain, density_beta_init=self.density_beta_init,
        view_dependence=self.view_dependence)

  def map_latents(self, z: Float[Array, '*batch style_dim']) -> Float[Array, '*batch style_dim']:
    """z → w."""
    return self.mapping(z)

  def radiance_field(self, styles: Float[Array, 'batch classes 2 style_dim']) -> compositional_field.RadianceField:
    """Styles → the field of each portrait of the batch."""
    return self.field(styles)

  def __call__(self, z: Float[Array, 'batch classes 2 style_dim']) -> compositional_field.RadianceField:
    """Touches every parameter; used to initialise."""
    return self.radiance_field(self.map_latents(z))


# what tells one generator from another, by name: its fields but flax's own
SETTINGS = tuple(field.name for field in dataclasses.fields(Generator) if field.name not in ('parent', 'name'))
