import json
import math

import discs
import jax
import numpy as np
import pytest

from cnerf_jax.evaluation import scores as scores_lib

UNTRAINED = discs.sampler(discs.grey)


@pytest.fixture(scope='module')
def judge(real, oracle_of_discs):
  def evaluate(change=lambda fakes: fakes, untrained=UNTRAINED, **arguments):
    return scores_lib.evaluate(discs.sampler(change), real, untrained, oracle_of_discs, discs.CLASS_SET,
                               key=jax.random.key(0), num_samples=200, **arguments)
  return evaluate


@pytest.fixture(scope='module')
def perfect(judge):
  return judge()


def test_fakes_as_good_as_real_reach_every_bar(perfect, oracle_of_discs):
  """A perfect generator scores 0, and agrees with the oracle as far as the oracle is right."""
  for name in ('image', 'mask', 'class_area_error', 'image_diversity', 'mask_diversity'):
    assert abs(perfect[name]['normalised']) < 0.1, name
  for name in ('mask_agreement', 'azimuth', 'elevation'):
    assert perfect[name] == pytest.approx(oracle_of_discs.accuracy['validation'][name], abs=0.03), name
  assert perfect['all_passed']
  assert perfect['passed']['class_areas']['outside'] == []


def test_mirrored_fakes_turn_the_wrong_way(judge):
  """All distributions look right, and only the signed pose agreement sees it."""
  scores = judge(discs.mirrored)
  assert scores['image']['normalised'] < 0.15
  assert scores['azimuth'] < -0.9 and scores['elevation'] > 0.9
  assert not scores['passed']['azimuth']['passed'] and not scores['all_passed']


def test_grey_fakes_score_as_untrained(judge):
  """What the untrained generator gives scores 1 everywhere and reaches no bar."""
  scores = judge(discs.grey)
  for name in ('image', 'mask', 'class_area_error', 'image_diversity', 'mask_diversity'):
    assert scores[name]['normalised'] == pytest.approx(1), name
  assert not any(row['passed'] for row in scores['passed'].values())
  assert abs(scores['azimuth']) < 0.3


def test_pictures_of_other_masks_do_not_agree(judge):
  """Good pictures with good masks that do not belong together."""
  scores = judge(lambda fakes: dict(fakes, semantic_mask=fakes['semantic_mask'][::-1]))
  assert scores['mask']['normalised'] < 0.1
  assert scores['mask_agreement'] < 0.6


def test_one_person_again_and_again_has_no_diversity(judge):
  """Collapse shows in diversity."""
  person = discs.examples(1, seed=3)['image']
  scores = judge(lambda fakes: dict(fakes, image=np.repeat(person, len(fakes['image']), axis=0)))
  assert scores['image_diversity']['normalised'] > 0.95


def test_a_dropped_class_is_named(judge):
  """Dots that are gone from image and mask are outside the factor of two and agree on nothing."""
  def drop(fakes):
    return dict(fakes, semantic_mask=fakes['semantic_mask'] * np.array([1, 1, 0], np.float32))
  scores = judge(drop)
  assert scores['passed']['class_areas'] == {'value': 1, 'bar': 0, 'passed': False, 'outside': ['dot']}
  assert scores['classes']['dot']['mask_agreement'] == 0


def test_ceilings_of_earlier_scores_save_the_untrained_samples(judge, perfect):
  """Later evaluations of a run need no untrained generator."""
  again = judge(untrained=None, ceilings=perfect['ceilings'])
  assert again['image'] == perfect['image']
  with pytest.raises(ValueError, match='ceiling'):
    judge(untrained=None)


def test_samples_that_are_not_finite_miss_the_bars(judge):
  """A run that has blown up is reported, not crashed on."""
  scores = judge(lambda fakes: {name: fakes[name] * (1 if name == 'viewpoint' else np.nan) for name in fakes})
  assert not scores['all_passed'] and not scores['passed']['image']['passed']
  assert 'image' in scores_lib.format_table(scores)


def test_too_few_real_examples_are_refused(real, oracle_of_discs):
  """The floor needs two disjoint sets."""
  with pytest.raises(ValueError, match='600 real examples are too few'):
    scores_lib.evaluate(UNTRAINED, real, UNTRAINED, oracle_of_discs, discs.CLASS_SET,
                        key=jax.random.key(0), num_samples=301)


def test_written_scores_are_json_with_a_history(tmp_path, perfect):
  """Steps add up, a resumed run overwrites what came after its start, and NaN becomes null."""
  broken = perfect | {'azimuth': math.nan}
  for step, scores in [(10, perfect), (20, perfect), (30, perfect), (20, broken)]:
    path = scores_lib.write(scores, tmp_path, step)
  story = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
  assert [entry['step'] for entry in story['history']] == [10, 20]
  assert story['latest']['step'] == 20 and story['latest']['azimuth'] is None
  assert story['history'][0]['image_normalised'] == perfect['image']['normalised']
  assert [file.name for file in tmp_path.iterdir()] == ['scores.json']


def test_unreadable_scores_are_kept_aside(tmp_path, perfect):
  """Nothing is lost."""
  (tmp_path / 'scores.json').write_text('{"latest"')
  scores_lib.write(perfect, tmp_path, 5)
  assert (tmp_path / 'scores.json.unreadable').read_text() == '{"latest"'


def test_table_tells_scores_classes_and_bars(perfect):
  """What is printed at the end of a run."""
  table = scores_lib.format_table(perfect)
  assert '<= 0.15 passed' in table and 'dot' in table and '6 of 6 bars reached' in table
  assert all(len(line) <= 120 for line in table.splitlines())
