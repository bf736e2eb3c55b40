import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

from cnerf_jax.losses import r1
from cnerf_jax.models import semantic_discriminator
from cnerf_jax.training import discriminator_step

pytestmark = pytest.mark.usefixtures('quick_compilation')


@pytest.fixture(scope='module')
def game(quick_compilation):
  config = tiny.make_config(batch_size=8)
  players, _, state = tiny.make_run(config)
  real, fake = tiny.make_batch(config, 0), tiny.make_batch(config, 1)
  return players, state, real, fake


@pytest.fixture(scope='module')
def global_gradients(game):
  """Gradients of each of the global discriminator's terms by its parameters and by the fakes."""
  players, state, real, fake = game

  def terms(params, image, mask):
    return discriminator_step.global_terms(players, params, real, dict(image=image, semantic_mask=mask, viewpoint=fake['viewpoint']))[0]

  jacobian = jax.jit(jax.jacrev(terms, argnums=(0, 1, 2)))
  return jacobian(state.global_discriminator_params, fake['image'], fake['semantic_mask'])


REACH = {
    'adversarial': ('image', 'mask', 'head'), 'viewpoint': ('image', 'mask', 'head'),
    'viewpoint_real': ('image', 'mask', 'head'), 'r1_image': ('image', 'head'), 'r1_mask': ('mask', 'head')}


@pytest.mark.parametrize('term', REACH)
def test_each_term_teaches_the_discriminator(global_gradients, term):
  """Protects every loss of the global discriminator, R1's second derivative included: gradients are finite and arrive."""
  by_params = tiny.flat(global_gradients[term][0])
  for branch in REACH[term]:
    norms = [np.abs(g).max() for path, g in by_params.items() if f'/{branch}/' in path]
    assert norms and np.isfinite(norms).all() and max(norms) > 0


def test_only_fakes_terms_see_fakes(global_gradients):
  """Protects real-image terms from fakes: R1 and the real viewpoint do not depend on what the generator drew."""
  for term in REACH:
    by_fake = np.abs(np.asarray(global_gradients[term][1])).max()
    assert (by_fake > 0) == (term in ('adversarial', 'viewpoint')), term


def test_semantic_terms_are_finite_and_of_regions(game):
  """Protects the semantic discriminator's turn: R1 is of the cut-out region, the class loss of reals and fakes."""
  players, state, real, fake = game
  real_class = jnp.arange(8) % tiny.NUM_CLASSES
  fake_class = (real_class + 1) % tiny.NUM_CLASSES
  params = state.semantic_discriminator_params
  terms, metrics = jax.jit(lambda p: discriminator_step.semantic_terms(
      players, p, real, fake, real_class, fake_class))(params)
  region, mask = semantic_discriminator.cut_out(real['image'], real['semantic_mask'], real_class)
  discriminate = lambda *x: players.semantic_discriminator.apply(params, *x)
  by_region, by_mask = jax.jit(lambda *x: r1.r1_penalties(lambda *y: discriminate(*y).realness_logits, *x))(region, mask)
  np.testing.assert_allclose(terms['r1_image'], by_region, rtol=1e-4)
  np.testing.assert_allclose(terms['r1_mask'], by_mask, rtol=1e-4)
  logits = np.concatenate([
      discriminate(region, mask).class_logits,
      discriminate(*semantic_discriminator.cut_out(fake['image'], fake['semantic_mask'], fake_class)).class_logits]).astype(np.float64)
  likelihood = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
  expected = -2 * likelihood[np.arange(16), np.concatenate([real_class, fake_class])].mean()
  np.testing.assert_allclose(terms['semantic_class'], expected, rtol=1e-4)
  assert all(0 <= metrics[name] <= 1 for name in ('accuracy', 'class_accuracy'))


