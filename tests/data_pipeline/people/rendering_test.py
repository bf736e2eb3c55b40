"""What is written down about a picture of somebody is what the picture shows; the same person is the same bytes."""

import dataclasses

import numpy as np
import pytest

from cnerf_jax import camera as camera_lib
from data_pipeline.people import edits
from data_pipeline.people import person as person_lib
from data_pipeline.people import rendering
from data_pipeline.people import scene as scene_lib

SIZE = 128
COUNT = 8
SKIN, NOSE, HAIR = 1, 2, 13
VIEWS = ((0.0, 0.0), (0.45, 0.1), (-0.4, -0.15), (0.2, 0.3))


@pytest.fixture(scope='module')
def bare(people_assets):
  """(person, scene, pictures from `VIEWS`) of people without hat and glasses."""
  del people_assets  # they are there
  people = [dataclasses.replace(person_lib.draw(3, index), hat=None, glasses=None) for index in range(COUNT)]
  scenes = [scene_lib.build(person, image_size=SIZE) for person in people]
  return [(person, scene, [rendering.draw(scene, view, image_size=SIZE) for view in VIEWS]) for person, scene in zip(people, scenes)]


def test_landmarks_reproject(bare):
  """The camera of record (`camera.orbit`) puts the landmarks of the scene where the picture has them, to half a pixel."""
  for _, scene, pictures in bare:
    world = (scene.head.landmarks - scene.origin) * scene.scale
    for view, picture in zip(VIEWS, pictures):
      camera = camera_lib.orbit(*view)
      rotation, position = np.asarray(camera.cam_to_world[:, :3]), np.asarray(camera.cam_to_world[:, 3])
      local = (world - position) @ rotation
      depth = -local[:, 2]
      pixel = SIZE * (0.5 + float(camera.focal) * local[:, :2] * [1, -1] / depth[:, None])
      np.testing.assert_allclose(picture.landmarks[:, :2], pixel, atol=0.5)
      np.testing.assert_allclose(picture.landmarks[:, 2], depth, rtol=1e-4)


def test_depth_at_landmarks(bare):
  """Where the nose is seen, the picture's depth is the landmark's, to one part in a hundred."""
  checked = 0
  for _, _, pictures in bare:
    for picture in pictures:
      for x, y, depth in picture.landmarks[27:31]:
        row, column = int(y), int(x)
        if picture.label[row, column] == NOSE:
          checked += 1
          assert abs(picture.depth[row, column] - depth) < 0.01 * depth
  assert checked > 2 * COUNT * len(VIEWS)


def test_positive_azimuth_moves_the_nose_to_the_left(bare):
  """The sign of azimuth: from the camera on the +x side, the nose lies left of the middle between the eyes."""
  for _, _, (front, right, left, _) in bare:
    beside = lambda picture: picture.landmarks[30, 0] - picture.landmarks[36:48, 0].mean()
    assert beside(right) < beside(front) - 2 and beside(left) > beside(front) + 2


def test_left_parts_lie_on_the_right_of_the_picture(bare):
  """`l_` is the person's left, in the picture's right half when seen from the front: eyes, brows and ears."""
  for _, _, (front, *_) in bare:
    for left, right in ((4, 5), (6, 7), (8, 9)):
      if (front.label == left).any():
        assert np.flatnonzero((front.label == left).any(axis=0)).mean() > SIZE / 2
      if (front.label == right).any():
        assert np.flatnonzero((front.label == right).any(axis=0)).mean() < SIZE / 2
    assert (front.label == 4).any() and (front.label == 5).any()


def test_positive_elevation_looks_down(bare):
  """From above, the tip of the nose comes nearer to the mouth."""
  for _, scene, _ in bare:
    gap = [np.subtract(*rendering.draw(scene, (0.0, elevation), image_size=SIZE).landmarks[[62, 30], 1]) for elevation in (-0.25, 0.25)]
    assert gap[1] < gap[0]


def test_eyes_and_mouth_lie_where_aligned_crops_have_them(bare):
  """From the front: eyes at .478 and the mouth near .746 of the height, in the middle, as in CelebA-HQ."""
  for _, _, pictures in bare:
    eyes, mouth = pictures[0].landmarks[36:48].mean(axis=0) / SIZE, pictures[0].landmarks[[48, 54]].mean(axis=0) / SIZE
    assert abs(eyes[1] - 0.475) < 0.02 and abs(mouth[1] - 0.735) < 0.075 and abs(eyes[0] - 0.5) < 0.02


