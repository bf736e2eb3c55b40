import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax.models import discriminator_blocks
from cnerf_jax.models import global_discriminator
from cnerf_jax.models import semantic_discriminator
from configs import default

pytestmark = pytest.mark.usefixtures('quick_compilation')

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize('batch, size', [(8, 4), (4, 4), (6, 3), (10, 2), (7, 1), (1, 1)])
def test_minibatch_stddev_equals_the_loop(batch, size):
  """Protects every batch size: groups of 4, or of the largest smaller divisor; sample i with i + batch/size and so on."""
  x = DRAW.standard_normal((batch, 2, 2, 3)).astype(np.float32)
  y = np.asarray(discriminator_blocks.minibatch_stddev(jnp.asarray(x)))
  assert discriminator_blocks.group_size(batch) == size and y.shape == (batch, 2, 2, 4)
  np.testing.assert_array_equal(y[..., :3], x)
  stride = batch // size
  for i in range(batch):
    group = x[[i % stride + j * stride for j in range(size)]].astype(np.float64)
    np.testing.assert_allclose(y[i, ..., 3], np.sqrt(group.var(axis=0) + 1e-8).mean(), rtol=1e-4)


def test_coordinates_are_y_then_x():
  """Protects CoordConv: two channels behind the input, y from -1 at the top, x from -1 at the left."""
  y = discriminator_blocks.append_coordinates(jnp.zeros((2, 3, 5, 1)))
  assert y.shape == (2, 3, 5, 3)
  np.testing.assert_allclose(y[1, :, 0, 1], [-1, 0, 1])
  np.testing.assert_allclose(y[1, 0, :, 2], [-1, -0.5, 0, 0.5, 1])


def test_skip_of_equal_width_has_no_weights():
  """Protects the published number of parameters: a block that keeps its width skips by pooling alone."""
  params = discriminator_blocks.ResidualBlock(6).init(jax.random.key(0), jnp.zeros((1, 4, 4, 6)))['params']
  assert sorted(params) == ['conv_0', 'conv_1']
  x = jnp.asarray(DRAW.standard_normal((1, 4, 4, 6)), jnp.float32)
  silent = jax.tree.map(jnp.zeros_like, params)
  y = discriminator_blocks.ResidualBlock(6).apply({'params': silent}, x)
  np.testing.assert_allclose(y, discriminator_blocks.halve(x) / np.sqrt(2), rtol=1e-6)


def test_equalized_dense_scales_at_run_time():
  """Protects the heads' learning rate: weights start from N(0, 1) and count as 1/sqrt(inputs)."""
  layer = discriminator_blocks.EqualizedDense(50)
  x = jnp.asarray(DRAW.standard_normal((3, 64)), jnp.float32)
  params = layer.init(jax.random.key(0), x)
  np.testing.assert_allclose(np.asarray(params['params']['kernel']).std(), 1, rtol=0.05)
  np.testing.assert_allclose(layer.apply(params, x), x @ params['params']['kernel'] / 8, rtol=1e-4, atol=1e-5)


def test_cut_out_keeps_one_class():
  """Protects the semantic discriminator's input: each portrait's image times the mask of its own class, and that mask."""
  image = DRAW.standard_normal((2, 4, 4, 3)).astype(np.float32)
  mask = DRAW.uniform(size=(2, 4, 4, 5)).astype(np.float32)
  region, chosen = semantic_discriminator.cut_out(jnp.asarray(image), jnp.asarray(mask), jnp.array([3, 0]))
  np.testing.assert_array_equal(chosen[..., 0], [mask[0, ..., 3], mask[1, ..., 0]])
  np.testing.assert_allclose(region, image * np.asarray(chosen), rtol=1e-6)


