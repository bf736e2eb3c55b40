"""On backends that multiply narrowly by default, what must stay full float32 asks for it."""

import jax
import jax.numpy as jnp
import pytest

from cnerf_jax import camera
from cnerf_jax import rays
from cnerf_jax.models import film_siren
from cnerf_jax.rendering import volume_aggregation


def layer(inputs):
  return film_siren.SineLayer(jnp.ones((inputs, 4)), jnp.ones(4)), jnp.ones((5, inputs))


@pytest.mark.parametrize('function, arguments, is_full', [
    (lambda angle: rays.cast_rays(camera.orbit(angle, 0.0), image_size=4).directions, (0.1,), True),
    (volume_aggregation.accumulate, (jnp.ones((2, 3)), jnp.ones((2, 3, 4))), True),
    (lambda layer, x: layer(x), layer(film_siren.POINT_DIM), True),
    (lambda layer, x: layer(x), layer(8), False),
], ids=['rays', 'sums along rays', 'layer that sees points', 'further layers'])
def test_products_that_pictures_hang_on_are_full(function, arguments, is_full):
  """Protects GPU and TPU users: rays, phases of points and sums along rays are not rounded; other layers follow jax's default."""
  assert ('HIGHEST' in str(jax.make_jaxpr(function)(*arguments))) == is_full
