"""Masks keep their meaning from 8-bit label map to training resolution."""

import numpy as np
import pytest

from cnerf_jax import semantics
from data_pipeline import transforms


def test_area_downsample_is_the_mean_of_blocks():
  """Oracle: one block at a time."""
  values = np.random.default_rng(0).random((2, 12, 12, 3)).astype(np.float32)
  small = transforms.area_downsample(values, 4)
  for row in range(4):
    for column in range(4):
      block = values[:, 3 * row:3 * row + 3, 3 * column:3 * column + 3]
      np.testing.assert_allclose(small[:, row, column], block.mean(axis=(1, 2)), rtol=1e-6)


def test_downsampled_one_hot_sums_to_one():
  """Before dilation a mask is a distribution over classes."""
  labels = np.random.default_rng(0).integers(0, 12, (32, 32)).astype(np.uint8)
  mask = transforms.area_downsample(transforms.one_hot(labels, 12), 8)
  assert mask.dtype == np.float32
  np.testing.assert_allclose(mask.sum(axis=-1), 1, rtol=1e-6)


def test_image_size_must_divide_record_size():
  """The message names sizes that work."""
  with pytest.raises(ValueError, match='image_size 48 does not divide record_size 64; use one of 8, 16, 32, 64'):
    transforms.area_downsample(np.zeros((64, 64, 3), np.float32), 48)


@pytest.mark.parametrize('image_size, nose, brows, ears', [(32, 3, 3, 3), (256, 3, 4, 5), (512, 6, 8, 10)])
def test_dilation_windows_scale_with_resolution(image_size, nose, brows, ears):
  """The windows of the published data code at 256 pixels, never less than one pixel to every side."""
  assert [transforms.dilation_window(name, image_size) for name in ('nose', 'brows', 'ears')] == [nose, brows, ears]


@pytest.mark.parametrize('image_size', [16, 300])
def test_dilation_is_a_maximum_over_windows_of_thin_classes_only(image_size):
  """Oracle: pixel by pixel around a few positions, with odd and even windows, at the border too."""
  class_set = semantics.FFHQ12
  mask = np.random.default_rng(0).random((image_size, image_size, 12)).astype(np.float32) ** 4
  dilated = transforms.dilate_thin_classes(mask, class_set)
  for channel, name in enumerate(class_set.classes):
    if name not in class_set.thin_classes:
      np.testing.assert_array_equal(dilated[..., channel], mask[..., channel])
      continue
    window = transforms.dilation_window(name, image_size)
    before, after = (window - 1) // 2, window // 2
    for row in (0, 1, 7, image_size - 1):
      for column in (0, 5, image_size - 2):
        around = mask[max(row - before, 0):row + after + 1, max(column - before, 0):column + after + 1, channel]
        assert dilated[row, column, channel] == around.max()


def test_dilation_accepts_a_batch():
  """Leading axes are independent."""
  mask = np.random.default_rng(0).random((3, 8, 8, 9)).astype(np.float32)
  together = transforms.dilate_thin_classes(mask, semantics.FFHQ9)
  alone = np.stack([transforms.dilate_thin_classes(one, semantics.FFHQ9) for one in mask])
  np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize('image_size', [8, 24])
def test_area_one_hot_is_the_mean_of_one_hot(image_size):
  """Protects training on resumed runs: counting pixels gives the very same bits as averaging masks."""
  labels = np.random.default_rng(0).integers(0, 12, (2, 24, 24)).astype(np.uint8)
  expected = transforms.area_downsample(transforms.one_hot(labels, 12), image_size)
  np.testing.assert_array_equal(transforms.area_one_hot(labels, 12, image_size), expected)


@pytest.mark.parametrize('dilation', transforms.DILATIONS)
@pytest.mark.parametrize('class_set', [semantics.FFHQ12, semantics.FFHQ9], ids=lambda one: one.name)
@pytest.mark.parametrize('image_size', [12, 48])
def test_training_mask_of_sets_is_that_of_soft_masks(class_set, dilation, image_size):
  """Protects the short cut at records' own size: sets of classes, dilated and looked up, are the soft masks' arithmetic bit for bit."""
  labels = np.random.default_rng(1).integers(0, class_set.num_classes, (3, 48, 48)).astype(np.uint8)
  expected = transforms.area_one_hot(labels, class_set.num_classes, image_size)
  if dilation != 'none':
    expected = transforms.dilate_thin_classes(expected, class_set)
  if dilation == 'exclusive':
    expected = transforms.make_exclusive(expected, class_set)
  np.testing.assert_array_equal(transforms.training_mask(labels, class_set, image_size, dilation), expected)


def test_training_mask_of_large_images_has_windows_of_several_sizes():
  """Protects stage 2, where brows and ears are dilated more than noses."""
  labels = np.random.default_rng(2).choice(12, (300, 300), p=[.89] + [.01] * 11).astype(np.uint8)
  expected = transforms.make_exclusive(
      transforms.dilate_thin_classes(transforms.one_hot(labels, 12), semantics.FFHQ12), semantics.FFHQ12)
  np.testing.assert_array_equal(transforms.training_mask(labels, semantics.FFHQ12, 300, 'exclusive'), expected)
