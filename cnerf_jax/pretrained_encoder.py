"""The encoder that VAE pretraining leaves, and its file: alone in a run's folder, or beside the generator in the one file of both.

`cnerf_jax.pretrained` has all names that other code needs. In the file of both, the encoder's names begin with `encoder/`; its Gaussian is
left out where the generator's own parameters hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import json
import os
import pathlib
import zipfile

from flax import traverse_util
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax import semantics
from cnerf_jax.models import portrait_encoder
from cnerf_jax.models import regional_encoder
from cnerf_jax.persistence import atomic_files
from cnerf_jax.persistence import compact_arrays
from cnerf_jax.persistence import parameter_file

ENCODER_FILE = 'encoder.npz'  # in the folder of a run
PRETRAINED_ENCODER_FILE = 'encoder_pretrained.npz'  # likewise, of a run whose encoder was fitted again: what pretraining left
IN_GENERATOR = 'encoder/'  # before each name of an encoder's, in the file of a generator
# names, in a file, of what is beside the parameters: two JSON texts and arrays
_ENCODER, _TRAINING = 'encoder', 'training'
_LATENT_MEAN, _LATENT_COVARIANCE, _PRESENCE_THRESHOLD = 'latent_mean', 'latent_covariance', 'presence_threshold'
GAUSSIAN = (_LATENT_MEAN, _LATENT_COVARIANCE, _PRESENCE_THRESHOLD)  # what the parameters of a regional generator hold too


@dataclasses.dataclass(frozen=True, eq=False)
class Encoder:
  """What VAE pretraining knows of real portraits: the latents and the viewpoint that draw them.

  It belongs to one generator: the one that pretraining left, or the one of a later `step`, to which the run has fitted it at its end
  (`vae_pretraining.refit_steps`). The adversarial training moves the generator on without it. Its latents are where the inversion of a
  photograph begins, and not its result.

  The Gaussian and the thresholds are of the end of pretraining, and part of every later generator: they lead from the network's latents to
  z, and fitting the encoder again does not change them.

  Attributes:
    module: the network.
    params: its parameters.
    latent_mean: of real portraits in the network's own latents.
    latent_covariance: likewise; both were folded into the generator's mapping network.
    presence_threshold: [classes] where latents are regional (`regional_mapping`), else None.
    class_set: name of the semantic classes of its masks.
    image_size: side of its images, pixels.
    step: of the adversarial training, whose averages it was fitted to; 0: the generator that pretraining left.
    refit_steps: how long it was fitted to them.
  """

  module: portrait_encoder.PortraitEncoder
  params: Mapping[str, object]
  latent_mean: Float[Array, 'latents']
  latent_covariance: Float[Array, 'latents latents']
  class_set: str
  image_size: int
  presence_threshold: Float[Array, 'classes'] | None = None
  step: int = 0
  refit_steps: int = 0

  def __call__(
      self, image: Float[Array, 'batch size size 3'], semantic_mask: Float[Array, 'batch size size classes'],
  ) -> tuple[portrait_encoder.LatentGaussian, Float[Array, 'batch 2'] | None]:
    """(z of each portrait as a Gaussian, for `pretrained.Model.map_latents`; its viewpoint, azimuth and elevation in radians).

    The viewpoint is None in a run that took the cameras of its records as they are (`vae_pretraining.viewpoints` known).

    Args:
      image: in [-1, 1].
      semantic_mask: in [0, 1], as the loader gives it.

    Raises:
      ValueError: if a shape is not that of the run.
    """
    shape = (self.image_size, self.image_size)
    num_classes = semantics.class_set(self.class_set).num_classes
    for name, array, wanted in (('image', image, (*shape, 3)), ('semantic_mask', semantic_mask, (*shape, num_classes))):
      if array.shape[1:] != wanted:
        raise ValueError(f'{name} has shape {array.shape}, this encoder needs (batch, {", ".join(map(str, wanted))})')
    z, viewpoint = self.latents(image, semantic_mask)
    return portrait_encoder.whiten(z, self.latent_mean, self.latent_covariance), viewpoint

  def latents(
      self, image: Float[Array, 'batch size size 3'], semantic_mask: Float[Array, 'batch size size classes'],
  ) -> tuple[portrait_encoder.LatentGaussian, Float[Array, 'batch 2'] | None]:
    """The same in the network's own latents: where they are regional, the (u, e) that `regional_mapping` takes styles from."""
    encoding = self.module.apply(self.params, image, semantic_mask)
    z = encoding.z
    if encoding.present is not None:
      z = regional_encoder.with_presence(z, encoding.present, self.presence_threshold, self.latent_mean)
    return z, encoding.viewpoint


