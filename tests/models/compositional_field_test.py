"""Classes are rows: of the bank, of the styles, of the masks. Permuting, picking and looping over rows says so."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

from cnerf_jax import camera as camera_lib
from cnerf_jax import sampler
from cnerf_jax.models import base_sdf
from cnerf_jax.models import compositional_field
from cnerf_jax.models import local_generator

pytestmark = pytest.mark.usefixtures('quick_compilation')

K = tiny.NUM_CLASSES
DRAW = np.random.default_rng(0)
POINTS = jnp.asarray(DRAW.uniform(-0.12, 0.12, (2, 5, 4, 3)), jnp.float32)
VIEWDIRS = jnp.asarray(DRAW.standard_normal((2, 5, 3)), jnp.float32)
STYLES = jnp.asarray(DRAW.standard_normal((2, K, 2, 8)), jnp.float32)
FUSIONS = pytest.mark.parametrize('mask_fusion', compositional_field.MASK_FUSIONS)
BASES = pytest.mark.parametrize('base', compositional_field.BASES)


def make(**changes):
  generator = tiny.make_generator(**changes)
  return generator, tiny.make_params(generator)


def with_bank(params, change):
  """Parameters with `change` applied to the bank."""
  field = params['params']['field']
  return {'params': params['params'] | {'field': field | {'bank': change(field['bank'])}}}


@functools.partial(jax.jit, static_argnums=(0, 3))
def _query(generator, params, styles, classes):
  return sampler.radiance_field(generator, params, styles, classes).query(POINTS, VIEWDIRS)


def query(generator, params, styles=STYLES, classes=None):
  return _query(generator, params, styles, None if classes is None else tuple(classes))


def color_logit(sample):
  return np.log(np.asarray(sample.color, np.float64) / (1 - np.asarray(sample.color, np.float64)))


@FUSIONS
def test_fusion_is_the_sum_over_classes(mask_fusion):
  """Protects fusion: sdf = base + sum d_k and colour logit = gain * sum m_k c_k, by a loop over LocalGenerator's own answers."""
  generator, params = make(mask_fusion=mask_fusion, color_gain=2.0, mask_sharpness=3.0, residual_scale=0.5)
  field = params['params']['field']
  scaled = POINTS * 2 / 0.24

  @jax.jit
  def ask(row, style):
    one = local_generator.LocalGenerator(width=8, num_shape_layers=2, num_texture_layers=1, residual_scale=0.5).apply({'params': row}, style)
    return jax.vmap(local_generator.LocalField.query, in_axes=(local_generator.BATCH_AXES, 0, 0))(one, scaled, VIEWDIRS)

  @jax.jit
  def ask_base(row):
    trunk = base_sdf.NetworkBase(width=8, num_shape_layers=2, num_texture_layers=1).apply({'params': row}, STYLES)
    return jax.vmap(local_generator.LocalField.residual_sdf, in_axes=(local_generator.BATCH_AXES, 0))(trunk, scaled)

  answers = [ask(jax.tree.map(lambda x, k=k: x[k], field['bank']), STYLES[:, k]) for k in range(K)]
  scores, colors, residuals = zip(*[(a.mask_score, a.color_logit, a.residual_sdf) for a in answers])
  base = ask_base(field['base'])
  masks = np.stack(scores) if mask_fusion == 'raw' else np.asarray(jax.nn.softmax(3.0 * jnp.stack(scores), axis=0))

  sample = query(generator, params)
  np.testing.assert_allclose(sample.sdf, base + sum(residuals), atol=1e-5)
  np.testing.assert_allclose(sample.mask_scores, np.moveaxis(masks, 0, -1), atol=1e-5)
  expected = jax.nn.sigmoid(2.0 * sum(m[..., None] * c for m, c in zip(masks, colors)))
  np.testing.assert_allclose(sample.color, expected, atol=1e-5)


def test_softmax_masks_are_shares_of_each_point():
  """Protects masks in [0, 1]: softmax fusion gives shares that sum to one at every point."""
  sample = query(*make(mask_fusion='softmax', mask_sharpness=10.0))
  masks = np.asarray(sample.mask_scores)
  assert (masks >= 0).all()
  np.testing.assert_allclose(masks.sum(-1), 1, atol=1e-6)


