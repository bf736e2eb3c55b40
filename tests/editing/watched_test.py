"""Descents a few steps at a time: what they find is what the whole ones find."""

import jax
import numpy as np
import pytest

from cnerf_jax import camera
from cnerf_jax.editing import invert
from cnerf_jax.editing import paint
from cnerf_jax.editing import watched
from cnerf_jax.semantics import SemanticClass

pytestmark = pytest.mark.usefixtures('quick_compilation')
CAMERA = camera.orbit(0.1, 0.0)


@pytest.fixture(scope='module')
def person(model):
  return model.draw_styles(jax.random.key(1), 2)[0]


def advance(session, steps):
  """To the end; the steps after each advance."""
  seen = []
  while session.step < session.num_steps:
    session.advance(steps)
    seen.append(session.step)
  session.advance(steps)  # nothing is left: must change nothing
  return seen


def test_a_painting_by_steps_is_the_painting(model, person):
  """Protects what a page shows at the end: the same styles, losses and scores, whatever the number of steps at a time."""
  drawn = paint.labels(model, person, CAMERA)
  drawn[2:5, 2:5] = SemanticClass.NOSE
  settings = paint.Settings(steps=7, learning_rate=0.3)
  whole = paint.paint(model, person, CAMERA, drawn, settings=settings)
  session = watched.Painting(model, person, CAMERA, drawn, settings=settings)
  np.testing.assert_array_equal(session.styles, person)
  assert advance(session, 3) == [3, 6, 7]
  found = session.finish()
  np.testing.assert_allclose(found.losses, whole.losses, rtol=1e-3)
  np.testing.assert_allclose(found.styles, whole.styles, atol=1e-3)
  assert found.classes == whole.classes and found.iou_after == pytest.approx(whole.iou_after, abs=0.02)
  stay = [k for k in range(len(person)) if k not in found.classes]
  np.testing.assert_array_equal(found.styles[np.array(stay)], person[np.array(stay)])


@pytest.mark.parametrize('style_steps', [0, 3])
def test_an_inversion_by_steps_is_the_inversion(model, person, style_steps):
  """Protects likewise: both descents, the change from one to the other, the viewpoint."""
  image = model.render(person, camera.orbit(0.2, 0.0)).rgb
  settings = invert.Settings(latent_steps=5, style_steps=style_steps)
  whole = invert.invert(model, image, settings=settings)
  session = watched.Inversion(model, image, settings=settings)
  assert advance(session, 4) == ([4, 5] if style_steps == 0 else [4, 5, 8])
  found = session.finish()
  np.testing.assert_allclose(found.losses, whole.losses, rtol=1e-3)
  np.testing.assert_allclose(found.styles, whole.styles, atol=1e-3)
  np.testing.assert_allclose(found.viewpoint, whole.viewpoint, atol=1e-4)
  assert found.psnr == pytest.approx(whole.psnr, abs=0.1)
