"""Where VAE pretraining sees real portraits from: `known` cameras, cameras that were read and are `refined`, or `guessed` ones.

Known: portraits are drawn from the cameras of the records. Refined: from the encoder's viewpoints, which learn from the picture and are held
to the records' by how sure those are. At first the records' own are used, so that the shape begins the right way round: through a long
lens a head and its hollow mould, turned the other way, are nearly the same picture, and once a head is hollow the loss keeps it so.

Guessed: nothing is known but how cameras spread (`config.camera`). The encoder's viewpoints are pulled to that spread, and begin as what
can be told without a camera: a nose that lies left of the middle of the face is seen from the right, one that lies low between eyes and
mouth from above. It is a guess. It tells the signs, and hardly the sizes.
"""

from __future__ import annotations

from collections.abc import Callable

import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Float
import ml_collections

from cnerf_jax import semantics
from cnerf_jax.losses import viewpoint as viewpoint_lib

EARLY_FRACTION = 0.45  # of the steps, over which the first help fades; measured on photographs: 600 of 1,300

# what the classes are called in the class sets that there are
_FACES, _NOSES, _EYES, _MOUTHS = ('skin', 'face'), ('nose',), ('eyes', 'eye'), ('mouth',)
_LEAST_AREA = 1e-3  # of the picture: a class with less of it has no centroid to speak of
_LEAST_OFFSET = 1e-3  # of the picture's side: keeps a batch of noses all in the middle finite
_LEAST_LENGTH = 0.02  # of the picture's side, from eyes to mouth: less is no face


@flax.struct.dataclass
class Seen:
  """How a batch of real portraits is seen.

  Attributes:
    viewpoint: [batch, 2] that they are drawn from, azimuth and elevation, radians.
    weights: [batch] of their reconstruction losses; None: all count the same.
    loss: scalar, weighted: what the encoder's viewpoints cost.
  """

  viewpoint: Float[Array, 'batch 2']
  weights: Float[Array, 'batch'] | None
  loss: Float[Array, '']


def early_weight(step: Float[Array, ''], num_steps: int) -> Float[Array, '']:
  """1 at first, 0 after EARLY_FRACTION of the steps, a line between."""
  return jnp.maximum(0.0, 1 - step / (EARLY_FRACTION * num_steps))


def known(batch: dict[str, Array]) -> Seen:
  """From the records' cameras; portraits without one (confidence 0) don't count."""
  weights = (batch['viewpoint_confidence'] > 0).astype(jnp.float32) if 'viewpoint_confidence' in batch else None
  return Seen(viewpoint=batch['viewpoint'], weights=weights, loss=jnp.zeros(()))


def refined(
    read: Float[Array, 'batch 2'], batch: dict[str, Array], trust: Float[Array, ''], config: ml_collections.ConfigDict) -> Seen:
  """From the encoder's viewpoints, held to the records'.

  Args:
    read: what the encoder reads.
    batch: of reals, with `viewpoint` and, if not all are sure, `viewpoint_confidence` in [0, 1].
    trust: in [0, 1], how far portraits of a sure camera are still drawn from that one.
    config: of the run.
  """
  confidence = batch.get('viewpoint_confidence', jnp.ones(len(read)))[:, None]
  held = viewpoint_lib.held_viewpoint_loss(read, batch['viewpoint'], confidence, _std(config))
  return Seen(
      viewpoint=read + trust * confidence * (batch['viewpoint'] - read), weights=None,
      loss=config.vae_pretraining.viewpoint_weight * held)


def guessed(
    read: Float[Array, 'batch 2'], guess: Float[Array, 'batch 2'], sureness: Float[Array, 'batch 2'], config: ml_collections.ConfigDict,
) -> Seen:
  """From the encoder's viewpoints, pulled to the spread of cameras and to guesses, and as far as those are sure from the guesses themselves.

  Args:
    read: what the encoder reads.
    guess: azimuth and elevation, radians.
    sureness: in [0, 1], how tightly each is held, and how far portraits are drawn from the guess.
    config: of the run.
  """
  std = _std(config)
  held = viewpoint_lib.held_viewpoint_loss(read, guess, sureness, std)
  spread = viewpoint_lib.spread_loss(read, jnp.array([0.0, config.camera.elevation_mean]), std)
  settings = config.vae_pretraining
  return Seen(
      viewpoint=read + sureness * (guess - read), weights=None,
      loss=settings.viewpoint_weight * held + settings.spread_weight * spread)


