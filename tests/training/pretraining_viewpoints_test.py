import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

from cnerf_jax import camera
from cnerf_jax import semantics
from cnerf_jax.training import pretraining_viewpoints

FFHQ12 = semantics.FFHQ12
RECORDS = jnp.array([[0.3, 0.1], [-0.2, 0.0], [0.0, 0.0], [0.1, -0.1]])
READ = jnp.array([[0.1, 0.0], [0.1, 0.1], [0.4, 0.2], [0.0, 0.0]])
CONFIDENCE = jnp.array([1.0, 0.5, 0.0, 1.0])


def make_config(viewpoints, **changes):
  return tiny.make_config(**dict(vae_pretraining__viewpoints=viewpoints, vae_pretraining__num_steps=100) | changes)


def masks_of_heads(azimuths, class_set, size=64):
  """A face, round about the axis of the head, and a nose before it, as cameras at these azimuths see them."""
  masks = np.zeros((len(azimuths), size, size, class_set.num_classes), np.float32)
  face = class_set.index('skin' if 'skin' in class_set.classes else 'face')
  columns = (np.arange(size) + 0.5) / size
  for mask, azimuth in zip(masks, azimuths):
    seen_from = camera.orbit(azimuth, 0.0)
    x_axis, centre = np.asarray(seen_from.cam_to_world)[:, [0, 3]].T
    nose = 0.5 + float(seen_from.focal) * x_axis @ (np.array([0, 0, 0.09]) - centre)  # the head's own axis stays in the middle
    labels = np.where(abs(columns - 0.5) < 0.3, face, 0)
    labels[abs(columns - nose) < 0.05] = class_set.index('nose')
    mask[:] = np.eye(class_set.num_classes)[labels]
  return jnp.asarray(masks)


@pytest.mark.parametrize('class_set', semantics.CLASS_SETS.values(), ids=lambda class_set: class_set.name)
def test_guess_has_the_sign_of_the_turn(class_set):
  """Protects from hollow heads: a nose left of the middle of the face is seen from the right, azimuth above 0, in the unit of the spread."""
  azimuths = np.array([0.4, 0.15, 0.0, -0.2, -0.35])
  guess, sureness = pretraining_viewpoints.guess_azimuth(masks_of_heads(azimuths, class_set), class_set, 0.25)
  assert np.corrcoef(guess, azimuths)[0, 1] > 0.98
  np.testing.assert_array_equal(np.sign(np.round(guess, 3)), np.sign(azimuths))
  np.testing.assert_allclose(np.sqrt(np.mean(guess**2)), 0.25, rtol=1e-4)
  np.testing.assert_array_equal(sureness, 1)


def masks_of_nods(elevations, class_set, size=64):
  """Eyes and mouth on the front of a head, and the nose before it, as cameras at these elevations see them, on bands of the picture."""
  masks = np.zeros((len(elevations), size, size, class_set.num_classes), np.float32)
  rows = (np.arange(size)[:, None] + 0.5) / size * np.ones(size)
  for mask, elevation in zip(masks, elevations):
    seen_from = camera.orbit(0.0, elevation)
    y_axis, centre = np.asarray(seen_from.cam_to_world)[:, [1, 3]].T
    labels = np.zeros((size, size), int)
    for names, point in ((('mouth',), (0, -0.035, 0.06)), (('eyes', 'eye'), (0, 0.02, 0.05)), (('nose',), (0, -0.005, 0.085))):
      y = 0.5 - float(seen_from.focal) * y_axis @ (np.array(point) - centre)
      labels[abs(rows - y) < 0.03] = class_set.index(next(name for name in names if name in class_set.classes))
    mask[:] = np.eye(class_set.num_classes)[labels]
  return jnp.asarray(masks)


@pytest.mark.parametrize('class_set', semantics.CLASS_SETS.values(), ids=lambda class_set: class_set.name)
def test_guess_has_the_sign_of_the_nod(class_set):
  """Protects from heads that nod the wrong way: seen from above a nose lies low between eyes and mouth; in the unit of the spread."""
  elevations = np.array([0.3, 0.2, 0.1, 0.0, -0.1])
  guess, sureness = pretraining_viewpoints.guess_elevation(masks_of_nods(elevations, class_set), class_set, 0.2, 0.15)
  assert np.corrcoef(guess, elevations)[0, 1] > 0.95
  np.testing.assert_allclose([np.mean(guess), np.std(guess)], [0.15, 0.2], rtol=1e-4)
  np.testing.assert_array_equal(sureness, 1)
  masks = masks_of_nods(elevations, class_set)
  eyeless = masks.at[0, ..., class_set.index('eyes' if 'eyes' in class_set.classes else 'eye')].set(0)
  upside_down = eyeless.at[1].set(masks[1, ::-1])
  guess, sureness = pretraining_viewpoints.guess_elevation(upside_down, class_set, 0.2, 0.15)
  np.testing.assert_array_equal(sureness, [0, 0, 1, 1, 1])
  np.testing.assert_allclose(np.mean(guess[2:]), 0.15, rtol=1e-4)
  assert np.isfinite(pretraining_viewpoints.guess_elevation(jnp.zeros_like(masks), class_set, 0.2, 0.15)[0]).all()


