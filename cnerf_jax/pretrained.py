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
import io
import json
import os
import pathlib
import re
import zipfile
import zlib

from flax import traverse_util
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import latents
from cnerf_jax import published
from cnerf_jax import sampler
from cnerf_jax import semantics
from cnerf_jax import version
from cnerf_jax.models import generator as generator_lib
from cnerf_jax.models import players as players_lib
from cnerf_jax.models import portrait_encoder
from cnerf_jax.models import regional_encoder
from cnerf_jax.persistence import atomic_files
from cnerf_jax.persistence import compact_arrays


# names, in a file, of what is beside the parameters: two JSON texts and an array
_GENERATOR, _TRAINING, _W_MEAN = 'generator', 'training', 'w_mean'
# the same of an encoder's file
_ENCODER, _LATENT_MEAN, _LATENT_COVARIANCE, _PRESENCE_THRESHOLD = 'encoder', 'latent_mean', 'latent_covariance', 'presence_threshold'
ENCODER_FILE = 'encoder.npz'  # in the folder of a run
PRETRAINED_ENCODER_FILE = 'encoder_pretrained.npz'  # likewise, of a run whose encoder was fitted again: what pretraining left
_OF_ENCODER = 'encoder/'  # before each name of an encoder's, in the file of a generator
_SAME_GAUSSIAN = 1e-3  # how far, of its largest value, an encoder's covariance may be from that of its generator


