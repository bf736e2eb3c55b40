import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax import latents


def test_each_choice_takes_its_styles():
  """Protects mixing: 0 is all first, 1 shape from the first and texture from the second, 2 all second, class by class."""
  w = jnp.stack([jnp.full((2, 4), 1.0), jnp.full((2, 4), 2.0)], axis=1) * jnp.array([1.0, 10.0])[:, None, None]
  styles = np.asarray(latents.mix_styles(latents.broadcast_style(w, num_classes=3), jnp.array([[0, 1, 2], [2, 0, 1]])))
  assert styles.shape == (2, 3, 2, 4)
  np.testing.assert_array_equal(styles[0, ..., 0], [[1, 1], [1, 2], [2, 2]])
  np.testing.assert_array_equal(styles[1, ..., 0], [[20, 20], [10, 10], [10, 20]])
  assert (styles == styles[..., :1]).all()
  assert latents.SHAPE == 0 and latents.TEXTURE == 1


def test_drawn_latents_mix_as_often_as_asked():
  """Protects the mixing probability: by portrait, all three choices alike, none at probability zero."""
  drawn = latents.draw_latents(jax.random.key(0), 4_000, num_classes=12, latent_dim=4, mixing_probability=0.9)
  choice = np.asarray(drawn.choice)
  np.testing.assert_allclose((choice != 0).any(axis=1).mean(), 0.9 * (1 - 3.0**-12), atol=0.02)
  np.testing.assert_allclose([(choice == c).mean() for c in range(3)], [0.1 + 0.3, 0.3, 0.3], atol=0.02)
  assert drawn.z.shape == (4_000, 2, 4)
  np.testing.assert_allclose(np.asarray(drawn.z).std(), 1, atol=0.02)
  np.testing.assert_allclose(np.corrcoef(np.asarray(drawn.z).reshape(4_000, 8).T), np.eye(8), atol=0.1)
  pure = latents.draw_latents(jax.random.key(0), 50, num_classes=12, latent_dim=4, mixing_probability=0.0)
  assert (np.asarray(pure.choice) == 0).all()


def test_broadcast_style_is_an_unmixed_portrait():
  """Protects plain sampling: every class, shape and texture alike, gets the portrait's own w; any leading axes."""
  w = jnp.arange(24.0).reshape(2, 3, 4)
  styles = latents.broadcast_style(w, num_classes=5)
  assert styles.shape == (2, 3, 5, 2, 4)
  np.testing.assert_array_equal(styles, np.broadcast_to(np.asarray(w)[:, :, None, None], styles.shape))


def test_truncation_moves_towards_the_mean():
  """Protects truncation: psi 1 keeps w, psi 0 gives the mean, psi 0.7 keeps 0.7 of the way."""
  w, mean = jnp.array([[1.0, 3.0]]), jnp.array([0.0, 1.0])
  np.testing.assert_array_equal(latents.truncate(w, mean, 1.0), w)
  np.testing.assert_array_equal(latents.truncate(w, mean, 0.0), mean[None])
  np.testing.assert_allclose(latents.truncate(w, mean, 0.7), [[0.7, 2.4]], rtol=1e-6)