def guess_azimuth(
    semantic_mask: Float[Array, 'batch size size classes'], class_set: semantics.ClassSet, azimuth_std: float,
) -> tuple[Float[Array, 'batch'], Float[Array, 'batch']]:
  """A guess of the azimuth from where the nose lies in the face: (azimuth in radians, 1 or 0 whether there is a nose and a face).

  Of the batch's guesses the root mean square is `azimuth_std`, whatever the crop. On photographs they correlate .93 with the truth.
  """
  (face, has_face), (nose, has_nose) = (_centroid(semantic_mask, class_set, names) for names in (_FACES, _NOSES))
  is_there = has_face * has_nose
  return azimuth_std * _in_units((face - nose)[:, 0], is_there), is_there


def guess_elevation(
    semantic_mask: Float[Array, 'batch size size classes'], class_set: semantics.ClassSet, elevation_std: float, elevation_mean: float,
) -> tuple[Float[Array, 'batch'], Float[Array, 'batch']]:
  """A guess of the elevation from how low the nose lies between eyes and mouth: (elevation in radians, 1 or 0 whether all three are there).

  Mean and standard deviation of the batch's guesses are those given: how low noses lie is another matter in every crop and at every age. On
  photographs they correlate .63 with landmark poses.
  """
  (nose, has_nose), (eyes, has_eyes), (mouth, has_mouth) = (
      _centroid(semantic_mask, class_set, names) for names in (_NOSES, _EYES, _MOUTHS))
  length = (mouth - eyes)[:, 1]
  is_there = has_nose * has_eyes * has_mouth * (length > _LEAST_LENGTH)
  lowness = (nose - eyes)[:, 1] / jnp.maximum(length, _LEAST_LENGTH)
  middle = jnp.sum(lowness * is_there) / jnp.maximum(jnp.sum(is_there), 1.0)
  return elevation_mean + elevation_std * _in_units(lowness - middle, is_there), is_there


def _in_units(offset, is_there):
  """Offsets over their root mean square in the batch; 0 where there is none."""
  offset = offset * is_there
  mean_square = jnp.sum(offset**2) / jnp.maximum(jnp.sum(is_there), 1.0)
  return offset / jnp.maximum(jnp.sqrt(mean_square), _LEAST_OFFSET)


def _centroid(semantic_mask, class_set, names):
  """(x, y of a class's centre, in sides of the picture from its upper left corner; 1 or 0 whether there is enough of it); nothing without
  the class."""
  channels = [class_set.index(name) for name in names if name in class_set.classes]
  mask = jnp.sum(semantic_mask[..., channels], axis=-1)
  along = (jnp.arange(mask.shape[-1]) + 0.5) / mask.shape[-1]
  area = jnp.sum(mask, axis=(1, 2))
  moments = jnp.stack([jnp.sum(mask, axis=1) @ along, jnp.sum(mask, axis=2) @ along], axis=-1)
  return moments / jnp.maximum(area, 1e-6)[:, None], (area > _LEAST_AREA * mask.shape[-1]**2).astype(jnp.float32)


def _std(config: ml_collections.ConfigDict) -> Float[Array, '2']:
  return jnp.array([config.camera.azimuth_std, config.camera.elevation_std])


def make_view(
    config: ml_collections.ConfigDict, read_hollow: Callable[[dict[str, Array]], Float[Array, 'batch 2']] | None = None,
) -> Callable[[Float[Array, 'batch 2'] | None, dict[str, Array], Float[Array, '']], Seen]:
  """The kind of a config: (what the encoder reads, batch of reals, step number) → `Seen`.

  Args:
    config: of the run.
    read_hollow: viewpoints of a batch as an encoder reads them that went with hollow heads. It tells that this time the help must not fade:
      guessed azimuths are then the opposites of those, and refined cameras stay those of the records where they are sure.
  """
  settings = config.vae_pretraining
  class_set = semantics.class_set(config.data.class_set)
  help_at = lambda step: early_weight(step, settings.num_steps) if read_hollow is None else jnp.ones(())

  def guess(read, batch, step):
    camera, masks = config.camera, batch['semantic_mask']
    if read_hollow is None:
      azimuth, has_azimuth = guess_azimuth(masks, class_set, camera.azimuth_std)
    else:
      azimuth, has_azimuth = -read_hollow(batch)[:, 0], jnp.ones(len(read))
    elevation, has_elevation = guess_elevation(masks, class_set, camera.elevation_std, camera.elevation_mean)
    sureness = [has_azimuth * help_at(step), has_elevation * early_weight(step, settings.num_steps)]
    return guessed(read, jnp.stack([azimuth, elevation], axis=-1), jnp.stack(sureness, axis=-1), config)

  return {
      'known': lambda read, batch, step: known(batch),
      'refined': lambda read, batch, step: refined(read, batch, help_at(step), config),
      'guessed': guess,
  }[settings.viewpoints]
