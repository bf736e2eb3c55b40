"""The sampler: latents to styles to images, as pure functions of parameters, styles and camera.

Everything here can be jitted, vmapped and differentiated with respect to parameters, styles or camera. Importing it loads only jax, flax,
numpy and jaxtyping.

  styles = sampler.map_latents(generator, params, z)
  rendering = sampler.render(generator, params, styles, camera.orbit(0.3, 0.0), image_size=64, num_samples=24)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnerf_jax import camera as camera_lib
from cnerf_jax import latents
from cnerf_jax import rays as rays_lib
from cnerf_jax import semantics
from cnerf_jax.models import compositional_field
from cnerf_jax.models import generator as generator_lib
from cnerf_jax.rendering import surface as surface_lib
from cnerf_jax.rendering import volume_rendering

Camera = camera_lib.Camera
Generator = generator_lib.Generator
Rendering = volume_rendering.Rendering
Surface = surface_lib.Surface


def map_latents(generator: Generator, params, z: Float[Array, '*batch latent_dim']) -> Float[Array, '*batch classes 2 style_dim']:
  """Styles of unmixed portraits: every class gets the style code of its portrait's z, or its own part of regional latents.

  Args:
    generator: the module.
    params: its parameters.
    z: latents from N(0, I); any leading axes.

  Returns:
    Styles per class, shape and texture; replace rows of them to edit a region.
  """
  w = generator.apply(params, z, method='map_latents')
  return w if generator.region_dim else latents.broadcast_style(w, num_classes=generator.num_classes)


def mean_style(generator: Generator, params, key: Array, *, num_latents: int = 4096) -> Float[Array, '*styles']:
  """Mean style code of `num_latents` latents, for truncation: [style_dim], or [classes, 2, style_dim] where latents are regional. Use the
  parameters that draw the images."""
  z = jax.random.normal(key, (num_latents, generator.latent_dim))
  return jnp.mean(generator.apply(params, z, method='map_latents'), axis=0)


def radiance_field(
    generator: Generator, params, styles: Float[Array, 'batch classes 2 style_dim'],
    classes: Sequence[int] | None = None, class_weights: Float[Array, 'classes'] | None = None,
) -> compositional_field.RadianceField:
  """The radiance field of each portrait of a batch: a pure function of points; see `render` for the classes.

  Raises:
    ValueError: if a class does not exist, class_weights has another length than the classes, or both are given.
  """
  field = generator.apply(params, styles, method='radiance_field')
  num_classes = generator.num_classes
  if classes is not None and class_weights is not None:
    raise ValueError('classes and class_weights both say what to draw; give one of them')
  if class_weights is not None:
    class_weights = jnp.asarray(class_weights)
    if class_weights.shape != (num_classes,):
      raise ValueError(f'class_weights has shape {class_weights.shape}, this generator needs ({num_classes},), a factor for each class')
    return field.replace(class_weights=class_weights)
  if classes is None:
    return field
  wanted = [int(k) for k in classes]
  wrong = [k for k in wanted if not 0 <= k < num_classes]
  if wrong:
    raise ValueError(f'classes {wrong} are not in 0..{num_classes - 1}; see cnerf_jax.semantics for the order')
  return field.replace(class_weights=jnp.zeros(num_classes).at[jnp.array(wanted, int)].set(1.0))


def render(
    generator: Generator, params, styles: Float[Array, '*batch classes 2 style_dim'], camera: Camera, *,
    image_size: int, num_samples: int, key: Array | None = None,
    classes: Sequence[int] | None = None, class_weights: Float[Array, 'classes'] | None = None, num_importance: int = 0,
    num_chunks: int | None = None, mesh: jax.sharding.Mesh | None = None,
) -> Rendering:
  """Images of portraits.

  Drawing many, fix what is static and compile the rest once:

    draw = jax.jit(functools.partial(sampler.render, generator, image_size=64, num_samples=24))
    rendering = draw(params, styles, camera.orbit(0.3, 0.0))

  Args:
    generator: the module.
    params: its parameters.
    styles: per class, shape and texture, as from `map_latents`. No leading axis draws one portrait.
    camera: one camera for all portraits or one for each, of any size: its focal length is in sides of the image.
    image_size: height and width in pixels.
    num_samples: samples along a ray, at even distances.
    key: jitters the samples, one uniform number per ray; no jitter if None.
    classes: draw only these classes: their colour terms and masks, with the whole geometry. All if None.
    class_weights: the same as an array that may be traced: a factor on each class's colour term and mask, instead of `classes`.
    num_importance: further samples along a ray, where the weights of the even ones are and at its end
      (rendering/importance_sampling.py): closer to many even samples than more of them in the same time (docs/gallery.md).
    num_chunks: rays are rendered in this many chunks, one after another; None chooses it so that a chunk's activations stay small,
      at any image_size.
    mesh: devices of one axis over which the rays are cut; all on one device if None. A CPU's cores count as devices after
      XLA_FLAGS=--xla_force_host_platform_device_count=CORES, and draw an image faster so than together (docs/performance.md).

  Returns:
    A Rendering with axes [*batch, height, width, ...].

  Raises:
    ValueError: if shapes don't fit, a size is too small, a class does not exist, classes and class_weights are both given, or the
      rays don't divide over the mesh or into the chunks.
  """
  num_devices = 1 if mesh is None else mesh.size
  _check_sizes(generator, styles, image_size, num_samples, num_importance, num_devices)
  if num_chunks is not None and num_chunks < 1:
    raise ValueError(f'num_chunks {num_chunks} must be at least 1; None chooses it')
  batch_shape = jnp.broadcast_shapes(styles.shape[:-3], camera.focal.shape)
  styles, camera = _flat_batch(styles, 3, batch_shape), _flat_cameras(camera, batch_shape)
  field = radiance_field(generator, params, styles, classes, class_weights)
  jitter_shape = (styles.shape[0], image_size**2)
  jitter = jnp.zeros(jitter_shape) if key is None else jax.random.uniform(key, jitter_shape)
  rays, distances = rays_lib.sample_rays(camera, jitter, image_size=image_size, num_samples=num_samples)
  num_rays = image_size**2 // num_devices
  if num_chunks is None:
    activations_per_ray = styles.shape[0] * max(num_samples, num_importance) * generator.num_classes * generator.width
    num_chunks, num_rays = volume_rendering.plan_chunks(num_rays, activations_per_ray)
  rays, distances = volume_rendering.pad_rays((rays, distances), num_rays * num_devices)
  rendering = _renderer(num_chunks, num_importance, mesh)(field, rays, distances, camera.far)
  rendering = volume_rendering.drop_padding(rendering, image_size**2)
  return jax.tree.map(lambda x: x.reshape(batch_shape + (image_size, image_size) + x.shape[2:]), rendering)


def surface(
    generator: Generator, params, styles: Float[Array, '*batch classes 2 style_dim'], camera: Camera, rendering: Rendering,
) -> Surface:
  """The surface that a rendering's rays meet: normals, width and opacity. Where all is jitted, only what is used is computed.

  Args:
    generator: the module.
    params: its parameters.
    styles: those of the rendering.
    camera: that of the rendering.
    rendering: of `render`, of the whole portrait.

  Returns:
    A Surface with axes [*batch, height, width, ...].
  """
  *batch_shape, image_size, _, _ = rendering.sdf.shape
  flat = lambda x: x.reshape((math.prod(batch_shape), image_size**2) + x.shape[len(batch_shape) + 2:])
  camera = _flat_cameras(camera, tuple(batch_shape))
  field = radiance_field(generator, params, _flat_batch(styles, 3, tuple(batch_shape)))
  num_chunks, num_rays = volume_rendering.plan_chunks(
      image_size**2, math.prod(batch_shape) * generator.num_classes * generator.width)
  rays, rendering = volume_rendering.pad_rays(
      (rays_lib.cast_rays(camera, image_size=image_size), jax.tree.map(flat, rendering)), num_rays)
  found = volume_rendering.find_surface(field, camera, rays, rendering, num_chunks=num_chunks)
  found = volume_rendering.drop_padding(found, image_size**2)
  return jax.tree.map(lambda x: x.reshape((*batch_shape, image_size, image_size) + x.shape[2:]), found)


def _check_sizes(generator: Generator, styles: Array, image_size: int, num_samples: int, num_importance: int, num_devices: int) -> None:
  expected = (generator.num_classes, 2, generator.style_dim)
  if styles.shape[-3:] != expected:
    raise ValueError(f'styles end in shape {styles.shape[-3:]}, this generator needs {expected}; see map_latents')
  if 0 in styles.shape:
    raise ValueError(f'styles of shape {styles.shape} are of nobody; give at least one portrait')
  if image_size < 1:
    raise ValueError(f'image_size {image_size} must be at least 1 pixel; use that of training, or any other')
  if num_samples < 2:
    raise ValueError(f'num_samples {num_samples} must be at least 2, which bound an interval of a ray; use that of training, or more')
  if num_importance < 0:
    raise ValueError(f'num_importance {num_importance} must be at least 0; 0 draws even samples alone')
  if image_size**2 % num_devices:
    raise ValueError(f'{image_size**2} rays do not divide over {num_devices} devices; use a mesh of fewer, or another image_size')


def _flat_batch(x: Array, rank: int, batch_shape: tuple[int, ...]) -> Array:
  """[..., *rest] → [batch, *rest], where rest are the last `rank` axes and the others broadcast to batch_shape."""
  rest = x.shape[x.ndim - rank:]
  return jnp.broadcast_to(x, batch_shape + rest).reshape((math.prod(batch_shape),) + rest)


def _flat_cameras(camera: Camera, batch_shape: tuple[int, ...]) -> Camera:
  """The same for a camera: one for each of the batch."""
  return Camera(
      _flat_batch(camera.cam_to_world, 2, batch_shape),
      *(_flat_batch(x, 0, batch_shape) for x in (camera.focal, camera.near, camera.far)))


def _renderer(num_chunks: int, num_importance: int, mesh: jax.sharding.Mesh | None) -> Callable[..., Rendering]:
  """(field, rays, distances, far) → Rendering, in chunks, with the rays cut over the mesh."""
  draw = functools.partial(volume_rendering.render_in_chunks, num_chunks=num_chunks, num_importance=num_importance)
  if mesh is None:
    return draw
  whole, over_rays = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec(None, mesh.axis_names[0])
  return jax.shard_map(
      draw, mesh=mesh, in_specs=(whole, over_rays, over_rays, whole), out_specs=over_rays, check_vma=False)


def class_indices(class_set: str, names: Sequence[str]) -> list[int]:
  """Channels of named classes, for `render(classes=...)`, such as class_indices('ffhq12', ['hair', 'hat'])."""
  known = semantics.class_set(class_set)
  return [known.index(name) for name in names]
