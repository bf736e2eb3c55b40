"""Which real people a run is scored against."""

import dataclasses
import json
import pathlib

import jax
import numpy as np
import pytest

import tiny
from cnerf_jax import camera as camera_lib
from cnerf_jax import sampler
from cnerf_jax.evaluation import scores as scores_lib
from cnerf_jax.run import evaluator as evaluator_lib
from configs import default

SIZE = 4
NUM_CLASSES = 12


def examples(count, seed, level=0.0):
  """Noise about a level of grey, of one label a pixel; without viewpoints, so that no oracle is trained."""
  generator = np.random.default_rng(seed)
  image = level + 0.1 * generator.standard_normal((count, SIZE, SIZE, 3)).astype(np.float32)
  return {'image': image, 'semantic_mask': np.eye(NUM_CLASSES, dtype=np.float32)[generator.integers(0, NUM_CLASSES, (count, SIZE, SIZE))]}


@dataclasses.dataclass
class Data:
  """A data set of so many examples a split: the validation people are darker, so that the two can be told apart."""

  num_train: int
  num_validation: int
  oracle_folder: pathlib.Path = pathlib.Path('unused')

  def __post_init__(self):
    self.splits = ('train', 'validation') if self.num_validation else ('train',)

  def load_split(self, split, *, image_size, max_examples=None):
    assert image_size == SIZE and split in self.splits
    count = {'train': self.num_train, 'validation': self.num_validation}[split]
    return examples(min(count, max_examples or count), seed=len(split), level={'train': 0.5, 'validation': -0.5}[split])

  def image_parts(self, split, indices, *, image_size):
    whole = self.load_split(split, image_size=image_size)['image']
    for start in range(0, len(indices), 7):
      yield whole[list(indices)[start:start + 7]]


@pytest.mark.parametrize('data, split, num_samples, num_examples', [
    (Data(1_000, 300), 'validation', 100, 300),
    (Data(1_000, 80), 'validation', 80, 80),
    (Data(1_000, 20), 'train', 100, 512),
    (Data(300, 0), 'train', 100, 300),
], ids=['enough', 'fewer than asked for', 'too few', 'none'])
def test_fakes_are_compared_with_people_not_trained_on(data, split, num_samples, num_examples, monkeypatch, tmp_path):
  """Protects honest scores: the reference is of the validation split, or of train where that is too small, and scores.json says which."""
  monkeypatch.setattr(
      evaluator_lib, 'make_sampler', lambda generator, config: lambda params, key, batch, viewpoint=None: dict(
          examples(batch, seed=int(jax.random.randint(key, (), 0, 2**30)), level=params), viewpoint=np.zeros((batch, 2), np.float32)))
  monkeypatch.setattr(evaluator_lib, 'make_depth_sampler', lambda generator, config: lambda params, key, batch, viewpoint: dict(
      semantic_mask=examples(batch, seed=0)['semantic_mask'], viewpoint=viewpoint, depth=np.full((batch, SIZE, SIZE), 1 + params / 10),
      surface_width=np.full((batch, SIZE, SIZE), 0.01), opacity=np.ones((batch, SIZE, SIZE))))
  config = tiny.make_config(default, evaluation__num_images=100)
  notes = []
  evaluator = evaluator_lib.Evaluator(None, 2.0, config, data, notes.append)
  near, far = (-0.5, 0.5) if split == 'validation' else (0.5, -0.5)
  scores = evaluator.evaluate(near, 1, tmp_path)
  written = json.loads((tmp_path / 'scores.json').read_text())['latest']
  expected = {'split': split, 'examples': num_examples, 'num_samples': num_samples}
  assert scores['compared_with'] == written['compared_with'] == expected
  assert scores['num_samples'] == num_samples and evaluator.oracle is None
  assert scores['geometry']['verdict'] == 'flat' and written['geometry']['classes']['nose'] == pytest.approx(1 + near / 10)
  later = evaluator.evaluate(far, 2, tmp_path)
  assert scores['nearest'] is written['nearest'] is None  # not the last step
  assert scores['image']['value'] < 0.1 < later['image']['value'] and later['ceilings'] == scores['ceilings']


