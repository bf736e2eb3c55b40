"""Hair, brows and beards: every style grows on every head, repeats, stays out of faces and skulls, and bows to hats."""

import dataclasses

import numpy as np
import pytest

from data_pipeline.people import expression as expression_lib
from data_pipeline.people import facial_hair
from data_pipeline.people import hair as hair_lib
from data_pipeline.people import hair_colour
from data_pipeline.people import hair_styles
from data_pipeline.people import head as head_lib
from data_pipeline.people import head_model as head_model_lib
from data_pipeline.people import scalp as scalp_lib
from data_pipeline.people import shape as shape_lib
from data_pipeline.people import surfaces
from data_pipeline.people import traits as traits_lib


@pytest.fixture(scope='module')
def model(people_assets):
  del people_assets  # they are there, or this fails
  return head_model_lib.load()


def _head(model, seed):
  rng = np.random.default_rng(seed)
  traits = traits_lib.draw(rng)
  return head_lib.build(model, traits, shape_lib.draw(rng, traits), expression_lib.draw(rng, traits))


def _hair(name, monkeypatch, seed=1, female=True):
  monkeypatch.setattr(hair_styles, 'draw', lambda rng, traits: name)
  rng = np.random.default_rng(seed)
  return hair_lib.draw(rng, dataclasses.replace(traits_lib.draw(rng), female=female))


def _strands(parts):
  return [part for part in parts if isinstance(part, surfaces.Strands)]


@pytest.mark.parametrize('name', hair_styles.NAMES)
def test_every_style_grows_and_repeats(model, monkeypatch, name):
  """Finite numbers of the promised shapes and labels; the same bytes twice; nothing on a bald head."""
  hair, head = _hair(name, monkeypatch), _head(model, 3)
  first, second = (hair_lib.build(hair, head, detail=96) for _ in range(2))
  assert bool(first) == (name != 'bald')
  for part, again in zip(first, second):
    if isinstance(part, surfaces.Mesh):
      assert (part.label == hair_lib.LABEL).all() and np.isfinite(part.vertices).all()
      np.testing.assert_array_equal(part.vertices, again.vertices)
      continue
    assert part.label == hair_lib.LABEL and part.radius.shape == part.points.shape[:2] and (part.radius > 0).all()
    assert np.isfinite(part.points).all() and ((part.colours > 0) & (part.colours < 1)).all()
    assert {array.dtype for array in (part.points, part.radius, part.colours)} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(part.points, again.points)


@pytest.mark.parametrize('name', ('long straight', 'long wavy', 'wavy bob', 'slicked back', 'bun', 'quiff'))
def test_eyes_and_mouth_are_free(model, monkeypatch, name):
  """Seen from the front hardly any strand crosses the eyes or the mouth."""
  for seed in range(3):
    head = _head(model, seed)
    points = np.concatenate([part.points.reshape(-1, 3) for part in _strands(hair_lib.build(_hair(name, monkeypatch, seed), head, detail=96))])
    in_front = points[points[:, 2] > 0.9]
    for centre in (head.left_eye.centre, head.right_eye.centre, head.landmarks[[48, 54]].mean(axis=0)):
      near = np.hypot(in_front[:, 0] - centre[0], in_front[:, 1] - centre[1]) < 0.12
      assert near.sum() < 0.002 * len(points)


@pytest.mark.parametrize('name', ('crop', 'long straight', 'curly'))
def test_more_detail_keeps_the_outline(model, monkeypatch, name):
  """Four times as many strands fill the same space."""
  hair, head = _hair(name, monkeypatch), _head(model, 5)
  boxes = []
  for detail in (64, 256):
    points = np.concatenate([part.points.reshape(-1, 3) for part in _strands(hair_lib.build(hair, head, detail=detail))])
    boxes.append(np.quantile(points, (0.01, 0.99), axis=0))
  np.testing.assert_allclose(*boxes, atol=0.12)


