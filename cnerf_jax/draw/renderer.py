"""One view at a time, in strips of rays: memory does not grow with the picture, and one compiled program draws every strip.

The rays of a strip are cut over the devices; each renders its part in chunks. The size of a chunk does not depend on the number of devices,
so that neither do the pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax import rays as rays_lib
from cnerf_jax import sampler
from cnerf_jax.rendering import volume_rendering

STRIP_RAYS = 4096  # a second or two of a large model, so that the time left is known
_OF_SURFACE = ('normal', 'opacity')
_QUANTITIES = ('rgb', 'semantic_mask', 'depth') + _OF_SURFACE


@dataclasses.dataclass(frozen=True)
class Shot:
  """A view to draw.

  Attributes:
    styles: [classes, 2, style_dim] of the person.
    azimuth: of the camera, radians.
    elevation: likewise.
    semantic_class: the one class that is drawn, with the whole geometry; all if None.
  """

  styles: Float[Array, 'classes 2 style_dim']
  azimuth: float = 0.0
  elevation: float = 0.0
  semantic_class: int | None = None


@dataclasses.dataclass(frozen=True)
class View:
  """A view that was drawn: arrays [height, width, ...], or None where it was not wanted.

  Attributes:
    rgb: in [-1, 1].
    semantic_mask: what each class contributes to the pixel, in [0, 1].
    depth: along the camera's axis, world units.
    normal: unit, out of the solid, in camera axes.
    opacity: in [0, 1], what was stopped before the last sample.
  """

  rgb: np.ndarray | None = None
  semantic_mask: np.ndarray | None = None
  depth: np.ndarray | None = None
  normal: np.ndarray | None = None
  opacity: np.ndarray | None = None


class Renderer:
  """Draws views of one model at one size."""

  def __init__(
      self, model: pretrained.Model, *, image_size: int, num_samples: int, num_importance: int = 0,
      quantities: Sequence[str] = ('rgb', 'semantic_mask'), devices: Sequence[jax.Device] | None = None,
  ):
    """Compiles nothing yet.

    Args:
      model: what draws.
      image_size: side of a view, pixels; any.
      num_samples: even samples along a ray.
      num_importance: further samples where the weights of those are.
      quantities: names of the fields of `View` that are wanted; others are not computed.
      devices: the rays are cut over them; all there are if None.

    Raises:
      ValueError: if a quantity does not exist.
    """
    unknown = [name for name in quantities if name not in _QUANTITIES]
    if unknown:
      raise ValueError(f'quantities {unknown} are not known; use some of {", ".join(_QUANTITIES)}')
    devices = list(devices or jax.devices())
    generator = model.generator
    num_rays = image_size**2
    activations = max(num_samples, num_importance) * generator.num_classes * generator.width
    chunk, chunks = _cut(num_rays, activations, len(devices))
    self._model, self._image_size = model, image_size
    self._strip_rays = chunk * chunks * len(devices)
    self._starts = range(0, num_rays, self._strip_rays)
    draw = functools.partial(
        _draw_rays, generator, image_size=image_size, num_samples=num_samples, num_importance=num_importance, num_chunks=chunks,
        quantities=tuple(quantities))
    mesh, whole, cut = jax.sharding.Mesh(np.array(devices), ('rays',)), jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec('rays')
    self._draw_strip = jax.jit(jax.shard_map(
        draw, mesh=mesh, in_specs=(whole, whole, whole, whole, cut), out_specs=cut, check_vma=False))

  @property
  def strips_per_view(self) -> int:
    """Steps of progress in a view."""
    return len(self._starts)

  def draw(self, shot: Shot, on_strip: Callable[[], None] = lambda: None) -> View:
    """Draws a view; `on_strip` is called after each strip."""
    num_classes, num_rays = self._model.generator.num_classes, self._image_size**2
    weights = np.ones(num_classes, np.float32) if shot.semantic_class is None else np.eye(num_classes, dtype=np.float32)[shot.semantic_class]
    camera = camera_lib.orbit(shot.azimuth, shot.elevation)
    strips = []
    for start in self._starts:
      pixels = np.minimum(np.arange(start, start + self._strip_rays, dtype=np.int32), num_rays - 1)  # the last strip is full, too
      strips.append(jax.device_get(self._draw_strip(self._model.params, shot.styles, camera, weights, pixels)))
      on_strip()
    whole = jax.tree.map(lambda *parts: np.concatenate(parts)[:num_rays], *strips)
    return View(**{name: x.reshape((self._image_size, self._image_size) + x.shape[1:]) for name, x in whole.items()})


def _cut(num_rays: int, activations_per_ray: int, num_devices: int) -> tuple[int, int]:
  """(rays of a chunk, chunks of each device in a strip). The rays of a chunk are the same for any number of devices."""
  num_chunks = -(-num_rays // volume_rendering.fitting_rays(num_rays, activations_per_ray))
  num_chunks = 4 * -(-num_chunks // 4)  # so that two or four devices have equal parts
  chunk = -(-num_rays // num_chunks)
  num_strips = -(-num_rays // max(STRIP_RAYS, chunk * num_devices))
  return chunk, -(-num_chunks // (num_strips * num_devices))


def _draw_rays(
    generator, params, styles, camera, class_weights, pixels, *, image_size: int, num_samples: int, num_importance: int, num_chunks: int,
    quantities: tuple[str, ...],
) -> dict[str, Array]:
  """Quantities [rays, ...] of some pixels of one view."""
  field = sampler.radiance_field(generator, params, styles[None], class_weights=class_weights)
  camera = jax.tree.map(lambda x: x[None], camera)
  rays = rays_lib.cast_pixel_rays(camera, pixels, image_size=image_size)
  distances = rays_lib.offset_distances(camera.near, camera.far, jnp.zeros((1, pixels.shape[0])), num_samples=num_samples)
  rendering = volume_rendering.render_in_chunks(
      field, rays, distances, camera.far, num_chunks=num_chunks, num_importance=num_importance)
  found = {name: getattr(rendering, name) for name in quantities if name not in _OF_SURFACE}
  if len(found) < len(quantities):
    surface = volume_rendering.find_surface(field, camera, rays, rendering, num_chunks=num_chunks)
    found |= {name: getattr(surface, name) for name in quantities if name in _OF_SURFACE}
  return {name: x[0] for name, x in found.items()}
