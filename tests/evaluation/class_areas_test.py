import numpy as np

from cnerf_jax.evaluation import class_areas


def masks():
  mask = np.zeros((2, 4, 4, 3), np.float32)
  mask[..., 0] = 1
  mask[0, :2, :2, 1] = 1  # a quarter of the first example, nothing of the second
  return mask


def test_areas_and_presence_by_hand():
  """Area is a share of all pixels of all examples; presence a share of examples."""
  np.testing.assert_allclose(class_areas.class_areas(masks()), [1, 1 / 8, 0])
  np.testing.assert_allclose(class_areas.class_presence(masks()), [1, 1 / 2, 0])


def test_a_faint_mask_everywhere_is_not_presence():
  """An untrained generator gives every class a twelfth of every pixel; it shows none of them."""
  np.testing.assert_array_equal(class_areas.class_presence(np.full((2, 4, 4, 12), 1 / 12)), 0)


def test_factor_of_two_holds_both_ways():
  """Half and twice pass, less and more do not; a class real examples lack must stay away."""
  real = np.array([0.1, 0.1, 0.1, 0.1, 0.1, 0, 0])
  fake = np.array([0.05, 0.2, 0.049, 0.201, -0.1, 0, 0.01])
  np.testing.assert_array_equal(class_areas.within_factor(fake, real), [True, True, False, False, False, True, False])


def test_large_classes_start_at_three_percent():
  """The bar's classes."""
  np.testing.assert_array_equal(class_areas.large_classes([0.029, 0.03, 0.4]), [False, True, True])
