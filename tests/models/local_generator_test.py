import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax.models import film_siren
from cnerf_jax.models import local_generator

DRAW = np.random.default_rng(0)


def test_film_siren_is_its_formula():
  """Protects the layer: sin(gamma (W x + b) + beta), gamma = 30 + 15 (A w + a), beta = 0.25 (B w + c)."""
  layer = film_siren.FilmSiren(inputs=3, outputs=5)
  style = jnp.asarray(DRAW.standard_normal((2, 8)), jnp.float32)
  params = layer.init(jax.random.key(0), style)
  x = jnp.asarray(DRAW.uniform(-1, 1, (2, 7, 3)), jnp.float32)
  actual = jax.vmap(lambda kernel, bias, x: film_siren.SineLayer(kernel, bias)(x))(
      layer.apply(params, style).kernel, layer.apply(params, style).bias, x)
  p = jax.tree.map(np.asarray, params['params'])
  gamma = 30 + 15 * (style @ p['gamma']['kernel'] + p['gamma']['bias'])
  beta = 0.25 * (style @ p['beta']['kernel'] + p['beta']['bias'])
  expected = np.sin(gamma[:, None] * (x @ p['kernel'] + p['bias']) + beta[:, None])
  np.testing.assert_allclose(actual, expected, atol=2e-5)


def test_first_weights_have_the_published_ranges():
  """Protects SIREN's start: U(±1/3) first, U(±sqrt(6/n)/25) then, biases U(±1/sqrt(n)), films a quarter of Kaiming."""
  width, style_dim = 64, 32
  params = jax.tree.map(np.asarray, local_generator.LocalGenerator(width, residual_from_zero=False).init(
      jax.random.key(0), jnp.zeros((1, 2, style_dim)))['params'])
  siren = lambda n: (6 / n)**0.5 / 25
  bounds = {
      'shape_0/kernel': 1 / 3, 'shape_1/kernel': siren(width), 'texture_1/kernel': siren(width), 'shape_0/bias': 3**-0.5,
      'shape_1/bias': width**-0.5, 'mask_kernel': siren(width + 3), 'color_kernel': siren(width), 'sdf_kernel': siren(width),
      'feature_bias': (width + 3)**-0.5}
  for name, bound in bounds.items():
    value = params
    for part in name.split('/'):
      value = value[part]
    assert np.abs(value).max() <= bound, name
    if value.size >= 60:
      assert np.abs(value).max() > 0.9 * bound, name
  kaiming = 0.25 * (2 / (1 + 0.2**2))**0.5
  np.testing.assert_allclose(params['shape_1']['gamma']['kernel'].std(), kaiming * style_dim**-0.5, rtol=0.1)
  np.testing.assert_allclose(params['feature_kernel'].std(), kaiming * (width + 3)**-0.5, rtol=0.1)


def test_classes_start_apart():
  """Protects the bank: every class draws its own first weights."""
  bank = local_generator.LocalGenerator(8)
  params = [bank.init(jax.random.key(k), jnp.zeros((1, 2, 8)))['params']['shape_0']['kernel'] for k in range(2)]
  assert np.abs(np.asarray(params[0] - params[1])).max() > 0.01


@pytest.mark.parametrize('view_dependence, mask_turns, colour_turns', [('all', True, True), ('colour', False, True), ('none', False, False)])
def test_heads_see_the_view_direction_only_as_asked(view_dependence, mask_turns, colour_turns):
  """Protects `view_dependence`: masks, or colours and features too, are the same from all sides; shapes always are."""
  module = local_generator.LocalGenerator(8, view_dependence=view_dependence)
  styles = jnp.asarray(DRAW.standard_normal((1, 2, 6)), jnp.float32)
  field = module.apply(module.init(jax.random.key(0), styles), styles)
  points = jnp.asarray(DRAW.uniform(-1, 1, (2, 5, 3)), jnp.float32)
  ahead, aside = jnp.array([[0.0, 0.0, -1.0]] * 2), jnp.array([[0.6, 0.0, -0.8]] * 2)
  over_batch = lambda method: jax.vmap(method, in_axes=(local_generator.BATCH_AXES, None, None))
  one, other = (over_batch(local_generator.LocalField.query)(field, points, directions) for directions in (ahead, aside))
  features = [over_batch(local_generator.LocalField.features)(field, points, directions) for directions in (ahead, aside)]
  assert bool(jnp.any(one.mask_score != other.mask_score)) == mask_turns
  assert bool(jnp.any(one.color_logit != other.color_logit)) == colour_turns
  assert bool(jnp.any(features[0] != features[1])) == colour_turns
  np.testing.assert_array_equal(one.residual_sdf, other.residual_sdf)
