"""Generators as ONNX: for runtimes without JAX, such as ONNX Runtime in Python, C++ or a browser.

  mapping   z [batch, latent_dim] → styles [batch, classes, 2, style_dim]
  render    styles, azimuth, elevation → rgb, semantic_mask, depth: what `Model.render` draws, at one size

and the two halves of render, for a viewer that draws one portrait from many sides: `field` conditions the networks on styles, once an
edit; `march` follows a number of rays of any camera through them, without parameters of its own but the heads, and `signed_distance` and
`shade` ask them for a surface and its colours. Of regional latents also the
second half of mapping, `styles_of_draw`: the first is a product with one matrix. All float32.
`save` writes them to files. Random people need the latents of `Model.draw_styles`: z ~ N(0, I).
"""

from __future__ import annotations

from collections.abc import Callable
import os
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import onnx

from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax import rays as rays_lib
from cnerf_jax import sampler
from cnerf_jax.export import onnx_graph
from cnerf_jax.persistence import atomic_files
from cnerf_jax.rendering import volume_rendering


def mapping(model: pretrained.Model, *, batch: int = 1) -> onnx.ModelProto:
  """`Model.map_latents` of a batch of z."""
  z = jax.ShapeDtypeStruct((batch, model.generator.latent_dim), jnp.float32)
  return _convert(lambda z: {'styles': model.map_latents(z)}, {'z': z})


def styles_of_draw(model: pretrained.Model) -> onnx.ModelProto:
  """drawn [latent_dim], the (u, e) of a model with regional latents (`regional_mapping`) → styles [classes, 2, style_dim]."""
  generator = model.generator
  if not generator.region_dim:
    raise ValueError('this model has one latent for all classes (generator.region_dim 0), none for each; use `mapping`')
  return _convert(
      lambda drawn: {'styles': generator.apply(model.params, drawn, method='styles_of_draw')},
      {'drawn': jax.ShapeDtypeStruct((generator.latent_dim,), jnp.float32)})


def render(
    model: pretrained.Model, *, batch: int = 1, image_size: int | None = None, num_samples: int | None = None, **options,
) -> onnx.ModelProto:
  """`Model.render` of a batch of styles and cameras.

  Args:
    model: to export.
    batch: portraits.
    image_size: side of the image in pixels; that of training if None.
    num_samples: samples along a ray; likewise.
    **options: of `sampler.render`, such as `num_chunks`.

  Raises:
    ValueError: as `Model.render`.
  """
  def draw(styles, azimuth, elevation):
    drawn = model.render(styles, camera_lib.orbit(azimuth, elevation), image_size=image_size, num_samples=num_samples, **options)
    return {'rgb': drawn.rgb, 'semantic_mask': drawn.semantic_mask, 'depth': drawn.depth}

  angles = jax.ShapeDtypeStruct((batch,), jnp.float32)
  return _convert(draw, {'styles': _styles(model, batch), 'azimuth': angles, 'elevation': angles})


def field(model: pretrained.Model) -> onnx.ModelProto:
  """The first half of a renderer: styles [classes, 2, style_dim] → the networks conditioned on them, by name, for `march`."""
  return _conditioned(model)[0]


def march(
    model: pretrained.Model, *, num_rays: int, num_samples: int | None = None, sines: str = 'operator',
) -> onnx.ModelProto:
  """The second half of a renderer, for as many rays at once, of any camera.

  Its inputs are what `field` returns, class_weights [classes], a factor on each class's colour term and mask, and origin [3] and directions
  [rays, 3] as `rays.cast_rays` has them; its outputs rgb [rays, 3], semantic_mask [rays, classes], depth [rays]. Distances are from
  `camera.NEAR` to `camera.FAR`.

  Args:
    model: to export.
    num_rays: rays at once.
    num_samples: samples along a ray; that of training if None.
    sines: as `onnx_graph.convert`.

  Raises:
    ValueError: if num_samples is neither given nor known, or less than 2, or num_rays less than 1, or there are no such sines.
  """
  num_samples = _check_counts(model, num_rays, num_samples)

  def draw(field, origin, directions):
    rays = rays_lib.Rays(
        origins=jnp.broadcast_to(origin, directions.shape)[None], directions=directions[None],
        viewdirs=(directions / jnp.linalg.norm(directions, axis=-1, keepdims=True))[None])
    distances = rays_lib.offset_distances(  # the same for all rays
        jnp.full(1, camera_lib.NEAR), jnp.full(1, camera_lib.FAR), jnp.zeros((1, 1)), num_samples=num_samples)
    drawn = volume_rendering.render_rays(field, rays, distances)
    return {'rgb': drawn.rgb[0], 'semantic_mask': drawn.semantic_mask[0], 'depth': drawn.depth[0]}

  return _of_field(model, draw, {'origin': _floats(3), 'directions': _floats(num_rays, 3)}, sines=sines)