@FUSIONS
def test_permuting_classes_permutes_masks(mask_fusion):
  """Protects the class axis: rows of bank and styles permuted together permute the mask's channels and nothing else."""
  generator, params = make(mask_fusion=mask_fusion, base='sphere')
  order = np.array([2, 0, 1])
  camera = camera_lib.orbit(jnp.array([0.2, -0.1]), jnp.zeros(2))
  render = jax.jit(lambda params, styles: sampler.render(generator, params, styles, camera, image_size=4, num_samples=4))
  straight = render(params, STYLES)
  permuted = render(with_bank(params, lambda bank: jax.tree.map(lambda x: x[order], bank)), STYLES[:, order])
  np.testing.assert_allclose(permuted.semantic_mask, np.asarray(straight.semantic_mask)[..., order], atol=1e-5)
  for name in ('rgb', 'sdf', 'depth'):
    np.testing.assert_allclose(getattr(permuted, name), getattr(straight, name), atol=1e-5, err_msg=name)
  only_styles = render(params, STYLES[:, order])
  assert np.abs(np.asarray(only_styles.semantic_mask - np.asarray(straight.semantic_mask)[..., order])).max() > 1e-3


def test_picking_rows_is_picking_classes():
  """Protects class surgery under raw fusion: a bank of two rows draws what `classes` draws where the third has no geometry."""
  generator, params = make()
  picked = [0, 2]
  flat_sdf = lambda bank: bank | {name: bank[name].at[1].set(0) for name in ('sdf_kernel', 'sdf_bias')}
  params = with_bank(params, flat_sdf)  # without its residual, class 1 has no part in the shared geometry
  small = tiny.make_generator(num_classes=2)
  small_params = with_bank(params, lambda bank: jax.tree.map(lambda x: x[np.array(picked)], bank))
  whole = query(generator, params, classes=picked)
  part = query(small, small_params, STYLES[:, np.array(picked)])
  np.testing.assert_allclose(part.sdf, whole.sdf, atol=1e-6)
  np.testing.assert_allclose(part.color, whole.color, atol=1e-6)
  np.testing.assert_allclose(part.mask_scores, whole.mask_scores[..., np.array(picked)], atol=1e-6)
  assert (np.asarray(whole.mask_scores)[..., 1] == 0).all()


@FUSIONS
def test_colour_terms_of_disjoint_classes_add_up(mask_fusion):
  """Protects `classes`: colour logits of a class and of the others sum to the whole's; the geometry is the whole's."""
  generator, params = make(mask_fusion=mask_fusion)
  whole, one, rest = (query(generator, params, classes=classes) for classes in (None, [1], [0, 2]))
  np.testing.assert_allclose(color_logit(one) + color_logit(rest), color_logit(whole), atol=1e-4)
  np.testing.assert_allclose(one.mask_scores + rest.mask_scores, whole.mask_scores, atol=1e-6)
  for part in (one, rest):
    np.testing.assert_allclose(part.sdf, whole.sdf, atol=1e-6)


def test_classes_do_not_share_parameters():
  """Protects locality: a class's row and style change its own mask score and no other's."""
  generator, params = make()
  before = np.asarray(query(generator, params).mask_scores)
  nudged = with_bank(params, lambda bank: bank | {'mask_bias': bank['mask_bias'].at[1].add(0.5)})
  restyled = STYLES.at[:, 1].add(0.5)
  for after in (query(generator, nudged), query(generator, params, restyled)):
    changed = np.abs(np.asarray(after.mask_scores) - before).max(axis=(0, 1, 2))
    assert changed[1] > 1e-3 and changed[0] == changed[2] == 0


def test_shape_style_moves_shape_and_texture_style_does_not_move_masks():
  """Protects disentanglement by construction: mask scores never see the texture style; colour and sdf see both."""
  generator, params = make()
  before = query(generator, params)
  texture = query(generator, params, STYLES.at[:, :, 1].add(0.5))
  shape = query(generator, params, STYLES.at[:, :, 0].add(0.5))
  np.testing.assert_array_equal(texture.mask_scores, before.mask_scores)
  assert np.abs(np.asarray(texture.color - before.color)).max() > 1e-4
  assert np.abs(np.asarray(shape.mask_scores - before.mask_scores)).max() > 1e-4


