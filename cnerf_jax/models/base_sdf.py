"""The base SDF: a sphere that the residual signed distances of the classes are added to.

Radius (far - near) / 4, at the origin, world units. As published it is a network with the local generators' trunk, driven by
class 0's styles, fitted to the sphere before GAN training and frozen; the sphere itself is the named alternative, exact and free.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnerf_jax import camera
from cnerf_jax.models import local_generator


def sphere_sdf(points: Float[Array, '*points 3'], *, near: float = camera.NEAR, far: float = camera.FAR) -> Float[Array, '*points']:
  """Signed distance of world points to the sphere: |x| - (far - near) / 4; its gradient at the centre is zero."""
  squared = jnp.sum(points**2, axis=-1)
  distance = jnp.where(squared > 0, jnp.sqrt(jnp.where(squared > 0, squared, 1.0)), 0.0)
  return distance - (far - near) / 4


class SphereBase(nn.Module):
  """The exact sphere. No parameters; styles are ignored."""

  def __call__(self, styles):
    del styles
    return None


class NetworkBase(nn.Module):
  """A network driven by class 0's styles, fitted to the sphere, then frozen: it passes gradients to points alone."""

  width: int = 128
  num_shape_layers: int = 3
  num_texture_layers: int = 2
  gamma_offset: float = 30.0

  def setup(self):
    self.trunk = local_generator.LocalGenerator(
        self.width, self.num_shape_layers, self.num_texture_layers, self.gamma_offset, residual_scale=1.0, residual_from_zero=False)

  def __call__(self, styles: Float[Array, 'batch classes 2 style_dim']) -> local_generator.LocalField:
    return self.trunk(styles[:, 0])


def freeze(base):
  """The base with gradients to its parameters and styles cut, so that only the residuals learn."""
  return jax.lax.stop_gradient(base)
