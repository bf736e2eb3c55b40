"""The whole step: who moves when, in equal parts however the batch is cut, and what it reports."""

import chex
import jax
import ml_collections
import numpy as np
import pytest

import tiny

from cnerf_jax.training import ema
from cnerf_jax.training import term_gradients
from cnerf_jax.training import train_step
from configs import default
from configs import ffhq12_published

pytestmark = pytest.mark.usefixtures('quick_compilation')

PLAYERS = ('generator', 'global_discriminator', 'semantic_discriminator')
RECIPE = dict(
    generator__base='network', generator__residual_from_zero=False, generator__residual_scale=0.1,
    generator__mask_sharpness=1.0, eikonal_fraction=0.1, loss_weights__generator__backdrop=0.5)


class Weighted:
  """A config whose loss weights are arguments of a compiled step."""

  def __init__(self, config, loss_weights):
    self._config, self.loss_weights = config, ml_collections.ConfigDict(loss_weights)

  def __getattr__(self, name):
    return getattr(self._config, name)


class Step:
  """A compiled step of a recipe, from one fixed state and batch, by loss weights."""

  def __init__(self, base=default, **changes):
    self.config = tiny.make_config(base, batch_size=16, **changes)
    self.players, self.optimizers, self.state = tiny.make_run(self.config)
    self.batch = tiny.make_batch(self.config)
    self.weights = self.config.loss_weights.to_dict()
    self._step = jax.jit(lambda weights, state, batch: train_step.make_train_step(
        Weighted(self.config, weights), self.players, self.optimizers)(state, batch))

  def __call__(self, weights=None, state=None):
    return self._step(weights or self.weights, self.state if state is None else state, self.batch)

  def only(self, *kept):
    """Loss weights with all but the kept players', or `player.term`s', at zero."""
    return {player: {term: value if player in kept or f'{player}.{term}' in kept else 0.0 for term, value in terms.items()}
            for player, terms in self.weights.items()}


@pytest.fixture(scope='module')
def step(quick_compilation):
  """The reference: one rendering for all players, the whole batch at once."""
  return Step(**RECIPE)


def generator_gradients(state):
  """Adam's first moment at b1 = 0 is the gradient itself."""
  return tiny.flat(state.generator_optimizer[0][0].mu)


def same(left, right):
  left, right = tiny.flat(left), tiny.flat(right)
  return all((left[name] == right[name]).all() for name in left)


@pytest.mark.parametrize('player', PLAYERS)
def test_each_player_moves_in_its_own_turn_alone(step, player):
  """Protects the game: a player's losses move its own parameters, and leave those of both others bit for bit."""
  after, _ = step(step.only(player))
  for other in PLAYERS:
    unmoved = same(getattr(after, f'{other}_params'), getattr(step.state, f'{other}_params'))
    assert unmoved == (other != player), f'{player} alone, {other}'


@pytest.mark.parametrize('term, parts', [
    ('adversarial_global', 'mapping shape texture mask_ feature_ color_ sdf_ density_beta'),
    ('adversarial_semantic', 'mapping shape texture mask_ feature_ color_ sdf_ density_beta'),
    ('viewpoint', 'mapping shape texture mask_ feature_ color_ sdf_ density_beta'),
    ('semantic_class', 'mapping shape texture mask_ feature_ color_ sdf_ density_beta'),
    ('eikonal', 'mapping shape texture sdf_'), ('minimal_surface', 'mapping shape texture sdf_'),
    ('backdrop', 'mapping shape texture mask_ sdf_ density_beta')])
def test_each_term_teaches_the_generator_through_the_step(step, term, parts):
  """Protects the step itself, shared rendering included: no term is cut off from the generator, none reaches too far."""
  gradients = generator_gradients(step(step.only(f'generator.{term}'))[0])
  every = 'base mapping shape texture mask_ feature_ color_ sdf_ density_beta'.split()
  for part in every:
    inside = [g for path, g in gradients.items() if ('base' in path) == (part == 'base') and part in path]
    reached = max(np.abs(g).max() for g in inside) > 0
    assert reached == (part in parts.split()), f'{term}: {part}'


def test_a_semantic_discriminator_without_losses_sits_out(step):
  """Protects the shorter step: nobody else's update notices that it is gone; it has no parameters and reports nothing."""
  teaches_nobody = ('adversarial_semantic', 'semantic_class')
  silent = Step(**RECIPE, **{f'loss_weights__generator__{term}': 0.0 for term in teaches_nobody},
                **{f'loss_weights__semantic_discriminator__{term}': 0.0 for term in step.weights['semantic_discriminator']})
  after, metrics = silent()
  reference, _ = step(step.weights | {'generator': step.weights['generator'] | dict.fromkeys(teaches_nobody, 0.0)})
  for player in ('generator', 'global_discriminator'):
    chex.assert_trees_all_close(
        *(tiny.flat(getattr(state, f'{player}_params')) for state in (after, reference)), rtol=1e-5, atol=1e-7)
  assert after.semantic_discriminator_params == {}
  assert not any(name.startswith('semantic_discriminator') or name.removeprefix('generator/') in teaches_nobody for name in metrics)


