"""Sphere initialisation: before GAN training the base SDF network is fitted to a sphere (paper section 3, sphere initialisation; L1, Adam).

Only the base network moves; afterwards it is frozen. Points are stratified samples along the rays of random cameras, in as many chunks of rays
as renderings are cut into: at the paper's size all at once would take eleven gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import ml_collections
import optax

from cnerf_jax import camera as camera_lib
from cnerf_jax import latents as latents_lib
from cnerf_jax import rays as rays_lib
from cnerf_jax import sampler
from cnerf_jax.losses import sphere
from cnerf_jax.models import base_sdf
from cnerf_jax.models import compositional_field
from cnerf_jax.models import generator as generator_lib
from cnerf_jax.models import local_generator
from cnerf_jax.rendering import volume_rendering


def base_distance(generator: generator_lib.Generator, base_params, styles, points):
  """Signed distance of the base network, world units, differentiable with respect to its parameters (inside a portrait it is frozen)."""
  network = base_sdf.NetworkBase(
      generator.width, generator.num_shape_layers, generator.num_texture_layers, generator.gamma_offset)
  field = network.apply({'params': base_params}, styles)
  per_portrait = jax.vmap(local_generator.LocalField.residual_sdf, in_axes=(local_generator.BATCH_AXES, 0))
  return per_portrait(field, points * compositional_field.POINT_SCALE)


def initialise(
    key: jax.Array, generator: generator_lib.Generator, params, config: ml_collections.ConfigDict,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
):
  """Generator parameters whose base network is fitted to the sphere.

  Args:
    key: random key.
    generator: with base 'network'.
    params: its parameters.
    config: of the run; `config.sphere` says how long and how fast.
    on_step: called with (steps done, loss in world units) now and then.
  """
  settings = config.sphere
  num_chunks = config.num_chunks or volume_rendering.choose_num_chunks(
      config.image_size**2, settings.batch_size * config.num_samples * generator.width)
  optimizer = optax.adam(settings.learning_rate)

  @jax.jit
  def step(base_params, optimizer_state, key):
    latent_key, view_key, jitter_key = jax.random.split(key, 3)
    drawn = latents_lib.draw_latents(
        latent_key, settings.batch_size, num_classes=generator.num_classes, latent_dim=generator.latent_dim,
        mixing_probability=config.mixing_probability)
    styles = latents_lib.mix_styles(sampler.map_latents(generator, params, drawn.z), drawn.choice)
    viewpoint = camera_lib.draw_viewpoints(view_key, settings.batch_size)
    camera = camera_lib.orbit(viewpoint[:, 0], viewpoint[:, 1])
    rays = rays_lib.cast_rays(camera, image_size=config.image_size)
    jitter = jax.random.uniform(jitter_key, (settings.batch_size, config.image_size**2, config.num_samples))
    points = volume_rendering.sample_points(rays, rays_lib.stratified_distances(camera.near, camera.far, jitter))
    points = points.reshape(settings.batch_size, -1, 3)

    def loss(base_params):
      distance = lambda points: base_distance(generator, base_params, styles, points)
      return sphere.sphere_loss(volume_rendering.map_in_chunks(distance, points, num_chunks=num_chunks), points)

    value, grads = jax.value_and_grad(loss)(base_params)
    updates, optimizer_state = optimizer.update(grads, optimizer_state)
    return optax.apply_updates(base_params, updates), optimizer_state, value

  base_params = params['params']['field']['base']
  optimizer_state = optimizer.init(base_params)
  for i in range(settings.num_steps):
    base_params, optimizer_state, loss = step(base_params, optimizer_state, jax.random.fold_in(key, i))
    if (i + 1) % 20 == 0 or i + 1 == settings.num_steps:
      on_step(i + 1, float(loss))
  field = params['params']['field'] | {'base': base_params}
  return {'params': params['params'] | {'field': field}}
