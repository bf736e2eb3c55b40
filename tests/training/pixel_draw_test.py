import jax
import numpy as np

from cnerf_jax.training import pixel_draw


def test_drawn_pixels_cover_the_image():
  """Protects the estimate of the mean over pixels: all are drawn as often, or each once where there are as many rays as pixels."""
  masks = np.zeros((400, 4, 4, 2), np.float32)
  drawn, rareness = pixel_draw.draw_pixels(jax.random.key(0), masks, num_rays=8)
  counts = np.bincount(np.asarray(drawn).ravel(), minlength=16)
  assert drawn.shape == (400, 8) and counts.min() > 140 and counts.max() < 260 and (rareness == 1).all()
  every, _ = pixel_draw.draw_pixels(jax.random.key(0), masks[:3], num_rays=16)
  np.testing.assert_array_equal(every, np.tile(np.arange(16), (3, 1)))


def test_small_classes_get_their_rays():
  """Protects eyes: each class that is shown gets as many of the rays of classes, and means weighted by rareness are means over the image."""
  masks = np.zeros((3000, 4, 4, 3), np.float32)
  masks[..., 0] = 1
  masks[:, 3, 2:] = [0, 1, 0]
  drawn, rareness = (np.asarray(x) for x in pixel_draw.draw_pixels(jax.random.key(0), masks, num_rays=8, of_classes=0.8))
  expected = np.full(16, 0.4 / 14)
  expected[14:] = 0.4 / 2
  share = np.bincount(drawn.ravel(), minlength=16) / drawn.size
  np.testing.assert_allclose(share, expected + 0.2 / 16, rtol=0.1)
  values = np.random.default_rng(0).normal(size=16)
  np.testing.assert_allclose((values[drawn] * rareness).mean(), values.mean(), atol=0.03)
  assert rareness.max() <= 5.001
  nobody, _ = pixel_draw.draw_pixels(jax.random.key(0), 0 * masks, num_rays=8, of_classes=0.8)
  assert np.bincount(np.asarray(nobody).ravel(), minlength=16).min() > 0
