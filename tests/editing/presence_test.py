import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import sampler
from cnerf_jax.editing import presence
from cnerf_jax.semantics import SemanticClass

NOSE = SemanticClass.NOSE


@pytest.fixture(scope='module')
def z(regional_model):
  return jax.random.normal(jax.random.key(0), (40, regional_model.generator.latent_dim))


@pytest.fixture(scope='module')
def people(regional_model, z):
  return regional_model.map_latents(z)


@pytest.fixture(scope='module')
def linear_model(regional_model):
  """The same with styles that are linear in latents: biases so large that no leaky ReLU is ever below zero."""
  mapping = regional_model.params['params']['mapping']
  regions = {name: {'kernel': jnp.abs(layer['kernel']) if name == 'layer_1' else layer['kernel'], 'bias': layer['bias'] + 30}
             for name, layer in mapping['regions'].items()}
  mapping = mapping | {'regions': regions}
  return dataclasses.replace(
      regional_model, params={'params': regional_model.params['params'] | {'mapping': mapping}}, w_mean=jnp.zeros((3, 2, 8)))


def test_removal_writes_the_style_of_absence(regional_model, people):
  """Protects removal: the class has the learnt style of absence, who lacks it is as before, all other rows are the same, bitwise."""
  absent = regional_model.params['params']['mapping']['absent']
  without = presence.remove(regional_model, people, NOSE)
  np.testing.assert_array_equal(without[:, NOSE], jnp.broadcast_to(absent[NOSE], (40, 2, 8)))
  np.testing.assert_array_equal(without[:, :NOSE], people[:, :NOSE])
  before = np.asarray(presence.is_present(regional_model, people))
  assert before[:, :NOSE].all() and 5 < before[:, NOSE].sum() < 35
  np.testing.assert_array_equal(without[~before[:, NOSE]], people[~before[:, NOSE]])
  assert not presence.is_present(regional_model, without)[:, NOSE].any()


def test_other_classes_own_terms_stay(regional_model, people):
  """Protects everybody else: colour, mask score and residual of all other classes are the same at every point, bitwise."""
  points, viewdirs = jax.random.uniform(jax.random.key(0), (1, 7, 4, 3), minval=-0.1, maxval=0.1), jnp.ones((1, 7, 3)) / 3**0.5
  ask = jax.jit(lambda styles: sampler.radiance_field(
      regional_model.generator, regional_model.params, styles[None]).local_queries(points, viewdirs))
  before, after = ask(people[0]), ask(presence.remove(regional_model, people[0], NOSE))
  worn = ask(presence.put_on(jax.random.key(1), regional_model, people[0], NOSE))
  for name, old in vars(before).items():
    np.testing.assert_array_equal(getattr(after, name)[:NOSE], old[:NOSE], err_msg=name)
    np.testing.assert_array_equal(getattr(worn, name)[:NOSE], old[:NOSE], err_msg=name)
  assert np.any(after.mask_score[NOSE] != worn.mask_score[NOSE])


def test_what_is_put_on_goes_with_the_rest(linear_model):
  """Protects the regression: over many people, what is put on has the covariance with the others that the model's own people have."""
  people = linear_model.map_latents(jax.random.normal(jax.random.key(7), (4000, linear_model.generator.latent_dim)))
  people = people[presence.is_present(linear_model, people)[:, NOSE]]
  worn = presence.put_on(jax.random.key(1), linear_model, presence.remove(linear_model, people, NOSE), NOSE)
  flat = lambda styles: np.asarray(styles, np.float64).reshape(len(styles), -1)
  mean, deviation = flat(people).mean(axis=0), flat(people).std(axis=0)
  expected, found = (np.cov(((flat(one) - mean) / deviation).T) for one in (people, worn))
  own = slice(NOSE * 2 * 8, None)
  assert np.abs(expected[:own.start, own]).max() > 0.3  # there is something to go by
  np.testing.assert_allclose(found[:, own], expected[:, own], atol=0.15)
  np.testing.assert_allclose(((flat(worn) - mean) / deviation).mean(axis=0)[own], 0, atol=0.3)


def test_draws_differ_around_the_most_likely(linear_model):
  """Protects chance: keys draw different noses, around the most likely one, each person's around their own."""
  z = jax.random.normal(jax.random.key(3), (2, linear_model.generator.latent_dim))
  people = presence.remove(linear_model, linear_model.map_latents(z), NOSE)
  likely = presence.most_likely(linear_model, people, NOSE, num_people=300)
  draws = jnp.stack([presence.put_on(jax.random.key(i), linear_model, people, NOSE, num_people=300) for i in range(40)])[:, :, NOSE]
  off = jnp.linalg.norm(draws.mean(axis=0) - likely[:, NOSE]) / jnp.linalg.norm(draws.std(axis=0))
  assert 0 < off < 0.5 and jnp.all(draws.std(axis=0) > 0)
  assert np.any(likely[0, NOSE] != likely[1, NOSE])
  both = presence.put_on(jax.random.key(0), linear_model, people, [NOSE, SemanticClass.SKIN], num_people=300)
  np.testing.assert_array_equal(both[:, 0], people[:, 0])
  assert presence.is_present(linear_model, both).all()


def test_latents_lose_and_gain_a_class(regional_model, z, people):
  """Protects latents: z without a class maps to styles without it, z with it to styles that have it; the others stay up to rounding."""
  for edit, there in ((presence.remove_latents, False), (presence.put_on_latents, True)):
    styles = regional_model.map_latents(edit(regional_model, z, NOSE))
    assert (presence.is_present(regional_model, styles)[:, NOSE] == there).all()
    np.testing.assert_allclose(styles[:, :NOSE], people[:, :NOSE], atol=1e-4)
    as_before = np.asarray(presence.is_present(regional_model, people)[:, NOSE] == there)
    np.testing.assert_allclose(styles[as_before, NOSE], people[as_before, NOSE], atol=1e-4)


@pytest.mark.parametrize('act, message', [
    (lambda model, styles: presence.remove(model, styles, SemanticClass.HAT), 'class 9 is not in 0..2'),
    (lambda model, styles: presence.remove(model, styles[..., :5], NOSE), r'styles has shape \(40, 3, 2, 5\), this model needs'),
    (lambda model, styles: presence.put_on(jax.random.key(0), model, styles, range(3)), 'these are all classes of a person'),
    (lambda model, styles: presence.remove_latents(model, jnp.zeros(3), NOSE), r'z has shape \(3,\)'),
])
def test_wrong_input_is_one_line(act, message, regional_model, people):
  """Protects the user: the value, the rule, the remedy, in one line."""
  with pytest.raises(ValueError, match=message) as error:
    act(regional_model, people)
  assert '\n' not in str(error.value)


def test_models_of_one_latent_are_refused(model, styles):
  """Protects the user of a model that knows no absence."""
  for act in (lambda: presence.remove(model, styles, NOSE), lambda: presence.put_on(jax.random.key(0), model, styles, NOSE)):
    with pytest.raises(ValueError, match='this model has one latent for all classes'):
      act()
