"""An edit of a procedural person is exact: it changes its region, and nothing else."""

import numpy as np
import pytest

from cnerf_jax.evaluation import locality
from data_pipeline.portraits import edits
from data_pipeline.portraits import identity
from data_pipeline.portraits import rendering

SIZE = 64
NUM_PAIRS = 16
VIEWS = np.stack([np.linspace(-0.5, 0.5, NUM_PAIRS), np.linspace(0.2, -0.2, NUM_PAIRS)], axis=-1)


WORN = ('glasses', 'hat', 'earrings')
# What is painted on changes its own pixels alone. Solid shapes also shade what is beside them, and rays that graze the head take other steps.
PAINTED = ('eyes-texture', 'brows-shape', 'brows-texture', 'mouth-shape', 'mouth-texture', 'glasses-texture', 'hat-texture',
           'earrings-shape', 'earrings-texture')


def wearers(seed):
  """People of whom everyone wears glasses, a hat or earrings."""
  people = [identity.draw(seed, index) for index in range(NUM_PAIRS)]
  dressed = {name: next(identity.draw(seed, i) for i in range(100, 200) if getattr(identity.draw(seed, i), f'has_{name}')) for name in WORN}
  return [edits.exchange(person, dressed[WORN[i % 3]], WORN[i % 3]) for i, person in enumerate(people)]


@pytest.fixture(scope='module')
def pairs():
  """(receivers, donors, pictures of the receivers)."""
  receivers, donors = wearers(1), wearers(2)[::-1]
  return receivers, donors, rendering.render_people(receivers, VIEWS, image_size=SIZE)


@pytest.mark.parametrize('region, what', [(region, what) for region in edits.REGIONS for what in edits.kinds(region) if what != edits.BOTH])
def test_nothing_changes_outside_the_region(pairs, region, what):
  """Protects the truth that edits of a model are compared with: pixels change where the region's classes are or were, and hardly elsewhere."""
  receivers, donors, before = pairs
  edited = [edits.exchange(a, b, region, what) for a, b in zip(receivers, donors)]
  after = rendering.render_people(edited, VIEWS, image_size=SIZE)
  shown = np.isin(before.label, edits.classes(region)) | np.isin(after.label, edits.classes(region))
  change = np.abs(after.image.astype(np.float64) - before.image).max(axis=-1)
  inside = locality.dilate(shown, 1)
  assert (change * shown).max() > 20
  if f'{region}-{what}' in PAINTED:
    assert (change * ~inside).max() == 0
  else:
    inside = locality.dilate(shown, 2)
    assert np.square(change * inside).sum() > 0.98 * np.square(change).sum()
    assert (change * ~inside > 8).mean() < 5e-3


def test_all_else_stays_as_it_was():
  """Protects who is edited: tone of skin, head, light and background are A's, and what is exchanged is B's."""
  a, b = identity.draw(0, 0), identity.draw(0, 1)
  for region in edits.REGIONS:
    edited = edits.exchange(a, b, region)
    changed = {name for name in identity.FIELDS if not np.array_equal(getattr(edited, name), getattr(a, name))}
    assert changed and not changed & {'skin_colour', 'head_width', 'light_direction', 'background_top', 'clothes_colour', 'eye_spacing'}
    assert edits.kinds(region) in (('shape',), ('shape', 'texture', 'both'))
  nose = edits.exchange(a, b, 'nose')
  assert (nose.nose_length, nose.nose_width) == (b.nose_length, b.nose_width) and nose.mouth_width == a.mouth_width
  colour = edits.exchange(a, b, 'hair', 'texture')
  np.testing.assert_array_equal(colour.hair_colour, b.hair_colour)
  assert colour.hair_thickness == a.hair_thickness


def test_hair_makes_way_for_what_is_worn():
  """Protects from hats inside hair and hidden earrings: as among people drawn at random, whichever of the two is exchanged."""
  people = [identity.draw(0, index) for index in range(300)]
  find = lambda condition: next(person for person in people if condition(person))
  bare = find(lambda one: not one.has_hat and not one.has_earrings and one.hair_cut == identity.HairCut.BUN)
  curtained = find(lambda one: one.hair_fall > 0 and one.ear_opening < 0)
  hatted, ringed = find(lambda one: one.has_hat), find(lambda one: one.has_earrings)
  for person in (edits.exchange(bare, hatted, 'hat', 'shape'), edits.exchange(hatted, bare, 'hair')):
    assert person.has_hat and person.hair_thickness <= 0.05 and person.bun_radius < 0
  for person in (edits.exchange(curtained, ringed, 'earrings'), edits.exchange(ringed, curtained, 'hair')):
    assert person.has_earrings and person.ear_opening > 0
  assert not edits.exchange(hatted, bare, 'hat').has_hat


@pytest.mark.parametrize('region, what, message', [
    ('chin', 'both', "no region 'chin' to exchange; use one of nose, glasses"),
    ('nose', 'texture', "nose has no 'texture' to exchange; use shape or both"),
])
def test_what_can_not_be_exchanged_is_one_line(region, what, message):
  """Protects from silence: a wrong name is told with the right ones."""
  with pytest.raises(ValueError, match=message):
    edits.exchange(identity.draw(0, 0), identity.draw(0, 1), region, what)
