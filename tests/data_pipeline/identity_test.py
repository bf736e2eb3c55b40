"""A person is the same person everywhere, and people differ."""

import numpy as np

from data_pipeline.portraits import identity


def test_identity_is_deterministic_in_seed_and_index():
  """The same numbers give the same person; another seed or index another one."""
  first = identity.to_vector(identity.draw(3, 5))
  np.testing.assert_array_equal(first, identity.to_vector(identity.draw(3, 5)))
  for other in (identity.draw(3, 6), identity.draw(4, 5), identity.draw(5, 3)):
    assert np.abs(first - identity.to_vector(other)).max() > 0.01


def test_vector_round_trip():
  """A record's vector holds every parameter in its place."""
  person = identity.draw(0, 1)
  again = identity.from_vector(identity.to_vector(person))
  assert identity.to_vector(person).shape == (identity.VECTOR_SIZE,)
  for name in identity.FIELDS:
    np.testing.assert_allclose(getattr(again, name), getattr(person, name), rtol=1e-6)


def test_shares_of_what_people_wear():
  """Glasses, hats and earrings are frequent enough to be learnt, rare enough to be a choice."""
  people = [identity.draw(0, index) for index in range(1500)]
  for fraction, worn in ((identity.GLASSES_FRACTION, 'has_glasses'), (identity.HAT_FRACTION, 'has_hat'),
                      (identity.EARRINGS_FRACTION, 'has_earrings')):
    assert abs(np.mean([getattr(person, worn) for person in people]) - fraction) < 0.04
  assert {identity.HairCut(int(person.hair_cut)) for person in people} == set(identity.HairCut)
  assert all(np.isfinite(identity.to_vector(person)).all() for person in people)


def test_viewpoints_follow_the_cameras_distribution():
  """N(0, 0.3) in azimuth and N(0, 0.15) in elevation, deterministic."""
  views = np.stack([identity.draw_viewpoint(0, index, 0.3, 0.15) for index in range(2000)])
  np.testing.assert_allclose(views.std(axis=0), (0.3, 0.15), rtol=0.06)
  np.testing.assert_allclose(views.mean(axis=0), 0, atol=0.025)
  np.testing.assert_array_equal(views[7], identity.draw_viewpoint(0, 7, 0.3, 0.15))
