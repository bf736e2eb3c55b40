import json

import discs
import heads
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


@pytest.mark.parametrize('height, beta, verdict', [
    (0.1, 0.004, 'sound'), (0.1, 0.015, 'sound'), (-0.1, 0.004, 'hollow'), (0.03, 0.004, 'flat'), (0.0, 0.004, 'flat'),
    (0.1, 0.05, 'fog'), (0.1, 1.0, 'fog')],
    ids=['sound', 'sound and soft', 'hollow', 'flat', 'board', 'wide', 'nearly empty'])
def test_rendered_heads_are_diagnosed(height, beta, verdict):
  """Protects the whole way from a signed distance to a word: a dome, seen from outside and from inside, pressed flat, and in fog."""
  found = geometry.measure(**heads.render(height, beta), class_set=CLASS_SET)
  assert found['verdict'] == verdict and verdict in geometry.VERDICTS
  assert geometry.describe(found).endswith(f': {verdict}')


@pytest.mark.parametrize('height', [0.1, 0.06, -0.1])
def test_relief_is_that_of_the_field(height):
  """Protects the unit and sign of relief and fog: the depth between two rings of a dome, by its formula; 1.8 beta seen along a normal."""
  found = geometry.measure(**heads.render(height, 0.004), class_set=CLASS_SET)
  dome = lambda radius: height * (1 - (radius / heads.RADIUS)**2)**0.5
  middle = lambda inner, outer: ((inner**2 + outer**2) / 2)**0.5  # as much of a ring lies within as beyond
  assert found['relief'] == pytest.approx(dome(middle(0, 0.02)) - dome(middle(0.07, 0.09)), abs=0.01)
  assert found['behind'] == 'ears' and found['in_order'] == (height > 0)
  assert found['classes']['eyes'] == pytest.approx(1 - dome(middle(0.02, 0.04)) + height / 2, abs=0.01)
  assert found['fog'] == pytest.approx(np.pi / 3**0.5 * 0.004, abs=0.003)
  assert found['opacity'] > 0.99 and found['classes']['hat'] is None


@pytest.mark.parametrize('name, opacity, verdict', [
    ('hair', 0.16, 'painted'), ('hair', 0.6, 'sound'), ('ears', 0.3, 'painted'), ('neck', 0.1, 'painted'), ('hat', 0.1, 'sound')])
def test_heads_whose_hair_is_painted_on_the_backdrop_are_told(name, opacity, verdict):
  """Protects what looked right on a sheet and in every score: hair, ears or neck that no surface stops; of other classes it may be true."""
  head = heads_of(GOOD | dict(neck=1.0, hat=0.97))
  head['opacity'] = np.where(head['semantic_mask'][..., CLASS_SET.index(name)] > 0, opacity, 1.0)
  found = geometry.measure(**head)
  assert found['verdict'] == verdict
  assert found['opacities'][name] == pytest.approx(opacity) and found['opacities']['skin'] == 1.0 and found['opacities']['glasses'] is None
  json.dumps(found, allow_nan=False)


def heads_of(*depths_of_heads):
  """One 8x8 head each, a row of pixels a class, from {name: depth}; empty rows are skin at 1."""
  depth, labels = np.ones((len(depths_of_heads), 8, 8)), np.full((len(depths_of_heads), 8, 8), CLASS_SET.index('skin'))
  for i, head in enumerate(depths_of_heads):
    for row, (name, value) in enumerate(head.items()):
      depth[i, row], labels[i, row] = value, CLASS_SET.index(name)
  return dict(depth=depth, semantic_mask=np.eye(12, dtype=np.float32)[labels], surface_width=np.full(depth.shape, 0.01),
              opacity=np.ones(depth.shape), class_set=CLASS_SET)


GOOD = dict(nose=0.94, eyes=0.95, ears=1.0, hair=0.97)


def without(name, **changes):
  return {part: value for part, value in (GOOD | changes).items() if part != name}


@pytest.mark.parametrize('second, in_order', [
    (GOOD, 1.0), (GOOD | dict(nose=0.96), 0.5), (GOOD | dict(ears=0.945), 0.5), (GOOD | dict(hair=0.9), 1.0),
    (without('ears'), 1.0), (without('ears', hair=0.9), 0.5), (without('eyes'), 1.0), (without('eyes', ears=0.9), 0.5),
    (without('nose', ears=0.9), 1.0), (dict(nose=0.99, eyes=0.9), 1.0)],
    ids=['good', 'eyes first', 'ears before eyes', 'hair may be anywhere', 'no ears', 'no ears, hair first', 'no eyes', 'no eyes, hollow',
         'no nose', 'nothing behind'])
def test_order_is_judged_head_by_head(second, in_order):
  """Protects the share of heads in order: one good head and another; who shows no nose, or nothing behind it, is not counted."""
  assert geometry.measure(**heads_of(GOOD, second))['in_order'] == in_order


def test_hair_stands_for_ears_and_nothing_for_both():
  """Protects from a number that is of something else: what the nose stands before is said, hair has a bar of its own."""
  assert geometry.measure(**heads_of(GOOD))['relief'] == pytest.approx(0.06)
  by_hair = geometry.measure(**heads_of(without('ears')))
  assert by_hair['relief'] == pytest.approx(0.03) and by_hair['behind'] == 'hair' and by_hair['verdict'] == 'sound'
  assert '(nose before hair)' in geometry.describe(by_hair)
  assert geometry.measure(**heads_of(GOOD | dict(ears=0.97)))['verdict'] == 'flat'
  neither = geometry.measure(**heads_of(dict(nose=0.94, eyes=0.95)))
  assert all(neither[name] is None for name in ('relief', 'behind', 'in_order', 'fog_of_relief', 'verdict'))
  assert neither['fog'] == pytest.approx(0.01) and 'too little' in geometry.describe(neither)
  json.dumps(neither, allow_nan=False)


