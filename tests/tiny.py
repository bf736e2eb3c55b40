"""A run made as small as it goes, for tests: three classes, 4x4 pixels, four samples a ray, eight channels, the least layers."""

import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax import published
from cnerf_jax.models import generator as generator_lib
from cnerf_jax.models import global_discriminator
from cnerf_jax.models import players as players_lib
from cnerf_jax.models import semantic_discriminator
from cnerf_jax.training import augmentation
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import train_state
from configs import default

NUM_CLASSES = 3
IMAGE_SIZE = 4
SIZES = {
    'num_steps': 100, 'batch_size': 4, 'image_size': IMAGE_SIZE, 'num_samples': 4, 'num_chunks': 2,
    'generator.style_dim': 8, 'generator.width': 8, 'generator.num_shape_layers': 2, 'generator.num_texture_layers': 1,
    'generator.mapping_layers': 2, 'generator.gamma_offset': 15.0,
    'global_discriminator.channels': (8, 8), 'semantic_discriminator.channels': (8,),
    'semantic_discriminator.head_width': 8, 'sphere.num_steps': 40, 'sphere.learning_rate': 3e-4, 'sphere.batch_size': 4,
}


def make_config(base=default, **changes):
  """`configs/default.py` (or another) at tiny sizes; changes are dotted names with __ for the dot."""
  config = base.get_config().unlock()
  config.update_from_flattened_dict(SIZES)
  config.update_from_flattened_dict({name.replace('__', '.'): value for name, value in changes.items()})
  return config.lock()


def make_generator(**changes):
  """A generator of the published kind at tiny sizes."""
  settings = published.GENERATOR | dict(
      num_classes=NUM_CLASSES, style_dim=8, width=8, mapping_layers=2, num_shape_layers=2, num_texture_layers=1) | changes
  return generator_lib.Generator(**settings)


def make_params(generator, seed=0):
  """Random parameters of a generator."""
  z = jnp.zeros((1, generator.latent_dim))
  params = fill(jax.eval_shape(generator.init, jax.random.key(0), z), seed)
  params['params']['field']['density_beta'] = jnp.float32(generator.density_beta_init)
  if generator.residual_from_zero:
    bank = params['params']['field']['bank']
    bank |= {name: jnp.zeros_like(bank[name]) for name in ('sdf_kernel', 'sdf_bias')}
  return params


def fill(shapes, seed=0):
  """Random arrays of the given shapes, about as large as first weights; drawn by NumPy, because compiling each init takes seconds."""
  draw = np.random.default_rng(seed)

  def leaf(path, shape):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    inputs = np.prod(shape.shape[-4:-1] if shape.ndim == 4 else shape.shape[-2:-1], dtype=int)
    if name.endswith('bias'):
      value = draw.uniform(-0.3, 0.3, shape.shape)
    elif name.endswith('shape_0/kernel'):
      value = draw.uniform(-1, 1, shape.shape) / inputs
    elif ('shape_' in name or 'texture_' in name) and not name.endswith(('gamma/kernel', 'beta/kernel')):
      value = draw.uniform(-1, 1, shape.shape) * (6 / inputs)**0.5 / 25
    elif name.endswith(('mask_kernel', 'color_kernel', 'sdf_kernel')):
      value = draw.uniform(-1, 1, shape.shape) * (6 / inputs)**0.5 / 25
    elif 'realness' in name or 'class_' in name:  # equalised learning rate: scaled at run time
      value = draw.standard_normal(shape.shape)
    else:
      value = draw.standard_normal(shape.shape) * (0.35 if 'bank' in name or 'base' in name else 1.4) * inputs**-0.5
    return jnp.asarray(value, jnp.float32)

  return jax.tree_util.tree_map_with_path(leaf, shapes)


def make_players(config):
  """The modules of a config, with three classes instead of its class set's."""
  settings = config.semantic_discriminator
  generator = generator_lib.Generator(num_classes=NUM_CLASSES, **config.generator)
  return players_lib.Players(
      generator=generator,
      global_discriminator=global_discriminator.GlobalDiscriminator(
          channels=tuple(config.global_discriminator.channels), dtype=config.discriminator_dtype),
      semantic_discriminator=semantic_discriminator.SemanticDiscriminator(
          num_classes=NUM_CLASSES, channels=tuple(settings.channels), head_width=settings.head_width,
          dtype=config.discriminator_dtype, kind=settings.kind),
      augmented=config.augmentation.target > 0,
      semantic_plays=any(config.loss_weights.semantic_discriminator.values()),
      encoder=players_lib.make_encoder(generator, config) if config.loss_weights.generator.reconstruction else None)


def make_run(config, seed=0):
  """Players, optimisers and a fresh state of a config."""
  players, optimizers = make_players(config), optimizers_lib.make_optimizers(config)
  shapes = jax.eval_shape(
      lambda: train_state.create(jax.random.key(0), players, optimizers, image_size=config.image_size))
  params = {
      'generator_params': make_params(players.generator, seed),
      'global_discriminator_params': fill(shapes.global_discriminator_params, seed + 1),
      'semantic_discriminator_params': fill(shapes.semantic_discriminator_params, seed + 2)}
  zeros = {
      f'{player}_optimizer': jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), getattr(shapes, f'{player}_optimizer'))
      for player in ('generator', 'global_discriminator', 'semantic_discriminator')}
  if players.augmented:
    zeros['augmentation'] = augmentation.initial_state()
  if players.encoder is not None:
    zeros['encoder_params'] = fill(shapes.encoder_params, seed + 3)
  return players, optimizers, train_state.STATES[players.augmented, players.encoder is not None](
      step=jnp.zeros((), jnp.int32), key=jax.random.key(seed), ema_params=jax.tree.map(jnp.copy, params['generator_params']),
      **params, **zeros)


def make_batch(config, seed=0):
  """Random reals: smooth images, masks that sum to one."""
  draw = np.random.default_rng(seed)
  shape = config.batch_size, config.image_size, config.image_size
  masks = np.exp(2 * draw.standard_normal(shape + (NUM_CLASSES,)))
  return dict(
      image=draw.uniform(-1, 1, shape + (3,)).astype(np.float32),
      semantic_mask=(masks / masks.sum(-1, keepdims=True)).astype(np.float32),
      viewpoint=(draw.standard_normal((config.batch_size, 2)) * (0.3, 0.15)).astype(np.float32))


def flat(tree):
  """{path: NumPy array} of a tree, path parts joined by /."""
  leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
  plain = lambda x: jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
  return {jax.tree_util.keystr(path, simple=True, separator='/'): np.asarray(plain(leaf)) for path, leaf in leaves}


def assert_close(actual, desired, *, rtol, what=''):
  """Largest error within rtol of the largest value: for float32 arrays whose small entries are sums of large ones."""
  actual, desired = np.asarray(actual), np.asarray(desired)
  assert actual.shape == desired.shape, what
  assert np.isfinite(actual).all(), what
  error = np.abs(actual - desired).max(initial=0) / max(np.abs(desired).max(initial=0), 1e-30)
  assert error <= rtol, f'{what}: relative error {error:.2e} exceeds {rtol}'
