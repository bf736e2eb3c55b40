"""Gradient flow: each loss term reaches exactly the parameters that it should, through both discriminators."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

from cnerf_jax import camera as camera_lib
from cnerf_jax import rays as rays_lib
from cnerf_jax import sampler
from cnerf_jax.losses import eikonal
from cnerf_jax.rendering import volume_rendering
from cnerf_jax.training import draws
from cnerf_jax.training import generator_step
from cnerf_jax.training import pixels

pytestmark = pytest.mark.usefixtures('quick_compilation')

LAYERS = ('mapping', 'shape', 'texture')
ADVERSARIAL = LAYERS + ('mask', 'feature', 'color', 'sdf_kernel', 'sdf_bias', 'density_beta')
REACH = {
    'adversarial_global': ADVERSARIAL,
    'adversarial_semantic': ADVERSARIAL,
    'viewpoint': ADVERSARIAL,
    'semantic_class': ADVERSARIAL,
    'eikonal': LAYERS + ('sdf_kernel',),  # a constant has no slope
    'minimal_surface': LAYERS + ('sdf_kernel', 'sdf_bias'),
    'backdrop': LAYERS + ('mask', 'sdf_kernel', 'sdf_bias', 'density_beta'),
}


def group(path: str) -> str:
  """Group of a generator parameter in REACH, from its path."""
  parts = path.split('/')
  if 'base' in parts:
    return 'base'
  name = next(part for part in parts if part in ('mapping', 'density_beta') or part.startswith(
      ('shape_', 'texture_', 'mask_', 'feature_', 'color_', 'sdf_')))
  return name if name.startswith('sdf_') else name.split('_')[0] if name != 'density_beta' else name


def assert_reaches(gradients, name):
  """Every parameter (of every class) that the term should reach has a gradient; all others have exactly none."""
  seen = set()
  for path, gradient in gradients.items():
    assert np.isfinite(gradient).all(), f'{name} at {path}'
    seen.add(group(path))
    if group(path) not in REACH[name]:
      assert (gradient == 0).all(), f'{name} must not reach {path}'
      continue
    rows = gradient.reshape(tiny.NUM_CLASSES, -1) if '/bank/' in path else gradient.reshape(1, -1)
    rows = rows[1:] if name == 'backdrop' and '/bank/mask' in path else rows  # the background may be there, by raw masks
    assert (np.abs(rows).max(axis=1) > 0).all(), f'{name} must reach every class of {path}'
  assert seen >= set(ADVERSARIAL)


CASES = {
    'published': dict(generator__base='network', generator__mask_fusion='raw', eikonal_of='residual', eikonal_fraction=1.0),
    'network, softmax': dict(generator__base='network', generator__mask_fusion='softmax', eikonal_of='whole'),
    'sphere, raw': dict(generator__base='sphere', generator__mask_fusion='raw', eikonal_of='whole'),
    'sphere, softmax': dict(generator__base='sphere', generator__mask_fusion='softmax', eikonal_of='residual'),
}


def make_inputs(config, seed=0):
  players, _, state = tiny.make_run(config, seed)
  draw = draws.draw_fakes(
      jax.random.key(1), config.batch_size, config, num_classes=tiny.NUM_CLASSES, render_size=config.image_size)
  return players, state, draw, jnp.arange(config.batch_size) % tiny.NUM_CLASSES


@pytest.mark.parametrize('case', CASES)
def test_each_term_reaches_its_parameters(case):
  """Protects learning (trap: discriminators without gradient in the generator's turn): who learns from which term."""
  config = tiny.make_config(generator__residual_from_zero=False, generator__residual_scale=0.1, **CASES[case])
  players, state, draw, semantic_class = make_inputs(config)

  @jax.jit
  def gradients(params, global_params, semantic_params):
    def terms(params):
      fakes = generator_step.render_fakes(players, params, draw, config, render_size=config.image_size)
      return generator_step.loss_terms(
          players, global_params, semantic_params, fakes, draw.viewpoint, semantic_class)
    values, pull_back = jax.vjp(terms, params)
    names = sorted(values)
    one_hot = lambda row: pull_back(dict(zip(names, row)))[0]
    return jax.lax.map(one_hot, jnp.eye(len(names)))

  rows = gradients(state.generator_params, state.global_discriminator_params, state.semantic_discriminator_params)
  for i, name in enumerate(sorted(REACH)):
    assert_reaches(tiny.flat(jax.tree.map(lambda x, i=i: x[i], rows)), name)


@pytest.mark.parametrize('eikonal_fraction', [1.0, 0.25])
@pytest.mark.parametrize('eikonal_of, expected', [('whole', 0.0), ('residual', 1.0)])
def test_eikonal_loss_is_of_what_the_config_says(eikonal_of, expected, eikonal_fraction):
  """Protects the eikonal term (trap: the base treated as a constant): on an exact sphere the whole costs nothing, no residual costs 1."""
  config = tiny.make_config(eikonal_of=eikonal_of, eikonal_fraction=eikonal_fraction, batch_size=2)
  players, state, draw, _ = make_inputs(config)
  assert draw.eikonal_indices.shape == (2, 0 if eikonal_fraction == 1 else 16)
  fakes = jax.jit(lambda params: generator_step.render_fakes(
      players, params, draw, config, render_size=config.image_size))(state.generator_params)
  np.testing.assert_allclose(fakes.eikonal_loss, expected, atol=1e-4)


@pytest.mark.parametrize('eikonal_of', ['whole', 'residual'])
@pytest.mark.parametrize('indices', [jnp.zeros((2, 0), jnp.int32), jnp.tile(jnp.arange(64), (2, 1))], ids=['all', 'listed'])
def test_eikonal_loss_does_not_depend_on_chunks(eikonal_of, indices):
  """Protects one evaluation for two uses, and chunks: loss, its gradient and the rendering are those of evaluating the field twice, whole."""
  config = tiny.make_config(generator__residual_from_zero=False, generator__residual_scale=0.1, generator__base='network')
  players, state, _, _ = make_inputs(config)
  styles = jnp.asarray(np.random.default_rng(0).standard_normal((2, tiny.NUM_CLASSES, 2, 8)), jnp.float32)
  camera = camera_lib.orbit(jnp.array([0.2, -0.3]), jnp.array([0.0, 0.1]))
  rays = rays_lib.cast_rays(camera, image_size=4)
  distances = rays_lib.offset_distances(camera.near, camera.far, jnp.full((2, 16), 0.3), num_samples=4)

  def together(params):
    portrait = sampler.radiance_field(players.generator, params, styles)
    rendering, loss, _ = pixels.render_with_geometry(
        portrait, rays, distances, indices, num_chunks=4, eikonal_of=eikonal_of)
    return loss, rendering.rgb

  def apart(params):
    portrait = sampler.radiance_field(players.generator, params, styles)
    sdf = {'whole': portrait.sdf, 'residual': portrait.residual_sdf}[eikonal_of]
    loss = eikonal.eikonal_loss(sdf, volume_rendering.sample_points(rays, distances))
    return loss, volume_rendering.render_rays(portrait, rays, distances).rgb

  results = [jax.jit(jax.value_and_grad(f, has_aux=True))(state.generator_params) for f in (together, apart)]
  actual, expected = [tiny.flat(result) for result in results]
  for name in expected:
    tiny.assert_close(actual[name], expected[name], rtol=1e-4, what=name)


def test_listed_points_need_the_memory_of_a_chunk():
  """Protects memory: in chunks, a listed eikonal loss and its gradient hold less than a third of what they hold at once."""
  def temporaries(num_chunks):
    config = tiny.make_config(eikonal_fraction=0.999, num_samples=1024, num_chunks=num_chunks)
    players, state, draw, _ = make_inputs(config)
    loss = lambda params: generator_step.render_fakes(players, params, draw, config, render_size=config.image_size).eikonal_loss
    return jax.jit(jax.grad(loss)).lower(state.generator_params).compile().memory_analysis().temp_size_in_bytes

  assert temporaries(16) < temporaries(1) / 3