@pytest.mark.parametrize('numbers, verdict', [
    ((-0.025, 'ears', 0.02, 1.0), 'hollow'), ((-0.025, 'ears', 0.06, 1.0), 'hollow'), ((0.02, 'ears', 0.06, 1.0), 'fog'),
    ((0.07, 'ears', 0.01, 0.5), 'fog'), ((0.021, 'ears', 0.02, 1.0), 'flat'), ((0.027, 'ears', 0.02, 1.0), 'flat'),
    ((0.001, 'ears', 0.02, 1.0), 'flat'), ((-0.001, 'ears', 0.02, 1.0), 'flat'), ((0.04, 'ears', 0.02, 1.0), 'sound'),
    ((0.099, 'ears', 0.02, 1.0), 'sound'), ((0.018, 'hair', 0.02, 1.0), 'flat'), ((0.033, 'hair', 0.02, 1.0), 'sound'),
    ((np.nan, 'ears', 0.02, 1.0), None), ((0.07, 'ears', np.nan, 1.0), None), ((0.07, None, 0.02, 1.0), None)])
def test_verdicts_of_what_was_measured(numbers, verdict):
  """Protects the bars: runs that are known to be hollow, flat or sound, and the gravest word first."""
  assert geometry.diagnose(*numbers) == verdict
  if verdict in ('flat', 'sound'):
    assert geometry.diagnose(*numbers, painted=True) == 'painted'


def test_hollow_by_depths_alone():
  """Protects what a run mends itself by: the depths of a real hollow run, a sound one, and what can't be judged."""
  depths = np.full(12, np.nan)
  for name, value in dict(background=.966, nose=.984, eyes=.983, skin=.973, hair=.959, ears=.959).items():
    depths[CLASS_SET.index(name)] = value
  assert geometry.is_hollow(depths, CLASS_SET) is True
  assert geometry.is_hollow(2 - depths, CLASS_SET) is False
  by_hair = depths.copy()
  by_hair[CLASS_SET.index('ears')] = np.nan
  assert geometry.is_hollow(by_hair, CLASS_SET) is True
  by_hair[CLASS_SET.index('nose')] = np.nan
  assert geometry.is_hollow(by_hair, CLASS_SET) is False
  assert geometry.is_hollow(np.array([0.9, 1.0, 1.1]), discs.CLASS_SET) is False
  names = semantics.FFHQ9
  singular = np.full(9, np.nan)
  singular[[names.index('nose'), names.index('eye'), names.index('ear')]] = 0.99, 0.98, 0.95
  assert geometry.is_hollow(singular, names) is True
  # learnt with every turn's sign wrong: ears as far as the nose, hair and background before it
  wrong_turn = np.full(12, np.nan)
  for name, value in dict(background=.9199, nose=.9301, eyes=.935, hair=.917, ears=.9308).items():
    wrong_turn[CLASS_SET.index(name)] = value
  assert geometry.is_hollow(wrong_turn, CLASS_SET) is True
  assert geometry.diagnose(.0007, 'ears', .01, 1.0, hollow=True) == 'hollow'


@pytest.mark.parametrize('class_set, face', [(semantics.FFHQ12, True), (semantics.FFHQ9, True), (discs.CLASS_SET, False)],
                         ids=lambda value: getattr(value, 'name', ''))
def test_classes_without_a_face_have_no_geometry(class_set, face):
  """Protects data sets of other things, without a crash: nothing is measured, and nothing drawn for it."""
  assert geometry.has_face(class_set) == face
  if not face:
    no_mask = np.zeros((1, 4, 4, class_set.num_classes))
    assert geometry.measure(no_mask[..., 0], no_mask, no_mask[..., 0], no_mask[..., 0], class_set) is None
    assert scores_lib.measure_geometry(None, jax.random.key(0), class_set) is None


@pytest.mark.parametrize('height, verdict', [(0.1, 'sound'), (-0.1, 'hollow')])
def test_scores_report_geometry(height, verdict, tmp_path):
  """Protects the way to scores.json, curves and the table, for samples seen from the front; the other scores are as without."""
  rng = np.random.default_rng(0)
  def examples(count):
    labels = rng.integers(0, 12, (count, 8, 8))
    return dict(image=rng.normal(size=(count, 8, 8, 3)).astype(np.float32), semantic_mask=np.eye(12, dtype=np.float32)[labels])
  views = []
  sample = lambda key, batch, viewpoint=None: examples(batch) | dict(viewpoint=np.zeros((batch, 2)))
  def sample_depth(key, batch, viewpoint):
    views.append(viewpoint)
    return heads.sampler(height, 0.004)(key, batch, viewpoint)
  scores = scores_lib.evaluate(
      sample, real_sets.real_sets('train', examples(80), 40), sample, None, CLASS_SET, key=jax.random.key(0), sample_depth=sample_depth)
  assert sum(map(len, views)) == 64 and not np.any(views)
  assert scores['geometry']['verdict'] == verdict and verdict in scores_lib.format_table(scores)
  assert 'geometry' not in scores['passed']
  scores_lib.write(scores, tmp_path, 3)
  written = json.loads((tmp_path / 'scores.json').read_text())
  assert set(written['latest']['geometry']) >= {'classes', 'relief', 'in_order', 'fog', 'opacity', 'verdict'}
  assert np.sign(written['history'][0]['geometry_relief']) == np.sign(height)
  assert written['history'][0]['geometry_in_order'] == (height > 0) and 0 < written['history'][0]['geometry_fog'] < 0.02
