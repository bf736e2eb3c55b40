import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import camera
from cnerf_jax.editing import matching
from cnerf_jax.editing import paint
from cnerf_jax.editing import targets
from cnerf_jax.semantics import SemanticClass

BACKGROUND, SKIN, NOSE = SemanticClass.BACKGROUND, SemanticClass.SKIN, SemanticClass.NOSE


@pytest.fixture(scope='module')
def rendering(model):
  return matching.draw(model, model.draw_styles(jax.random.key(1), 2)[0], camera.orbit(0.1, 0.0))


@pytest.fixture
def face(rendering):
  """(rendering, labels) whose masks are those of a label map: a face of 6x6 pixels with a nose of 2x2 on a background."""
  labels = np.full((8, 8), BACKGROUND)
  labels[1:7, 1:7], labels[3:5, 3:5] = SKIN, NOSE
  return rendering.replace(semantic_mask=matching.one_hot(jnp.asarray(labels), 3)), labels


def test_leads_by_hand():
  """Protects the lead from numbers that anyone can check: of the own mask over the largest other."""
  np.testing.assert_allclose(
      targets.lead(jnp.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), jnp.array([0, 2])), [0.2, -0.3], atol=1e-3)


def test_losses_by_hand(rendering):
  """Protects the loss: clear labels cost nothing, other colours do where nothing was painted, and a painted pixel what its lead is short of."""
  labels = matching.labels_of(rendering.semantic_mask, None)
  drawn = np.full((8, 8), paint.UNPAINTED)
  drawn[0, 0] = (labels[0, 0] + 1) % 3
  target = targets.merge(rendering, drawn, labels)
  unpainted = target.replace(painted=jnp.zeros_like(target.painted).at[0, 0].set(1), weights=jnp.ones((8, 8)).at[0, 0].set(0))
  clear = rendering.replace(semantic_mask=matching.one_hot(target.labels, 3))
  assert paint.loss(clear, unpainted, keep=1.0) == pytest.approx(0, abs=1e-6)
  assert paint.loss(clear.replace(rgb=rendering.rgb + 0.1), unpainted, keep=2.0) == pytest.approx(2 * 63 * 0.03, rel=1e-3)
  lead = float(targets.lead(rendering.semantic_mask, target.labels)[0, 0])
  assert lead < 0 and paint.loss(rendering, target, keep=0.0) == pytest.approx((targets.MARGIN - lead)**2, rel=1e-3)


@pytest.mark.parametrize('name, square, label, free', [
    ('a larger nose', np.s_[2:5, 2:5], NOSE, [NOSE]),
    ('a smaller nose', np.s_[3:4, 3:5], SKIN, [NOSE]),
    ('a nose larger than what is left of the face', np.s_[1:7, 1:6], NOSE, [NOSE]),
    ('a larger face', np.s_[0:2, 1:7], SKIN, [BACKGROUND, SKIN]),
    ('a smaller face', np.s_[1:2, 1:7], BACKGROUND, [BACKGROUND, SKIN]),
])
def test_what_lies_in_front_gives_way(name, square, label, free, face):
  """Protects the skin around a nose: whichever of the two is painted, the nose moves, and the background with what borders on it."""
  rendering, labels = face
  drawn = np.full((8, 8), paint.UNPAINTED)
  drawn[square] = label
  target = targets.merge(rendering, drawn, labels)
  assert targets.giving_way(labels, target) == free, name
  assert targets.touched(labels, target) == sorted({int(label), *labels[square][labels[square] != label].tolist()})


def test_watched_pixels_count_for_all(face):
  """Protects the sum over pixels: near the painted ones each counts once, the grid stands for all others, what fills up counts nothing."""
  rendering, labels = face
  large = lambda x: np.kron(x, np.ones((4, 4), x.dtype))
  rendering = rendering.replace(
      semantic_mask=matching.one_hot(jnp.asarray(large(labels)), 3), rgb=jnp.asarray(np.random.default_rng(0).uniform(size=(32, 32, 3))))
  drawn = large(labels)
  drawn[11, 12:20] = NOSE
  target = targets.merge(rendering, drawn, large(labels))
  pixels, watched = targets.watched(rendering, target, [NOSE])
  weights = np.asarray(watched.weights)
  assert len(pixels) < 0.7 * 32**2 and len(pixels) % 128 == 0 and weights.sum() == pytest.approx(32**2, rel=1e-4)
  np.testing.assert_array_equal(watched.labels, drawn.ravel()[pixels])
  np.testing.assert_array_equal(watched.rgb, np.asarray(rendering.rgb).reshape(-1, 3)[pixels])
  counted = pixels[weights > 0]
  assert len(set(counted)) == len(counted) and np.asarray(watched.painted)[weights > 0].sum() == 8
  assert {11 * 32 + column for column in range(12, 20)} <= set(pixels[weights == 1])


def test_masks_may_be_painted_too(face):
  """Protects masks as targets: a pixel is painted where another class leads and its mask differs by a half."""
  rendering, labels = face
  masks = np.array(rendering.semantic_mask, np.float32)
  masks[0, 0], masks[0, 1] = [0, 1, 0], [0.8, 0.2, 0]
  target = targets.merge(rendering, masks, labels)
  assert np.argwhere(target.painted).tolist() == [[0, 0]] and target.labels[0, 0] == SKIN