def signed_distance(model: pretrained.Model, *, num_points: int, sines: str = 'operator') -> onnx.ModelProto:
  """What `field` returns, class_weights, which don't matter, and points [points, 3] → sdf [points]; `sines` as `onnx_graph.convert`."""
  return _of_field(model, lambda field, points: {'sdf': field.sdf(points[None])[0]}, {'points': _floats(num_points, 3)}, sines=sines)


def shade(model: pretrained.Model, *, num_points: int, num_samples: int = 8, sines: str = 'operator') -> onnx.ModelProto:
  """The colours of a surface: what short rays see that start outside, pass its points and end inside, as far on either side.

  Its inputs are what `field` returns, class_weights, points [points, 3] and normals [points, 3] of the surface, reach [1], how far outside
  rays start, world units, and viewdirs [points, 3], which the heads are told; its outputs rgb [points, 3] and semantic_mask [points, classes].

  Args:
    model: to export.
    num_points: points at once.
    num_samples: samples along a ray.
    sines: as `onnx_graph.convert`.
  """
  def look(field, points, normals, reach, viewdirs):
    rays = rays_lib.Rays(origins=(points + reach * normals)[None], directions=-normals[None], viewdirs=viewdirs[None])
    distances = jnp.broadcast_to(2 * reach * jnp.linspace(0.0, 1.0, num_samples), (1, num_points, num_samples))
    drawn = volume_rendering.render_rays(field, rays, distances)
    return {'rgb': drawn.rgb[0], 'semantic_mask': drawn.semantic_mask[0]}

  of_points = _floats(num_points, 3)
  return _of_field(model, look, {'points': of_points, 'normals': of_points, 'reach': _floats(1), 'viewdirs': of_points}, sines=sines)


def _floats(*shape: int) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(shape, jnp.float32)


def _of_field(model: pretrained.Model, function: Callable, inputs, **options) -> onnx.ModelProto:
  """A graph of what a function says of the field, whose arrays are inputs too, and of further inputs."""
  _, constants, shapes = _conditioned(model)
  conditioned = {name: shape for name, shape in shapes.items() if name not in constants}
  tree = jax.tree.structure(jax.eval_shape(_condition(model), _one_portrait(model)))

  def of_arrays(*arrays):
    leaves = constants | dict(zip(conditioned, arrays))
    return function(tree.unflatten([leaves[name] for name in shapes]), *arrays[len(conditioned):])

  return _convert(of_arrays, conditioned | inputs, **options)


def save(path: str | os.PathLike, graph: onnx.ModelProto) -> None:
  """Writes a graph to a file; OSError in one line if it can't be written."""
  atomic_files.write_bytes(pathlib.Path(path), graph.SerializeToString())


def _styles(model: pretrained.Model, batch: int) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct((batch, model.generator.num_classes, 2, model.generator.style_dim), jnp.float32)


def _one_portrait(model: pretrained.Model) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(_styles(model, 1).shape[1:], jnp.float32)


def _condition(model: pretrained.Model) -> Callable:
  return lambda styles: sampler.radiance_field(model.generator, model.params, styles[None])


def _conditioned(model: pretrained.Model) -> tuple[onnx.ModelProto, dict[str, np.ndarray], dict[str, jax.ShapeDtypeStruct]]:
  """The graph of the field, those of its arrays that no style changes, and the shapes of all, in the order of its tree."""
  condition, styles = _condition(model), _one_portrait(model)
  paths = jax.tree_util.tree_flatten_with_path(jax.eval_shape(condition, styles))[0]
  shapes = {jax.tree_util.keystr(path, simple=True, separator='.'): leaf for path, leaf in paths}
  graph, constants = onnx_graph.convert(lambda styles: dict(zip(shapes, jax.tree.leaves(condition(styles)))), {'styles': styles})
  constants.pop('class_weights')  # an input, so that a viewer can draw classes alone
  return graph, constants, {name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for name, leaf in shapes.items()}


def _check_counts(model: pretrained.Model, num_rays: int, num_samples: int | None) -> int:
  num_samples = model.num_samples if num_samples is None else num_samples
  if num_samples is None:
    raise ValueError('these weights do not say their num_samples; give that of their training, num_samples=...')
  if num_samples < 2:
    raise ValueError(f'num_samples {num_samples} must be at least 2, which bound an interval of a ray; use that of training, or more')
  if num_rays < 1:
    raise ValueError(f'num_rays {num_rays} must be at least 1; use some hundreds, which a processor\'s cache holds')
  return num_samples


def _convert(function: Callable, inputs, **options) -> onnx.ModelProto:
  """A graph all of whose results depend on its inputs."""
  graph, constants = onnx_graph.convert(function, inputs, **options)
  if constants:
    raise ValueError(f'{sorted(constants)} do not depend on {", ".join(inputs)}')
  return graph
