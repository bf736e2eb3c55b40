import json
import math

import discs
import jax
import numpy as np
import pytest

from cnerf_jax.evaluation import bars
from cnerf_jax.evaluation import real_sets
from cnerf_jax.evaluation import scores as scores_lib

UNTRAINED = discs.sampler(discs.grey)


@pytest.fixture(scope='module')
def score(real, oracle_of_discs):
  def evaluate(change=lambda fakes: fakes, untrained=UNTRAINED, real_sets_=real_sets.real_sets('validation', real, 200), **arguments):
    return scores_lib.evaluate(
        discs.sampler(change), real_sets_, untrained, oracle_of_discs, discs.CLASS_SET, key=jax.random.key(0), **arguments)
  return evaluate


@pytest.fixture(scope='module')
def perfect(score):
  return score()


def test_fakes_as_good_as_real_reach_every_bar(perfect, oracle_of_discs):
  """A perfect generator scores 0, and agrees with the oracle as far as the oracle is right."""
  for name in ('image', 'mask', 'class_area_error', 'image_diversity', 'mask_diversity'):
    assert abs(perfect[name]['normalised']) < 0.1, name
  for name in ('mask_agreement', 'azimuth', 'elevation'):
    assert perfect[name] == pytest.approx(oracle_of_discs.accuracy['validation'][name], abs=0.03), name
  assert perfect['all_passed']
  assert perfect['passed']['class_areas']['outside'] == []


def test_mirrored_fakes_turn_the_wrong_way(score):
  """All distributions look right, and only the signed pose agreement sees it."""
  scores = score(discs.mirrored)
  assert scores['image']['normalised'] < 0.15
  assert scores['azimuth'] < -0.9 and scores['elevation'] > 0.9
  assert not scores['passed']['azimuth']['passed'] and not scores['all_passed']


def test_grey_fakes_score_as_untrained(score):
  """What the untrained generator gives scores 1 everywhere and reaches no bar but presence: a third of a pixel counts as seen."""
  scores = score(discs.grey)
  for name in ('image', 'mask', 'class_area_error', 'image_diversity', 'mask_diversity'):
    assert scores[name]['normalised'] == pytest.approx(1), name
  assert [name for name, row in scores['passed'].items() if row['passed']] == ['class_presence']
  assert abs(scores['azimuth']) < 0.3


def test_pictures_of_other_masks_do_not_agree(score):
  """Good pictures with good masks that do not belong together."""
  scores = score(lambda fakes: dict(fakes, semantic_mask=fakes['semantic_mask'][::-1]))
  assert scores['mask']['normalised'] < 0.1
  assert scores['mask_agreement'] < 0.6


def test_one_person_again_and_again_has_no_diversity(score):
  """Collapse shows in diversity."""
  person = discs.examples(1, seed=3)['image']
  scores = score(lambda fakes: dict(fakes, image=np.repeat(person, len(fakes['image']), axis=0)))
  assert scores['image_diversity']['normalised'] > 0.95


def test_a_dropped_class_is_named(score):
  """Dots that are gone from image and mask are outside the factor of two and agree on nothing."""
  def drop(fakes):
    return dict(fakes, semantic_mask=fakes['semantic_mask'] * np.array([1, 1, 0], np.float32))
  scores = score(drop)
  assert scores['passed']['class_areas'] == {'value': 1, 'bar': 0, 'passed': False, 'outside': ['dot']}
  assert scores['classes']['dot']['mask_agreement'] == 0


def test_a_little_for_everyone_is_not_the_right_presence():
  """Protects the bar of presence: dots on everyone, smaller so that their mean area is right, pass the bar of areas and fail this one."""
  real = real_sets.real_sets('validation', discs.examples(600, seed=1, worn_by=0.4, dot_radius=0.35), 200)
  evaluate = lambda **world: scores_lib.evaluate(
      discs.sampler(**world), real, UNTRAINED, None, discs.CLASS_SET, key=jax.random.key(0))
  scores = evaluate(worn_by=1.0, dot_radius=0.35 * 0.4**0.5)
  dot = scores['classes']['dot']
  assert dot['large'] and dot['within_factor'] and abs(dot['ratio'] - 1) < 0.2
  assert scores['passed']['class_areas']['passed']
  assert scores['passed']['class_presence'] == {'value': 1, 'bar': 0, 'passed': False, 'outside': ['dot']}
  assert 'third: missed (dot)' in scores_lib.format_table(scores) and 'seen too often' in scores_lib.format_table(scores)
  assert scores_lib.summary(scores)['presence_ratio_dot'] == pytest.approx(1 / dot['real_presence'])
  assert evaluate(worn_by=0.4, dot_radius=0.35)['passed']['class_presence']['passed']


def test_edits_must_stay_in_their_region(score):
  """Protects the promise of editing: a large class whose shape or texture leaks is named; one that nobody shows is not."""
  row = lambda shape, texture: dict(shape={'locality': shape}, texture={'locality': texture})
  edits = dict(classes={'background': row(0.99, 0.98), 'disc': row(1.0, 0.96), 'dot': row(math.nan, math.nan)})
  passed = bars.passed(score() | {'locality': edits})
  assert passed['class_locality'] == {'value': 1, 'bar': 0, 'passed': False, 'outside': ['disc']}
  edits['classes']['disc'] = row(0.97, 0.97)
  assert bars.passed(score() | {'locality': edits})['class_locality']['passed']
  assert 'class_locality' not in score()['passed']


