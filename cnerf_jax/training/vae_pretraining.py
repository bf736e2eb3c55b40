"""VAE pretraining (not in the paper): before GAN training the generator learns to reconstruct real portraits from an encoder's latents.

A variational autoencoder whose decoder is the CNeRF generator: an encoder guesses z, the generator renders it from the real image's
camera, and latents stay near the prior. It puts every class in its place, ties latents to people, and can't collapse; the GAN that
follows makes pictures sharp. The loss is a mean over pixels, so a few random rays of many portraits teach more than all rays of a
few. Needs masks that sum to one (softmax fusion). Cameras are those of the records, or else the encoder reads them too
(`pretraining_viewpoints`).

Encoded latents of real portraits end up near N(0, I), but not on it: a few directions are several times wider. Drawn as they are,
latents would give people that are all alike, so the Gaussian of the encoded latents is folded into the mapping network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
import itertools
from typing import Any

import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int
import ml_collections
import numpy as np
import optax

from cnerf_jax import rays as rays_lib
from cnerf_jax import sampler
from cnerf_jax import semantics
from cnerf_jax.losses import reconstruction
from cnerf_jax.models import generator as generator_lib
from cnerf_jax.models import mapping_network
from cnerf_jax.models import players as players_lib
from cnerf_jax.models import portrait_encoder
from cnerf_jax.models import regional_encoder
from cnerf_jax.models import regional_mapping
from cnerf_jax.persistence import checkpoints as checkpoints_lib
from cnerf_jax.training import draws
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import pixels as pixels_lib
from cnerf_jax.training import pretraining_viewpoints
from cnerf_jax.training import rare_classes
from cnerf_jax.training import regional_prior
from cnerf_jax.training import sharding

_SIDES_OF_SURROUNDINGS = 16  # a pixel's surroundings reach a sixteenth of the picture to each side
_SMALLEST_AREA = 1e-3  # pixels
_OUTLIER = 4.0  # times the usual norm of a gradient

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


def draw_pixels(
    key: Array, semantic_mask: Float[Array, 'batch size size classes'], *, num_rays: int, of_classes: float = 0.0,
) -> tuple[Int[Array, 'batch rays'], Float[Array, 'batch rays']]:
  """Pixels of each portrait, row-major, drawn with replacement; all of them in order where as many rays as pixels are asked for.

  Args:
    key: random key.
    semantic_mask: of the portraits, in [0, 1].
    num_rays: pixels of each portrait.
    of_classes: this part of the rays goes to the classes that a portrait shows, to each the same, and there to where its mask is and
      around it; the others go anywhere. 0: all pixels alike, so that few rays ever meet an eye.

  Returns:
    The pixels, and how often each would be drawn among all alike over how often it is, so that a mean with these weights is a mean over
    the picture: at most 1 / (1 - of_classes).
  """
  batch, size, _, num_classes = semantic_mask.shape
  num_pixels = size**2
  if num_rays == num_pixels or not of_classes:
    pixels = (jnp.broadcast_to(jnp.arange(num_pixels), (batch, num_pixels)) if num_rays == num_pixels
              else jax.random.randint(key, (batch, num_rays), 0, num_pixels))
    return pixels, jnp.ones(pixels.shape)
  around = 2 * (size // _SIDES_OF_SURROUNDINGS) + 1
  # on both sides of an outline alike: a class drawn more often than what surrounds it would grow
  near = nn.avg_pool(semantic_mask, (around, 1), padding='SAME')  # rows, then columns: the same mean, in a fifth of the additions
  near = nn.avg_pool(near, (1, around), padding='SAME').reshape(batch, num_pixels, num_classes)
  area = jnp.sum(near, axis=1, keepdims=True)
  shown = jnp.max(semantic_mask, axis=(1, 2))[:, None] > semantics.PRESENT
  share = jnp.sum(jnp.where(shown, near / jnp.maximum(area, _SMALLEST_AREA), 0), axis=-1) / jnp.maximum(jnp.sum(shown, axis=(1, 2)), 1)[:, None]
  share = (1 - of_classes) / num_pixels + of_classes * share
  cumulative = jnp.cumsum(share, axis=-1)
  points = jax.random.uniform(key, (batch, num_rays)) * cumulative[:, -1:]
  pixels = jnp.minimum(jax.vmap(jnp.searchsorted)(cumulative, points), num_pixels - 1)
  return pixels, 1 / (num_pixels * jnp.take_along_axis(share, pixels, axis=-1))


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


def encoded_gaussian(means: Float[np.ndarray, 'portraits latents'], variances: Float[np.ndarray, 'portraits latents']):
  """Mean and covariance of the latents of real portraits: of the encoder's Gaussians' means, plus their mean variance."""
  means, variances = means.astype(np.float64), variances.astype(np.float64)
  covariance = np.cov(means, rowvar=False) + np.diag(variances.mean(axis=0))
  return means.mean(axis=0).astype(np.float32), covariance.astype(np.float32)


def make_encoder(players: players_lib.Players, config: ml_collections.ConfigDict) -> portrait_encoder.PortraitEncoder:
  """The encoder that goes with a run's generator; it reads viewpoints unless those of the records are taken as they are."""
  settings, camera = config.vae_pretraining, config.camera
  generator = players.generator
  kind = regional_encoder.RegionalEncoder if generator.region_dim else portrait_encoder.PortraitEncoder
  return kind(
      generator.region_dim or generator.style_dim,
      viewpoint_std=None if settings.viewpoints == 'known' else (camera.azimuth_std, camera.elevation_std),
      elevation_mean=camera.elevation_mean,
      mirror_latents=settings.mirror_latents in ('always', settings.viewpoints))


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
    pixels, rareness = draw_pixels(
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
    updates = [o.update(g, s, p) for o, g, s, p in zip(optimizers, grads, optimizer_states, params)]
    params = tuple(optax.apply_updates(p, u) for p, (u, _) in zip(params, updates))
    return (params, tuple(s for _, s in updates), key, i + 1), likeness

  return step


def warmed_up(rate: optax.ScalarOrSchedule, num_steps: int) -> optax.ScalarOrSchedule:
  """A learning rate that rises from nearly zero over so many steps; as it is for 0.

  Without it, Adam's first steps now and then throw the encoder's latents so far apart that nothing is learnt from them any more.
  """
  if not num_steps:
    return rate
  at = rate if callable(rate) else lambda step: rate
  return lambda step: at(step) * jnp.minimum(1.0, (step + 1) / num_steps)


def make_optimizers(config: ml_collections.ConfigDict) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
  """Those of (generator, encoder), with the rates of `config.vae_pretraining`."""
  settings = config.vae_pretraining
  schedule = dict(num_steps=settings.num_steps, warmup_steps=settings.warmup_steps)
  generator = optimizers_lib.generator_optimizer(settings, _rate(settings.learning_rate, **schedule))
  return (optax.chain(optimizers_lib.limit_outliers(_OUTLIER), generator),
          encoder_optimizer(settings.encoder_learning_rate, **schedule))


def encoder_optimizer(peak: float, *, num_steps: int, warmup_steps: int) -> optax.GradientTransformation:
  """Adam, guarded from outliers, whose rate rises to its peak over the first of these steps and falls to a tenth until the last."""
  return optax.chain(optimizers_lib.limit_outliers(_OUTLIER), optax.adam(_rate(peak, num_steps=num_steps, warmup_steps=warmup_steps)))


def _rate(peak, *, num_steps, warmup_steps):
  return warmed_up(optax.cosine_decay_schedule(peak, num_steps, alpha=0.1), warmup_steps)


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
  settings, optimizers = config.vae_pretraining, make_optimizers(config)
  step = sharding.jit_step(make_step(players, optimizers, config, hollow_encoder_params), mesh)
  carry = sharding.replicate(create(key, players, params, config, optimizers), mesh)
  first = 0
  if saved is not None and saved.list_steps():
    abstract = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), carry)
    carry, meta = saved.restore(abstract, iterator)
    first = meta['step']
  batches = join_batches(iterator, settings.batches_per_step, mesh)
  for i in range(first + 1, settings.num_steps + 1):
    carry, likeness = step(carry, next(batches))
    if i % 10 == 0 or i == settings.num_steps:
      on_step(i, float(likeness))
    if saved is not None and (i % config.checkpoint_every == 0 or i == settings.num_steps):
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
  encoder = make_encoder(players, config)
  apply = jax.jit(encoder.apply, out_shardings=sharding.replicated(mesh))
  portraits_a_batch = config.vae_pretraining.batches_per_step * config.batch_size
  batches = join_batches(iterator, config.vae_pretraining.batches_per_step, mesh)
  encodings = [jax.device_get(apply(encoder_params, batch['image'], batch['semantic_mask']))
               for batch in itertools.islice(batches, -(-config.vae_pretraining.num_encoded // portraits_a_batch))]
  of_all = lambda part: np.concatenate([part(encoding) for encoding in encodings])
  means, variances = of_all(lambda encoding: encoding.z.mean), np.exp(of_all(lambda encoding: encoding.z.log_variance))
  if players.generator.region_dim:
    gaussian = regional_prior.fit(means, variances, of_all(lambda encoding: encoding.present))
    mapping = regional_mapping.with_prior(params['params']['mapping'], *gaussian)
  else:
    gaussian = encoded_gaussian(means, variances)
    mapping = mapping_network.fold_gaussian(params['params']['mapping'], *gaussian)
  return Pretrained({'params': dict(params['params']) | {'mapping': mapping}}, encoder_params, *gaussian)


def join_batches(iterator: Iterator, count: int, mesh) -> Iterator:
  """Global batches, each of `count` batches of this process's iterator."""
  while True:
    parts = [next(iterator) for _ in range(count)]
    yield sharding.put_batch({name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, mesh)
