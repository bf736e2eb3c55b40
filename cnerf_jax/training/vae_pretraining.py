"""VAE pretraining (not in the paper): before GAN training the generator learns to reconstruct real portraits from an encoder's latents.

A variational autoencoder whose decoder is the CNeRF generator: an encoder guesses z, the generator renders it from the real image's
camera, and latents stay near the prior. It puts every class in its place, ties latents to people, and can't collapse; the GAN that
follows makes pictures sharp. The loss is a mean over pixels, so a few random rays of many portraits teach more than all rays of a
few. Needs masks that sum to one (softmax fusion). Cameras are those of the records, or else the encoder reads them too
(`pretraining_viewpoints`).

Which pixels a step looks at is in `pixel_draw`, how fast it learns in `pretraining_optimizers`. At the end the Gaussian of the encoded
latents of real portraits is folded into the mapping network (`encoded_portraits`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import itertools
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int
import ml_collections
import numpy as np

from cnerf_jax import rays as rays_lib
from cnerf_jax import sampler
from cnerf_jax.losses import reconstruction
from cnerf_jax.models import generator as generator_lib
from cnerf_jax.models import players as players_lib
from cnerf_jax.models import portrait_encoder
from cnerf_jax.persistence import checkpoints as checkpoints_lib
from cnerf_jax.training import draws
from cnerf_jax.training import encoded_portraits
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import pixel_draw
from cnerf_jax.training import pixels as pixels_lib
from cnerf_jax.training import pretraining_optimizers
from cnerf_jax.training import pretraining_viewpoints
from cnerf_jax.training import rare_classes
from cnerf_jax.training import sharding

_MOST_UNSOUND = 3  # losses in a row, looked at every ten steps, that are not finite: then nothing is learnt any more


@flax.struct.dataclass
class Pretrained:
  """What VAE pretraining gives.

  Attributes:
    generator_params: of a generator that draws people from z ~ N(0, I).
    encoder_params: of the encoder (`make_encoder`), in whose z real portraits are N(latent_mean, latent_covariance).
    latent_mean: [latent_dim].
    latent_covariance: [latent_dim, latent_dim]; both were folded into the generator's mapping network (see `portrait_encoder.whiten`).
    presence_threshold: [classes] of regional latents, whose first coordinates say which classes are there (`regional_mapping`); else None.
  """

  generator_params: Any
  encoder_params: Any
  latent_mean: Float[Array, 'latents']
  latent_covariance: Float[Array, 'latents latents']
  presence_threshold: Float[Array, 'classes'] | None = None


def reconstruct(
    players: players_lib.Players, params, key: Array, styles: Float[Array, 'batch classes 2 style_dim'], viewpoint: Float[Array, 'batch 2'],
    pixels: Int[Array, 'batch rays'], config: ml_collections.ConfigDict,
) -> pixels_lib.Pixels:
  """Some pixels of portraits as the generator draws them from styles; differentiable with respect to params and styles."""
  batch, num_rays = pixels.shape
  jitter_key, eikonal_key = jax.random.split(key)
  return pixels_lib.render_pixels(
      players.generator, params, styles, viewpoint,
      jax.random.uniform(jitter_key, (batch, num_rays)),
      draws.draw_eikonal_indices(eikonal_key, batch, num_points=num_rays * config.num_samples, fraction=config.eikonal_fraction),
      image_size=config.image_size, num_samples=config.num_samples, eikonal_of=config.eikonal_of, pixels=pixels)


def styles_of_encoded(
    generator: generator_lib.Generator, params, z: Float[Array, 'batch latents'], present: Bool[Array, 'batch classes'] | None,
) -> Float[Array, 'batch classes 2 style_dim']:
  """Styles of an encoder's latents, while no Gaussian is folded into the mapping network; `present` is the encoder's too."""
  if present is None:
    return sampler.map_latents(generator, params, z)
  return generator.apply(params, z, present, method='map_regions')


def make_encoder(players: players_lib.Players, config: ml_collections.ConfigDict) -> portrait_encoder.PortraitEncoder:
  """The encoder that goes with a run's generator (`players.make_encoder`)."""
  return players_lib.make_encoder(players.generator, config)


