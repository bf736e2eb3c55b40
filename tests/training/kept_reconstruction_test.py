"""Reconstruction beside the discriminators: weighted gradients of pretraining's loss for the generator alone, and none where not asked for."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

from cnerf_jax.training import kept_reconstruction
from cnerf_jax.training import term_gradients
from cnerf_jax.training import train_step
from train_step_test import Weighted, generator_gradients

pytestmark = pytest.mark.usefixtures('quick_compilation')
CONFIG = tiny.make_config(
    vae_pretraining__num_steps=20, vae_pretraining__rays_per_portrait=16, generator__region_dim=2, sphere__num_steps=0,
    loss_weights__generator__reconstruction=1.0)


def weighing(reconstruction):
  """Loss weights with one of reconstruction."""
  weights = CONFIG.loss_weights.to_dict()
  return weights | {'generator': weights['generator'] | {'reconstruction': reconstruction}}


@pytest.fixture(scope='module')
def run(quick_compilation):
  """(players, optimisers, state, batch of reals)."""
  return *tiny.make_run(CONFIG), tiny.make_batch(CONFIG)


@pytest.fixture(scope='module')
def gradients(run):
  """(the generator's parameters, key) → gradients at weight 1, reconstruction loss; compiled."""
  players, _, state, batch = run
  compiled = jax.jit(kept_reconstruction.make_gradients(Weighted(CONFIG, weighing(1.0)), players))
  return lambda params, key: compiled(params, state.encoder_params, batch, key)


def test_gradients_lower_the_reconstruction_loss(run, gradients):
  """Protects the sign and the target: a small step against the gradients draws the batch better from what the encoder says; an equal one
  along them worse."""
  params = run[2].generator_params
  grads, likeness = gradients(params, jax.random.key(5))
  norm = jnp.sqrt(sum(jnp.sum(grad**2) for grad in jax.tree.leaves(grads)))
  moved = lambda length: jax.tree.map(lambda p, g: p + length * g / norm, params, grads)
  assert gradients(moved(-1e-2), jax.random.key(5))[1] < likeness - 1e-4
  assert gradients(moved(1e-2), jax.random.key(5))[1] > likeness + 1e-4


def test_a_step_adds_them_by_their_weight(run, gradients):
  """Protects the sum: the generator's gradients are those without reconstruction, plus weight times its own; no other player notices."""
  players, optimizers, state, batch = run
  step = jax.jit(lambda weights, *arguments: train_step.make_train_step(Weighted(CONFIG, weights), players, optimizers)(*arguments))
  states, metrics = zip(*(step(weighing(weight), state, batch) for weight in (0.0, 0.5, 2.0)))
  own, likeness = gradients(state.generator_params, jax.random.fold_in(jax.random.fold_in(state.key, state.step), train_step._RECONSTRUCTION))
  np.testing.assert_allclose(metrics[1]['generator/reconstruction'], likeness, rtol=1e-4)
  own = {name: value for name, value in tiny.flat(own).items() if 'base' not in name}  # which is frozen
  without, *others = (generator_gradients(after) for after in states)
  assert max(np.abs(value).max() for value in own.values()) > 0.01
  for name, value in own.items():
    for weight, found in zip((0.5, 2.0), others):
      tiny.assert_close(found[name], without[name] + weight * value, rtol=1e-3, what=f'{name}, weight {weight}')
  norm = np.sqrt(sum(np.sum(np.square(value, dtype=np.float64)) for value in others[1].values()))
  np.testing.assert_allclose(metrics[2]['generator/gradient_norm'], norm, rtol=1e-3)  # of the sum
  for after in states[1:]:
    for still in ('global_discriminator_params', 'semantic_discriminator_params', 'encoder_params'):
      chex.assert_trees_all_equal(getattr(after, still), getattr(states[0], still))
  chex.assert_trees_all_equal(states[0].encoder_params, state.encoder_params)


def test_its_gradient_norm_is_reported(run, gradients):
  """Protects the curves: reconstruction has its norm beside those of the terms, by its weight."""
  players, _, state, batch = run
  silent = {name: 0.0 for name in CONFIG.loss_weights.generator}

  @jax.jit
  def norms(weight):
    weights = weighing(0.0) | {'generator': silent | {'eikonal': 0.1, 'reconstruction': weight}}
    return term_gradients.make_term_gradient_norms(Weighted(CONFIG, weights), players)(state, batch)

  name = 'generator_gradient_norm/reconstruction'
  once, twice = norms(1.0), norms(2.0)
  assert sorted(once) == ['generator_gradient_norm/eikonal', name] and once[name] > 0
  np.testing.assert_allclose(twice[name], 2 * once[name], rtol=1e-4)
