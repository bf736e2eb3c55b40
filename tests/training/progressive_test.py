import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from cnerf_jax.training import progressive

IMAGE = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 3)), jnp.float32)


def test_full_size_is_left_alone():
  """Protects the steps after the coarse ones, and runs without any: the very same array."""
  assert progressive.upsample(IMAGE, 8) is IMAGE and progressive.low_pass(IMAGE, 8) is IMAGE


def test_soften_makes_reals_look_like_upsampled_fakes():
  """Protects the discriminators from telling coarse fakes by their sharpness: low-passing is area average, then upsampling."""
  coarse = np.asarray(IMAGE).reshape(2, 4, 2, 4, 2, 3).mean(axis=(2, 4))
  low_passed = progressive.low_pass(IMAGE, 4)
  np.testing.assert_allclose(low_passed, progressive.upsample(jnp.asarray(coarse), 8), atol=1e-6)
  assert low_passed.shape == IMAGE.shape
  assert np.abs(np.diff(low_passed, axis=1)).mean() < np.abs(np.diff(IMAGE, axis=1)).mean()


def test_masks_stay_masks():
  """Protects masks in [0, 1] that sum to one, and areas."""
  masks = np.random.default_rng(0).uniform(size=(2, 8, 8, 5)).astype(np.float32)
  masks /= masks.sum(-1, keepdims=True)
  low_passed = np.asarray(progressive.low_pass(jnp.asarray(masks), 4))
  assert (low_passed >= 0).all()
  np.testing.assert_allclose(low_passed.sum(-1), 1, atol=1e-5)


def test_upsampling_keeps_place():
  """Protects alignment with the camera: a ramp stays a ramp, centred; nothing is flipped or shifted."""
  ramp = jnp.broadcast_to(jnp.arange(4.0)[:, None, None], (1, 4, 4, 1))
  upsampled = np.asarray(progressive.upsample(ramp, 8))[0, :, 0, 0]
  np.testing.assert_allclose(upsampled, [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3], atol=1e-6)


@pytest.mark.parametrize('step, size', [(0, 8), (99, 8), (100, 16), (599, 16), (600, 32), (10_000, 32)])
def test_first_steps_are_coarse(step, size):
  """Protects the switch: each stage until its step, then full; without stages always full."""
  config = ml_collections.ConfigDict(dict(image_size=32, coarse_to_fine=((100, 8), (600, 16))))
  assert progressive.render_size_at(step, config) == size
  assert progressive.render_sizes(config) == [8, 16, 32]
  whole = ml_collections.ConfigDict(dict(image_size=32, coarse_to_fine=()))
  assert progressive.render_size_at(step, whole) == 32 and progressive.render_sizes(whole) == [32]