def make_loss(players: players_lib.Players, config: ml_collections.ConfigDict, hollow_encoder_params=None):
  """What a step lowers: (batch of reals, random key, step number) → a loss, which is (params of generator and encoder) → (scalar, the part of
  it that is the reconstruction loss).

  Args:
    players: the modules of the run.
    config: of the run.
    hollow_encoder_params: of the encoder of an earlier pretraining that made hollow heads, to be mended now; None: of none.
  """
  settings, weights = config.vae_pretraining, config.loss_weights.generator
  encoder = make_encoder(players, config)
  encode = lambda params, batch: encoder.apply(params, batch['image'], batch['semantic_mask'])
  view = pretraining_viewpoints.make_view(
      config, None if hollow_encoder_params is None else lambda batch: encode(hollow_encoder_params, batch).viewpoint)
  flat = lambda x: x.reshape(x.shape[0], -1, x.shape[-1])

  def portrait_weights(seen, semantic_mask):
    if not settings.rare_weight_power:
      return seen.weights
    weights = rare_classes.portrait_weights(semantic_mask, settings.rare_weight_power)
    return weights if seen.weights is None else seen.weights * weights

  def make(batch, key, i):
    pixel_key, latent_key, render_key = jax.random.split(key, 3)
    pixels, rareness = pixel_draw.draw_pixels(
        pixel_key, batch['semantic_mask'], num_rays=settings.rays_per_portrait, of_classes=settings.rays_of_classes)
    real_image, real_mask = rays_lib.take_pixels((flat(batch['image']), flat(batch['semantic_mask'])), pixels)

    def loss(params):
      generator_params, encoder_params = params
      encoding = encode(encoder_params, batch)
      seen = view(encoding.viewpoint, batch, i)
      styles = styles_of_encoded(players.generator, generator_params, encoding.z.draw(latent_key), encoding.present)
      reconstructed = reconstruct(players, generator_params, render_key, styles, seen.viewpoint, pixels, config)
      likeness = reconstruction.reconstruction_loss(
          reconstructed.image, real_image, reconstructed.semantic_mask, real_mask,
          image_weight=settings.image_weight, weights=portrait_weights(seen, batch['semantic_mask']), mask_weights=rareness)
      divergence = reconstruction.prior_divergence(encoding.z.mean, encoding.z.log_variance, free_nats=settings.free_nats,
          group=encoder.style_dim)
      geometry = (weights.eikonal * reconstructed.eikonal_loss + weights.minimal_surface * reconstructed.minimal_surface_loss
                  + weights.backdrop * reconstructed.backdrop_loss)
      return likeness + settings.prior_weight * divergence + geometry + seen.loss, likeness

    return loss

  return make


def make_step(players: players_lib.Players, optimizers, config: ml_collections.ConfigDict, hollow_encoder_params=None):
  """One step of both: (params, optimiser states, key, step number), batch of reals → the same, reconstruction loss.

  Args:
    players: the modules of the run.
    optimizers: optax transformations of (generator, encoder); params and optimiser states are such pairs too.
    config: of the run.
    hollow_encoder_params: as those of `make_loss`.
  """
  make = make_loss(players, config, hollow_encoder_params)

  def step(carry, batch):
    params, optimizer_states, key, i = carry
    grads, likeness = jax.grad(make(batch, jax.random.fold_in(key, i), i), has_aux=True)(params)
    params, optimizer_states = zip(*map(optimizers_lib.update, optimizers, grads, optimizer_states, params))
    return (params, optimizer_states, key, i + 1), likeness

  return step


