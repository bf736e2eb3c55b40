"""All that a training run carries from step to step: parameters, their average, optimiser states and the random key."""

from __future__ import annotations

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Int
import ml_collections
import optax

from cnerf_jax.models import players as players_lib
from cnerf_jax.training import augmentation as augmentation_lib
from cnerf_jax.training import optimizers as optimizers_lib


_ENCODER = 2**32 - 1  # folded into the key of a fresh state, for its encoder


@flax.struct.dataclass
class GanState:
  """State of a GAN run; a pytree, donated to every step.

  Attributes:
    step: steps done.
    key: random key of the run; step n uses fold_in(key, n).
    generator_params: the generator being trained.
    ema_params: their exponential moving average, which draws the pictures.
    global_discriminator_params: as named.
    semantic_discriminator_params: as named; empty where it doesn't play.
    generator_optimizer: optax state.
    global_discriminator_optimizer: optax state.
    semantic_discriminator_optimizer: optax state.
  """

  step: Int[Array, '']
  key: Array
  generator_params: dict
  ema_params: dict
  global_discriminator_params: dict
  semantic_discriminator_params: dict
  generator_optimizer: optax.OptState
  global_discriminator_optimizer: optax.OptState
  semantic_discriminator_optimizer: optax.OptState


@flax.struct.dataclass
class AugmentedGanState(GanState):
  """State of a run that augments; without augmentation there is no such field, in memory or in checkpoints.

  Attributes:
    augmentation: its strength.
  """

  augmentation: augmentation_lib.AugmentationState


@flax.struct.dataclass
class ReconstructingGanState(GanState):
  """State of a run that goes on reconstructing (`kept_reconstruction`); others have no such field, in memory or in checkpoints.

  Attributes:
    encoder_params: of the encoder that VAE pretraining left; they stand still.
  """

  encoder_params: dict


@flax.struct.dataclass
class AugmentedReconstructingGanState(AugmentedGanState, ReconstructingGanState):
  """State of a run that does both."""


# by whether a run augments, and whether it reconstructs
STATES = {(False, False): GanState, (True, False): AugmentedGanState, (False, True): ReconstructingGanState,
          (True, True): AugmentedReconstructingGanState}


def create(key: Array, players: players_lib.Players, optimizers: optimizers_lib.Optimizers, *, image_size: int) -> GanState:
  """A fresh state: random parameters, the average equal to them, empty optimiser states; made by one compiled program."""
  def make(key: Array) -> GanState:
    generator = players.generator
    run_key, *keys = jax.random.split(key, 4)
    image = jnp.zeros((1, image_size, image_size, 3))
    masks = jnp.zeros((1, image_size, image_size, generator.num_classes))
    generator_params = generator.init(keys[0], jnp.zeros((1, generator.latent_dim)))
    global_params = players.global_discriminator.init(keys[1], image, masks)
    semantic_params = players.semantic_discriminator.init(keys[2], image, masks[..., :1]) if players.semantic_plays else {}
    fields = dict(
        step=jnp.zeros((), jnp.int32),
        key=run_key,
        generator_params=generator_params,
        ema_params=jax.tree.map(jnp.copy, generator_params),  # a copy: donated buffers must not alias
        global_discriminator_params=global_params,
        semantic_discriminator_params=semantic_params,
        generator_optimizer=optimizers.generator.init(generator_params),
        global_discriminator_optimizer=optimizers.global_discriminator.init(global_params),
        semantic_discriminator_optimizer=optimizers.semantic_discriminator.init(semantic_params))
    if players.augmented:
      fields['augmentation'] = augmentation_lib.initial_state()
    if players.encoder is not None:
      fields['encoder_params'] = players.encoder.init(jax.random.fold_in(key, _ENCODER), image, masks)
    return STATES[players.augmented, players.encoder is not None](**fields)

  return jax.jit(make)(key)


def augmentation_of(state: GanState) -> augmentation_lib.AugmentationState | None:
  """The state's augmentation; None where nothing is augmented."""
  return state.augmentation if isinstance(state, AugmentedGanState) else None


def adapt_augmentation(
    state: GanState, global_metrics: dict[str, Array], config: ml_collections.ConfigDict) -> tuple[GanState, dict[str, Array]]:
  """(the state with its augmentation adapted to the global discriminator's turn, metrics); nothing where nothing is augmented."""
  if not isinstance(state, AugmentedGanState):
    return state, {}
  adapted = augmentation_lib.adapt(state.augmentation, global_metrics['real_sign'], state.step, config)
  return state.replace(augmentation=adapted), {'augmentation/strength': adapted.strength}
