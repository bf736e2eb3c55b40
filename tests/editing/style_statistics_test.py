import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import latents
from cnerf_jax.editing import conditional_edits
from cnerf_jax.editing import style_statistics
from cnerf_jax.semantics import SemanticClass

SHAPE = 3, 2, 4
DIM = 24


@pytest.fixture(scope='module')
def people():
  """Four hundred people whose rows of styles depend on each other, and the map that made them."""
  draw = np.random.default_rng(0)
  mixing = draw.standard_normal((DIM, DIM)) * 0.4 + np.eye(DIM)
  return (draw.standard_normal((400, DIM)) @ mixing.T + draw.standard_normal(DIM)).reshape(-1, *SHAPE)


@pytest.fixture(scope='module')
def statistics(people):
  return style_statistics.estimate(people)


def test_statistics_are_a_shrunk_covariance(people):
  """Protects the estimate from a slow loop over people: Ledoit and Wolf's shrinkage towards mu I."""
  few = people[:30]
  flat = few.reshape(30, -1)
  centred = flat - flat.mean(axis=0)
  sample = sum(np.outer(x, x) for x in centred) / 30
  variance = np.trace(sample) / DIM
  error = sum(np.sum((np.outer(x, x) - sample)**2) for x in centred) / 30**2
  shrinkage = error / np.sum((sample - variance * np.eye(DIM))**2)
  assert 0.05 < shrinkage < 0.95
  found = style_statistics.estimate(few)
  np.testing.assert_allclose(found.covariance, (1 - shrinkage) * sample + shrinkage * variance * np.eye(DIM), rtol=1e-4, atol=1e-5)
  np.testing.assert_allclose(found.mean.ravel(), flat.mean(axis=0), rtol=1e-5)
  np.testing.assert_allclose(style_statistics.estimate(few, shrinkage=0).covariance, sample, rtol=1e-4, atol=1e-5)


def test_predictions_are_conditional_means(people, statistics):
  """Protects the prediction from NumPy's least squares on blocks: mean_a + C_ab C_bb^-1 (b - mean_b)."""
  covariance, mean = np.asarray(statistics.covariance, np.float64), np.asarray(statistics.mean, np.float64).ravel()
  known = np.zeros(SHAPE, bool)
  known[SemanticClass.SKIN, latents.TEXTURE] = True
  known = known.ravel()
  x = people[7].ravel()
  expected = mean + covariance[:, known] @ np.linalg.solve(covariance[np.ix_(known, known)], (x - mean)[known])
  features = style_statistics.rows_as_features(SemanticClass.SKIN, latents.TEXTURE, SHAPE)
  conditional = style_statistics.condition(statistics, features)
  found = jax.jit(style_statistics.Conditional.predict)(conditional, jnp.asarray(people[7], jnp.float32))
  np.testing.assert_allclose(np.ravel(found), expected, rtol=2e-3, atol=2e-3)
  np.testing.assert_allclose(np.ravel(found)[known], x[known], rtol=1e-3, atol=1e-3)


def test_draws_have_the_conditional_distribution(people, statistics):
  """Protects `draw`: mean and covariance over many draws are those of the block formula, and what is known stays."""
  covariance, mean = np.asarray(statistics.covariance, np.float64), np.asarray(statistics.mean, np.float64).ravel()
  features = style_statistics.others_as_features(SemanticClass.NOSE, None, SHAPE)
  known = features.reshape(len(features), -1).any(axis=0)
  weights = covariance[np.ix_(~known, known)] @ np.linalg.inv(covariance[np.ix_(known, known)])
  expected_covariance = covariance[np.ix_(~known, ~known)] - weights @ covariance[np.ix_(known, ~known)]
  x = people[3].ravel()
  expected_mean = mean[~known] + weights @ (x - mean)[known]
  styles = jnp.broadcast_to(jnp.asarray(people[3], jnp.float32), (20000, *SHAPE))
  draws = np.asarray(conditional_edits.resample(jax.random.key(1), statistics, styles, SemanticClass.NOSE), np.float64).reshape(20000, -1)
  np.testing.assert_array_equal(draws[:, known], np.broadcast_to(np.float32(x)[known], (20000, known.sum())))
  scale = np.sqrt(np.diag(expected_covariance))
  np.testing.assert_allclose((draws[:, ~known].mean(axis=0) - expected_mean) / scale, 0, atol=0.05)
  correlation = lambda c: c / np.outer(scale, scale)
  np.testing.assert_allclose(correlation(np.cov(draws[:, ~known].T)), correlation(expected_covariance), atol=0.05)


