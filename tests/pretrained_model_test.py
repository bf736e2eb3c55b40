import dataclasses
import pathlib

import jax
import numpy as np
import pytest

import tiny

from cnerf_jax import camera
from cnerf_jax import pretrained
from cnerf_jax import pretrained_model
from cnerf_jax import sampler

SHIPPED = pathlib.Path(__file__).parents[1] / 'pretrained' / 'portraits32.npz'


def test_model_draws_at_its_sizes():
  """Protects from a wrong number of samples: sizes and options go to the sampler, those of training unless given."""
  generator = tiny.make_generator(mask_fusion='softmax', color_gain=3.0)
  model = pretrained_model.Model(generator, tiny.make_params(generator), image_size=16, num_samples=4)
  z = jax.random.normal(jax.random.key(1), (8,))
  styles = model.map_latents(z)
  np.testing.assert_array_equal(styles, sampler.map_latents(model.generator, model.params, z))
  view = camera.orbit(0.1, 0.0)
  for given, meant in (({}, dict(image_size=16, num_samples=4)), (dict(image_size=4, num_samples=6, classes=[1]), {})):
    drawn = model.render(styles, view, **given)
    expected = sampler.render(model.generator, model.params, styles, view, **given | meant)
    np.testing.assert_array_equal(drawn.rgb, expected.rgb)
  with pytest.raises(ValueError, match='image_size 0 must be at least 1'):
    model.render(styles, view, image_size=0)


def test_random_people_of_a_model():
  """Protects `draw_styles`: it maps N(0, I), truncation shrinks towards the mean, and weights without a mean say so."""
  model = pretrained.load(SHIPPED)
  z = jax.random.normal(jax.random.key(3), (2, model.generator.latent_dim))
  styles = model.draw_styles(jax.random.key(3), 2)
  np.testing.assert_array_equal(styles, model.map_latents(z))
  np.testing.assert_allclose(
      model.draw_styles(jax.random.key(3), 2, truncation=0.5), (styles + model.w_mean) / 2, atol=1e-6)
  with pytest.raises(ValueError, match='no w_mean'):
    dataclasses.replace(model, w_mean=None).draw_styles(jax.random.key(3), 2, truncation=0.5)


def test_mean_style_is_of_these_parameters():
  """Protects truncation: a model without a mean gets that of its own parameters, and one that has a mean keeps it."""
  generator = tiny.make_generator()
  model = pretrained_model.Model(generator, tiny.make_params(generator))
  found = pretrained_model.with_w_mean(model)
  np.testing.assert_array_equal(found.w_mean, sampler.mean_style(generator, model.params, jax.random.key(0)))
  moved = dataclasses.replace(found, w_mean=found.w_mean + 1)
  assert pretrained_model.with_w_mean(moved) is moved
