import numpy as np
import pytest

from cnerf_jax.evaluation import nearest

COUNT, HELD_OUT = 400, 200


def people(count, seed, size=32):
  """Independent portraits of a kind: a face that all share, of random blobs of colour, each with random blobs of its own, and noise."""
  random = np.random.default_rng(seed)
  face = np.random.default_rng(99).uniform(-0.4, 0.4, (4, 4, 3))
  coarse = (face + random.uniform(-0.6, 0.6, (count, 4, 4, 3))).repeat(size // 4, axis=1).repeat(size // 4, axis=2)
  return np.clip(coarse + 0.05 * random.standard_normal((count, size, size, 3)), -1, 1).astype(np.float32)


def compare(samples, *, mirror=False):
  """What the scores say of samples, and the neighbours themselves."""
  portraits, held_out = nearest.reduce(people(COUNT, 0)), nearest.reduce(people(HELD_OUT, 1))
  samples = nearest.reduce(samples)
  found = nearest.find(samples, portraits, mirror=mirror)
  to_held_out = nearest.find(samples, held_out, mirror=mirror)
  return nearest.summarise(found, nearest.find(held_out, portraits, mirror=mirror), to_held_out, COUNT), found


def test_copies_are_found():
  """Protects from a generator that has learnt its people by heart: near 0, all nearer than held-out people, each with its own portrait."""
  chosen = np.arange(0, COUNT, 8)
  for copies in (people(COUNT, 0)[chosen], 0.5 * people(COUNT, 0)[chosen] - 0.2):  # also in a duller, darker light
    summary, found = compare(copies)
    np.testing.assert_array_equal(found.portrait, chosen)
    assert summary['ratio'] < 0.01 and summary['fraction_near'] == 1 and summary['held_out_median'] > 0.5
    assert summary['nearer_to_held_out'] == 0 and summary['by_chance'] == 1 / 3
    assert (summary['num_samples'], summary['num_held_out'], summary['num_portraits']) == (50, HELD_OUT, COUNT)


def test_new_people_are_as_far_as_held_out_ones():
  """Protects the unit: independent draws of the same people have ratio 1, and 1% of them are near by chance."""
  summary, _ = compare(people(1000, 2))
  assert summary['ratio'] == pytest.approx(1, abs=0.03) and summary['fraction_near'] < 0.04
  assert summary['nearer_to_held_out'] == pytest.approx(1 / 3, abs=0.05)


def test_soft_pictures_are_nearer_and_no_copies():
  """Protects from a false alarm: pictures half way to the mean of all people are nearer to everybody, and to strangers as often as before."""
  strangers = people(1000, 2)
  summary, _ = compare(0.5 * (strangers + strangers.mean(axis=0)))
  assert summary['ratio'] < 0.9 and summary['fraction_near'] > 0.1 and summary['nearer_to_held_out'] == pytest.approx(1 / 3, abs=0.06)


def test_some_copies_among_new_people_show_in_the_fraction():
  """Protects what a median hides: of a hundred samples, twenty copies barely move the ratio, and are all counted."""
  summary, _ = compare(np.concatenate([people(COUNT, 0)[:20], people(80, 2)]))
  assert summary['ratio'] > 0.9 and summary['fraction_near'] == pytest.approx(0.2, abs=0.05)


def test_mirrored_copies_are_found_where_training_mirrors():
  """Protects runs with data.flip: mirror images of portraits are copies there, and strangers elsewhere."""
  copies = people(COUNT, 0)[:40]
  copies[::2] = copies[::2, :, ::-1]
  summary, found = compare(copies, mirror=True)
  np.testing.assert_array_equal(found.portrait, np.arange(40))
  np.testing.assert_array_equal(found.is_mirrored, np.arange(40) % 2 == 0)
  assert summary['ratio'] < 0.01
  without, found = compare(copies)
  assert without['fraction_near'] == pytest.approx(0.5, abs=0.05) and not found.is_mirrored.any()


@pytest.mark.parametrize('mirror', [False, True])
def test_neighbours_are_those_of_a_slow_search(mirror, monkeypatch):
  """Protects the search in chunks: against every distance in a plain loop, also where a chunk is smaller than the pictures."""
  monkeypatch.setattr(nearest, '_CHUNK_VALUES', 3 * 30)
  pictures, portraits = nearest.reduce(people(10, 3)), nearest.reduce(people(30, 4))
  found = nearest.find(pictures, portraits, mirror=mirror)
  for i, picture in enumerate(pictures):
    distances = [np.sqrt(np.mean((picture - portrait)**2)) for portrait in portraits]
    mirrored = [np.sqrt(np.mean((picture - portrait[:, ::-1])**2)) for portrait in portraits] if mirror else [np.inf]
    assert found.distance[i] == pytest.approx(min(*distances, *mirrored), rel=1e-4)
    assert found.is_mirrored[i] == (min(mirrored) < min(distances))
    assert found.portrait[i] == np.argmin(mirrored if found.is_mirrored[i] else distances)


@pytest.mark.parametrize('size, side', [(4, 4), (16, 16), (24, 16), (64, 16)])
def test_pictures_are_averaged_and_standardised(size, side):
  """Protects the comparison from sharpness and light: means of areas, also where 16 does not divide, then mean 0 and deviation 1."""
  images = np.random.default_rng(0).uniform(-1, 1, (3, size, size, 3)).astype(np.float32)
  reduced = nearest.reduce(images)
  assert reduced.shape == (3, side, side, 3)
  fine = images.repeat(side, axis=1).repeat(side, axis=2)  # each pixel as side x side: blocks of size x size are the areas
  means = fine.reshape(3, side, size, side, size, 3).mean(axis=(2, 4))
  expected = (means - means.mean(axis=(1, 2, 3), keepdims=True)) / means.std(axis=(1, 2, 3), keepdims=True)
  np.testing.assert_allclose(reduced, expected, atol=1e-4)


def test_flat_and_broken_pictures_have_distances():
  """Protects the scores of a run that has failed: grey or not finite, a picture is far from everybody, and nothing is NaN."""
  images = np.stack([np.full((32, 32, 3), 0.3), np.full((32, 32, 3), np.nan)]).astype(np.float32)
  summary, found = compare(images)
  np.testing.assert_allclose(found.distance, 1, atol=1e-3)
  assert summary['fraction_near'] == 0


def test_without_portraits_there_is_nothing_near():
  """Protects from a minimum over nothing: one clear line."""
  with pytest.raises(ValueError, match='no training portraits to compare with; give at least one'):
    nearest.find(nearest.reduce(people(2, 0)), nearest.reduce(people(2, 0))[:0], mirror=False)


def test_shown_are_the_nearest_and_others():
  """Protects the sheet: the nearest first, then others, nobody twice, the same every time; few samples are shown once."""
  distance = np.random.default_rng(0).permutation(30) / 30
  neighbours = lambda distance: nearest.Neighbours(distance, np.zeros(len(distance), int), np.zeros(len(distance), bool))
  shown, others = nearest.choose_shown(neighbours(distance))
  np.testing.assert_array_equal(distance[shown], np.arange(8) / 30)
  assert len(others) == 8 and not set(shown) & set(others)
  np.testing.assert_array_equal(others, nearest.choose_shown(neighbours(distance))[1])
  shown, others = nearest.choose_shown(neighbours(distance[:10]))
  assert (len(shown), len(others)) == (8, 2)


def test_numbers_are_spread_evenly():
  """Protects the choice among many portraits: all of few; of many as many as may be, from the first to nearly the last, none twice."""
  assert list(nearest.spread_evenly(5, 10)) == [0, 1, 2, 3, 4]
  assert nearest.spread_evenly(10, 4) == [0, 2, 5, 7]
  chosen = nearest.spread_evenly(70_000, 10_000)
  assert len(set(chosen)) == 10_000 and max(chosen) < 70_000 and set(np.diff(chosen)) == {7}


def test_description_names_what_was_compared():
  """Protects the lines of the table: medians, ratio, fraction, and of how many portraits when not of all."""
  found = dict(
      median=0.4, held_out_median=0.5, ratio=0.8, near=0.2, fraction_near=0.031, nearer_to_held_out=0.05, by_chance=0.0909,
      num_portraits=10_000, num_train=70_000, mirrored=True)
  assert nearest.describe(found) == (
      '0.400 to the nearest of 10,000 of 70,000 training portraits, mirrored too; '
      'held-out people 0.500: ratio 0.80\n3.1% nearer than all but 1% of those; 5.0% nearest to one of those (9.1% by chance)')
  assert '10,000 training portraits; held' in nearest.describe(found | {'num_train': 10_000, 'mirrored': False})
