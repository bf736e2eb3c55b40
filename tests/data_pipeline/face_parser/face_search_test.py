"""Faces in photographs that are not cropped to them: windows, frames that come to rest, what is refused, and the place in preparation."""

import json
import math

import numpy as np
from PIL import Image
import pytest

from data_pipeline.face_parser import __main__ as command_line
from data_pipeline.face_parser import face_search
from data_pipeline.face_parser import framing
from data_pipeline.face_parser import parsing
from data_pipeline.face_parser import photographs
from data_pipeline.prepare import __main__ as prepare_command_line
from data_pipeline.prepare import alignment

SIDE = 256


def portrait():
  """A face as a child draws it, uint8 [SIDE, SIDE, 3], which the shipped parser reads as one."""
  y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
  image = np.full((SIDE, SIDE, 3), (140, 166, 191), np.uint8)
  disc = lambda cx, cy, rx, ry: ((x - cx) / rx)**2 + ((y - cy) / ry)**2 < 1
  for where, colour in (
      (disc(0.5, 0.42, 0.36, 0.4), (51, 33, 26)), (disc(0.5, 1.0, 0.4, 0.2), (77, 89, 153)), (disc(0.5, 0.85, 0.14, 0.2), (204, 153, 128)),
      (disc(0.5, 0.54, 0.27, 0.36), (222, 173, 145)),
      *((disc(cx, 0.4, 0.07, 0.014), (64, 43, 31)) for cx in (0.38, 0.62)), *((disc(cx, 0.47, 0.05, 0.022), (242,) * 3) for cx in (0.38, 0.62)),
      *((disc(cx, 0.47, 0.02, 0.022), (51, 38, 26)) for cx in (0.38, 0.62)),
      (disc(0.5, 0.6, 0.04, 0.035), (191, 133, 110)), (disc(0.5, 0.741, 0.09, 0.028), (191, 89, 89))):
    image[where] = colour
  return image


def pasted(right=150, down=60, side=512):
  """The portrait in a larger plain picture, its corner at (right, down)."""
  image = np.full((side, side, 3), (140, 166, 191), np.uint8)
  image[down:down + SIDE, right:right + SIDE] = portrait()
  return image


def stretched(image):
  return np.asarray(Image.fromarray(image).resize((512, 512), Image.Resampling.BILINEAR))


@pytest.fixture(scope='module')
def finder():
  return photographs.FaceFinder(parsing.load())


def test_maps_with_and_without_the_search_are_kept_apart(finder):
  """Protects a second run with --no-face-search, or without it: label maps are kept by the parser's fingerprint."""
  assert finder.fingerprint not in ('', parsing.load().fingerprint)


def test_squares_in_squares():
  """Protects frames: the middle of a square is its middle, a turn adds up, and the identity changes nothing."""
  outer = alignment.Square(np.array([100.0, 50.0]), 40.0, math.pi / 2)
  same = framing.within(outer, alignment.Square(np.array([0.5, 0.5]), 1.0, 0.0))
  assert framing.distance(same, outer) == (0, 0, 0)
  # a quarter turn: right in the frame is down in the picture
  inner = framing.within(outer, alignment.Square(np.array([1.0, 0.5]), 0.5, 0.1))
  np.testing.assert_allclose(inner.center, [100, 70], atol=1e-9)
  assert inner.side == 20 and inner.roll == pytest.approx(math.pi / 2 + 0.1)


def test_windows_cover_the_picture():
  """Protects faces anywhere: every place and size is within a third of a side of some window."""
  windows = face_search.windows(300, 450)
  rng = np.random.default_rng(0)
  for _ in range(200):
    side = 300 * np.exp(rng.uniform(np.log(face_search.SCALES[-1]), 0))
    wanted = alignment.Square(rng.uniform(side / 2, np.array([450, 300]) - side / 2), side, 0.0)
    assert any(apart < 0.3 and larger < 0.2 for apart, larger, _ in (framing.distance(one, wanted) for one in windows))


def test_a_cut_is_the_picture():
  """Protects the pixels: a square of the size of a window is the picture itself, and a larger one its mean."""
  image = np.random.default_rng(0).integers(0, 256, (2 * SIDE, 2 * SIDE, 3)).astype(np.uint8)
  source = face_search.photograph(image)
  own = face_search.cut(source, alignment.Square(np.array([SIDE / 2, SIDE / 2]), SIDE, 0.0))
  np.testing.assert_allclose(own, image[:SIDE, :SIDE], atol=1)
  whole = face_search.cut(source, alignment.Square(np.array([SIDE, SIDE]), 2.0 * SIDE, 0.0))
  np.testing.assert_allclose(whole, image.reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3)), atol=2)