def test_state_goes_on_from_step_to_step(step):
  """Protects the run: the counter, the key and fresh draws; the average follows by its decay; the base stays frozen."""
  once, _ = step()
  again, _ = step()
  twice, _ = step(state=once)
  assert (int(once.step), int(twice.step)) == (1, 2)
  chex.assert_trees_all_equal(tiny.flat(once), tiny.flat(again))
  chex.assert_trees_all_equal(tiny.flat(once.key), tiny.flat(step.state.key))
  chex.assert_trees_all_equal(*(state.generator_params['params']['field']['base'] for state in (once, step.state)))
  decay = ema.ramped_decay(1, 16, step.config.ema_half_life_images, step.config.ema_ramp)
  expected = jax.tree.map(lambda old, new: decay * old + (1 - decay) * new, once.ema_params, twice.generator_params)
  chex.assert_trees_all_close(twice.ema_params, expected, rtol=1e-5, atol=1e-7)
  assert not same(generator_gradients(once), generator_gradients(twice))


def test_metrics_are_named_and_finite(step):
  """Protects reports: every term of every player, accuracies, gradient norms, mask areas per class, all finite."""
  _, metrics = step()
  for player, terms in step.weights.items():
    chex.assert_shape([metrics[f'{player}/{term}'] for term in terms if term != 'reconstruction'], ())  # this one goes on only where asked
    assert metrics[f'{player}/gradient_norm'] > 0
  chex.assert_shape([metrics['mask_area/fake'], metrics['mask_area/real']], (tiny.NUM_CLASSES,))
  np.testing.assert_allclose(metrics['mask_area/real'], step.batch['semantic_mask'].mean(axis=(0, 1, 2)), rtol=1e-5)
  np.testing.assert_allclose(np.sum(metrics['mask_area/fake']), 1, rtol=1e-4)
  chex.assert_tree_all_finite(metrics)


def assert_same_step(actual, expected):
  """New states and metrics equal but for the order of float32 sums; gradients are compared in Adam's moments."""
  actual, expected = tiny.flat(actual), tiny.flat(expected)
  assert actual.keys() == expected.keys()
  for name in expected:
    if 'accuracy' in name:
      np.testing.assert_allclose(actual[name], expected[name], atol=1e-6, err_msg=name)
    else:
      tiny.assert_close(actual[name], expected[name], rtol=1e-3 if 'nu' in name.split('/') else 3e-4, what=name)


def test_accumulation_equals_the_whole_batch(step):
  """Protects gradient accumulation (traps: sums that are not means, torn groups): one batch or four micro-batches, the same step."""
  assert_same_step(Step(num_micro_batches=4, **RECIPE)(), step())


def test_accumulation_equals_the_whole_batch_with_every_cut():
  """Protects the same where more can go wrong: R1 of every second real, classes drawn of the fakes themselves, fakes drawn anew for the
  generator."""
  recipe = dict(r1_fraction=0.5, class_draw='own', reuse_fakes=False, generator__residual_from_zero=False)
  whole, cut = (Step(num_micro_batches=n, **recipe) for n in (1, 2))
  assert_same_step(cut(), whole())


def test_published_recipe_equals_itself_in_micro_batches():
  """Protects ffhq12_published.py: network base, raw masks, residual eikonal, R1 500 and fakes drawn anew for the generator's turn
  make a finite step that moves all players, the same in two micro-batches."""
  whole, cut = (Step(ffhq12_published, num_micro_batches=n) for n in (1, 2))
  after, metrics = whole()
  chex.assert_tree_all_finite((tiny.flat(after), metrics))
  for player in PLAYERS:
    assert not same(getattr(after, f'{player}_params'), getattr(whole.state, f'{player}_params'))
  assert_same_step(cut(), (after, metrics))


def test_coarse_steps_train_the_same_state():
  """Protects coarse steps: fakes rendered at half the size, reals low-passed alike, R1 of half of them, the state's shapes unchanged."""
  config = tiny.make_config(r1_fraction=0.5)
  players, optimizers, state = tiny.make_run(config)
  batch = tiny.make_batch(config)
  after, metrics = jax.jit(train_step.make_train_step(config, players, optimizers, render_size=2))(state, batch)
  chex.assert_trees_all_equal_shapes_and_dtypes(after, state)
  chex.assert_tree_all_finite(metrics)
  for player in PLAYERS:
    assert not same(getattr(after, f'{player}_params'), getattr(state, f'{player}_params'))


def test_term_gradient_norms_are_those_of_the_terms():
  """Protects the curve that shows a term that does not reach: every term has a norm, finite and above zero, weights scale it, and at
  weight zero, where nothing is meant to reach, it is left out."""
  config = tiny.make_config(
      generator__residual_from_zero=False, generator__residual_scale=0.1, loss_weights__generator__backdrop=0.5)
  players, _, state = tiny.make_run(config)
  weights = config.loss_weights.to_dict()

  def norms(of_generator):
    weighted = Weighted(config, weights | {'generator': of_generator})
    return jax.jit(term_gradients.make_term_gradient_norms(weighted, players))(state, tiny.make_batch(config))

  first = norms(weights['generator'])
  assert sorted(first) == sorted(f'generator_gradient_norm/{name}' for name in config.loss_weights.generator if name != 'reconstruction')
  chex.assert_tree_all_finite(first)
  assert all(value > 0 for value in first.values()), first
  doubled = norms({name: 2 * value for name, value in weights['generator'].items()} | {'semantic_class': 0.0})
  assert first.keys() - doubled.keys() == {'generator_gradient_norm/semantic_class'}
  for name in doubled:
    np.testing.assert_allclose(doubled[name], 2 * first[name], rtol=1e-4, err_msg=name)
