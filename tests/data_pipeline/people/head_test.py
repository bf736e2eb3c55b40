"""Heads: labels where they belong, regions that move alone, a body that turns under a face that doesn't."""

import dataclasses

import numpy as np
import pytest

from data_pipeline.people import expression as expression_lib
from data_pipeline.people import head as head_lib
from data_pipeline.people import head_model
from data_pipeline.people import shape as shape_lib
from data_pipeline.people import traits as traits_lib

STILL = expression_lib.Expression('neutral', (), 0.0, 0.0, 0.0, 0.0)


def draw(index):
  """Traits and shape of somebody."""
  rng = np.random.default_rng(index)
  traits = traits_lib.draw(rng)
  return traits, shape_lib.draw(rng, traits)


@pytest.fixture(scope='module')
def model(people_assets):
  """The model of heads."""
  del people_assets  # it is there
  return head_model.load()


@pytest.mark.parametrize('index', range(5))
def test_every_target_of_a_person_exists(people_assets, index):
  """Tables of axes, expressions and macros name targets that the assets have."""
  rng = np.random.default_rng(index)
  traits, shape = draw(index)
  names = shape_lib.macro_targets(traits) | expression_lib.targets(expression_lib.draw(rng, traits))
  for weights in shape_lib.targets(shape).values():
    names |= weights
  assert names.keys() <= people_assets.target_numbers.keys()


def test_macro_weights_blend():
  """Weights of the extremes sum to one for each kind of target: an average is no larger than its parts."""
  for index in range(20):
    weights = shape_lib.macro_targets(draw(index)[0])
    universal = sum(weight for name, weight in weights.items() if name.startswith('macrodetails/universal'))
    assert abs(universal - 1) < 1e-5 and abs(sum(weights.values()) - 2) < 1e-5


def test_labels_lie_where_they_belong(model):
  """On the neutral head: the left ear at +x, lips below the nose, the lower below the upper, the neck below all of them."""
  label = model.scores.argmax(axis=1)
  inside = model.scores.max(axis=1) > 0
  middle = lambda which: model.template[inside & (label == which)].mean(axis=0)
  assert middle(head_model.LEFT_EAR)[0] > 0.7 and middle(head_model.RIGHT_EAR)[0] < -0.7
  assert middle(head_model.NOSE)[1] > middle(head_model.UPPER_LIP)[1] > middle(head_model.LOWER_LIP)[1] > middle(head_model.NECK)[1]
  assert middle(head_model.MOUTH)[2] < middle(head_model.UPPER_LIP)[2]  # behind the lips


def test_landmarks_are_mirror_images(model):
  """Left and right points of the neutral head mirror each other, to the spacing of its vertices."""
  points = model.template[model.landmarks]
  pairs = [(i, 16 - i) for i in range(8)] + [(17 + i, 26 - i) for i in range(5)] + [(31, 35), (32, 34)] + [
      (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46), (48, 54), (49, 53), (50, 52), (60, 64), (61, 63)]
  for left, right in pairs:
    np.testing.assert_allclose(points[left] * [-1, 1, 1], points[right], atol=0.035, err_msg=f'points {left} and {right}')
  assert len(set(model.landmarks)) >= 66  # inner lips may share a vertex where the mouth is shut


@pytest.mark.parametrize('region', ['nose', 'mouth', 'ears', 'eyes', 'brows'])
def test_a_region_of_another_person_moves_nothing_far_away(model, region):
  """Somebody's nose on another head: what is more than 6 cm from any nose stays exactly where it was."""
  (traits, shape), (_, other) = draw(1), draw(2)
  before = head_lib.build(model, traits, shape, STILL).vertices
  swapped = dataclasses.replace(shape, **{region: getattr(other, region)})
  after = head_lib.build(model, traits, swapped, STILL).vertices
  moved = np.abs(after - before).max(axis=1)
  points = model.template[model.landmarks]
  seeds = {
      'nose': model.template[model.scores[:, head_model.NOSE] > 0], 'mouth': points[48:68], 'eyes': points[36:48], 'brows': points[17:27],
      'ears': model.template[model.scores[:, [head_model.LEFT_EAR, head_model.RIGHT_EAR]].max(axis=1) > 0]}[region]
  distance = head_distance(model.template, seeds)
  assert moved[distance < 0.1].max() > 0.005
  assert moved[distance > 0.65].max() == 0


def head_distance(points, others):
  """Distance of each point to the nearest of the others."""
  import scipy.spatial  # pylint: disable=import-outside-toplevel
  return scipy.spatial.cKDTree(others).query(points)[0]


def test_body_turns_and_face_stays(model):
  """Shoulders turn under the head; everything above the jaw's plane is where it was."""
  traits, shape = draw(3)
  still = head_lib.build(model, traits, shape, STILL).vertices
  turned = head_lib.build(model, traits, shape, dataclasses.replace(STILL, body_yaw=0.4)).vertices
  height = model.template[:, 1] + 0.583 * model.template[:, 2]
  assert np.abs(turned - still)[height > 7.3].max() == 0
  low = model.template[:, 1] < 5.2
  assert np.abs(turned - still)[low].max() > 0.3
  radius = lambda vertices: np.hypot(vertices[low][:, 0], vertices[low][:, 2] - 0.1)
  np.testing.assert_allclose(radius(turned), radius(still), atol=0.06)  # rigid below the collarbones


def test_eyes_look_where_they_are_told(model):
  """Gaze to the person's left is towards +x; the eyeballs lie inside the head behind the lids."""
  traits, shape = draw(4)
  head = head_lib.build(model, traits, shape, dataclasses.replace(STILL, gaze_yaw=0.3, gaze_pitch=0.1))
  for eye, lids in ((head.left_eye, range(42, 48)), (head.right_eye, range(36, 42))):
    assert eye.axes[2, 0] > 0.25 and eye.axes[2, 1] > 0.05
    np.testing.assert_allclose(eye.axes @ eye.axes.T, np.eye(3), atol=1e-6)
    distance = np.linalg.norm(head.landmarks[list(lids)] - eye.centre, axis=1)
    assert (distance > 0.85 * eye.radius).all() and (distance < 1.7 * eye.radius).all()


def test_displaced_points_follow_the_skin(model):
  """A point on a vertex moves exactly with it."""
  traits, shape = draw(5)
  head = head_lib.build(model, traits, shape, STILL)
  some = np.arange(0, len(head.vertices), 1500)
  np.testing.assert_allclose(head.displaced(model.template[some]), head.vertices[some], atol=0.02)