def test_normals_face_the_camera_and_agree_with_depth(bare):
  """Unit normals of all that is seen, hair too, turned towards the camera; on skin orthogonal to the surface that depth describes."""
  for _, _, pictures in bare:
    for view, picture in zip(VIEWS, pictures):
      somebody = picture.label != 0
      np.testing.assert_allclose(np.linalg.norm(picture.normal[somebody], axis=1), 1, atol=1e-3)
      towards = np.asarray(camera_lib.orbit(*view).cam_to_world[:, 2])
      for label in np.unique(picture.label[somebody]):
        if label not in (0, 15, 16) and (picture.label == label).sum() > 50:  # but for the far sides of thin jewels
          assert (picture.normal[picture.label == label] @ towards > -0.1).mean() > 0.9, label
    picture = pictures[0]
    cheek = (picture.label == SKIN)
    side = 2 * np.tan(float(camera_lib.HALF_FIELD_OF_VIEW_RADIANS)) / SIZE
    slope_x = -np.gradient(picture.depth, axis=1) / side
    inner = cheek & np.roll(cheek, 2, 1) & np.roll(cheek, -2, 1) & (picture.normal[..., 2] > 0.5)
    expected = -picture.normal[..., 0] / np.maximum(picture.normal[..., 2], 1e-3)
    error = np.abs(slope_x - expected)[inner]
    assert np.median(error) < 0.12


def test_background_is_far_and_faces_are_near(bare):
  """Depth: the far plane where nobody stands, the nose nearer than the ears."""
  for _, _, pictures in bare:
    picture = pictures[0]
    np.testing.assert_allclose(picture.depth[picture.label == 0], camera_lib.FAR)
    assert picture.depth[np.isin(picture.label, (1, 2, 4, 5, 11, 12))].max() < camera_lib.FAR  # a face lies before the far plane
    assert (picture.normal[picture.label == 0] == 0).all()
    assert picture.depth[picture.label == NOSE].min() < picture.depth[picture.label == SKIN].mean()


def test_same_person_is_the_same_bytes(people_assets):
  """A picture depends on (seed, index), viewpoint and size alone."""
  del people_assets
  one, two = (rendering.render(person_lib.draw(5, 7), (0.1, 0.0), image_size=64) for _ in range(2))
  for name in ('image', 'label', 'depth', 'normal', 'landmarks'):
    np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
  other = rendering.render(person_lib.draw(5, 8), (0.1, 0.0), image_size=64)
  assert np.abs(other.image.astype(int) - one.image).mean() > 5


def test_framing_is_a_similarity_of_the_picture(bare):
  """Shift, zoom and roll move landmarks as told, about the picture's middle."""
  _, scene, pictures = bare[0]
  framing = rendering.Framing(shift_x=0.05, shift_y=-0.02, zoom=1.06, roll_radians=0.07)
  moved = rendering.draw(scene, VIEWS[0], image_size=SIZE, framing=framing).landmarks[:, :2] / SIZE - 0.5
  exact = pictures[0].landmarks[:, :2] / SIZE - 0.5
  turn = 1.06 * np.array([[np.cos(0.07), -np.sin(0.07)], [np.sin(0.07), np.cos(0.07)]])
  np.testing.assert_allclose(moved, exact @ turn.T + [0.05, -0.02], atol=1e-4)


def resolved(labels, depths):
  """(label, depth, normal) of one pixel from its four samples; the normal's x is the sample's number."""
  label, depth = np.array(labels, np.uint8).reshape(2, 2), np.array(depths, np.float32).reshape(2, 2)
  normal = np.zeros((2, 2, 3), np.float32)
  normal[..., 0] = np.arange(4).reshape(2, 2)
  kind = (label > 0).astype(np.uint8)
  linear = np.arange(12, dtype=np.float32).reshape(2, 2, 3) / 12
  found = rendering._resolve(linear, label, depth, normal, kind, rendering._TIE_ORDER, 1)  # pylint: disable=protected-access
  np.testing.assert_allclose(found[0][0, 0], linear.mean(axis=(0, 1)), atol=1e-6)
  return int(found[1][0, 0]), float(found[2][0, 0]), float(found[3][0, 0, 0])


@pytest.mark.parametrize('labels, depths, expected', [
    ((1, 1, 1, 2), (0.9, 0.8, 1.0, 0.5), (1, 0.8, 1.0)),  # the majority, and the nearest of its samples
    ((2, 1, 1, 1), (0.9, 0.8, 0.7, 0.95), (1, 0.7, 2.0)),
    ((1, 1, 4, 4), (0.9, 0.8, 1.0, 0.95), (4, 0.95, 3.0)),  # the smaller class wins a tie
    ((13, 0, 0, 0), (0.9, 1.12, 1.12, 1.12), (0, 1.12, 0.0)),  # one strand is no hair yet; the background has no normal
    ((13, 13, 0, 0), (0.9, 0.95, 1.12, 1.12), (13, 0.9, 0.0))])
def test_pixel_is_the_majority_of_its_samples(labels, depths, expected):
  """Label, depth and normal of a pixel belong to the same sample; its colour is the mean of all."""
  np.testing.assert_allclose(resolved(labels, depths), expected, atol=1e-6)


