import jax
import jax.numpy as jnp
import pytest

import tiny

from cnerf_jax import camera as camera_lib
from cnerf_jax import sampler
from cnerf_jax.models import convolution
from cnerf_jax.models import global_discriminator
from cnerf_jax.run import flops


def test_product_counts_two_per_multiplication():
  """Protects the unit: [3, 4] x [4, 5] is 2 * 3 * 4 * 5, batched or not."""
  a, b = jnp.ones((3, 4)), jnp.ones((4, 5))
  assert flops.count(jnp.matmul, a, b) == 2 * 3 * 4 * 5
  assert flops.count(jax.vmap(jnp.matmul), jnp.ones((7, 3, 4)), jnp.ones((7, 4, 5))) == 7 * 2 * 3 * 4 * 5


def test_gradient_of_a_product_costs_twice_the_product():
  """Protects the count of backward passes: one product for each operand's gradient."""
  a, b = jnp.ones((3, 4)), jnp.ones((4, 5))
  loss = lambda a, b: jnp.sum(jnp.sin(a @ b))
  assert flops.count(jax.grad(loss, argnums=(0, 1)), a, b) == 3 * 2 * 3 * 4 * 5


@pytest.mark.parametrize('run', [
    lambda f, x: jax.lax.map(f, x), lambda f, x: jax.lax.scan(lambda c, y: (c, f(y)), 0.0, x)[1],
    lambda f, x: jax.jit(lambda x: jax.lax.map(jax.checkpoint(f), x))(x)], ids=['map', 'scan', 'jit of map of checkpoint'])
def test_loops_count_as_often_as_they_run(run):
  """Protects against the mistake of XLA's own count: a loop's body counts once a turn."""
  x = jnp.ones((6, 4, 4))
  assert flops.count(lambda x: run(lambda y: y @ y, x), x) == 6 * 2 * 4**3


def test_rematerialised_gradient_counts_the_second_forward():
  """Protects the difference between the machine's FLOPs and the model's: forward, forward again, two for the backward."""
  x = jnp.ones((6, 4, 4))
  loss = lambda f: lambda x: jnp.sum(jax.lax.map(f, x))
  layer = lambda y: jnp.sin(y @ jnp.eye(4))
  once = 6 * 2 * 4**3
  assert flops.count(jax.grad(loss(layer)), x) == 2 * once  # the constant needs no gradient
  assert flops.count(jax.grad(loss(jax.checkpoint(layer))), x) == 3 * once


def test_convolution_counts_its_kernel_for_every_output():
  """Protects the discriminators' share: outputs x kernel x inputs x 2, a strided one by its outputs alone."""
  x, kernel = jnp.ones((2, 8, 8, 3)), jnp.ones((3, 3, 3, 5))
  convolve = lambda stride: lambda x, k: jax.lax.conv_general_dilated(
      x, k, (stride, stride), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
  assert flops.count(convolve(1), x, kernel) == 2 * (2 * 8 * 8 * 5) * 27
  assert flops.count(convolve(2), x, kernel) == 2 * (2 * 4 * 4 * 5) * 27
  grads = jax.grad(lambda x, k: jnp.sum(convolve(1)(x, k)**2), argnums=(0, 1))
  assert flops.count(grads, x, kernel) == 3 * flops.count(convolve(1), x, kernel)


def test_convolution_counts_as_defined():
  """Protects the share of the peak: what minimal filtering saves on a CPU is speed, and not a smaller model."""
  x, kernel = jnp.ones((1, 16, 16, 128)), jnp.ones((3, 3, 128, 130))
  convolve = lambda x, kernel: convolution.convolve(x, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
  assert flops.count(convolve, x, kernel) == 2 * 16 * 16 * 130 * 9 * 128


def test_conditional_counts_its_dearer_branch():
  """Protects an upper bound: only one branch runs."""
  x = jnp.ones((4, 4))
  assert flops.count(lambda x: jax.lax.cond(x[0, 0] > 0, lambda: x @ x, lambda: x), x) == 2 * 4**3


def test_discriminator_agrees_with_a_count_by_hand():
  """Protects the count of a whole module: two branches of 1x1 and one residual block with two coordinate channels; a 2x2 head."""
  model = global_discriminator.GlobalDiscriminator(channels=(8, 16))
  batch = 2
  image, masks = jnp.ones((batch, 4, 4, 3)), jnp.ones((batch, 4, 4, tiny.NUM_CLASSES))
  shapes = jax.eval_shape(model.init, jax.random.key(0), image, masks)
  block = 16 * 9 * (8 + 2) * 16 + 16 * 9 * (16 + 2) * 16 + 4 * 8 * 16
  head = 4 * (16 + 1) * 3
  by_hand = 2 * batch * (16 * 3 * 8 + 16 * tiny.NUM_CLASSES * 8 + 2 * block + head)
  assert flops.count(model.apply, shapes, image, masks) == by_hand


def test_local_field_agrees_with_a_count_by_hand():
  """Protects the generator's share: five layers, and the heads of mask, colour (folded) and signed distance, for every sample."""
  config = tiny.make_config()
  players, _, _ = tiny.make_run(config)
  generator = players.generator
  z = jnp.ones((2, generator.style_dim))
  params = jax.eval_shape(lambda: generator.init(jax.random.key(0), jnp.ones((2, generator.latent_dim))))
  camera = camera_lib.orbit(jnp.zeros(2), jnp.zeros(2))
  render = lambda styles: lambda params: sampler.render(
      generator, params, styles, camera, image_size=4, num_samples=5, num_chunks=1).rgb
  styles = sampler.map_latents(generator, tiny.make_params(generator), z)
  more = lambda params: sampler.render(generator, params, styles, camera, image_size=4, num_samples=6, num_chunks=1).rgb
  width, points = generator.width, 2 * 16
  layers = 3 * width + (generator.num_shape_layers - 1 + generator.num_texture_layers) * width**2
  heads = width * (1 + 3 + 1)
  accumulation = 3 + generator.num_classes + 3  # colour, masks, surface point
  per_sample = 2 * points * (generator.num_classes * (layers + heads) + accumulation)
  assert flops.count(more, params) - flops.count(render(styles), params) == per_sample
