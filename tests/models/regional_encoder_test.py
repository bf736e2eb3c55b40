"""The encoder of regions sees what it should, and what it says draws the same styles by way of z."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax.models import portrait_encoder
from cnerf_jax.models import regional_encoder
from cnerf_jax.models import regional_mapping
import tiny

K, SIZE, R = 3, 8, 2


def portraits(count=2):
  """Halves of the picture are the first two classes; nobody shows the third."""
  image = np.random.default_rng(0).uniform(-1, 1, (count, SIZE, SIZE, 3)).astype(np.float32)
  mask = np.zeros((count, SIZE, SIZE, K), np.float32)
  mask[:, :, :SIZE // 2, 0] = 1
  mask[:, :, SIZE // 2:, 1] = 1
  return image, mask


def make(**changes):
  encoder = regional_encoder.RegionalEncoder(R, hidden=6, **changes)
  params = tiny.fill(jax.eval_shape(encoder.init, jax.random.key(0), *portraits()))
  return encoder, params


def latents_of(encoding):
  return np.asarray(encoding.z.mean).reshape(-1, K, 2, R)


def test_a_latent_is_of_its_own_pixels():
  """Protects locality by construction: other colours in one class's region change its texture latent, no shape and no other class."""
  encoder, params = make()
  image, mask = portraits()
  other = image.copy()
  other[:, :, :SIZE // 2] *= -1
  changed = np.abs(latents_of(encoder.apply(params, other, mask)) - latents_of(encoder.apply(params, image, mask))).max(axis=(0, -1)) > 0
  np.testing.assert_array_equal(changed, [[False, True], [False, False], [False, False]])


def test_a_shape_is_of_its_own_mask():
  """Protects shapes: another outline of a class changes its latents; those of a class whose mask stays are the same to the bit."""
  encoder, params = make()
  image, mask = portraits()
  other = mask.copy()
  other[:, :SIZE // 2, :SIZE // 2, 0] = 0
  changed = np.abs(latents_of(encoder.apply(params, image, other)) - latents_of(encoder.apply(params, image, mask))).max(axis=(0, -1)) > 0
  np.testing.assert_array_equal(changed, [[True, True], [False, False], [False, False]])


def test_cut_outs_hold_a_class_alone_and_enlarged():
  """Protects small classes: a spot of 2x2 pixels fills its cut-out as one of 4x4 does, and the frame says where it was, and how large."""
  image, masks = np.full((1, 16, 16, 3), 0.5, np.float32), np.zeros((1, 16, 16, 3), np.float32)
  masks[0, 2:4, 10:12, 0] = 1
  masks[0, 8:12, 4:8, 1] = 1
  cut, frame = regional_encoder.cut_out(image, masks, 8)
  assert cut.shape == (1, 3, 8, 8, 4)
  np.testing.assert_allclose(cut[..., :3], 0.5 * np.repeat(np.asarray(cut[..., 3:]), 3, axis=-1), atol=1e-6)
  for k, size in ((0, 2), (1, 4)):
    reach = max(2.2 * np.sqrt((size**2 - 1) / 12), 2.0)
    np.testing.assert_allclose(cut[0, k, ..., 3].mean(), (size / (2 * reach))**2, rtol=0.15)
  np.testing.assert_allclose(frame[0, 0, :2], [11 / 8 - 1, 3 / 8 - 1], atol=1e-6)
  np.testing.assert_allclose(frame[0, :, 4], [4 / 256, 16 / 256, 0], atol=1e-6)
  assert not np.asarray(cut[0, 2]).any() and np.isfinite(np.asarray(frame)).all()


def test_cut_outs_of_all_pixels_are_the_picture():
  """Protects what large classes show: a class that fills the picture loses nothing but its border's sharpness."""
  image = np.random.default_rng(0).uniform(-1, 1, (1, 32, 32, 3)).astype(np.float32)
  image = image.repeat(4, axis=1)[:, :32].repeat(4, axis=2)[:, :, :32]
  cut, frame = regional_encoder.cut_out(image, np.ones((1, 32, 32, 1), np.float32), 32)
  np.testing.assert_allclose(frame[0, 0, :2], 0, atol=1e-6)
  reach = 2.2 * np.sqrt((32**2 - 1) / 12)
  at = np.floor(16 - reach + 2 * reach / 32 * (np.arange(32) + 0.5)).astype(int)
  inside = (at >= 1) & (at < 31)
  expected = image[0][np.ix_(at[inside], at[inside])]
  assert np.abs(np.asarray(cut[0, 0, ..., :3])[np.ix_(inside, inside)] - expected).mean() < 0.15


def test_absent_classes_say_nothing():
  """Protects the prior: a class that isn't shown is said to be absent, and its latent is N(0, I), which costs nothing."""
  encoder, params = make()
  encoding = encoder.apply(params, *portraits())
  np.testing.assert_array_equal(encoding.present, [[True, True, False]] * 2)
  z = np.asarray(encoding.z.mean).reshape(2, K, -1), np.asarray(encoding.z.log_variance).reshape(2, K, -1)
  assert (z[0][:, 2] == 0).all() and (z[1][:, 2] == 0).all() and (z[0][:, :2] != 0).all()


def test_no_portrait_is_far_from_all_others():
  """Protects pretraining: one latent of 50 made a field so steep that its gradients drowned those of all other portraits."""
  encoder, params = make()
  far = jax.tree.map(lambda x: 30 * x, params)
  means = np.abs(encoder.apply(far, *portraits()).z.mean)
  assert 4.9 < means.max() <= 5


@pytest.mark.parametrize('mirror_latents', [False, True])
def test_viewpoints_turn_with_the_mirror(mirror_latents):
  """Protects cameras that regional encoders read: azimuth changes sign under mirroring, elevation doesn't."""
  encoder, params = make(viewpoint_std=(0.3, 0.15), mirror_latents=mirror_latents)
  image, mask = portraits()
  one, other = encoder.apply(params, image, mask), encoder.apply(params, image[:, :, ::-1], mask[:, :, ::-1])
  np.testing.assert_allclose(one.viewpoint * np.array([-1, 1]), other.viewpoint, rtol=1e-4, atol=1e-5)
  assert np.abs(one.viewpoint[:, 0]).min() > 0
  assert np.allclose(one.z.mean, other.z.mean, atol=1e-5) == mirror_latents


def test_encoded_portraits_are_drawn_from_z():
  """Protects inversions: what the encoder says, whitened, gives by way of z the styles that pretraining drew, absent classes included."""
  encoder, params = make()
  encoding = encoder.apply(params, *portraits())
  width = regional_mapping.latent_dim(K, R)
  factor = np.random.default_rng(1).normal(size=(width, width))
  mean, covariance = np.linspace(-1, 1, width).astype(np.float32), (factor @ factor.T / width + np.eye(width)).astype(np.float32)
  mean[:K] = 0
  threshold = np.array([regional_mapping.ALWAYS, 0.7, -regional_mapping.ALWAYS], np.float32)
  network = regional_mapping.RegionalMapping(num_classes=K, region_dim=R, style_dim=4, num_layers=2)
  mapping = regional_mapping.with_prior(network.init(jax.random.key(1), jnp.zeros(width))['params'], mean, covariance, threshold)
  z = portrait_encoder.whiten(regional_encoder.with_presence(encoding.z, encoding.present, threshold, mean), mean, covariance)
  np.testing.assert_allclose(
      network.apply({'params': mapping}, z.mean),
      network.apply({'params': mapping}, encoding.z.mean, encoding.present, method='styles'), rtol=1e-3, atol=1e-4)
