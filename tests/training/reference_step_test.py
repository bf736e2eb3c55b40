"""The step against a reference that tells it line by line: what every player is given, what becomes of it, what is reported."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import recording_players
import reference_step
import tiny

from cnerf_jax.training import augmentation
from cnerf_jax.training import optimizers as optimizers_lib
from cnerf_jax.training import train_state
from cnerf_jax.training import train_step

pytestmark = pytest.mark.usefixtures('quick_compilation')

RENDER_SIZE = 2
STRENGTH = 0.8
# unlike weights, so that no term passes for another
WEIGHTS = {
    'global_discriminator': dict(adversarial=1.0, viewpoint=3.0, viewpoint_real=2.0, r1_image=0.3, r1_mask=0.4),
    'semantic_discriminator': dict(adversarial=1.1, semantic_class=0.7, r1_image=0.2, r1_mask=0.5),
    'generator': dict(
        adversarial_global=1.0, adversarial_semantic=0.9, viewpoint=3.0, semantic_class=0.8, eikonal=0.1, minimal_surface=0.2, backdrop=0.7)}


def make_game(**changes):
  """(config, optimisers, state, batch): augmentation at full strength, large plain steps, an average that is not the parameters."""
  config = tiny.make_config(**dict(
      batch_size=16, class_draw='own', r1_fraction=0.5, eikonal_fraction=0.3, augmentation__target=0.6, augmentation__adjust_every=4,
      augmentation__images_to_full=800, mixing_probability=0.7) | {
          f'loss_weights__{player}__{term}': value for player, terms in WEIGHTS.items() for term, value in terms.items()} | changes)
  optimizers = optimizers_lib.Optimizers(generator=optax.sgd(0.01), global_discriminator=optax.sgd(0.3), semantic_discriminator=optax.sgd(0.3))
  params = recording_players.make_params()
  empty = {f'{name}_optimizer': getattr(optimizers, name).init(params[f'{name}_params'])
           for name in ('generator', 'global_discriminator', 'semantic_discriminator')}
  state = train_state.AugmentedGanState(
      step=jnp.int32(7), key=jax.random.key(3), ema_params=recording_players.make_params(1)['generator_params'], **params, **empty,
      augmentation=augmentation.AugmentationState(strength=jnp.float32(STRENGTH), sign_sum=jnp.float32(1.5)))
  return config, optimizers, state, tiny.make_batch(config)


class Play:
  """A compiled step, called as the training step is; also returns what its players were given."""

  def __init__(self, make_step, **changes):
    config, optimizers, self._state, self._batch = make_game(**changes)
    self._notes = recording_players.Notes()
    self._step = jax.jit(make_step(config, recording_players.make_players(self._notes, augmented=True), optimizers))

  def __call__(self, *options):
    self._notes.clear()
    result = self._step(self._state, self._batch, *options)
    return self._notes.read(), result


make_train_step = functools.partial(train_step.make_train_step, render_size=RENDER_SIZE)
make_reference_step = lambda *game: functools.partial(reference_step.take_step, *game, render_size=RENDER_SIZE)


@pytest.fixture(scope='module')
def play_reference(quick_compilation):
  """`play_reference(reuse_fakes)`."""
  return Play(make_reference_step)


@pytest.fixture(scope='module')
def reference(play_reference):
  """Of fakes drawn anew for the generator."""
  return play_reference(False)


def assert_same(actual, expected):
  """Equal but for the order of float32 sums."""
  chex.assert_trees_all_close(tiny.flat(actual), tiny.flat(expected), rtol=2e-4, atol=2e-5)


def portraits(calls):
  """What a player was given in all its calls, a row for every portrait, in an order of its own."""
  rows = np.concatenate([np.concatenate([x.reshape(len(x), -1) for name, x in sorted(call.items()) if name != 'params'], 1) for call in calls])
  return rows[np.argsort(rows @ np.random.default_rng(0).standard_normal(rows.shape[1]))]


def test_reference_tells_the_cases_apart(reference):
  """Protects this file from passing idly: some fakes are mirrored and some not, some have other classes than the reals in their place,
  the generator is taught by other fakes than the discriminators, and by discriminators that have moved."""
  notes, (_, _, drawn) = reference
  for mirrored in np.asarray(drawn['mirrored']):
    assert 2 < mirrored.sum() < len(mirrored) - 2
  assert (drawn['real_class'] != drawn['fake_class']).sum() > 2
  assert np.abs(drawn['viewpoint'] - drawn['viewpoint'][::-1]).max() > 0.3
  first, second = notes['generator.map_latents']
  assert np.abs(first['given'] - second['given']).max() > 1
  for name in ('global_discriminator', 'semantic_discriminator'):
    _, fakes, _, of_generator = notes[name]  # reals, fakes, R1's of some of the reals, the generator's
    assert np.abs(fakes['params']['params']['head'] - of_generator['params']['params']['head']).max() > 1e-2


def test_step_equals_the_reference(reference):
  """Protects the whole game: what each player is given, parameters too, call by call, what becomes of all, what is reported."""
  notes, (state, metrics, _) = reference
  actual_notes, actual = Play(make_train_step, reuse_fakes=False)()
  assert {player: len(calls) for player, calls in actual_notes.items()} == {player: len(calls) for player, calls in notes.items()}
  for player, calls in notes.items():
    assert_same(actual_notes[player], calls)
  assert_same(actual, (state, metrics))


def test_step_in_micro_batches_equals_the_reference(reference):
  """Protects accumulation: the same portraits reach each player, if in another order, and the same comes of them."""
  notes, (state, metrics, _) = reference
  actual_notes, actual = Play(make_train_step, reuse_fakes=False, num_micro_batches=2)()
  assert actual_notes.keys() == notes.keys()
  for player, calls in notes.items():
    assert_same(portraits(actual_notes[player]), portraits(calls))
  assert_same(actual, (state, metrics))


def test_step_that_reuses_fakes_equals_the_reference(play_reference):
  """Protects one rendering for three players: it is what rendering for each of them gives."""
  notes, (state, metrics, _) = play_reference(True)
  actual_notes, actual = Play(make_train_step, reuse_fakes=True)()
  for player in ('global_discriminator', 'semantic_discriminator'):
    assert_same(actual_notes[player], notes[player])
  assert len(actual_notes['generator.radiance_field']) == 1
  assert_same(actual, (state, metrics))