def test_what_shows_no_face_is_not_guessed():
  """Protects from targets made of nothing: without nose or face there is no guess, and nothing is infinite if no portrait has one."""
  masks = masks_of_heads(np.array([0.3, -0.3, 0.2]), FFHQ12)
  noseless = masks.at[1].set(jnp.eye(12)[FFHQ12.index('skin')]).at[2].set(jnp.eye(12)[0])
  guess, sureness = pretraining_viewpoints.guess_azimuth(noseless, FFHQ12, 0.25)
  np.testing.assert_array_equal(sureness, [1, 0, 0])
  np.testing.assert_allclose(guess, [0.25, 0, 0], rtol=1e-4)
  for empty in (jnp.zeros_like(masks), masks_of_heads(np.zeros(3), FFHQ12)):
    assert np.isfinite(pretraining_viewpoints.guess_azimuth(empty, FFHQ12, 0.25)[0]).all()


def test_known_cameras_are_those_of_the_records():
  """Protects what was before: without confidences all portraits count, and with them those that have a camera, however unsure."""
  view = pretraining_viewpoints.make_view(make_config('known'))
  seen = view(None, {'viewpoint': RECORDS}, 3)
  assert seen.weights is None and seen.loss == 0
  np.testing.assert_array_equal(seen.viewpoint, RECORDS)
  seen = view(None, {'viewpoint': RECORDS, 'viewpoint_confidence': CONFIDENCE}, 3)
  np.testing.assert_array_equal(seen.weights, [1, 1, 0, 1])


def test_refined_cameras_go_from_the_records_to_the_encoder():
  """Protects the start of the shape (trap: an encoder that knows nothing yet turns heads about): sure records first, the encoder later, and
  from the first step on where nothing was read."""
  view = pretraining_viewpoints.make_view(make_config('refined'))
  batch = {'viewpoint': RECORDS, 'viewpoint_confidence': CONFIDENCE}
  first, last = view(READ, batch, 0), view(READ, batch, 45)
  np.testing.assert_allclose(first.viewpoint, [RECORDS[0], (RECORDS[1] + READ[1]) / 2, READ[2], RECORDS[3]], atol=1e-6)
  np.testing.assert_array_equal(last.viewpoint, READ)
  assert first.weights is None and first.loss == last.loss > 0
  sure = view(READ, {'viewpoint': RECORDS}, 0)
  np.testing.assert_allclose(sure.viewpoint, RECORDS, atol=1e-6)
  firm = pretraining_viewpoints.make_view(make_config('refined'), read_hollow=lambda batch: READ)
  np.testing.assert_allclose(firm(READ, batch, 99).viewpoint, first.viewpoint, atol=1e-6)


def test_refined_cameras_are_held_by_how_sure_they_are():
  """Protects from wrong cameras: half as sure pulls half as much, unknown ones not at all, by the weight of the config."""
  pull = lambda weight: np.asarray(jax.grad(lambda read: pretraining_viewpoints.make_view(
      make_config('refined', vae_pretraining__viewpoint_weight=weight))(
          read, {'viewpoint': jnp.zeros((4, 2)), 'viewpoint_confidence': CONFIDENCE}, 50).loss)(jnp.full((4, 2), 0.05)))
  np.testing.assert_allclose(pull(1.0), pull(1.0)[:1] * CONFIDENCE[:, None], rtol=1e-5)
  assert (pull(1.0)[0] > 0).all()
  np.testing.assert_allclose(pull(3.0), 3 * pull(1.0), rtol=1e-5)


def guessed_loss(read, masks, step, read_hollow=None, **changes):
  view = pretraining_viewpoints.make_view(
      make_config('guessed', camera__azimuth_std=0.25, camera__elevation_mean=0.2, **changes), read_hollow)
  seen = view(read, {'semantic_mask': masks, 'viewpoint': 'never looked at'}, step)
  assert seen.weights is None
  if read_hollow is None and step >= 45:
    np.testing.assert_array_equal(seen.viewpoint, read)
  return float(seen.loss)


