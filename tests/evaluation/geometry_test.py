import discs
import jax
import numpy as np
import pytest

from cnerf_jax import semantics
from cnerf_jax.evaluation import geometry
from cnerf_jax.evaluation import real_sets
from cnerf_jax.evaluation import scores as scores_lib

CLASS_SET = semantics.FFHQ12
# what `portraits` look like from the front; nobody wears glasses
TRUE = np.array([1.12, .956, .936, np.nan, .950, .949, .991, .949, .969, .955, 1.0, .996])


def with_depth(examples, relief):
  """Discs `relief` in front of the background."""
  disc = examples['semantic_mask'][..., 1]
  return dict(examples, depth=1.0 - 0.1 * relief * disc - 0.05 * relief * examples['semantic_mask'][..., 2])


@pytest.mark.parametrize('fake, slope', [(TRUE, 1), (2 * TRUE - .95, 2), (0 * TRUE + .97, 0), (1.9 - TRUE, -1)],
                         ids=['true', 'deep', 'flat', 'hollow'])
def test_slope_tells_true_flat_and_hollow_heads_apart(fake, slope):
  """Protects from masks painted on boards and molds, whose pictures are right; the background has no surface and is not counted."""
  fake = fake.copy()
  fake[0] = 3.0
  found = geometry.relief(fake, TRUE, CLASS_SET)
  assert found['slope'] == pytest.approx(slope, abs=1e-6)
  assert found['error'] == pytest.approx(np.nanmean(np.abs(fake - TRUE)[1:]))
  assert found['classes']['nose'] == {'fake': fake[2], 'real': TRUE[2]}


def test_class_depths_against_a_loop():
  """Protects the median of each class: a slow loop; a class with a few pixels says nothing."""
  rng = np.random.default_rng(0)
  labels = rng.integers(0, 11, (3, 24, 24))
  labels[0, 0, 0] = 11
  depth = rng.normal(1, 0.1, labels.shape)
  found = geometry.class_depths(depth, np.eye(12, dtype=np.float32)[labels], CLASS_SET)
  for k in range(11):
    assert found[k] == pytest.approx(np.median([d for d, label in zip(depth.ravel(), labels.ravel()) if label == k]))
  assert np.isnan(found[11])


def test_too_few_classes_have_no_slope():
  """Protects from a number where there is none."""
  found = geometry.relief(np.where(np.arange(12) < 2, 1.0, np.nan), TRUE, CLASS_SET)
  assert np.isnan(found['slope']) and np.isnan(found['error'])


@pytest.mark.parametrize('relief', [1.0, -1.0])
def test_scores_report_relief_where_depth_is_known(relief, tmp_path):
  """Protects the way to scores.json: relief of the samples at the frontal viewpoints, none without a depth, other scores as they were."""
  real = with_depth(discs.examples(600, seed=1), 1.0)
  real_sets_ = real_sets.real_sets('validation', real, 200)
  assert set(real_sets_.frontal) == {'image', 'semantic_mask', 'viewpoint', 'depth'}
  evaluate = lambda **arguments: scores_lib.evaluate(
      discs.sampler(), real_sets_, discs.sampler(discs.grey), None, discs.CLASS_SET, key=jax.random.key(0), **arguments)
  plain, scores = evaluate(), evaluate(sample_depth=discs.sampler(lambda fakes: with_depth(fakes, relief)))
  assert scores['relief']['slope'] == pytest.approx(relief, abs=1e-4)
  assert plain['relief'] is None and scores_lib.summary(plain)['relief'] is None
  assert scores['image'] == plain['image'] and scores['mask'] == plain['mask'] and scores['passed'] == plain['passed']
  assert 'relief' in scores_lib.format_table(scores) and 'hollow' not in scores_lib.format_table(plain)
  assert scores_lib.write(scores, tmp_path, 1).exists()
