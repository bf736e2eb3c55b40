"""Edits whose leaks are known: people made of three rectangles, a style a colour and a width."""

import math

import numpy as np
import pytest

from cnerf_jax import semantics
from cnerf_jax.evaluation import locality

SIZE = 32
CLASSES = semantics.ClassSet(
    name='blocks', classes=('wall', 'block', 'badge'), palette=((0, 0, 0), (250, 0, 0), (0, 0, 250)), celebamask_hq=(), thin_classes=())
WALL, BLOCK, BADGE = range(3)
SHAPE, TEXTURE = 0, 1
BADGE_AREA = (slice(2, 6), slice(2, 6))


def people(*blocks, badge=None):
  """Styles [people, 3, 2, 2] by (width, colour) of each one's block, and whether each wears a badge."""
  styles = np.zeros((len(blocks), 3, 2, 2), np.float32)
  for one, (width, colour) in enumerate(blocks):
    styles[one, BLOCK, SHAPE, 0], styles[one, BLOCK, TEXTURE, 0] = width, colour
    styles[one, BADGE, SHAPE, 0] = badge is not None and badge[one]
  return styles


def draw(leak=0.0):
  """A generator of blocks from row 10 to 19 and column 10 on, as wide as their style says, on a wall that takes `leak` of their colour; the
  wall is nobody's own, and viewpoints shift nothing."""
  def draw_styles(styles, viewpoint):
    assert len(styles) == len(viewpoint)
    image = np.zeros((len(styles), SIZE, SIZE, 3), np.float32)
    mask = np.zeros((len(styles), SIZE, SIZE, 3), np.float32)
    for i, style in enumerate(styles):
      width, colour = int(style[BLOCK, SHAPE, 0]), style[BLOCK, TEXTURE, 0]
      image[i] = leak * colour
      image[i, 10:20, 10:10 + width] = colour
      mask[i, 10:20, 10:10 + width, BLOCK] = 1
      if style[BADGE, SHAPE, 0]:
        image[(i, *BADGE_AREA)], mask[(i, *BADGE_AREA, BADGE)] = 1, 1
      mask[i, ..., WALL] = 1 - mask[i].sum(axis=-1)
    return {'image': image, 'semantic_mask': mask}
  return draw_styles


def test_swapped_styles_are_of_one_class_and_kind():
  """Protects the edit itself: shape, texture or both rows of one class come from the donor, all else stays, and the input too."""
  styles, donors = np.zeros((2, 3, 2, 4)), np.ones((2, 3, 2, 4))
  for kind, rows in (('shape', [0]), ('texture', [1]), ('both', [0, 1])):
    swapped = locality.swap_styles(styles, donors, BLOCK, kind)
    expected = np.zeros((3, 2))
    expected[BLOCK, rows] = 1
    np.testing.assert_array_equal(swapped, np.broadcast_to(expected[..., None], styles.shape))
  assert not styles.any()
  with pytest.raises(ValueError, match="no kind 'colour' of styles to swap; use one of shape, texture, both"):
    locality.swap_styles(styles, donors, BLOCK, 'colour')


@pytest.mark.parametrize('radius', [0, 1, 2, 40])
def test_dilation_reaches_as_far_as_its_radius(radius):
  """Protects the region: against a loop over pixels, at borders and corners too."""
  region = np.random.default_rng(0).random((3, 9, 12)) < 0.05
  expected = np.zeros_like(region)
  for i, y, x in np.argwhere(region):
    expected[i, max(0, y - radius):y + radius + 1, max(0, x - radius):x + radius + 1] = True
  np.testing.assert_array_equal(locality.dilate(region, radius), expected)


