"""Volume rendering of a portrait: sample points on rays, ask the field, aggregate (paper section 3).

  rgb = 2 sum_j weights_j sigmoid(colour logit_j) - 1;   semantic mask k = sum_j weights_j m_{k,j}

Memory: a `jax.checkpoint`ed map over chunks of rays, so that it does not grow with samples times classes.
"""

from __future__ import annotations

from collections.abc import Callable
import functools
from typing import Protocol

import flax.struct
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnerf_jax import camera as camera_lib
from cnerf_jax import rays as rays_lib
from cnerf_jax.rendering import density as density_lib
from cnerf_jax.rendering import importance_sampling
from cnerf_jax.rendering import surface
from cnerf_jax.rendering import volume_aggregation


# Activations of one layer in a chunk of rays. On CPU a chunk should stay in cache; elsewhere it should fill
# the device without filling its memory (docs/performance.md).
_ACTIVATIONS_PER_CHUNK = {'cpu': 2**20}
_ACTIVATIONS_PER_CHUNK_ELSEWHERE = 2**26


class Field(Protocol):
  """What rendering needs of a field; `models.compositional_field.RadianceField` is one."""

  density_beta: Float[Array, '']

  def query(self, points, viewdirs):
    """sdf, color and mask_scores of points [batch, rays, samples, 3] along viewdirs [batch, rays, 3]."""

  def sdf(self, points):
    """Signed distance of points [batch, rays, 3] alone; `find_surface` needs it."""


@flax.struct.dataclass
class Rendering:
  """What a batch of rays sees. In images the axis `rays` becomes height, width.

  Attributes:
    rgb: [..., 3] in [-1, 1].
    semantic_mask: [..., classes] in [0, 1] (under raw fusion, unbounded).
    depth: [...] expected depth along the camera's axis, world units.
    surface_point: [..., 3] expected point, world.
    sdf: [..., samples] signed distance of the samples, world units.
    distances: [..., samples] where the samples lie along the unnormalised ray, increasing, world units.
    last_weight: [...] weight of the last sample: what no surface stopped.
    unstopped_mask: [..., classes] the last sample's part of `semantic_mask`.
  """

  rgb: Float[Array, '*image 3']
  semantic_mask: Float[Array, '*image classes']
  depth: Float[Array, '*image']
  surface_point: Float[Array, '*image 3']
  sdf: Float[Array, '*image samples']
  distances: Float[Array, '*image samples']
  last_weight: Float[Array, '*image']
  unstopped_mask: Float[Array, '*image classes']


def sample_points(rays: rays_lib.Rays, distances: Float[Array, '*batch rays samples']) -> Float[Array, '*batch rays samples 3']:
  """World points at the distances along the rays."""
  return rays.origins[..., None, :] + distances[..., None] * rays.directions[..., None, :]


def render_rays(
    field: Field, rays: rays_lib.Rays, distances: Float[Array, 'batch rays samples']
) -> Rendering:
  """Renders rays at once. Pure; see `render_in_chunks` for the lean way."""
  points = sample_points(rays, distances)
  return aggregate(field.query(points, rays.viewdirs), field.density_beta, rays, distances)


def render_rays_by_importance(
    field: Field, rays: rays_lib.Rays, distances: Float[Array, 'batch rays samples'], far: Float[Array, 'batch'], *, num_importance: int
) -> Rendering:
  """`render_rays`, then `num_importance` more samples a ray, where the weights are and at its end, `far`; all are aggregated together."""
  first = field.query(sample_points(rays, distances), rays.viewdirs)
  weights = sample_weights(first.sdf, field.density_beta, rays, distances)
  further = importance_sampling.importance_distances(weights, distances, far[:, None], num_importance=num_importance)
  second = field.query(sample_points(rays, further), rays.viewdirs)
  both = jnp.concatenate([distances, further], axis=-1)
  order = jnp.argsort(both, axis=-1)

  def merge(x, y):
    x = jnp.concatenate([x, y], axis=2)
    return jnp.take_along_axis(x, order.reshape(order.shape + (1,) * (x.ndim - 3)), axis=2)

  return aggregate(jax.tree.map(merge, first, second), field.density_beta, rays, jnp.take_along_axis(both, order, axis=-1))


def sample_weights(
    sdf: Float[Array, 'batch rays samples'], density_beta: Float[Array, ''], rays: rays_lib.Rays,
    distances: Float[Array, 'batch rays samples'],
) -> Float[Array, 'batch rays samples']:
  """Aggregation weights of the samples of rays."""
  density = density_lib.density_from_sdf(sdf, density_beta)
  return volume_aggregation.aggregation_weights(density, volume_aggregation.interval_lengths(distances, rays.directions))


def aggregate(
    sample, density_beta: Float[Array, ''], rays: rays_lib.Rays, distances: Float[Array, 'batch rays samples']) -> Rendering:
  """What rays see of the field's answers (`Field.query`) at their samples."""
  weights = sample_weights(sample.sdf, density_beta, rays, distances)
  return Rendering(
      rgb=2 * volume_aggregation.accumulate(weights, sample.color) - 1,
      semantic_mask=volume_aggregation.accumulate(weights, sample.mask_scores),
      depth=surface.expected_depth(weights, distances),
      surface_point=surface.expected_surface_point(weights, sample_points(rays, distances)),
      sdf=sample.sdf,
      distances=distances,
      last_weight=weights[..., -1],
      unstopped_mask=weights[..., -1:] * sample.mask_scores[..., -1, :])