def test_a_swap_keeps_the_features(people, statistics):
  """Protects the tone: donor's region + E[region | receiver] - E[region | donor], from NumPy blocks; the rest is the receiver's."""
  receiver, donor = (jnp.asarray(people[i], jnp.float32) for i in (0, 1))
  features = np.random.default_rng(1).standard_normal((2, *SHAPE)).astype(np.float32)
  swapped = conditional_edits.swap_keeping(statistics, receiver, donor, SemanticClass.NOSE, features=features)
  covariance, flat = np.asarray(statistics.covariance, np.float64), features.reshape(2, -1)
  gain = covariance @ flat.T @ np.linalg.inv(flat @ covariance @ flat.T)
  expected = (people[1].ravel() + gain @ flat @ (people[0] - people[1]).ravel()).reshape(SHAPE)
  np.testing.assert_allclose(swapped[SemanticClass.NOSE], expected[SemanticClass.NOSE], rtol=1e-3, atol=1e-3)
  np.testing.assert_array_equal(swapped[:2], receiver[:2])
  whole = conditional_edits.swap_keeping(statistics, receiver, donor, range(3), features=features)
  np.testing.assert_allclose(flat @ np.ravel(whole), flat @ np.ravel(receiver), rtol=1e-3, atol=1e-2)


def test_a_swap_with_oneself_keeps_the_person(people, statistics):
  """Protects the receiver from rounding: the difference of two equal predictions is zero, bitwise."""
  person = jnp.asarray(people[0], jnp.float32)
  features = style_statistics.rows_as_features(SemanticClass.SKIN, latents.TEXTURE, SHAPE)
  np.testing.assert_array_equal(
      conditional_edits.swap_keeping(statistics, person, person, SemanticClass.NOSE, features=features), person)


def test_people_whose_classes_share_one_w():
  """Protects models without regional latents: a region is known from the others, a draw moves little, and three features leave it free."""
  w = np.random.default_rng(0).standard_normal((2000, 4))
  shared = np.broadcast_to(w[:, None, None], (2000, *SHAPE))
  statistics = style_statistics.estimate(shared)
  rows = style_statistics.rows_as_features(SemanticClass.SKIN, latents.TEXTURE, SHAPE)
  assert conditional_edits.explained_variance(statistics, SemanticClass.NOSE, features=rows) > 0.97
  one = rows[:1]
  assert conditional_edits.explained_variance(statistics, SemanticClass.NOSE, features=one) == pytest.approx(0.25, abs=0.05)
  receiver, donor = (jnp.asarray(shared[i], jnp.float32) for i in (0, 1))
  swapped = conditional_edits.swap_keeping(statistics, receiver, donor, SemanticClass.NOSE, features=one)
  nose = np.asarray(swapped[SemanticClass.NOSE])
  np.testing.assert_allclose(nose[:, 0], receiver[0, 0, 0], atol=0.1)  # what is kept
  np.testing.assert_allclose(nose[:, 1:], donor[SemanticClass.NOSE, :, 1:], atol=0.15)  # what is the donor's
  redrawn = conditional_edits.resample(jax.random.key(0), statistics, receiver, SemanticClass.NOSE)
  np.testing.assert_allclose(redrawn, receiver, atol=0.5)


def test_conditional_edits_are_pure(people, statistics):
  """Protects use within other JAX code: jit, vmap, and a gradient that equals finite differences."""
  features = style_statistics.rows_as_features(SemanticClass.SKIN, latents.TEXTURE, SHAPE)
  batch = jnp.asarray(people[:3], jnp.float32)
  edit = lambda styles: conditional_edits.swap_keeping(statistics, styles, batch[0], SemanticClass.NOSE, features=features)
  np.testing.assert_allclose(jax.jit(jax.vmap(edit))(batch), edit(batch), atol=1e-4)
  loss = lambda styles: jnp.sum(jnp.sin(edit(styles)))
  slope = jnp.vdot(jax.grad(loss)(batch[1]), batch[2])
  difference = (loss(batch[1] + 0.01 * batch[2]) - loss(batch[1] - 0.01 * batch[2])) / 0.02
  np.testing.assert_allclose(slope, difference, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize('act, message', [
    (lambda s: style_statistics.estimate(np.zeros((1, *SHAPE))), 'at least two people'),
    (lambda s: style_statistics.estimate(np.zeros((2, *SHAPE)), shrinkage=2), r'shrinkage 2 is not in \[0, 1\]'),
    (lambda s: style_statistics.condition(s, np.zeros((2, 3, 2, 5))), r'features have shape \(2, 3, 2, 5\)'),
    (lambda s: style_statistics.others_as_features(range(3), None, SHAPE), 'the region is the whole person'),
    (lambda s: conditional_edits.resample(jax.random.key(0), s, np.zeros((3, 2, 5)), 0), r'the statistics are of \(3, 2, 4\)'),
])
def test_wrong_input_is_one_line(act, message, statistics):
  """Protects the user: the value, the rule, the remedy, in one line."""
  with pytest.raises(ValueError, match=message) as error:
    act(statistics)
  assert '\n' not in str(error.value)