def test_a_frame_comes_to_rest_where_the_face_is(finder):
  """Protects refinement, with the shipped parser: from a window that is off, to where the drawn face is."""
  source = face_search.photograph(pasted())
  true = alignment.Square(np.array([150 + SIDE / 2, 60 + SIDE / 2]), SIDE, 0.0)
  start = alignment.Square(true.center + 25, 1.2 * SIDE, 0.05)
  (square, likeness, _), *_ = face_search.refine(source, [start], finder._parser.see)
  apart, larger, turned = framing.distance(square, true)
  assert apart < 0.1 and larger < 0.25 and turned < 0.1 and likeness > 0.03


def a_face(count=1, **changed):
  """Evidence of well framed faces, and the map of one, as the parser gives them."""
  parser = parsing.load()
  _, labels = parser.see(stretched(portrait())[None], True)
  ideal = dict(certainty=0.85, part_certainty=[0.3, 0.7, 0.5], share=framing._SHARES, place=[[0.5, row] for row in framing._ROWS]) | changed
  seen = framing.Evidence(**{name: np.stack([np.asarray(value, float)] * count) for name, value in ideal.items()})
  return seen, np.repeat(labels, count, axis=0)


@pytest.mark.parametrize('changed, said', [
    ({}, ''), (dict(certainty=0.72), 'labels are 0.72 sure'), (dict(part_certainty=[0.3, 0.4, 0.5]), 'nose seen with a certainty of 0.40'),
    (dict(share=[0.019, 0.09, 0.0265]), 'nose cover 9.00%'), (dict(share=[0.2, 0.027, 0.0265]), ''),  # glasses
    (dict(place=[[0.5, 0.49], [0.5, 0.583], [0.7, 0.753]]), 'mouth lie 0.20 sides')])
def test_each_rule_of_a_framed_face(changed, said):
  """Protects from made-up faces, one rule at a time: a well framed face keeps all, and what breaks one is told which."""
  seen, labels = a_face(**changed)
  doubt = framing.doubt(framing.one_of(seen, 0), labels[0])
  assert said in doubt and bool(doubt) == bool(said)


def test_rules_of_the_map():
  """Protects the same: a picture with hardly any skin, and one upside down, are no faces, however sure the parser is."""
  seen, labels = a_face()
  one = framing.one_of(seen, 0)
  assert 'skin covers' in framing.doubt(one, np.where(labels[0] == 1, 0, labels[0]))
  assert 'rules of anatomy' in framing.doubt(one, labels[0][::-1])


def test_what_follows_its_window_is_not_found():
  """Protects the last rule in the search: a parser that sees the same face in whatever window it is shown has found none."""
  image = np.full((200, 200, 3), 90, np.uint8)
  found = face_search.find(image, lambda windows, mirrored: a_face(len(windows)))
  assert 'it moves by' in found.doubt


def test_moves_tell_faces_from_inventions():
  """Protects the last rule: a frame that follows its window is refused, one that stays is not, one that is gone is."""
  square = alignment.Square(np.array([100.0, 100.0]), 50.0, 0.0)
  follows = [framing.within(square, alignment.Square(np.array([0.5 + right, 0.5 + down]), side, roll))
             for right, down, side, roll in face_search.MOVES]
  assert not framing.doubt_of_moves(square, [square] * 6)
  assert 'it moves by' in framing.doubt_of_moves(square, follows)
  assert 'gone' in framing.doubt_of_moves(square, [square, None])


@pytest.mark.parametrize('image', ['plain', 'noise'])
def test_pictures_without_a_face_are_refused(finder, image, monkeypatch):
  """Protects training from made-up maps: the reading has no labels and says why. Windows of two sizes, to save time."""
  monkeypatch.setattr(face_search, 'SCALES', (1.0, 0.7))
  pixels = np.full((200, 200, 3), 90, np.uint8)
  if image == 'noise':
    pixels = np.random.default_rng(0).integers(0, 256, pixels.shape).astype(np.uint8)
  (reading,) = finder.read(stretched(pixels)[None], [pixels])
  assert reading.labels is None and reading.refusal and '\n' not in reading.refusal


def test_a_doubted_portrait_stays_whole(finder, monkeypatch):
  """Protects difficult portraits: what is doubted and found nowhere else is read as it is, if eyes and mouth are in their places."""
  monkeypatch.setattr(framing, 'doubt', lambda *seen: 'nose seen with a certainty of 0.20')
  none = face_search.Found(None, 0.0, 'no part of it looks like a face')
  fills = face_search.Found(alignment.Square(np.array([130.0, 126.0]), 250.0, 0.0), 0.3, '')
  for found in (none, fills):
    monkeypatch.setattr(face_search, 'find', lambda image, see, found=found: found)
    (reading,) = finder.read(stretched(portrait())[None], [portrait()])
    assert reading.labels is not None and reading.frame is None
  # the same face in a corner is no portrait
  monkeypatch.setattr(face_search, 'find', lambda image, see: none)
  (reading,) = finder.read(stretched(pasted())[None], [pasted()])
  assert reading.labels is None and reading.refusal == none.doubt