def test_key_light_comes_from_where_it_stands(bare):
  """From the person's left it lights the left cheek, the picture's right, and from the right the other one."""
  person = bare[1][0]
  side = {}
  for azimuth in (-1.2, 1.2):
    lighting = dataclasses.replace(person.lighting, key_azimuth=azimuth, key_part=0.8, rim=0.0)
    picture = rendering.render(dataclasses.replace(person, lighting=lighting), (0.0, 0.0), image_size=SIZE)
    skin, half = picture.label == SKIN, np.arange(SIZE) < SIZE // 2
    side[azimuth] = picture.image[skin & ~half].mean() - picture.image[skin & half].mean()
  assert side[1.2] > 20 and side[-1.2] < -20


def test_eyes_have_irises():
  """Pupils are dark and whites are bright: the eye's texture lies about its gaze."""
  person = next(person for person in (person_lib.draw(3, index) for index in range(40)) if not person.glasses and not person.hat)
  open_eyed = dataclasses.replace(person, expression=dataclasses.replace(person.expression, units=(), gaze_yaw=0.0, gaze_pitch=0.0))
  picture = rendering.render(open_eyed, (0.0, 0.0), image_size=256)
  for label in (4, 5):
    colour = picture.image[picture.label == label].astype(float)
    brightness = colour.mean(axis=-1)
    assert np.quantile(brightness, 0.05) < 0.5 * np.quantile(brightness, 0.9)
    white = colour[brightness > np.quantile(brightness, 0.8)].mean(axis=0)
    assert np.ptp(white) < 0.4 * white.max()  # and grey, whatever the light


REGION_LABELS = {
    'nose': (2,), 'eyes': (4, 5), 'mouth': (10, 11, 12), 'brows': (6, 7), 'ears': (8, 9, 15), 'hair': (13,), 'glasses': (3,), 'hat': (13, 14)}


def edited_pair(person, other, region):
  """(before, after): a person without and with another's region."""
  draw = lambda somebody: rendering.draw(scene_lib.build(somebody, image_size=SIZE, aligned_as=person), VIEWS[0], image_size=SIZE)
  return draw(person), draw(edits.exchange(person, other, region))


@pytest.mark.parametrize('region', ['nose', 'eyes', 'mouth', 'brows', 'ears', 'hair'])
def test_edit_changes_its_region_most(bare, region):
  """Somebody else's region: what changes, changes there."""
  before, after = edited_pair(bare[0][0], bare[3][0], region)
  own = np.isin(before.label, REGION_LABELS[region]) | np.isin(after.label, REGION_LABELS[region])
  change = np.square(after.image.astype(float) - before.image).sum(axis=-1)
  assert change[own].max() > 100 and change[own].mean() > 3 * change[~own].mean()


def far_from(region, before, after):
  """Pixels more than a fifth of the picture away from a region, before and after."""
  own = np.isin(before.label, REGION_LABELS[region]) | np.isin(after.label, REGION_LABELS[region])
  rows, columns = np.indices(own.shape)
  return np.min(np.hypot(rows[..., None] - rows[own], columns[..., None] - columns[own]), axis=-1) > SIZE / 5


@pytest.mark.parametrize('region', ['nose', 'eyes', 'mouth'])
def test_edit_changes_nothing_far_from_its_region(bare, region):
  """Away from the region the surface (depth, label) is the same to the last bit, and all but shadows of the colour."""
  before, after = edited_pair(bare[0][0], bare[3][0], region)
  far = far_from(region, before, after)
  assert not (after.depth != before.depth)[far].any() and not (after.label != before.label)[far].any()
  difference = np.abs(after.image.astype(int) - before.image).max(axis=-1)[far]
  assert (difference > 0).mean() < 0.02 and difference.max() < 40  # the shadow of a nose reaches a cheek


@pytest.mark.parametrize('region', ['brows', 'ears'])
def test_edit_beside_hair_moves_hair_alone(bare, region):
  """Hair is rooted beside brows and hangs over ears: it goes along; eyes, nose and mouth do not."""
  before, after = edited_pair(bare[0][0], bare[3][0], region)
  moved = (after.depth != before.depth) & far_from(region, before, after)
  assert moved.mean() < 0.1
  assert not moved[np.isin(before.label, (2, 10, 11, 12))].any()


@pytest.mark.parametrize('region', ['glasses', 'hat'])
def test_what_is_worn_can_be_exchanged(people_assets, region):
  """Somebody's glasses or hat on another head, and taken off again."""
  del people_assets  # they are there
  people = [person_lib.draw(3, index) for index in range(120)]
  plain = next(person for person in people if getattr(person, region) is None)
  wearer = next(person for person in people if getattr(person, region) is not None)
  before, after = edited_pair(plain, wearer, region)
  label = REGION_LABELS[region][-1]
  assert not (before.label == label).any() and (after.label == label).sum() > 30
  if region == 'glasses':  # lenses are labelled as their frame is, not as what is seen through them
    for points in (range(36, 42), range(42, 48)):
      x, y = after.landmarks[list(points), :2].mean(axis=0).astype(int)
      assert after.label[y, x] == label
  taken_off = edits.exchange(edits.exchange(plain, wearer, region), plain, region)
  assert taken_off == plain
