"""Generators that are already trained: from a run's folder, from one file, or from published PyTorch weights.

  model = pretrained.load('runs/portraits32')
  pretrained.save('portraits32.npz', model)
  model = pretrained.load('portraits32.npz')
  model = pretrained.from_published(torch.load('checkpoint.pt', weights_only=True)['g_ema'])
  z, viewpoint = pretrained.load_encoder('runs/photographs32')(images, semantic_masks)
  pretrained.save('people.npz', model, encoder=pretrained.load_encoder('runs/people'), compact=True)  # both in one small file

A model carries what drawing needs besides the parameters: `model.image_size`, `model.num_samples`, the spread of cameras, the mean w.
A run that began with VAE pretraining has kept its encoder: the start of inverting a photograph.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import json
import os
import pathlib
import re

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax import pretrained_encoder
from cnerf_jax import pretrained_model
from cnerf_jax import published
from cnerf_jax import version
from cnerf_jax.models import generator as generator_lib
from cnerf_jax.models import players as players_lib
from cnerf_jax.persistence import atomic_files
from cnerf_jax.persistence import compact_arrays
from cnerf_jax.persistence import parameter_file


# what other code calls of the files beside this one
Model = pretrained_model.Model
Encoder = pretrained_encoder.Encoder
load_encoder = pretrained_encoder.load_encoder
save_encoder = pretrained_encoder.save_encoder
has_encoder = pretrained_encoder.has_encoder
ENCODER_FILE = pretrained_encoder.ENCODER_FILE
PRETRAINED_ENCODER_FILE = pretrained_encoder.PRETRAINED_ENCODER_FILE

# names, in a file, of what is beside the parameters: two JSON texts and an array
_GENERATOR, _TRAINING, _W_MEAN = 'generator', 'training', 'w_mean'
_SAME_GAUSSIAN = 1e-3  # how far, of its largest value, an encoder's covariance may be from that of its generator
# names of the sine layers' own kernels, `bank/shape_1/kernel`, and not of those that modulate them, `bank/shape_1/gamma/kernel`
_SINE_KERNEL = re.compile(r'(shape|texture)_\d+/kernel$')
# what a file says of a model besides its arrays and the generator's own settings
_TRAINING_FIELDS = ('class_set', 'image_size', 'num_samples', 'azimuth_std', 'elevation_std', 'elevation_mean', 'provenance')


def load(workdir: str | os.PathLike, *, step: int | None = None, ema: bool = True) -> Model:
  """A trained generator, for `cnerf_jax.sampler`.

  Args:
    workdir: the folder that `main.py --workdir` trained in, or a file that `save` wrote, which holds one set of parameters.
    step: a saved step of the folder; the newest sound one if None.
    ema: the averaged parameters of the folder, which draw better; the raw ones otherwise.

  Returns:
    The model; its mean w is of these very parameters.

  Raises:
    FileNotFoundError: if there is no checkpoint; ValueError: if none is sound, or the folder is no run, or the file holds no generator.
  """
  path = pathlib.Path(workdir).expanduser()
  if path.is_file() or path.suffix == '.npz':
    if step is not None or not ema:
      raise ValueError(f'{path} is a file, which holds one set of parameters; leave step and ema out, or give the --workdir of a run')
    return _load_file(path)
  # here, so that importing this module for published weights needs neither orbax nor optax
  from cnerf_jax.persistence import checkpoints  # pylint: disable=g-import-not-at-top
  from cnerf_jax.persistence import workdir as workdir_lib  # pylint: disable=g-import-not-at-top

  config = workdir_lib.load_config(path)
  name = 'ema_params' if ema else 'generator_params'
  with checkpoints.Checkpoints(path) as saved:
    parts, meta = saved.restore_part((name,), step=step)
  return pretrained_model.with_w_mean(Model(
      generator=players_lib.make_players(config).generator,
      params=jax.tree.map(jnp.asarray, parts[name]),
      class_set=config.data.class_set,
      image_size=config.image_size,
      num_samples=config.num_samples,
      azimuth_std=config.camera.azimuth_std,
      elevation_std=config.camera.elevation_std,
      elevation_mean=config.camera.elevation_mean,
      provenance=dict(
          run=path.absolute().name, step=int(meta['step']), seed=config.seed, data=config.data.name, averaged=ema,
          version=version.__version__)))


def save(path: str | os.PathLike, model: Model, *, encoder: Encoder | None = None, compact: bool = False) -> None:
  """Writes a model (of a run, say: `save('people.npz', load('runs/portraits32'))`) to one `.npz` file, for `load`.

  Args:
    path: of the file.
    model: to write.
    encoder: of the same run, into the same file, for `load_encoder`.
    compact: in half the bytes and less: the generator's large kernels in float16, but for those of the sine layers, whose phases reach tens of
      radians; the encoder's in whole numbers of 7 bits with a scale for each output. Both then draw and read a little otherwise
      (docs/people.md).

  Raises:
    ValueError: if the encoder is that of another generator.
    OSError: in one line, if the file can't be written; one that was there before is still there.
  """
  if encoder is not None:
    _check_same_run(model, encoder)
  params = parameter_file.flat(model.params)
  if compact:
    sines = tuple(name for name in params if _SINE_KERNEL.search(name))
    params = compact_arrays.in_halves(params, keep=sines)
    rounded = traverse_util.unflatten_dict(compact_arrays.expanded(params), sep='/')
    model = dataclasses.replace(model, params=jax.tree.map(jnp.asarray, rounded), w_mean=None)
  model = pretrained_model.with_w_mean(model)
  texts = {
      _GENERATOR: {name: getattr(model.generator, name) for name in generator_lib.SETTINGS},
      _TRAINING: {name: getattr(model, name) for name in _TRAINING_FIELDS},
  }
  arrays = {_W_MEAN: model.w_mean} | params
  if encoder is not None:
    encoder_texts, encoder_arrays = pretrained_encoder.contents(encoder, compact=compact)
    if encoder.presence_threshold is not None:  # the generator has the same Gaussian
      for name in pretrained_encoder.GAUSSIAN:
        del encoder_arrays[name]
    texts |= {pretrained_encoder.IN_GENERATOR + name: text for name, text in encoder_texts.items()}
    arrays |= {pretrained_encoder.IN_GENERATOR + name: array for name, array in encoder_arrays.items()}
  parameter_file.write(path, texts, arrays)


def _check_same_run(model: Model, encoder: Encoder) -> None:
  """ValueError in one line if the encoder does not read the latents of this generator."""
  for name in ('class_set', 'image_size'):
    if getattr(encoder, name) != getattr(model, name):
      raise ValueError(f'the encoder has {name} {getattr(encoder, name)}, the model {getattr(model, name)}; give that of the same run')
  if len(encoder.latent_mean) != model.generator.latent_dim:
    raise ValueError(
        f'the encoder reads {len(encoder.latent_mean)} latents, the model has {model.generator.latent_dim}; give that of the same run')
  if encoder.presence_threshold is None:
    return
  mean, covariance, threshold = pretrained_encoder.gaussian_of(model.params['params']['mapping'])
  for own, other in ((encoder.latent_mean, mean), (encoder.latent_covariance, covariance), (encoder.presence_threshold, threshold)):
    if np.abs(own - other).max() > _SAME_GAUSSIAN * np.abs(other).max():
      raise ValueError('the encoder and the model know other people: their Gaussians of latents differ; give the encoder of the same run')


def _load_file(path: pathlib.Path) -> Model:
  try:
    with np.load(path, allow_pickle=False) as file:
      arrays = compact_arrays.expanded({name: file[name] for name in file.files if not name.startswith(pretrained_encoder.IN_GENERATOR)})
    generator = generator_lib.Generator(**json.loads(str(arrays.pop(_GENERATOR))))
    training = json.loads(str(arrays.pop(_TRAINING, '{}')))  # files of the first version have neither this nor the mean
    w_mean = arrays.pop(_W_MEAN, None)
    _check_shapes(generator, arrays)
    return pretrained_model.with_w_mean(Model(
        generator=generator,
        params=jax.tree.map(jnp.asarray, traverse_util.unflatten_dict(arrays, sep='/')),
        w_mean=None if w_mean is None else jnp.asarray(w_mean),
        **training))
  except FileNotFoundError:
    raise FileNotFoundError(f'no file {path}; give one that cnerf_jax.pretrained.save wrote, or the --workdir of a run') from None
  except parameter_file.UNREADABLE as error:
    raise ValueError(f'{path} holds no generator ({atomic_files.one_line(error)}); '
                     'give a file that cnerf_jax.pretrained.save wrote, or the --workdir of a run') from error


def _check_shapes(generator: generator_lib.Generator, arrays: Mapping[str, np.ndarray]) -> None:
  z = jax.ShapeDtypeStruct((1, generator.latent_dim), jnp.float32)
  expected = traverse_util.flatten_dict(jax.eval_shape(generator.init, jax.random.key(0), z), sep='/')
  for name in sorted({*expected, *arrays}):
    found, wanted = (tree[name].shape if name in tree else 'nothing' for tree in (arrays, expected))
    if found != wanted:
      raise ValueError(f'{name} is {found}, its settings ask for {wanted}')


def from_published(weights: Mapping[str, object]) -> Model:
  """A model from a published generator's state_dict (or the `g_ema` of a whole checkpoint).

  Args:
    weights: state_dict names to arrays, NumPy or torch; or a whole checkpoint with keys g, g_ema, gd, sd.

  Returns:
    The model, its generator's classes, width and style size read off the shapes; what shapes don't tell is None.

  Raises:
    ValueError: if a tensor is missing or does not fit.
  """
  if 'g_ema' in weights:
    weights = weights['g_ema']
  return pretrained_model.with_w_mean(Model(*published.generator_from(weights)))


def players_from_published(checkpoint: str | os.PathLike | Mapping[str, Mapping[str, object]]):
  """All players of a published checkpoint, to sample from it and go on training from it.

  Args:
    checkpoint: a `.pt` file (read by torch, which must be installed, with weights_only=True) or what it holds: a mapping with
      keys g, g_ema, gd and sd.

  Returns:
    (players, params): the modules, and a dict with generator_params, ema_params, global_discriminator_params and
    semantic_discriminator_params, as `training.train_state.GanState` names them.

  Raises:
    ValueError: if a player is missing or does not fit.
  """
  if isinstance(checkpoint, (str, os.PathLike)):
    checkpoint = _read_torch(checkpoint)
  return published.players_from(checkpoint)


def _read_torch(path):
  try:
    import torch  # pylint: disable=g-import-not-at-top
  except ImportError as error:
    raise ValueError(f'reading {path} needs torch; pip install torch, or pass its contents as a mapping of arrays') from error
  return torch.load(path, map_location='cpu', weights_only=True)