def test_edits_are_of_the_last_step_or_as_asked(monkeypatch, tmp_path):
  """Protects the time of a run, and its end from silence: classes are swapped at the last step alone, or for as many people as are asked for;
  scores.json then has what was found, and a picture lies beside it."""
  monkeypatch.setattr(evaluator_lib, 'make_sampler', lambda generator, config: lambda params, key, batch, viewpoint=None: dict(
      examples(batch, seed=0), viewpoint=np.zeros((batch, 2), np.float32)))
  monkeypatch.setattr(evaluator_lib.scores_lib, 'measure_geometry', lambda *arguments: None)
  monkeypatch.setattr(evaluator_lib.semantics, 'PRESENT', 0.1)  # masks of the tiny generator are faint
  config = tiny.make_config(default, evaluation__num_images=20, evaluation__num_edited_people=3, num_steps=7)
  generator = tiny.make_generator(num_classes=NUM_CLASSES)
  evaluator = evaluator_lib.Evaluator(generator, None, config, Data(100, 64), print)
  params = tiny.make_params(generator)
  assert evaluator.evaluate(params, 6, tmp_path)['locality'] is None and not (tmp_path / 'sheets').exists()
  assert evaluator.evaluate(params, 6, tmp_path)['nearest'] is None
  scores = evaluator.evaluate(params, 7, tmp_path)
  written = json.loads((tmp_path / 'scores.json').read_text())
  assert scores['locality']['people'] == written['latest']['locality']['people'] == 3
  assert set(written['latest']['locality']['classes']) == set(evaluator_lib.semantics.FFHQ12.classes)
  assert [entry['locality_both'] is None for entry in written['history']] == [True, False]
  assert scores['nearest'] == written['latest']['nearest']
  assert (scores['nearest']['num_samples'], scores['nearest']['num_held_out']) == (20, 64)
  assert [entry['nearest_ratio'] is None for entry in written['history']] == [True, False] and 'nearest' in scores_lib.format_table(scores)
  assert (tmp_path / 'sheets' / 'locality_0000007.png').exists() and (tmp_path / 'sheets' / 'nearest_0000007.png').exists()
  again = evaluator.measure_locality(params, 7, tmp_path, 3)
  np.testing.assert_equal(again, scores['locality'])  # the same people every time
  asked = evaluator.evaluate(params, 5, tmp_path, num_edited_people=2, find_nearest=True)
  assert asked['locality']['people'] == 2 and asked['nearest'] is not None
  without = evaluator.evaluate(params, 7, tmp_path, find_nearest=False)
  same = lambda scores: {name: value for name, value in scores.items() if name != 'nearest'}
  np.testing.assert_equal(same(without), same(scores))
  assert without['nearest'] is None
  for num_validation, is_compared in ((15, False), (16, True)):  # too few for the other scores, which are of training people then
    some = evaluator_lib.Evaluator(generator, None, config, Data(100, num_validation), print).evaluate(params, 6, tmp_path, find_nearest=True)
    assert (some['nearest'] is not None) == is_compared and some['compared_with']['split'] == 'train'


def test_given_styles_are_drawn_from_given_cameras():
  """Protects edits from being drawn as others: a tiny generator's own rendering, for batches that divide over the devices and others."""
  generator, config = tiny.make_generator(), tiny.make_config()
  params, random = tiny.make_params(generator), np.random.default_rng(0)
  draw = evaluator_lib.make_style_sampler(generator, config)
  for batch in (2, 3):
    styles = random.standard_normal((batch, tiny.NUM_CLASSES, 2, generator.style_dim)).astype(np.float32)
    viewpoint = random.normal(size=(batch, 2)).astype(np.float32)
    expected = sampler.render(
        generator, params, styles, camera_lib.orbit(*viewpoint.T), image_size=SIZE, num_samples=config.num_samples)
    drawn = draw(params, styles, viewpoint)
    np.testing.assert_allclose(drawn['image'], expected.rgb, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(drawn['semantic_mask'], expected.semantic_mask, rtol=1e-3, atol=1e-4)


def test_depth_samples_are_those_of_a_rendering():
  """Protects the numbers that the shape of heads is judged by: a tiny generator's own depth, width and opacity, at the camera asked for."""
  generator, config = tiny.make_generator(), tiny.make_config()
  params, viewpoint = tiny.make_params(generator), np.array([[0.3, 0.1], [0.0, 0.0]], np.float32)
  found = evaluator_lib.make_depth_sampler(generator, config)(params, jax.random.key(0), 2, viewpoint)
  z = jax.random.normal(jax.random.split(jax.random.key(0))[0], (2, generator.style_dim))
  styles, camera = sampler.map_latents(generator, params, z), camera_lib.orbit(*viewpoint.T)
  rendering = sampler.render(generator, params, styles, camera, image_size=SIZE, num_samples=config.num_samples)
  surface = sampler.surface(generator, params, styles, camera, rendering)
  expected = dict(depth=rendering.depth, semantic_mask=rendering.semantic_mask, surface_width=surface.width, opacity=surface.opacity)
  assert set(found) == {*expected, 'viewpoint'}
  for name, value in expected.items():
    np.testing.assert_allclose(found[name], value, rtol=1e-3, atol=1e-5, err_msg=name)