def test_guessed_cameras_follow_the_nose_at_first_and_the_spread_always():
  """Protects cameras that nobody knows: at first the right turn costs less than the opposite, later as much; a spread that is not that of the
  cameras costs at all times; and records' cameras are not looked at."""
  azimuths = np.array([0.4, 0.15, -0.2, -0.35])
  masks = masks_of_heads(azimuths, FFHQ12)
  spread = np.sqrt(np.mean(azimuths**2))
  right = jnp.stack([azimuths * 0.25 / spread, 0.2 + 0.15 * np.array([1., -1., -1., 1.])], axis=-1)
  opposite = right * jnp.array([-1.0, 1.0])
  assert guessed_loss(right, masks, 0) < 0.01 < guessed_loss(opposite, masks, 0) / 10
  assert guessed_loss(right, masks, 0) < guessed_loss(opposite, masks, 30) < guessed_loss(opposite, masks, 0)
  np.testing.assert_allclose(guessed_loss(right, masks, 45), guessed_loss(opposite, masks, 45), rtol=1e-5)
  narrow = jnp.array([0.0, 0.2]) + 0.2 * (right - jnp.array([0.0, 0.2]))
  assert guessed_loss(narrow, masks, 50) > 1 and guessed_loss(right - 0.2, masks, 50) > 1
  assert guessed_loss(narrow, masks, 50, vae_pretraining__spread_weight=0.0) == 0


def test_guessed_cameras_go_from_the_guess_to_the_encoder():
  """Protects the start of the shape (trap: an encoder that knows nothing yet flattens heads): the guess first, the encoder later, and from the
  first step on where nothing can be guessed; in the mending the azimuth stays the opposite of what was read."""
  azimuths = np.array([0.4, 0.15, -0.2, -0.35])
  masks = masks_of_heads(azimuths, FFHQ12).at[3].set(0)
  guess, _ = pretraining_viewpoints.guess_azimuth(masks, FFHQ12, 0.3)
  view = pretraining_viewpoints.make_view(make_config('guessed'))
  for step, trust in ((0, 1.0), (22.5, 0.5), (45, 0.0)):
    expected = READ.at[:3, 0].set((1 - trust) * READ[:3, 0] + trust * guess[:3])
    np.testing.assert_allclose(view(READ, {'semantic_mask': masks}, step).viewpoint, expected, atol=1e-6)
  mending = pretraining_viewpoints.make_view(make_config('guessed'), read_hollow=lambda batch: RECORDS)
  np.testing.assert_allclose(
      mending(READ, {'semantic_mask': masks}, 99).viewpoint, jnp.stack([-RECORDS[:, 0], READ[:, 1]], axis=-1), atol=1e-6)


@pytest.mark.parametrize('read_hollow', [None, lambda batch: jnp.zeros((5, 2))], ids=['first', 'mending'])
def test_guessed_elevations_follow_the_nose_at_first(read_hollow):
  """Protects the sign of the nod, when heads were hollow too: at first the right one costs less than the opposite, later as much."""
  elevations = np.array([0.3, 0.2, 0.1, 0.0, -0.1])
  masks = masks_of_nods(elevations, FFHQ12)
  right = jnp.stack([0 * elevations, 0.2 + (elevations - 0.1) * 0.15 / elevations.std()], axis=-1)
  opposite = jnp.array([0.0, 0.4]) - right * jnp.array([0.0, 1.0])
  loss = lambda read, step: guessed_loss(read, masks, step, read_hollow, vae_pretraining__spread_weight=0.0)
  assert loss(right, 0) < loss(opposite, 0) / 10
  assert loss(right, 45) == loss(opposite, 45) == 0


def test_hollow_heads_are_turned_the_other_way():
  """Protects the mending: the opposite of what the encoder of hollow heads read is the target, to the end, whatever the nose says."""
  azimuths = np.array([0.4, 0.15, -0.2, -0.35])
  masks = masks_of_heads(azimuths, FFHQ12)
  read = jnp.stack([azimuths, jnp.zeros(4)], axis=-1)
  read_hollow = lambda batch: read + jnp.array([0.0, 9.0])
  loss = lambda read, step: guessed_loss(read, masks, step, read_hollow, vae_pretraining__spread_weight=0.0)
  for step in (0, 99):
    assert loss(read * jnp.array([-1.0, 1.0]), step) == 0 < loss(read, step)