@dataclasses.dataclass(frozen=True, eq=False)
class Model:
  """A trained generator and what it was trained for.

  Published weights and files of the first version hold parameters alone: the other fields are then None, but for w_mean, which is
  computed, and `render` must be told its sizes.

  Attributes:
    generator: the module.
    params: its parameters, as they draw: a run's averages, usually.
    class_set: name of its semantic classes, for `semantics.class_set`.
    image_size: side of the images that it was trained on, pixels.
    num_samples: samples along a ray in training; fewer or more change what is drawn.
    azimuth_std: standard deviation of the cameras of training, radians; for `camera.draw_viewpoints`.
    elevation_std: likewise.
    elevation_mean: likewise, their mean.
    w_mean: mean style code of these parameters, for `latents.truncate`.
    provenance: what made it: `config` or `run` (the name of its folder), `step`, `seed`, `data` (the name of the set), `averaged`
      (whether params are the run's averages), `version` of this package.

  Raises:
    ValueError: if a field doesn't fit the generator or is out of range.
  """

  generator: generator_lib.Generator
  params: Mapping[str, object]
  class_set: str | None = None
  image_size: int | None = None
  num_samples: int | None = None
  azimuth_std: float | None = None
  elevation_std: float | None = None
  elevation_mean: float | None = None
  w_mean: Float[Array, 'style_dim'] | None = None
  provenance: Mapping[str, object] | None = None

  def __post_init__(self):
    if self.class_set is not None:
      count = semantics.class_set(self.class_set).num_classes
      if count != self.generator.num_classes:
        raise ValueError(
            f'class_set {self.class_set} has {count} classes, the generator {self.generator.num_classes}; use the set of its training')
    for name, least in (('image_size', 1), ('num_samples', 2)):
      value = getattr(self, name)
      if value is not None and not (isinstance(value, int) and value >= least):
        raise ValueError(f'{name} {value!r} must be a whole number of at least {least}')
    for name in ('azimuth_std', 'elevation_std'):
      value = getattr(self, name)
      if value is not None and not (isinstance(value, (int, float)) and value >= 0):
        raise ValueError(f'{name} {value!r} must be a number of radians of at least 0')
    style_shape = (self.generator.style_dim,)
    if self.generator.region_dim:
      style_shape = (self.generator.num_classes, 2, *style_shape)
    if self.w_mean is not None and np.shape(self.w_mean) != style_shape:
      raise ValueError(f'w_mean has shape {np.shape(self.w_mean)}, this generator needs {style_shape}; see sampler.mean_style')

  def map_latents(self, z: Float[Array, '*batch latent_dim']) -> Float[Array, '*batch classes 2 style_dim']:
    """`sampler.map_latents` of this model."""
    return sampler.map_latents(self.generator, self.params, z)

  def draw_styles(self, key: Array, count: int, *, truncation: float = 1.0) -> Float[Array, 'count classes 2 style_dim']:
    """Styles of random people.

    Args:
      key: random key; the same one draws the same people.
      count: how many.
      truncation: 1 draws as trained, 0 the mean of all people (`latents.truncate`).

    Raises:
      ValueError: if a truncation other than 1 is asked for of weights that hold no mean.
    """
    styles = self.map_latents(jax.random.normal(key, (count, self.generator.latent_dim)))
    if truncation == 1:
      return styles
    if self.w_mean is None:
      raise ValueError('these weights hold no w_mean to truncate to; see sampler.mean_style')
    return latents.truncate(styles, self.w_mean, truncation)

  def render(
      self, styles: Float[Array, '*batch classes 2 style_dim'], camera: camera_lib.Camera, *,
      image_size: int | None = None, num_samples: int | None = None, **options) -> sampler.Rendering:
    """`sampler.render` of this model, with its `options`; sizes are those of training unless given.

    Raises:
      ValueError: if a size is neither given nor known, and as `sampler.render`.
    """
    sizes = {
        'image_size': self.image_size if image_size is None else image_size,
        'num_samples': self.num_samples if num_samples is None else num_samples}
    for name, value in sizes.items():
      if value is None:
        raise ValueError(f'these weights do not say their {name}; give that of their training, render(..., {name}=...)')
    return sampler.render(self.generator, self.params, styles, camera, **sizes, **options)


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
  return _with_w_mean(Model(
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
  params = _flat(model.params)
  if compact:
    sines = tuple(name for name in params if _SINE_KERNEL.search(name))
    params = compact_arrays.in_halves(params, keep=sines)
    rounded = traverse_util.unflatten_dict(compact_arrays.expanded(params), sep='/')
    model = dataclasses.replace(model, params=jax.tree.map(jnp.asarray, rounded), w_mean=None)
  model = _with_w_mean(model)
  texts = {
      _GENERATOR: {name: getattr(model.generator, name) for name in generator_lib.SETTINGS},
      _TRAINING: {name: getattr(model, name) for name in _TRAINING_FIELDS},
  }
  arrays = {_W_MEAN: model.w_mean} | params
  if encoder is not None:
    encoder_texts, encoder_arrays = _contents(encoder, compact=compact)
    if encoder.presence_threshold is not None:  # the generator has the same Gaussian
      for name in (_LATENT_MEAN, _LATENT_COVARIANCE, _PRESENCE_THRESHOLD):
        del encoder_arrays[name]
    texts |= {_OF_ENCODER + name: text for name, text in encoder_texts.items()}
    arrays |= {_OF_ENCODER + name: array for name, array in encoder_arrays.items()}
  _write(path, texts, arrays)


def _flat(params) -> dict[str, np.ndarray]:
  return {name: np.asarray(array) for name, array in traverse_util.flatten_dict(dict(params), sep='/').items()}


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
  mean, covariance, threshold = _gaussian_of(model.params['params']['mapping'])
  for own, other in ((encoder.latent_mean, mean), (encoder.latent_covariance, covariance), (encoder.presence_threshold, threshold)):
    if np.abs(own - other).max() > _SAME_GAUSSIAN * np.abs(other).max():
      raise ValueError('the encoder and the model know other people: their Gaussians of latents differ; give the encoder of the same run')


def _gaussian_of(mapping: Mapping[str, object]):
  """Mean, covariance and thresholds of the latents that a regional mapping draws."""
  factor = np.asarray(mapping['factor'], np.float32)
  return np.asarray(mapping['mean']), factor @ factor.T, np.asarray(mapping['threshold'])


def _with_w_mean(model: Model) -> Model:
  if model.w_mean is not None:
    return model
  return dataclasses.replace(model, w_mean=sampler.mean_style(model.generator, model.params, jax.random.key(0)))


def _load_file(path: pathlib.Path) -> Model:
  try:
    with np.load(path, allow_pickle=False) as file:
      arrays = compact_arrays.expanded({name: file[name] for name in file.files if not name.startswith(_OF_ENCODER)})
    generator = generator_lib.Generator(**json.loads(str(arrays.pop(_GENERATOR))))
    training = json.loads(str(arrays.pop(_TRAINING, '{}')))  # files of the first version have neither this nor the mean
    w_mean = arrays.pop(_W_MEAN, None)
    _check_shapes(generator, arrays)
    return _with_w_mean(Model(
        generator=generator,
        params=jax.tree.map(jnp.asarray, traverse_util.unflatten_dict(arrays, sep='/')),
        w_mean=None if w_mean is None else jnp.asarray(w_mean),
        **training))
  except FileNotFoundError:
    raise FileNotFoundError(f'no file {path}; give one that cnerf_jax.pretrained.save wrote, or the --workdir of a run') from None
  except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
    raise ValueError(f'{path} holds no generator ({atomic_files.one_line(error)}); '
                     'give a file that cnerf_jax.pretrained.save wrote, or the --workdir of a run') from error


def _check_shapes(generator: generator_lib.Generator, arrays: Mapping[str, np.ndarray]) -> None:
  z = jax.ShapeDtypeStruct((1, generator.latent_dim), jnp.float32)
  expected = traverse_util.flatten_dict(jax.eval_shape(generator.init, jax.random.key(0), z), sep='/')
  for name in sorted({*expected, *arrays}):
    found, wanted = (tree[name].shape if name in tree else 'nothing' for tree in (arrays, expected))
    if found != wanted:
      raise ValueError(f'{name} is {found}, its settings ask for {wanted}')


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
    """(z of each portrait as a Gaussian, for `Model.map_latents`; its viewpoint, azimuth and elevation in radians).

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
    path: the folder of the run, a file that `save_encoder` wrote, or one that `save` wrote with an encoder.
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
  except (ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
    raise ValueError(f'{file} holds no encoder ({atomic_files.one_line(error)}); give the --workdir of a run that began with VAE pretraining '
                     '(vae_pretraining.num_steps)') from error


def has_encoder(path: str | os.PathLike) -> bool:
  """Whether the folder of a run, or a file that `save` wrote, has an encoder for `load_encoder`."""
  path = pathlib.Path(path).expanduser()
  if path.is_dir():
    return (path / ENCODER_FILE).exists()
  try:
    with np.load(path, allow_pickle=False) as file:
      return _OF_ENCODER + _ENCODER in file.files
  except (OSError, ValueError, EOFError, zipfile.BadZipFile):
    return False


def _encoder_arrays(path: pathlib.Path) -> dict[str, np.ndarray]:
  """What the file of an encoder, or of a generator with one, has of the encoder."""
  with np.load(path, allow_pickle=False) as file:
    if _OF_ENCODER + _ENCODER not in file.files:
      return compact_arrays.expanded(dict(file))
    found = {name.removeprefix(_OF_ENCODER): file[name] for name in file.files if name.startswith(_OF_ENCODER)}
    if _LATENT_MEAN not in found:
      of_mapping = {name: file[f'params/mapping/{name}'] for name in ('mean', 'factor', 'threshold')}
      found |= dict(zip((_LATENT_MEAN, _LATENT_COVARIANCE, _PRESENCE_THRESHOLD), _gaussian_of(compact_arrays.expanded(of_mapping))))
    return compact_arrays.expanded(found)


def save_encoder(path: str | os.PathLike, encoder: Encoder) -> None:
  """Writes an encoder to one `.npz` file, for `load_encoder`; OSError in one line if it can't be written."""
  _write(path, *_contents(encoder, compact=False))


def _contents(encoder: Encoder, *, compact: bool) -> tuple[dict[str, object], dict[str, np.ndarray]]:
  """Texts and arrays of an encoder's file."""
  names = [field.name for field in dataclasses.fields(encoder.module) if field.name not in ('parent', 'name')]
  texts = {
      _ENCODER: {name: getattr(encoder.module, name) for name in names},
      _TRAINING: {name: getattr(encoder, name) for name in ('class_set', 'image_size', 'step', 'refit_steps')}}
  arrays = {_LATENT_MEAN: encoder.latent_mean, _LATENT_COVARIANCE: encoder.latent_covariance}
  if encoder.presence_threshold is not None:
    arrays[_PRESENCE_THRESHOLD] = encoder.presence_threshold
  params = _flat(encoder.params)
  if compact:
    params = compact_arrays.in_bytes(params, {name: _summed_axes(name, array) for name, array in params.items()})
  return texts, arrays | params


def _summed_axes(name: str, kernel: np.ndarray) -> tuple[int, ...]:
  """The axes that a kernel sums over: all but the outputs, and the classes where each has its own."""
  return tuple(range(name.endswith('_kernel'), kernel.ndim - 1))


def _write(path: str | os.PathLike, texts: Mapping[str, object], arrays: Mapping[str, object]) -> None:
  """An `.npz` file of JSON texts and arrays."""
  buffer = io.BytesIO()
  np.savez_compressed(
      buffer, **{name: np.array(json.dumps(text)) for name, text in texts.items()},
      **{name: np.asarray(array) for name, array in arrays.items()})
  atomic_files.write_bytes(path, buffer.getvalue())


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
  return _with_w_mean(Model(*published.generator_from(weights)))


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
