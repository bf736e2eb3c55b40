import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

from cnerf_jax.training import draws


def make_masks(present, batch=3_000):
  """Masks in which exactly the given classes of five appear, as one pixel each."""
  masks = np.full((batch, 4, 4, 5), 0.02, np.float32)
  for k in present:
    masks[:, k // 2, k % 2, k] = 0.9
  return jnp.asarray(masks)


@pytest.mark.parametrize('present', [(1,), (0, 3), (0, 1, 2, 3, 4)])
def test_present_draws_only_what_is_there(present):
  """Protects rare classes from being asked of portraits without them: uniform over the classes in the real image."""
  drawn = np.asarray(draws.draw_classes(jax.random.key(0), make_masks(present), 'present').of_reals)
  shares = np.bincount(drawn, minlength=5) / drawn.size
  assert set(drawn) == set(present)
  np.testing.assert_allclose(shares[list(present)], 1 / len(present), atol=0.04)


def test_present_looks_at_each_portrait():
  """Protects the batch axis: each portrait's class is one of its own."""
  masks = jnp.concatenate([make_masks((1,), 50), make_masks((4,), 50)])
  drawn = np.asarray(draws.draw_classes(jax.random.key(0), masks, 'present').of_reals)
  assert (drawn[:50] == 1).all() and (drawn[50:] == 4).all()


def test_uniform_ignores_the_masks():
  """Protects the published choice: every class alike, present or not."""
  drawn = np.asarray(draws.draw_classes(jax.random.key(0), make_masks((1,)), 'uniform').of_reals)
  np.testing.assert_allclose(np.bincount(drawn, minlength=5) / drawn.size, 0.2, atol=0.04)


def test_fakes_are_asked_for_what_they_are():
  """Protects fakes from being asked for the classes of another portrait: with 'own' their own, else those of the real in their place."""
  reals, fakes = make_masks((1,), 50), make_masks((2, 4), 50)
  for class_draw, classes in (('own', {2, 4}), ('present', {1})):
    draw = draws.draw_classes(jax.random.key(0), reals, class_draw)
    assert set(np.asarray(draw.of_reals)) == {1}
    assert set(np.asarray(draws.classes_of_fakes(draw, fakes, class_draw))) == classes


def test_fakes_are_drawn_as_the_config_says():
  """Protects the randomness of a step: shapes, ranges, spread, the share of samples for the eikonal loss; one key, one draw."""
  config = tiny.make_config(eikonal_fraction=0.25, camera__azimuth_std=0.5, camera__elevation_mean=0.4)
  draw = draws.draw_fakes(jax.random.key(0), 500, config, num_classes=3, render_size=4)
  assert draw.latents.z.shape == (500, 2, 8) and draw.latents.choice.shape == (500, 3)
  assert draw.jitter.shape == (500, 16) and draw.eikonal_indices.shape == (500, 16)
  assert (np.asarray(draw.jitter) >= 0).all() and (np.asarray(draw.jitter) < 1).all()
  assert set(np.unique(draw.eikonal_indices)) == set(range(64))
  np.testing.assert_allclose(np.asarray(draw.viewpoint).std(axis=0), [0.5, 0.15], rtol=0.1)
  np.testing.assert_allclose(np.asarray(draw.viewpoint).mean(axis=0), [0.0, 0.4], atol=0.07)
  again = draws.draw_fakes(jax.random.key(0), 500, config, num_classes=3, render_size=4)
  chex.assert_trees_all_equal(again, draw)


@pytest.mark.parametrize('share, held', [(0.0001, 1), (0.0625, 64), (0.1, 128)])
def test_points_of_the_eikonal_loss_cut_into_chunks(share, held):
  """Protects memory and speed: a number of points without divisors would make chunks of single points."""
  assert draws.draw_eikonal_indices(jax.random.key(0), 2, num_points=1024, fraction=share).shape == (2, held)


def test_every_sample_needs_no_indices():
  """Protects the published eikonal loss, of all samples."""
  config = tiny.make_config(eikonal_fraction=1.0)
  draw = draws.draw_fakes(jax.random.key(0), 2, config, num_classes=3, render_size=4)
  assert draw.eikonal_indices.shape == (2, 0)
