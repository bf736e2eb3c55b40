"""The three players of the game, a generator and its two discriminators, and the encoder of VAE pretraining, as a config describes them."""

from __future__ import annotations

import flax.struct

from cnerf_jax import semantics
from cnerf_jax.models import generator as generator_lib
from cnerf_jax.models import global_discriminator as global_discriminator_lib
from cnerf_jax.models import portrait_encoder
from cnerf_jax.models import regional_encoder
from cnerf_jax.models import semantic_discriminator as semantic_discriminator_lib


@flax.struct.dataclass
class Players:
  """The three modules of the game, and how they play.

  Attributes:
    generator: as named.
    global_discriminator: as named.
    semantic_discriminator: as named.
    augmented: whether they play with transformed portraits.
    semantic_plays: whether the semantic discriminator learns, and may teach.
    encoder: that of VAE pretraining, where reconstruction goes on in the adversarial training (`kept_reconstruction`); else None.
  """

  generator: generator_lib.Generator = flax.struct.field(pytree_node=False)
  global_discriminator: global_discriminator_lib.GlobalDiscriminator = flax.struct.field(pytree_node=False)
  semantic_discriminator: semantic_discriminator_lib.SemanticDiscriminator = flax.struct.field(pytree_node=False)
  augmented: bool = flax.struct.field(pytree_node=False, default=False)
  semantic_plays: bool = flax.struct.field(pytree_node=False, default=True)
  encoder: portrait_encoder.PortraitEncoder | None = flax.struct.field(pytree_node=False, default=None)


def make_players(config) -> Players:
  """The modules that a run's config (a `ConfigDict`) describes."""
  num_classes = semantics.class_set(config.data.class_set).num_classes
  generator = generator_lib.Generator(num_classes=num_classes, **config.generator)
  return Players(
      generator=generator,
      global_discriminator=global_discriminator_lib.GlobalDiscriminator(
          channels=tuple(config.global_discriminator.channels), dtype=config.discriminator_dtype),
      semantic_discriminator=semantic_discriminator_lib.SemanticDiscriminator(
          num_classes=num_classes, channels=tuple(config.semantic_discriminator.channels),
          head_width=config.semantic_discriminator.head_width, dtype=config.discriminator_dtype,
          kind=config.semantic_discriminator.kind),
      augmented=config.augmentation.target > 0,
      semantic_plays=any(config.loss_weights.semantic_discriminator.values()),
      encoder=make_encoder(generator, config) if config.loss_weights.generator.reconstruction else None)


def make_encoder(generator: generator_lib.Generator, config) -> portrait_encoder.PortraitEncoder:
  """The encoder that goes with a run's generator in VAE pretraining; it reads viewpoints unless those of the records are taken as they are."""
  settings, camera = config.vae_pretraining, config.camera
  kind = regional_encoder.RegionalEncoder if generator.region_dim else portrait_encoder.PortraitEncoder
  return kind(
      generator.region_dim or generator.style_dim,
      viewpoint_std=None if settings.viewpoints == 'known' else (camera.azimuth_std, camera.elevation_std),
      elevation_mean=camera.elevation_mean,
      mirror_latents=settings.mirror_latents in ('always', settings.viewpoints))
