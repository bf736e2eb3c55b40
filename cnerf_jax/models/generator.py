"""The generator's parameters: mapping network and compositional field. Rendering is `cnerf_jax.sampler`'s."""

import dataclasses

import flax.linen as nn
from jaxtyping import Array, Bool, Float

from cnerf_jax import latents
from cnerf_jax.models import compositional_field
from cnerf_jax.models import local_generator
from cnerf_jax.models import mapping_network
from cnerf_jax.models import regional_mapping


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
    region_dim: width of the shape and the texture latent that each class has of its own (`regional_mapping`); 0: all classes of a portrait
      share one latent of width style_dim, as published.
    residual_fusion: 'sum' of the classes' residual signed distances, as published, or each 'masked' by its own class's mask.
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
  region_dim: int = 0
  residual_fusion: str = 'sum'

  def __post_init__(self):
    for value, known, name in (
        (self.base, compositional_field.BASES, 'base'), (self.mask_fusion, compositional_field.MASK_FUSIONS, 'mask_fusion'),
        (self.view_dependence, local_generator.VIEW_DEPENDENCES, 'view_dependence'),
        (self.residual_fusion, compositional_field.RESIDUAL_FUSIONS, 'residual_fusion')):
      if value not in known:
        raise ValueError(f'generator.{name} {value!r} is not known; use one of {", ".join(known)}')
    if self.residual_fusion == 'masked' and self.view_dependence == 'all':
      raise ValueError("generator.residual_fusion 'masked' needs masks that don't see the view direction, or a shape would depend on it; "
                       "set generator.view_dependence to 'colour' or 'none'")
    super().__post_init__()

  @property
  def latent_dim(self) -> int:
    """Width of z."""
    return latent_dim(self, self.num_classes)

  def setup(self):
    if self.region_dim:
      self.mapping = regional_mapping.RegionalMapping(self.num_classes, self.region_dim, self.style_dim, self.mapping_layers)
    else:
      self.mapping = mapping_network.MappingNetwork(self.style_dim, self.mapping_layers)
    self.field = compositional_field.CompositionalField(
        num_classes=self.num_classes, width=self.width, num_shape_layers=self.num_shape_layers,
        num_texture_layers=self.num_texture_layers, gamma_offset=self.gamma_offset, base=self.base,
        residual_scale=self.residual_scale, residual_from_zero=self.residual_from_zero, mask_fusion=self.mask_fusion,
        mask_sharpness=self.mask_sharpness, color_gain=self.color_gain, density_beta_init=self.density_beta_init,
        view_dependence=self.view_dependence, residual_fusion=self.residual_fusion)

  def map_latents(self, z: Float[Array, '*batch latent_dim']) -> Float[Array, '*styles']:
    """z → w, a style code of width style_dim for all classes; z → styles [classes, 2, style_dim] where latents are regional."""
    return self.mapping(z)

  def map_regions(
      self, regions: Float[Array, '*batch regions'], present: Bool[Array, '*batch classes']) -> Float[Array, '*batch classes 2 style_dim']:
    """Regional latents as an encoder gives them → styles (`RegionalMapping.styles`)."""
    return self.mapping.styles(regions, present)

  def draw_regions(self, z: Float[Array, '*batch latent_dim']) -> Float[Array, '*batch latent_dim']:
    """z → regional latents with the presence of classes (`RegionalMapping.draw`)."""
    return self.mapping.draw(z)

  def styles_of_draw(self, drawn: Float[Array, '*batch latent_dim']) -> Float[Array, '*batch classes 2 style_dim']:
    """What `draw_regions` drew → styles."""
    return self.mapping.styles_of_draw(drawn)

  def radiance_field(self, styles: Float[Array, 'batch classes 2 style_dim']) -> compositional_field.RadianceField:
    """Styles → the field of each portrait of the batch."""
    return self.field(styles)

  def __call__(self, z: Float[Array, 'batch latent_dim']) -> compositional_field.RadianceField:
    """Touches every parameter; used to initialise."""
    w = self.map_latents(z)
    return self.radiance_field(w if self.region_dim else latents.broadcast_style(w, num_classes=self.num_classes))


def latent_dim(settings, num_classes: int) -> int:
  """Width of z of a generator with these settings (region_dim, style_dim), of a config or of the module itself."""
  return regional_mapping.latent_dim(num_classes, settings.region_dim) if settings.region_dim else settings.style_dim


# what tells one generator from another, by name: its fields but flax's own
SETTINGS = tuple(field.name for field in dataclasses.fields(Generator) if field.name not in ('parent', 'name'))