def _activation_budget() -> int:
  return _ACTIVATIONS_PER_CHUNK.get(jax.default_backend(), _ACTIVATIONS_PER_CHUNK_ELSEWHERE)


def fitting_rays(num_rays: int, activations_per_ray: int) -> int:
  """The most rays, of num_rays, whose activations of a layer are within the backend's budget; at least 1."""
  return max(1, min(num_rays, _activation_budget() // activations_per_ray))


def choose_num_chunks(num_rays: int, activations_per_ray: int) -> int:
  """Smallest divisor of num_rays that keeps a layer's activations in a chunk within the backend's budget.

  Args:
    num_rays: rays of an image.
    activations_per_ray: batch * samples * classes * width.
  """
  budget = _activation_budget()
  fitting = (n for n in range(1, num_rays) if num_rays % n == 0 and num_rays // n * activations_per_ray <= budget)
  return next(fitting, num_rays)


def pad_rays(tree, num_rays: int, *, axis: int = 1):
  """Every leaf with its last ray repeated until there are num_rays, so that any number of rays divides into chunks."""
  def pad(x):
    missing = num_rays - x.shape[axis]
    if not missing:
      return x
    last = jax.lax.slice_in_dim(x, x.shape[axis] - 1, x.shape[axis], axis=axis)
    return jnp.concatenate([x, jnp.repeat(last, missing, axis=axis)], axis=axis)

  return jax.tree.map(pad, tree)


def drop_padding(tree, num_rays: int, *, axis: int = 1):
  """The first num_rays of every leaf: what `pad_rays` was given."""
  return jax.tree.map(lambda x: x if x.shape[axis] == num_rays else jax.lax.slice_in_dim(x, 0, num_rays, axis=axis), tree)


def plan_chunks(num_rays: int, activations_per_ray: int) -> tuple[int, int]:
  """(chunks, rays with padding): the number of `choose_num_chunks`, or chunks of padded rays where divisors are so few (509 x 509
  pixels, say) that a chunk would be less than half of what fits."""
  num_chunks, fitting = choose_num_chunks(num_rays, activations_per_ray), fitting_rays(num_rays, activations_per_ray)
  if 2 * (num_rays // num_chunks) >= fitting:
    return num_chunks, num_rays
  num_chunks = -(-num_rays // fitting)
  return num_chunks, num_chunks * -(-num_rays // num_chunks)


def map_in_chunks(function: Callable, arguments, *, num_chunks: int, axis: int = 1):
  """`function(arguments)` with the axis of every leaf cut into equal chunks, one at a time, rematerialised in reverse mode.

  Raises:
    ValueError: if the axis does not divide into num_chunks.
  """
  if num_chunks == 1:
    return function(arguments)
  size = jax.tree.leaves(arguments)[0].shape[axis]
  if size % num_chunks:
    raise ValueError(f'{size} rays do not divide into {num_chunks} chunks; use a divisor of {size}')

  def split(x):
    x = x.reshape(x.shape[:axis] + (num_chunks, size // num_chunks) + x.shape[axis + 1:])
    return jnp.moveaxis(x, axis, 0)

  def merge(x):
    x = jnp.moveaxis(x, 0, axis)
    return x.reshape(x.shape[:axis] + (size,) + x.shape[axis + 2:])

  return jax.tree.map(merge, jax.lax.map(jax.checkpoint(function), jax.tree.map(split, arguments)))


def render_in_chunks(
    field: Field, rays: rays_lib.Rays, distances: Float[Array, 'batch rays samples'], far: Float[Array, 'batch'] | None = None, *,
    num_chunks: int, num_importance: int = 0,
) -> Rendering:
  """`render_rays`, or `render_rays_by_importance`, which needs `far`, in equal chunks of rays: the same result, with the memory of one."""
  draw = functools.partial(render_rays_by_importance, far=far, num_importance=num_importance) if num_importance else render_rays
  return map_in_chunks(lambda chunk: draw(field, *chunk), (rays, distances), num_chunks=num_chunks)


def find_surface(
    field: Field, camera: camera_lib.Camera, rays: rays_lib.Rays, rendering: Rendering, *, num_chunks: int,
) -> surface.Surface:
  """The surface that rendered rays meet; normals are of the expected surface points, in chunks of rays as those of `render_in_chunks`.

  Args:
    field: that was rendered.
    camera: [batch] that the rays come from.
    rays: of the rendering.
    rendering: [batch, rays] of them.
    num_chunks: a divisor of the number of rays.
  """
  distances = rendering.distances
  weights = sample_weights(rendering.sdf, field.density_beta, rays, distances)
  normals = map_in_chunks(lambda points: surface.normals(field.sdf, points), rendering.surface_point, num_chunks=num_chunks)
  return surface.Surface(
      normal=jnp.einsum('bij,bri->brj', camera.cam_to_world[..., :3], normals),
      width=surface.surface_width(weights, distances),
      opacity=1 - rendering.last_weight)
