import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import camera
from cnerf_jax import latents
from cnerf_jax.editing import style_statistics
from cnerf_jax.editing import tone
from cnerf_jax.semantics import SemanticClass


def test_class_color_is_a_weighted_mean(model, styles):
  """Protects the colour of a class from a loop over pixels."""
  rendering = jax.jit(model.render)(styles[0], camera.orbit(0.0, 0.0))
  total, weights = np.zeros(3), 0.0
  for i in range(8):
    for j in range(8):
      weight = float(rendering.semantic_mask[i, j, SemanticClass.SKIN])
      total, weights = total + weight * np.asarray(rendering.rgb[i, j]), weights + weight
  np.testing.assert_allclose(tone.class_color(rendering, SemanticClass.SKIN), total / weights, rtol=1e-4)


def test_skin_tone_is_the_slope_of_the_skins_colour(model):
  """Protects the tone: its features are finite differences of the mean colour, of the skin's texture alone."""
  features = tone.skin_tone(model, key=jax.random.key(5), num_people=2, image_size=4)
  outside = np.ones((3, 2), bool)
  outside[SemanticClass.SKIN, latents.TEXTURE] = False
  assert features.shape == (3, 3, 2, 8) and not np.any(features[:, outside])
  people = model.draw_styles(jax.random.key(5), 2)
  step = 0.01 * jax.random.normal(jax.random.key(0), (8,))
  color = jax.jit(lambda sign: jnp.mean(tone.class_color(
      model.render(people.at[:, SemanticClass.SKIN, latents.TEXTURE].add(sign * step), camera.orbit(0.0, 0.0), image_size=4),
      SemanticClass.SKIN), axis=0))
  np.testing.assert_allclose(
      features[:, SemanticClass.SKIN, latents.TEXTURE] @ step, (color(1) - color(-1)) / 2, rtol=0.02, atol=1e-6)
  style_statistics.condition(style_statistics.of_model(model, jax.random.key(0), num_people=50), features)  # fits


def test_a_class_that_does_not_exist_is_refused(model):
  """Protects the user: one clear line."""
  with pytest.raises(ValueError, match=r'class 8 is not in 0..2'):
    tone.skin_tone(model, semantic_class=SemanticClass.HAIR)