def test_fraction_of_r1_is_of_a_strided_half(game):
  """Protects cheap R1: a fraction of a half is the penalty of every second real, at the same weight."""
  players, state, real, fake = game
  params = state.global_discriminator_params
  terms = lambda fraction, real: discriminator_step.global_terms(
      players, params, real, {name: value[:4] for name, value in fake.items()}, fraction)[0]
  half = jax.jit(lambda: terms(0.5, real | {'viewpoint': real['viewpoint']}))
  real_half = {name: value[::2] for name, value in real.items()}
  cut, whole = half(), jax.jit(lambda: terms(1.0, real_half))()
  for name in ('r1_image', 'r1_mask'):
    np.testing.assert_allclose(cut[name], whole[name], rtol=1e-4)


def test_bfloat16_discriminators_learn_the_same_from_float32_parameters(game):
  """Protects the narrow choice: parameters, outputs and gradients stay float32, the gradients, R1's too, point where they did."""
  players, state, real, fake = game
  narrow, _, _ = tiny.make_run(tiny.make_config(batch_size=8, discriminator_dtype='bfloat16'))
  real_class = fake_class = jnp.arange(8) % tiny.NUM_CLASSES

  def gradients(players):
    def losses(global_params, semantic_params):
      terms = discriminator_step.global_terms(
          players, global_params, real, fake)[0]
      more = discriminator_step.semantic_terms(
          players, semantic_params, real, fake, real_class, fake_class)[0]
      return terms | {f'semantic_{name}': value for name, value in more.items()}
    return jax.jit(jax.jacrev(losses, argnums=(0, 1)))(state.global_discriminator_params, state.semantic_discriminator_params)

  wide, narrow = gradients(players), gradients(narrow)
  for term in wide:
    assert {x.dtype for x in jax.tree.leaves(narrow[term])} == {jnp.dtype('float32')}
    a, b = (np.concatenate([np.ravel(x) for x in jax.tree.leaves(g[term])]) for g in (wide, narrow))
    assert 1e-5 < np.linalg.norm(a - b) / np.linalg.norm(a) < 0.1, term


def test_bfloat16_reaches_every_convolution_of_the_branches():
  """Protects the choice's purpose: no convolution of a branch is left in float32 by a module that forgot to pass it on."""
  players = tiny.make_players(tiny.make_config(image_size=16, discriminator_dtype='bfloat16'))
  image, mask = jnp.zeros((4, 16, 16, 3)), jnp.zeros((4, 16, 16, tiny.NUM_CLASSES))
  discriminate = players.global_discriminator.clone(channels=(8, 8, 16, 16))
  params = jax.eval_shape(discriminate.init, jax.random.key(0), image, mask)
  convolutions = [
      line for line in str(jax.make_jaxpr(discriminate.apply)(params, image, mask)).splitlines()
      if 'conv_general_dilated[' in line or 'dot_general[' in line]
  narrow = [line for line in convolutions if ':bf16[' in line]
  assert len(convolutions) - len(narrow) == 1 and len(narrow) == 2 * (1 + 3 * 2 + 1)  # all but the head


def test_viewpoints_of_reals_count_by_their_confidence(game):
  """Protects the camera loss from cameras that were not read: weights are confidences, of mean 1 over the whole batch; without confidences
  all count the same."""
  players, state, real, fake = game
  confidence = np.float32([1, 0, 0.5, 0, 0, 1, 0, 0])
  term = lambda real: float(jax.jit(lambda real: discriminator_step.global_terms(
      players, state.global_discriminator_params, real, fake)[0]['viewpoint_real'])(real))
  weighed = discriminator_step.weigh_viewpoints(real | {'viewpoint_confidence': confidence})
  np.testing.assert_allclose(weighed['viewpoint_weight'], confidence / confidence.mean(), rtol=1e-5)
  unknown = confidence[:, None] == 0
  np.testing.assert_allclose(term(weighed | {'viewpoint': np.where(unknown, 5.0, real['viewpoint'])}), term(weighed), rtol=1e-6)
  assert discriminator_step.weigh_viewpoints(real) is real
  sure = discriminator_step.weigh_viewpoints(real | {'viewpoint_confidence': np.full(8, 0.3, np.float32)})
  np.testing.assert_allclose(term(sure), term(real), rtol=1e-5)