def load_encoder(path: str | os.PathLike, *, step: int | None = None) -> Encoder:
  """The encoder of a run that began with VAE pretraining.

  Args:
    path: the folder of the run, a file that `save_encoder` wrote, or one that `pretrained.save` wrote with an encoder.
    step: of the generator that it is wanted for; for one before that which the encoder was fitted to, it is what pretraining left. None: the
      newest.

  Raises:
    FileNotFoundError: if there is none; ValueError: if the file holds no encoder.
  """
  path = pathlib.Path(path).expanduser()
  if path.suffix == '.npz':
    return _load_encoder(path)
  newest = _load_encoder(path / ENCODER_FILE)
  return newest if step is None or step >= newest.step else _load_encoder(path / PRETRAINED_ENCODER_FILE)


def _load_encoder(file: pathlib.Path) -> Encoder:
  try:
    arrays = _encoder_arrays(file)
    settings, training = (json.loads(str(arrays.pop(name))) for name in (_ENCODER, _TRAINING))
    of_latents = {name: jnp.asarray(arrays.pop(name)) for name in (_LATENT_MEAN, _LATENT_COVARIANCE)}
    if _PRESENCE_THRESHOLD in arrays:
      of_latents[_PRESENCE_THRESHOLD] = jnp.asarray(arrays.pop(_PRESENCE_THRESHOLD))
    kind = regional_encoder.RegionalEncoder if _PRESENCE_THRESHOLD in of_latents else portrait_encoder.PortraitEncoder
    module = kind(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()})
    params = jax.tree.map(jnp.asarray, traverse_util.unflatten_dict(arrays, sep='/'))
    return Encoder(module=module, params=params, **of_latents, **training)
  except FileNotFoundError:
    raise FileNotFoundError(
        f'no encoder {file}; give the --workdir of a run that began with VAE pretraining (vae_pretraining.num_steps)') from None
  except parameter_file.UNREADABLE as error:
    raise ValueError(f'{file} holds no encoder ({atomic_files.one_line(error)}); give the --workdir of a run that began with VAE pretraining '
                     '(vae_pretraining.num_steps)') from error


def has_encoder(path: str | os.PathLike) -> bool:
  """Whether the folder of a run, or a file that `pretrained.save` wrote, has an encoder for `load_encoder`."""
  path = pathlib.Path(path).expanduser()
  if path.is_dir():
    return (path / ENCODER_FILE).exists()
  try:
    with np.load(path, allow_pickle=False) as file:
      return IN_GENERATOR + _ENCODER in file.files
  except (OSError, ValueError, EOFError, zipfile.BadZipFile):
    return False


def _encoder_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
  """What the file of an encoder, or of a generator with one, has of the encoder."""
  with np.load(path, allow_pickle=False) as file:
    if IN_GENERATOR + _ENCODER not in file.files:
      return compact_arrays.expanded(dict(file))
    found = {name.removeprefix(IN_GENERATOR): file[name] for name in file.files if name.startswith(IN_GENERATOR)}
    if _LATENT_MEAN not in found:
      of_mapping = {name: file[f'params/mapping/{name}'] for name in ('mean', 'factor', 'threshold')}
      found |= dict(zip(GAUSSIAN, gaussian_of(compact_arrays.expanded(of_mapping))))
    return compact_arrays.expanded(found)


def save_encoder(path: str | os.PathLike, encoder: Encoder) -> None:
  """Writes an encoder to one `.npz` file, for `load_encoder`; OSError in one line if it can't be written."""
  parameter_file.write(path, *contents(encoder, compact=False))


def contents(encoder: Encoder, *, compact: bool) -> tuple[dict[str, object], dict[str, np.ndarray]]:
  """Texts and arrays of an encoder's file."""
  names = [field.name for field in dataclasses.fields(encoder.module) if field.name not in ('parent', 'name')]
  texts = {
      _ENCODER: {name: getattr(encoder.module, name) for name in names},
      _TRAINING: {name: getattr(encoder, name) for name in ('class_set', 'image_size', 'step', 'refit_steps')}}
  arrays = {_LATENT_MEAN: encoder.latent_mean, _LATENT_COVARIANCE: encoder.latent_covariance}
  if encoder.presence_threshold is not None:
    arrays[_PRESENCE_THRESHOLD] = encoder.presence_threshold
  params = parameter_file.flat(encoder.params)
  if compact:
    params = compact_arrays.in_bytes(params, {name: _summed_axes(name, array) for name, array in params.items()})
  return texts, arrays | params


def _summed_axes(name: str, kernel: np.ndarray) -> tuple[int, ...]:
  """The axes that a kernel sums over: all but the outputs, and the classes where each has its own."""
  return tuple(range(name.endswith('_kernel'), kernel.ndim - 1))


def gaussian_of(mapping: Mapping[str, object]):
  """Mean, covariance and thresholds of the latents that a regional mapping draws."""
  factor = np.asarray(mapping['factor'], np.float32)
  return np.asarray(mapping['mean']), factor @ factor.T, np.asarray(mapping['threshold'])
