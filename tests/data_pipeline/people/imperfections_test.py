"""Imperfections stay in their bounds, are those of their picture alone, and leave a label map a label map."""

import math

import numpy as np
import stand_in

from data_pipeline.people import imperfections

LABEL = stand_in.render(stand_in.draw(0, 0), (0.1, 0), image_size=128).label
EARRING = 15


def test_they_stay_in_their_bounds_and_reach_far():
  """Protects what docs promise: shift to 5%, zoom to 6%, roll to 4 degrees, quality 75 to 95."""
  drawn = [imperfections.draw(0, index) for index in range(2_000)]
  columns = {name: np.array([getattr(one.framing, name) for one in drawn]) for name in ('shift_x', 'shift_y', 'zoom', 'roll_radians')}
  columns['zoom'] -= 1
  for name, most in (('shift_x', 0.05), ('shift_y', 0.05), ('zoom', 0.06), ('roll_radians', math.radians(4))):
    values = np.abs(columns[name])
    assert values.max() <= most + 1e-12 and values.max() > 0.95 * most and 0.2 * most < values.mean() < 0.6 * most, name
    assert abs(columns[name].mean()) < 0.03 * most * 2, name
  qualities = [one.jpeg_quality for one in drawn]
  assert min(qualities) == 75 and max(qualities) == 95
  assert 0.2 < np.mean([EARRING in one.lost for one in drawn]) < 0.3


def test_they_depend_on_seed_and_picture_alone():
  """Protects resuming: nothing but the two numbers counts."""
  assert imperfections.draw(3, 5) == imperfections.draw(3, 5)
  assert imperfections.draw(3, 5) != imperfections.draw(3, 6) and imperfections.draw(3, 5) != imperfections.draw(4, 5)
  found = imperfections.draw(3, 5)
  np.testing.assert_array_equal(imperfections.parse(LABEL, found), imperfections.parse(LABEL, found))


def test_borders_move_and_areas_stay():
  """Protects the labels: few pixels change, all of them near a border, and no label that was not there appears."""
  found = imperfections.Imperfections(stand_in.Framing(), 90, (), 1)
  parsed = imperfections.parse(LABEL, found)
  changed = parsed != LABEL
  assert 0.005 < changed.mean() < 0.06
  assert set(np.unique(parsed)) <= set(np.unique(LABEL))
  near_border = np.zeros_like(changed)
  for down in range(-4, 5):
    for right in range(-4, 5):
      near_border |= np.roll(LABEL, (down, right), (0, 1)) != LABEL
  assert not (changed & ~near_border).any()
  for label in (1, 2, 13):
    assert 0.9 < (parsed == label).sum() / (LABEL == label).sum() < 1.1


def test_a_lost_part_is_closed_over_by_what_is_around_it():
  """Protects maps without holes: a missing earring becomes skin, hair or background, never a label of its own."""
  assert (LABEL == EARRING).any()
  closed = imperfections.close_over(LABEL, EARRING)
  assert not (closed == EARRING).any()
  np.testing.assert_array_equal(closed[LABEL != EARRING], LABEL[LABEL != EARRING])
  assert set(np.unique(closed[LABEL == EARRING])) <= {0, 1, 8, 13}
  np.testing.assert_array_equal(imperfections.close_over(LABEL, 3), LABEL)
  everything = np.full((8, 8), EARRING, np.uint8)
  np.testing.assert_array_equal(imperfections.close_over(everything, EARRING), everything)


def test_single_strands_are_smoothed_away_and_thin_parts_are_not():
  """Protects what a parser sees: no single hairs, but brows and lips at any size."""
  label = np.zeros((64, 64), np.uint8)
  label[:, 20] = 13
  label[30, 40:60] = 6
  parsed = imperfections._without_strands(label, imperfections._is_large(), 1)
  assert not (parsed == 13).any()
  np.testing.assert_array_equal(parsed == 6, label == 6)


def test_exact_is_exact():
  """Protects --exact: the true map itself."""
  assert imperfections.parse(LABEL, imperfections.EXACT) is LABEL