def test_outputs_have_their_shapes_and_see_both_inputs():
  """Protects both discriminators: one logit a portrait, two angles, K classes; image and mask both count."""
  image, mask = (jnp.asarray(DRAW.standard_normal((4, 8, 8, c)), jnp.float32) for c in (3, 5))
  of_portraits = global_discriminator.GlobalDiscriminator((8, 8, 8))
  of_regions = semantic_discriminator.SemanticDiscriminator(5, (8, 8), 8)
  for module, inputs, shapes in (
      (of_portraits, (image, mask), dict(realness_logits=(4,), viewpoint=(4, 2))),
      (of_regions, (image, mask[..., :1]), dict(realness_logits=(4,), class_logits=(4, 5)))):
    params = jax.jit(module.init)(jax.random.key(0), *inputs)
    outputs = jax.jit(module.apply)(params, *inputs)
    assert {name: getattr(outputs, name).shape for name in shapes} == shapes
    for by_input in jax.jit(jax.grad(
        lambda *x, p=params, j=module: jnp.sum(j.apply(p, *x).realness_logits), argnums=(0, 1)))(*inputs):
      assert (np.abs(np.asarray(by_input)).sum(axis=(1, 2, 3)) > 0).all()


def test_kinds_share_their_parameters():
  """Protects checkpoints: both kinds of the semantic discriminator have the same parameter paths and shapes; ours is the default."""
  inputs = jnp.zeros((1, 8, 8, 3)), jnp.zeros((1, 8, 8, 1))
  ours, published = (
      jax.eval_shape(semantic_discriminator.SemanticDiscriminator(5, (8, 8), 8, kind=kind).init, jax.random.key(0), *inputs)
      for kind in semantic_discriminator.KINDS)
  assert ours == published
  assert semantic_discriminator.SemanticDiscriminator(5).kind == default.get_config().semantic_discriminator.kind == 'recommended'


def test_recommended_kind_is_of_activated_layers():
  """Protects runs made so far: leaky ReLU behind the mask branch's first and behind the last convolution, hidden units at their scale,
  the last map flattened channels last."""
  discriminator = semantic_discriminator.SemanticDiscriminator(5, (6, 8), 7)
  region, mask = (jnp.asarray(DRAW.standard_normal((2, 8, 8, c)), jnp.float32) for c in (3, 1))
  params = jax.tree.map(
      lambda leaf: jnp.asarray(DRAW.standard_normal(leaf.shape), jnp.float32),
      jax.eval_shape(discriminator.init, jax.random.key(0), region, mask))
  layers = params['params']

  def branch(name, x):
    start = layers[name]['from_image']['conv']
    x = discriminator_blocks.leaky_relu(x @ start['kernel'][0, 0] + start['bias'])
    return discriminator_blocks.ResidualBlock(8).apply({'params': layers[name]['block_0']}, x)

  x = discriminator_blocks.minibatch_stddev(branch('image', region) + branch('mask', mask))
  kernel = layers['last']['conv']['kernel']
  x = jnp.stack([jnp.stack([
      jnp.einsum('byxi,yxio->bo', x[:, dy:dy + 3, dx:dx + 3], kernel) for dx in range(2)], axis=1) for dy in range(2)], axis=1)
  x = discriminator_blocks.leaky_relu(x + layers['last']['conv']['bias']).reshape(2, -1)
  dense = lambda name, x: x @ layers[name]['kernel'] / x.shape[-1]**0.5 + layers[name]['bias']
  outputs = discriminator.apply(params, region, mask)
  for head, actual in (('realness', outputs.realness_logits[:, None]), ('class', outputs.class_logits)):
    np.testing.assert_allclose(actual, dense(f'{head}_1', discriminator_blocks.leaky_relu(dense(f'{head}_0', x))), rtol=1e-4)


def test_unknown_kind_is_refused():
  """Protects users of the module without a config: the kinds are listed."""
  with pytest.raises(ValueError, match="semantic_discriminator.kind 'paper' is not known; use one of recommended, published"):
    semantic_discriminator.SemanticDiscriminator(5, kind='paper')


@pytest.mark.parametrize('module, message', [
    (global_discriminator.GlobalDiscriminator((8, 8)), r'8 pixels leave 4 after 1 halvings; .* needs 2: list log2'),
    (semantic_discriminator.SemanticDiscriminator(1, (8, 8, 8), 8), r'8 pixels leave 2 after 2 halvings; .* needs 4: list log2')],
    ids=['global', 'semantic'])
def test_wrong_depth_is_refused(module, message):
  """Protects configs of another resolution: what is left, what is needed, and how many widths to list."""
  with pytest.raises(ValueError, match=message) as error:
    module.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)), jnp.zeros((1, 8, 8, 1)))
  assert '\n' not in str(error.value)