def test_frames_that_are_the_picture():
  """Protects portraits from being cropped anew: only a frame as large, in its middle and upright, is the whole picture."""
  frame = lambda x, side, roll=0.0: alignment.Square(np.array([x, 100.0]), side, roll)
  assert framing.is_whole(frame(150, 200), 200, 300) and framing.is_whole(frame(165, 215, 0.1), 200, 300)
  for wrong in (frame(190, 200), frame(150, 150), frame(150, 200, 0.4), None):
    assert not framing.is_whole(wrong, 200, 300)


def test_labels_are_spread_over_the_photograph():
  """Protects crops: what is cut out of the photograph's map where the frame is, is the frame's map; far from it there is background."""
  labels = np.zeros((64, 64), np.uint8) + 1
  labels[:, 32:] = 2
  labels[40:] += 2
  square = alignment.Square(np.array([120.0, 90.0]), 64.0, 0.3)
  spread = photographs.spread(labels, square, 200, 300)
  assert spread.shape == (200, 300) and spread[0, 0] == spread[-1, -1] == 0
  _, crop = alignment.crop(np.zeros((200, 300, 3), np.uint8), spread, square, 64)
  assert (crop == labels).mean() > 0.97
  assert photographs.spread(labels, alignment.Square(np.array([400.0, 300.0]), 256.0, 0.0), 600, 800).shape == (150, 200)


def test_preparation_crops_refuses_and_reports(tmp_path, monkeypatch):
  """Protects the whole: --align crops to a face that was found, without it the picture is refused, and one without a face always."""
  photos = tmp_path / 'photos'
  photos.mkdir()
  Image.fromarray(pasted()).save(photos / 'far.png')
  Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(photos / 'wall.png')
  true = alignment.Square(np.array([150 + SIDE / 2, 60 + SIDE / 2]), SIDE, 0.0)
  monkeypatch.setattr(face_search, 'find', lambda image, see: face_search.Found(true, 0.3, '') if image.shape[0] == 512 else
                      face_search.Found(None, 0.0, 'no part of it looks like a face'))
  options = ['--parser', 'people', '--workers', '1', '--validation', '0', '--viewpoints', 'none', '--no-order-check']
  assert prepare_command_line.main([str(photos), str(tmp_path / 'aligned'), '--align', *options]) == 0
  report = json.loads((tmp_path / 'aligned' / 'report' / 'report.json').read_text())
  assert report['num_kept'] == 1 and list(report['noted']['reframed']['files']) == ['photos/far.png']
  assert [one['fault'] for one in report['refused']] == ['face_not_found'] and 'no part of it' in report['refused'][0]['line']
  assert report['alignment']['aligned'] == 1
  # what was read, with or without a face, is not searched again
  monkeypatch.setattr(face_search, 'find', lambda image, see: pytest.fail('searched again'))
  assert prepare_command_line.main([str(photos), str(tmp_path / 'aligned'), '--align', *options]) == 0
  monkeypatch.setattr(face_search, 'find', lambda image, see: face_search.Found(true, 0.3, '') if image.shape[0] == 512 else
                      face_search.Found(None, 0.0, 'no part of it looks like a face'))
  assert prepare_command_line.main([str(photos), str(tmp_path / 'whole'), *options]) == 1  # none is kept
  report = json.loads((tmp_path / 'whole' / 'report' / 'report.json').read_text())
  assert sorted(one['fault'] for one in report['refused']) == ['face_not_found', 'not_framed']


def test_the_command_says_what_it_found(tmp_path, monkeypatch, capsys):
  """Protects `parse`: a found face has a map in the photograph's proportions, and what shows none has a line and no map."""
  photos = tmp_path / 'photos'
  photos.mkdir()
  Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(photos / 'wall.png')
  Image.fromarray(pasted()).save(photos / 'far.png')
  true = alignment.Square(np.array([150 + SIDE / 2, 60 + SIDE / 2]), SIDE, 0.0)
  monkeypatch.setattr(face_search, 'find', lambda image, see: face_search.Found(true, 0.3, '') if image.shape[0] == 512 else
                      face_search.Found(None, 0.0, 'no part of it looks like a face'))
  assert command_line.main(['parse', str(photos), str(tmp_path / 'labels')]) == 0
  printed = capsys.readouterr().out
  assert 'refused: wall.png: shows no face' in printed and '1 of them of a face in a part' in printed
  assert [path.name for path in (tmp_path / 'labels').iterdir()] == ['far.png']
  with Image.open(tmp_path / 'labels' / 'far.png') as labels:
    assert labels.size == (512, 512)