def test_the_region_is_of_both_masks_and_grows_with_the_image():
  """Protects what counts as inside: shown before or after, by a pixel at 32 and two at 64; a faint mask shows nothing."""
  assert [locality.dilation_radius(size) for size in (4, 16, 32, 64, 128)] == [1, 1, 1, 2, 4]
  before, after = np.zeros((64, 64)), np.zeros((64, 64))
  before[10, 10], after[30, 30], after[50, 50] = 0.4, 1.0, 0.25
  region = locality.edit_region(before, after)
  assert region.sum() == 2 * 25 and region[8:13, 8:13].all() and region[28:33, 28:33].all()


def test_scores_of_an_edit_are_those_of_a_loop():
  """Protects the three numbers, pixel by pixel: squares inside over all, percentile of the others, size against that of other people."""
  random = np.random.default_rng(1)
  changes, between, inside = random.random((2, 5, 5)), random.random((2, 5, 5)), random.random((2, 5, 5)) < 0.4
  in_sum = all_sum = people_sum = 0.0
  others = []
  for index in np.ndindex(changes.shape):
    all_sum += changes[index]**2
    if inside[index]:
      in_sum, people_sum = in_sum + changes[index]**2, people_sum + between[index]**2
    else:
      others.append(changes[index])
  found = locality.edit_scores(changes, inside, between)
  assert found == pytest.approx(dict(
      locality=in_sum / all_sum, outside=np.percentile(others, 99), effect=math.sqrt(in_sum / people_sum)))


def test_a_change_is_in_8_bit_steps():
  """Protects the unit: black to white is 255 steps, one colour of three alone 255 / sqrt 3."""
  assert locality.change(-np.ones(3), np.ones(3)) == pytest.approx(255)
  assert locality.change(-np.ones(3), np.array([1.0, -1, -1])) == pytest.approx(255 / 3**0.5)


def test_a_class_without_effect_elsewhere_is_local():
  """Protects the best score: where each style moves its own class alone, locality is 1, nothing changes outside, and what was swapped
  entirely differs as the two people do; a class whose style does nothing has no effect and no locality."""
  report, _ = locality.measure(draw(), people((8, 0.5), (8, -0.5)), CLASSES)
  block = report['classes']['block']
  assert block['pairs'] == 2
  for kind in ('texture', 'both'):
    assert block[kind] == pytest.approx(dict(locality=1, outside=0, effect=1))
  assert block['shape']['effect'] == 0 and math.isnan(block['shape']['locality'])
  wall = report['classes']['wall']
  assert wall['pairs'] == 2 and wall['both']['effect'] == 0 and math.isnan(wall['both']['locality'])
  assert report['mean']['both']['locality'] == 1 and report['mean']['both']['effect'] == pytest.approx(0.5)


def test_a_known_leak_is_found():
  """Protects the worst score: a wall that takes a tenth of the block's colour. Oracle: areas and squares by hand."""
  report, maps = locality.measure(draw(leak=0.1), people((8, 0.5), (8, -0.5)), CLASSES, azimuths=(-0.1, 0.0, 0.1))
  found = report['classes']['block']['texture']
  block, ring, rest = 10 * 8, 12 * 10 - 10 * 8, SIZE**2 - 12 * 10
  assert found['locality'] == pytest.approx((block + 0.01 * ring) / (block + 0.01 * (ring + rest)), rel=1e-5)
  assert found['outside'] == pytest.approx(127.5 * 0.1, rel=1e-5)
  inside, outside = maps.inside[BLOCK, 1], maps.outside[BLOCK, 1]
  assert inside[15, 12] == pytest.approx(127.5) and inside[0, 0] == 0
  assert outside[15, 12] == 0 and outside[0, 0] == pytest.approx(12.75, rel=1e-5)


def test_an_outline_may_move_within_both_masks():
  """Protects edits of shape: the wall that a narrower block uncovers is inside."""
  report, maps = locality.measure(draw(), people((4, 0.5), (12, 0.5)), CLASSES)
  assert report['classes']['block']['shape'] == pytest.approx(dict(locality=1, outside=0, effect=1))
  donor, receiver, edited = maps.examples[BLOCK]
  assert (donor[15, 20] == 0.5).all() and (receiver[15, 20] == 0).all()
  np.testing.assert_array_equal(edited, donor)


