"""Worn things: drawn as often as people wear them, the same for the same key, closed, on this head's nose, skull, lobes and neck."""

import dataclasses

import numpy as np
import pytest

from data_pipeline.people import clothing
from data_pipeline.people import expression as expression_lib
from data_pipeline.people import glasses
from data_pipeline.people import hats
from data_pipeline.people import head as head_lib
from data_pipeline.people import head_model
from data_pipeline.people import jewellery
from data_pipeline.people import shape as shape_lib
from data_pipeline.people import traits as traits_lib

_PARTS = {  # kinds, draw, build, label
    'glasses': (glasses.KINDS, glasses.draw, glasses.build, 3), 'hat': (hats.KINDS, hats.draw, hats.build, 14),
    'earrings': (jewellery.EARRING_KINDS, jewellery.draw_earrings, jewellery.build_earrings, 15),
    'necklace': (jewellery.NECKLACE_KINDS, jewellery.draw_necklace, jewellery.build_necklace, 16),
    'clothing': (clothing.KINDS, clothing.draw, clothing.build, 18)}
_EVERY_KIND = [(part, kind) for part, (kinds, *_) in _PARTS.items() for kind in kinds]


def traits_of(index):
  """Somebody."""
  return traits_lib.draw(np.random.default_rng(index))


@pytest.fixture(scope='module')
def heads(people_assets):
  """Three heads, the last one's shoulders far turned."""
  del people_assets  # it is there
  model = head_model.load()
  made = []
  for index in range(3):
    rng = np.random.default_rng(index)
    traits = traits_lib.draw(rng)
    shape, expression = shape_lib.draw(rng, traits), expression_lib.draw(rng, traits)
    if index == 2:
      expression = dataclasses.replace(expression, body_yaw=0.5, body_roll=0.15)
    made.append(head_lib.build(model, traits, shape, expression))
  return made


def worn(part, kind, index):
  """One of this kind, as somebody would wear it."""
  draw = _PARTS[part][1]
  rng = np.random.default_rng(index)
  while (thing := draw(rng, traits_of(index))) is None:
    pass
  return dataclasses.replace(thing, kind=kind)


@pytest.mark.parametrize('part, kind', _EVERY_KIND)
def test_meshes_are_sound(heads, part, kind):
  """Finite vertices, unit normals, albedo in [0, 1], triangles within bounds, one label, nothing far from the body."""
  _, _, build, label = _PARTS[part]
  for index, head in enumerate(heads):
    for mesh in build(worn(part, kind, index), head):
      assert mesh.vertices.dtype == mesh.normals.dtype == mesh.colours.dtype == np.float32 and mesh.triangles.dtype == np.int32
      assert mesh.vertices.shape == mesh.normals.shape == mesh.colours.shape and mesh.label.shape == (len(mesh.triangles),)
      assert np.isfinite(mesh.vertices).all() and (mesh.label == label).all()
      assert np.abs(np.linalg.norm(mesh.normals, axis=1) - 1).max() < 1e-3
      assert 0 <= mesh.colours.min() and mesh.colours.max() <= 1.3
      assert 0 <= mesh.triangles.min() and mesh.triangles.max() < len(mesh.vertices)
      assert np.abs(mesh.vertices[:, 0]).max() < 4 and 2 < mesh.vertices[:, 1].min() and mesh.vertices[:, 1].max() < 10


@pytest.mark.parametrize('part, kind', _EVERY_KIND)
def test_same_key_same_mesh(heads, part, kind):
  """Building draws from the thing's key alone."""
  build = _PARTS[part][2]
  first, second = (build(worn(part, kind, 3), heads[0]) for _ in range(2))
  assert len(first) == len(second)
  for a, b in zip(first, second):
    np.testing.assert_array_equal(a.vertices, b.vertices)
    np.testing.assert_array_equal(a.colours, b.colours)