def test_rare_classes_must_be_in_the_picture_of_those_who_wear_them():
  """Protects from masks of a rare class that the picture does not show; and the word of an oracle that can't read it is not asked for."""
  world = dict(worn_by=0.4, dot_radius=0.35)
  real = real_sets.real_sets('validation', discs.examples(600, seed=1, **world), 200)
  evaluate = lambda change=lambda fakes: fakes, oracle=discs.ColourOracle(): scores_lib.evaluate(
      discs.sampler(change, **world), real, UNTRAINED, oracle, discs.CLASS_SET, key=jax.random.key(0))
  def misplaced(fakes):  # the dot's mask on those who have one, but in another corner than the picture's
    return dict(fakes, semantic_mask=np.concatenate([fakes['semantic_mask'][..., :2], np.roll(fakes['semantic_mask'][..., 2:], 8, 1)], -1))
  good, bad = evaluate(), evaluate(misplaced)
  assert good['rare_agreement'] == {'value': 1.0, 'on_real': 1.0, 'classes': ['dot']}
  assert good['classes']['dot']['agreement_where_present'] == good['classes']['dot']['oracle_where_present'] == 1
  assert good['passed']['rare_agreement'] == {'value': 1.0, 'bar': 0.5, 'passed': True}
  assert bad['passed']['class_presence']['passed'] and not bad['passed']['rare_agreement']['passed']
  assert scores_lib.summary(bad)['rare_agreement'] < 0.1
  blind = discs.ColourOracle()
  blind.accuracy = {'validation': {'class_iou_where_present': {'background': 1.0, 'disc': 1.0, 'dot': 0.0}}}
  assert 'rare_agreement' not in evaluate(oracle=blind)['passed']


def test_a_rare_class_that_no_fake_wears_agrees_on_nothing():
  """Protects from a way round the bar: dropping the class."""
  real = real_sets.real_sets('validation', discs.examples(600, seed=1, worn_by=0.4), 200)
  scores = scores_lib.evaluate(
      discs.sampler(worn_by=0.0), real, UNTRAINED, discs.ColourOracle(), discs.CLASS_SET, key=jax.random.key(0))
  assert math.isnan(scores['classes']['dot']['agreement_where_present'])
  assert scores['passed']['rare_agreement'] == {'value': 0.0, 'bar': 0.5, 'passed': False}
  assert 'seen too rarely' in scores_lib.format_table(scores)


def test_ceilings_of_earlier_scores_save_the_untrained_samples(score, perfect):
  """Later evaluations of a run need no untrained generator."""
  again = score(untrained=None, earlier=perfect)
  assert again['image'] == perfect['image']
  with pytest.raises(ValueError, match='ceiling'):
    score(untrained=None)


def test_ceilings_of_another_comparison_are_not_taken_over(score, perfect, real):
  """Protects from a ceiling of other real examples: it is measured anew, or missed."""
  stale = perfect | {'ceilings': dict.fromkeys(perfect['ceilings'], 9.0)}
  assert score(earlier=stale)['image']['ceiling'] == 9
  for sets in (real_sets.real_sets('train', real, 200), real_sets.real_sets('validation', real, 150)):
    assert score(earlier=stale, real_sets_=sets)['image']['ceiling'] < 1
    with pytest.raises(ValueError, match='ceiling'):
      score(untrained=None, earlier=stale, real_sets_=sets)


def test_samples_that_are_not_finite_miss_the_bars(score):
  """A run that has blown up is reported, not crashed on."""
  scores = score(lambda fakes: {name: fakes[name] * (1 if name == 'viewpoint' else np.nan) for name in fakes})
  assert not scores['all_passed'] and not scores['passed']['image']['passed']
  assert 'image' in scores_lib.format_table(scores)


def test_written_scores_are_json_with_a_history(tmp_path, perfect):
  """Steps add up, a resumed run overwrites what came after its start, and NaN becomes null."""
  broken = perfect | {'azimuth': math.nan}
  for step, scores in [(10, perfect), (20, perfect), (30, perfect), (20, broken)]:
    path = scores_lib.write(scores, tmp_path, step)
  report = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
  assert [entry['step'] for entry in report['history']] == [10, 20]
  assert report['latest']['step'] == 20 and report['latest']['azimuth'] is None
  assert report['history'][0]['image_normalised'] == perfect['image']['normalised']
  assert [file.name for file in tmp_path.iterdir()] == ['scores.json']


def test_unreadable_scores_are_kept_aside(tmp_path, perfect):
  """Nothing is lost."""
  (tmp_path / 'scores.json').write_text('{"latest"')
  scores_lib.write(perfect, tmp_path, 5)
  assert (tmp_path / 'scores.json.unreadable').read_text() == '{"latest"'


def test_table_tells_scores_classes_and_bars(perfect):
  """What is printed at the end of a run, and with whom it was compared."""
  table = scores_lib.format_table(perfect)
  assert '<= 0.15 passed' in table and 'dot' in table and '7 of 7 bars reached' in table
  assert table.startswith('compared with: validation (600); distances between sets of 200')
  assert all(len(line) <= 120 for line in table.splitlines())