def test_only_pairs_that_show_the_class_count():
  """Protects rare classes: of four people in a circle one wears a badge, who gives it to one and loses it to another."""
  styles = people(*4 * [(8, 0.5)], badge=(0, 1, 0, 0))
  report, maps = locality.measure(draw(), styles, CLASSES)
  badge = report['classes']['badge']
  assert badge['pairs'] == 2 and badge['shape'] == pytest.approx(dict(locality=1, outside=0, effect=1))
  assert (maps.examples[BADGE, 2, 3, 3] == 1).all()  # the first pair: who comes before the wearer gets the badge
  report, maps = locality.measure(draw(), people((8, 0.5), (8, 0.5)), CLASSES)
  assert report['classes']['badge']['pairs'] == 0 and math.isnan(report['classes']['badge']['both']['effect'])
  assert not maps.examples[BADGE].any() and not maps.inside[BADGE].any()


def test_realness_is_beside_that_of_the_same_people_unedited():
  """Protects from edits that break people: a generator whose picture falls apart where block and wall are of different people draws them as
  real before, and far from real after."""
  styles = people((8, 0.5), (8, -0.5), (8, 0.5), (8, -0.5))
  styles[:, WALL] = styles[:, BLOCK]

  def brittle(styles, viewpoint):
    drawn = draw()(styles, viewpoint)
    broken = (styles[:, WALL] != styles[:, BLOCK]).any(axis=(1, 2))
    return {name: value + 0.5 * broken[:, None, None, None] for name, value in drawn.items()}

  real = draw()(np.repeat(styles, 5, axis=0), np.zeros((20, 2)))
  found = locality.measure(brittle, styles, CLASSES, real)[0]['classes']
  assert found['block']['realness']['image_before'] < 1e-6 and found['block']['realness']['mask_before'] < 1e-6
  assert found['block']['realness']['image'] > 0.2 and found['block']['realness']['mask'] > 0.2
  assert found['badge']['realness'] is None


def test_one_person_has_nobody_to_swap_with():
  """Protects from a crash in the middle: told in one line."""
  with pytest.raises(ValueError, match='1 people have nothing to swap; use at least 2'):
    locality.measure(draw(), people((8, 0.5)), CLASSES)


def test_calls_are_of_one_size():
  """Protects from compiling again for every class: an odd number of people is drawn in calls of the same batch."""
  sizes = set()
  def counting(styles, viewpoint):
    sizes.add((len(styles), len(viewpoint)))
    return draw()(styles, viewpoint)
  report, _ = locality.measure(counting, people((8, 0.5), (6, 0.1), (4, -0.5), badge=(1, 0, 0)), CLASSES)
  assert len(sizes) == 1 and report['classes']['badge']['pairs'] == 2


def test_table_and_summary_tell_what_was_found():
  """Protects the printed table and the curves: every class and the mean, dashes for what can't be said, and None without edits."""
  report, _ = locality.measure(draw(leak=0.1), people((8, 0.5), (8, -0.5)), CLASSES, draw()(people((8, 0.5)), np.zeros((1, 2))))
  table = locality.format_table(report)
  lines = {line.split()[0]: line for line in table.splitlines()}
  assert '12.8' in lines['block'] and '(' in lines['block'] and 'nan' not in table and lines['badge'].split()[1:] == ['0'] + 9 * ['-']
  assert all(len(line) <= 140 for line in table.splitlines())
  flat = locality.summary(report)
  assert flat['locality_both'] == report['mean']['both']['locality']
  assert flat['edit_outside_texture'] == pytest.approx(12.75 / 2)  # the wall's: 0
  assert set(locality.summary(None)) == set(flat) and not any(locality.summary(None).values())