def test_hair_is_outside_of_the_skull(model, monkeypatch):
  """On any head: strands follow its skin, not the neutral one's."""
  scalp = scalp_lib.of(model)
  for seed in range(3):
    head = _head(model, seed)
    points = np.concatenate([part.points.reshape(-1, 3) for part in _strands(hair_lib.build(_hair('crop', monkeypatch), head, detail=64))])
    skin = head.vertices[(model.template[:, 1] > 7.9)]
    middle = scalp_lib.CENTRE + scalp_lib.warp(scalp, head).reshape(3, -1).mean(axis=1)
    unit = lambda v: v / np.linalg.norm(v, axis=1, keepdims=True)
    top = points[points[:, 1] > 8.0]
    nearest = np.argmax(unit(top - middle) @ unit(skin - middle).T, axis=1)
    above = np.linalg.norm(top - middle, axis=1) - np.linalg.norm(skin[nearest] - middle, axis=1)
    assert (above > -0.05).mean() > 0.99


def test_a_hat_presses_hair(model, monkeypatch):
  """Above the hat's line nothing stands off by more than it leaves; below, hair is as it was."""
  hair, head = _hair('afro', monkeypatch), _head(model, 2)
  free, pressed = (_strands(hair_lib.build(hair, head, detail=64, hat_line=line))[0].points for line in (None, 7.9))
  assert pressed[..., 1].max() < free[..., 1].max() - 0.2
  low = free[..., 1].max(axis=1) < 7.6
  np.testing.assert_array_equal(free[low], pressed[low])


def test_styles_go_with_people():
  """Long hair is women's for the most part, and one portrait in twenty or so has none."""
  rng = np.random.default_rng(0)
  drawn = [(traits, hair_lib.draw(rng, traits)) for traits in (traits_lib.draw(rng) for _ in range(1500))]
  long = [traits.female for traits, hair in drawn if hair.style.startswith('long')]
  assert np.mean(long) > 0.8 and len(long) / len(drawn) > 0.2
  assert 0.02 < np.mean([hair.style == 'bald' for _, hair in drawn]) < 0.08
  assert len({hair.style for _, hair in drawn}) >= 20


def test_colours_run_from_black_to_white():
  """Less eumelanin is brighter; pheomelanin reddens; grey is brighter than brown."""
  brightness = [hair_colour.albedo(amount, 0.0).sum() for amount in np.linspace(0, 1, 11)]
  assert np.all(np.diff(brightness) < 0)
  red, brown = hair_colour.albedo(0.5, 1.0), hair_colour.albedo(0.5, 0.0)
  assert red[0] / red[2] > 2 * brown[0] / brown[2]
  brown = hair_colour.Colour(0.7, 0.1, 0.0, (), 0.7)
  chance, shade = np.linspace(0, 0.99, 9), np.ones(9)
  assert hair_colour.strands(dataclasses.replace(brown, grey=0.9), chance, shade).mean() > 2 * hair_colour.strands(brown, chance, shade).mean()


@pytest.mark.parametrize('style', facial_hair.NAMES)
def test_brows_and_beards_sit_on_the_face(model, style):
  """Roots on the skin, brows above their own eyes, beards below the nose and off the lips' middle; the same bytes twice."""
  rng = np.random.default_rng(4)
  traits = dataclasses.replace(traits_lib.draw(rng), female=False, age=40.0)
  head, hair = _head(model, 4), hair_lib.draw(rng, traits)
  brows = facial_hair.draw_brows(rng, traits, hair)
  beard = facial_hair.Beard(style, hair.colour, 0.1, 0.9, 0.0, 0.2, 11)
  parts, again = (facial_hair.build(brows, beard, head, detail=128) for _ in range(2))
  for part, other in zip(parts, again):
    np.testing.assert_array_equal(part.points, other.points)
  by_label = {part.label: part.points for part in parts}
  left, right = by_label[facial_hair.LEFT_BROW], by_label[facial_hair.RIGHT_BROW]
  assert len(left) > 60 and len(right) > 60
  assert left[..., 0].min() > 0 > right[..., 0].max()
  assert left[:, 0, 1].min() > head.left_eye.centre[1]
  grown = parts[-1].points
  assert len(grown) > 50 and grown[:, 0, 1].max() < head.landmarks[27, 1] + 0.15


def test_beards_are_mens():
  """No woman and nobody under 19 has one; nearly half of the other men do."""
  rng = np.random.default_rng(1)
  found = {True: [], False: []}
  for _ in range(800):
    traits = traits_lib.draw(rng)
    hair = hair_lib.draw(rng, traits)
    found[traits.female or traits.age < 19].append(facial_hair.draw_beard(rng, traits, hair) is not None)
  assert not any(found[True]) and 0.3 < np.mean(found[False]) < 0.6
