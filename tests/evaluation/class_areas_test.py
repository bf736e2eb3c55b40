import numpy as np

from cnerf_jax.evaluation import class_areas


def masks():
  mask = np.zeros((2, 4, 4, 3), np.float32)
  mask[..., 0] = 1
  mask[0, :2, :2, 1] = 1  # a quarter of the first example, nothing of the second
  return mask


def test_areas_and_presence_by_hand():
  """Area is a fraction of all pixels of all examples; presence a fraction of examples."""
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
  """Protects the choice of the classes whose area has a bar."""
  np.testing.assert_array_equal(class_areas.large_classes([0.029, 0.03, 0.4]), [False, True, True])


def test_presence_within_a_third_of_real():
  """Protects both sides of the bar: a third more or less passes, beyond does not; a class that no one has may show on fewer than 1%."""
  real = np.array([0.3, 0.3, 0.3, 0.3, 1, 0, 0])
  fake = np.array([0.201, 0.399, 0.19, 0.41, 1, 0.009, 0.01])
  np.testing.assert_array_equal(class_areas.within_presence(fake, real), [True, True, False, False, True, True, False])


def test_rare_classes_are_those_some_people_have():
  """Protects the choice of the classes with a bar of their own: less than half of real people, at least one in a hundred."""
  np.testing.assert_array_equal(class_areas.rare_classes([0, 0.009, 0.01, 0.49, 0.5, 1]), [False, False, True, True, False, False])
