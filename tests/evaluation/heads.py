"""Heads made by hand for the tests of their shape: a dome on a board, with a nose in the middle, eyes and ears in rings around it.

Axes: the world's, seen from z = 1. The same dome is a sound head, hollow (pressed in), flat or fog by two numbers.
"""

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import rays as rays_lib
from cnerf_jax import semantics
from cnerf_jax.models import compositional_field
from cnerf_jax.rendering import volume_rendering

CLASS_SET = semantics.FFHQ12
RADIUS = 0.09  # of the dome, world units
RINGS = {'nose': 0.02, 'eyes': 0.04, 'skin': 0.07, 'ears': 0.09}  # name: outer radius, world units
SIZE, NUM_SAMPLES = 32, 24


@flax.struct.dataclass
class Dome:
  """A field that stands `height` world units before its rim; below 0 it is a bowl. Fields as a `RadianceField`'s."""

  height: jax.Array
  density_beta: jax.Array

  def sdf(self, points):
    beyond = jnp.sum(points[..., :2]**2, axis=-1) / RADIUS**2
    return points[..., 2] - self.height * (jnp.sqrt(jnp.maximum(1 - beyond, 1e-6)) - 0.5)

  def query(self, points, viewdirs):
    del viewdirs
    radius = jnp.linalg.norm(points[..., :2], axis=-1)
    label = jnp.full(radius.shape, CLASS_SET.index('background'))
    for name, outer in reversed(RINGS.items()):
      label = jnp.where(radius < outer, CLASS_SET.index(name), label)
    sdf = self.sdf(points)
    return compositional_field.FieldSample(
        sdf=sdf, residual_sdf=sdf, color=jnp.zeros((*sdf.shape, 3)), mask_scores=jax.nn.one_hot(label, CLASS_SET.num_classes))


def render(height, beta):
  """A dome of that height and density_beta as a depth sampler gives it: NumPy arrays of one sample."""
  camera = camera_lib.orbit(jnp.zeros(1), jnp.zeros(1))
  rays, distances = rays_lib.sample_rays(camera, jnp.zeros((1, SIZE**2)), image_size=SIZE, num_samples=NUM_SAMPLES)
  field = Dome(jnp.float32(height), jnp.float32(beta))
  rendering = volume_rendering.render_rays(field, rays, distances)
  surface = volume_rendering.find_surface(field, camera, rays, rendering, num_chunks=1)
  seen = dict(depth=rendering.depth, semantic_mask=rendering.semantic_mask, surface_width=surface.width, opacity=surface.opacity)
  return {name: np.asarray(value).reshape((1, SIZE, SIZE) + value.shape[2:]) for name, value in seen.items()}


def sampler(height, beta):
  """`sample(key, batch, viewpoint)` of the same head again and again."""
  one = render(height, beta)
  return lambda key, batch, viewpoint: {name: value.repeat(batch, axis=0) for name, value in one.items()} | {'viewpoint': viewpoint}