@BASES
def test_sdf_is_the_same_by_every_road(base):
  """Protects the eikonal loss: `sdf` alone equals the sdf of `query`, and is base + residuals, for any shape of points."""
  generator, params = make(base=base)
  ask = lambda f: jax.jit(lambda params: f(sampler.radiance_field(generator, params, STYLES)))(params)
  sdf, base, residual, flat = ask(lambda field: (
      field.sdf(POINTS), field.base_sdf(POINTS), field.residual_sdf(POINTS), field.sdf(POINTS.reshape(2, -1, 3))))
  np.testing.assert_allclose(sdf, query(generator, params).sdf, atol=1e-5)
  np.testing.assert_allclose(sdf, base + residual, atol=1e-6)
  np.testing.assert_allclose(flat.reshape(2, 5, 4), sdf, atol=1e-5)


def test_color_is_the_color_head_of_the_feature():
  """Protects the folded colour head: with one class, raw mask m, colour logit = W (m f) + m b for the feature asked for by itself."""
  generator = tiny.make_generator(num_classes=1)
  params = tiny.make_params(generator)
  portrait = lambda params: sampler.radiance_field(generator, params, STYLES[:, :1])
  features = jax.jit(lambda params: portrait(params).features(POINTS, VIEWDIRS))(params)
  sample = query(generator, params, STYLES[:, :1])
  bank = params['params']['field']['bank']
  logit = features @ bank['color_kernel'][0] + sample.mask_scores * bank['color_bias'][0]
  np.testing.assert_allclose(jax.nn.sigmoid(logit), sample.color, atol=1e-5)


def test_start_from_zero_is_the_sphere():
  """Protects the recommended start: residuals exactly zero, so the sdf is the sphere's."""
  generator, params = make(base='sphere', residual_from_zero=True, residual_scale=0.25)
  ask = jax.jit(lambda params: (lambda field: (field.residual_sdf(POINTS), field.sdf(POINTS)))(
      sampler.radiance_field(generator, params, STYLES)))
  residual, sdf = ask(params)
  assert (np.asarray(residual) == 0).all()
  np.testing.assert_allclose(sdf, np.linalg.norm(POINTS, axis=-1) - 0.06, atol=1e-6)


@pytest.mark.parametrize('changes, message', [
    (dict(base='cube'), "generator.base 'cube' is not known; use one of network, sphere"),
    (dict(mask_fusion='max'), "generator.mask_fusion 'max' is not known; use one of raw, softmax")])
def test_unknown_choice_is_refused(changes, message):
  """Protects configs from typing errors: the value and the right ones in one line."""
  with pytest.raises(ValueError, match=message):
    tiny.make_generator(**changes)


def test_masked_residuals_are_weighed_by_their_masks():
  """Protects masked residuals: sdf = base + sum_k m_k d_k, from `query` and from `sdf` alike, and a class whose mask is zero shapes nothing."""
  generator = tiny.make_generator(residual_fusion='masked', view_dependence='none')
  params = tiny.make_params(generator)
  styles = jax.random.normal(jax.random.key(0), (2, generator.num_classes, 2, generator.style_dim))
  field = generator.apply(params, styles, method='radiance_field')
  points = jax.random.uniform(jax.random.key(1), (2, 3, 4, 3), minval=-0.1, maxval=0.1)
  viewdirs = jnp.broadcast_to(jnp.array([0.0, 0.0, -1.0]), (2, 3, 3))
  sample = field.query(points, viewdirs)
  np.testing.assert_allclose(field.sdf(points), sample.sdf, rtol=1e-5, atol=1e-6)
  scaled = points * compositional_field.POINT_SCALE
  expected = np.zeros((2, 3, 4))
  for portrait in range(2):
    for k in range(generator.num_classes):
      one = jax.tree.map(lambda x: x[k], field.bank)
      one = one.replace(**{
          name: jax.tree.map(lambda x: x[portrait], getattr(one, name)) for name in ('shape_layers', 'texture_layers')})
      expected[portrait] += np.asarray(sample.mask_scores[portrait, ..., k]) * np.asarray(one.residual_sdf(scaled[portrait]))
  np.testing.assert_allclose(sample.residual_sdf, expected, rtol=1e-4, atol=1e-6)


def test_masked_residuals_need_masks_without_view():
  """Protects geometry from depending on where one looks from: refused in one line, with the remedy."""
  with pytest.raises(ValueError, match="view_dependence to 'colour' or 'none'"):
    tiny.make_generator(residual_fusion='masked')