def create(key: Array, players: players_lib.Players, params, config: ml_collections.ConfigDict, optimizers):
  """What the first step (`make_step`) takes: (params, optimiser states, key, step number 0), with a fresh encoder beside the generator's
  params."""
  encoder_key, key = jax.random.split(key)
  image = jnp.zeros((1, config.image_size, config.image_size, 3))
  masks = jnp.zeros(image.shape[:-1] + (players.generator.num_classes,))
  params = (params, make_encoder(players, config).init(encoder_key, image, masks))
  return params, tuple(o.init(p) for o, p in zip(optimizers, params)), key, jnp.zeros((), jnp.int32)


def fit(
    key: Array, players: players_lib.Players, params, config: ml_collections.ConfigDict, iterator: Iterator, mesh,
    on_step: Callable[[int, float], None] = lambda step, loss: None, saved: checkpoints_lib.Checkpoints | None = None,
    hollow_encoder_params=None,
):
  """Generator and encoder after `config.vae_pretraining.num_steps`.

  Args:
    key: random key.
    players: the modules.
    params: the generator's parameters.
    config: of the run; `config.vae_pretraining` says how long, how fast and how many rays.
    iterator: batches of real portraits, of this process's part of `config.batch_size`.
    mesh: of devices.
    on_step: called with (steps done, reconstruction loss) now and then.
    saved: where to go on from and to save to every `config.checkpoint_every` steps, the iterator's position included.
    hollow_encoder_params: as those of `make_loss`.

  Returns:
    (generator's parameters, encoder's parameters).
  """
  settings, optimizers = config.vae_pretraining, pretraining_optimizers.make_optimizers(config)
  step = sharding.jit_step(make_step(players, optimizers, config, hollow_encoder_params), mesh)
  carry = sharding.replicate(create(key, players, params, config, optimizers), mesh)
  first = 0
  if saved is not None and saved.list_steps():
    abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), carry)
    carry, meta = saved.restore(abstract, iterator)
    first = meta['step']
  batches = join_batches(iterator, settings.batches_per_step, mesh)
  num_unsound = 0
  for i in range(first + 1, settings.num_steps + 1):
    carry, likeness = step(carry, next(batches))
    is_last, is_due = i == settings.num_steps, i % config.checkpoint_every == 0
    if i % 10 == 0 or is_due or is_last:
      loss = float(likeness)
      num_unsound = 0 if np.isfinite(loss) else num_unsound + 1
      if num_unsound == _MOST_UNSOUND or num_unsound and is_last:
        raise ValueError(f'pretraining, step {i}: the reconstruction loss is {loss}; what was saved before that is still there. Lower '
                         f'vae_pretraining.learning_rate ({settings.learning_rate}) in a new workdir')
      if i % 10 == 0 or is_last:
        on_step(i, loss)
    if saved is not None and (is_due or is_last) and not num_unsound:
      saved.save(i, carry, iterator)
  return carry[0]


def initialise(
    key: Array, players: players_lib.Players, params, config: ml_collections.ConfigDict, iterator: Iterator, mesh,
    on_step: Callable[[int, float], None] = lambda step, loss: None, saved: checkpoints_lib.Checkpoints | None = None,
    hollow_encoder_params=None,
) -> Pretrained:
  """A generator that draws people, if softly, and its encoder: `fit`, then the Gaussian of encoded latents folded into the mapping.

  Args as those of `fit`.
  """
  params, encoder_params = fit(key, players, params, config, iterator, mesh, on_step, saved, hollow_encoder_params)
  settings = config.vae_pretraining
  batches = join_batches(iterator, settings.batches_per_step, mesh)
  num_batches = -(-settings.num_encoded // (settings.batches_per_step * config.batch_size))
  encoded = encoded_portraits.encode(make_encoder(players, config), encoder_params, itertools.islice(batches, num_batches), mesh)
  params, gaussian = encoded_portraits.fold(players.generator, params, encoded)
  return Pretrained(params, encoder_params, *gaussian)


def join_batches(iterator: Iterator, count: int, mesh) -> Iterator:
  """Global batches, each of `count` batches of this process's iterator."""
  while True:
    parts = [next(iterator) for _ in range(count)]
    yield sharding.put_batch({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, mesh)
