import numpy as np

from cnerf_jax.evaluation import diversity


def test_one_person_has_no_diversity():
  """A generator that has collapsed onto one identity scores 0."""
  assert diversity.diversity(np.ones((8, 4, 4, 3))) == 0


def test_is_the_mean_of_the_deviation_per_pixel():
  """Oracle: the standard deviation of every pixel by itself."""
  image = np.random.default_rng(0).normal(size=(8, 2, 2, 3))
  expected = np.mean([np.std(image[:, i, j, c]) for i in range(2) for j in range(2) for c in range(3)])
  np.testing.assert_allclose(diversity.diversity(image), expected)


def test_frontal_examples_are_nearest_in_standard_deviations():
  """0.1 rad of azimuth is nearer than 0.1 rad of elevation, for cameras spread twice as far in azimuth."""
  viewpoint = np.array([[0.5, 0], [0, 0.1], [0.1, 0], [0, 0.01]])
  np.testing.assert_array_equal(diversity.frontal_examples(viewpoint, 3), [3, 2, 1])