@pytest.mark.parametrize('part, kind', [pair for pair in _EVERY_KIND if pair[0] in ('glasses', 'hat', 'clothing')])
def test_normals_agree_with_triangles(heads, part, kind):
  """Triangles are counter-clockwise from where the normals point."""
  for mesh in _PARTS[part][2](worn(part, kind, 5), heads[1]):
    a, b, c = (mesh.vertices[mesh.triangles[:, corner]] for corner in range(3))
    face = np.cross(b - a, c - a)
    agreement = (face * mesh.normals[mesh.triangles].sum(axis=1)).sum(axis=1)
    area = np.linalg.norm(face, axis=1)
    assert area[agreement < 0].sum() < 0.04 * area.sum()


def test_frequencies():
  """As in portraits of celebrities: one in sixteen wears glasses, one in twenty a hat, a quarter earrings, mostly women."""
  people = [traits_of(index) for index in range(3000)]
  rng = np.random.default_rng(0)
  rate = lambda draw, among: np.mean([draw(rng, traits) is not None for traits in among])
  women, men = [t for t in people if t.female], [t for t in people if not t.female]
  assert 0.04 < rate(glasses.draw, people) < 0.08 and 0.035 < rate(hats.draw, people) < 0.065
  assert 0.22 < rate(jewellery.draw_earrings, people) < 0.34 and 0.08 < rate(jewellery.draw_necklace, people) < 0.18
  assert rate(jewellery.draw_earrings, women) > 4 * rate(jewellery.draw_earrings, men)
  dark = [thing.opacity > 0.5 for thing in (glasses.draw(rng, traits) for traits in people) if thing is not None]
  assert 0.1 < np.mean(dark) < 0.35


@pytest.mark.parametrize('kind', glasses.KINDS)
def test_lenses_lie_before_the_eyes(heads, kind):
  """Each pupil is behind its lens, within the outline; the front is no further than 4 cm off."""
  for head in heads:
    lenses = [mesh for mesh in glasses.build(worn('glasses', kind, 1), head) if mesh.opacity < 1]
    points = np.concatenate([mesh.vertices for mesh in lenses])
    for eye in (head.left_eye, head.right_eye):
      side = points[np.sign(points[:, 0]) == np.sign(eye.centre[0])]
      assert (side[:, :2].min(axis=0) < eye.centre[:2]).all() and (eye.centre[:2] < side[:, :2].max(axis=0)).all()
      ahead = side[:, 2].max() - eye.centre[2] - eye.radius
      assert 0.03 < ahead < 0.4


def test_earrings_touch_the_lobes(heads):
  """What hangs from an ear starts at the ear, on both sides."""
  for head in heads:
    ears = head.vertices[(head.model.scores[:, head_model.LEFT_EAR] > 0) | (head.model.scores[:, head_model.RIGHT_EAR] > 0)]
    for kind in jewellery.EARRING_KINDS:
      points = np.concatenate([mesh.vertices for mesh in jewellery.build_earrings(worn('earrings', kind, 2), head)])
      for side in (-1, 1):
        ear, ring = ears[side * ears[:, 0] > 0], points[side * points[:, 0] > 0]
        assert np.linalg.norm(ear[:, None] - ring[None], axis=-1).min() < 0.06


@pytest.mark.parametrize('kind', hats.KINDS)
def test_hat_covers_the_crown(heads, kind):
  """The top of the skull lies under the hat, the eyes and the mouth don't; the line runs over the temples."""
  for index, head in enumerate(heads):
    hat = worn('hat', kind, index)
    points = np.concatenate([mesh.vertices for mesh in hats.build(hat, head)])
    assert points[:, 1].max() > head.vertices[:, 1].max()
    assert 7.1 < hats.hat_line(hat, head) < 7.9


def test_clothes_cover_the_skin_below_the_neckline(heads):
  """Seen from above the shoulders, cloth lies outside the skin: no vertex of the inner body sticks out."""
  for index, head in enumerate(heads):
    piece = clothing.build(worn('clothing', 't_shirt', index), head)[0]
    shoulder = head.vertices[head.at((1.2, 5.7, 0.0))]
    near = piece.vertices[np.hypot(piece.vertices[:, 0] - shoulder[0], piece.vertices[:, 2] - shoulder[2]) < 0.08]
    assert len(near) and near[:, 1].max() > shoulder[1]
