"""Label map and camera of a photograph as one function: the same as parser and reader give, and nobody where there is no face."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipeline import photograph_reading
from data_pipeline.face_parser import parsing
from data_pipeline.label_viewpoints import reading

SIDE = photograph_reading.SIDE


@pytest.fixture(scope='module')
def read():
  return jax.jit(photograph_reading.load())


def portrait():
  """A face as a child draws it, which the parser reads as one: skin, hair, eyes, brows, nose and mouth in their places."""
  y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
  image = np.zeros((SIDE, SIDE, 3), np.float32) + np.float32([0.55, 0.65, 0.75])
  disc = lambda cx, cy, rx, ry: ((x - cx) / rx)**2 + ((y - cy) / ry)**2 < 1
  for where, colour in (
      (disc(0.5, 0.42, 0.36, 0.4), (0.2, 0.13, 0.1)), (disc(0.5, 1.0, 0.4, 0.2), (0.3, 0.35, 0.6)),
      (disc(0.5, 0.85, 0.14, 0.2), (0.8, 0.6, 0.5)),
      (disc(0.5, 0.54, 0.27, 0.36), (0.87, 0.68, 0.57)),
      *((disc(cx, 0.4, 0.07, 0.014), (0.25, 0.17, 0.12)) for cx in (0.38, 0.62)),
      *((disc(cx, 0.47, 0.05, 0.022), (0.95, 0.95, 0.95)) for cx in (0.38, 0.62)),
      *((disc(cx, 0.47, 0.02, 0.022), (0.2, 0.15, 0.1)) for cx in (0.38, 0.62)),
      (disc(0.5, 0.6, 0.04, 0.035), (0.75, 0.52, 0.43)), (disc(0.5, 0.741, 0.09, 0.028), (0.75, 0.35, 0.35))):
    image[where] = colour
  return np.round(255 * image) / 127.5 - 1


@pytest.mark.parametrize('image', ['portrait', 'mirrored', 'noise'])
def test_it_reads_what_parser_and_reader_read(read, image):
  """Protects the page's graph: one function, and its sampling without gathers of pixels, is the parser and then the reader."""
  pixels = {'portrait': portrait(), 'mirrored': np.roll(portrait()[:, ::-1], 20, axis=1), 'noise': np.random.default_rng(0).uniform(
      -1, 1, (SIDE, SIDE, 3)).round(2)}[image]
  labels, viewpoint, confidence = read(jnp.float32(pixels))
  expected = parsing.load().parse(np.uint8(np.round((pixels + 1) * 127.5))[None])
  assert np.mean(np.asarray(labels) != expected[0]) < 0.002
  known = reading.load().read(np.uint8(labels)[None])
  if image == 'noise':
    assert confidence == 0 and known.confidence[0] > 0, 'the reader alone believes in any face'
    return
  np.testing.assert_allclose(viewpoint, known.viewpoint[0], atol=1e-4)
  np.testing.assert_allclose(confidence, known.confidence[0], atol=1e-3)
  assert confidence > 0


@pytest.mark.parametrize('missing', ['mouth', 'eyes'])
def test_without_a_feature_there_is_no_face(missing):
  """Protects from people who are not there: each feature must be seen; glasses stand for eyes."""
  labels = np.full((SIDE, SIDE), 1)
  features = {'nose': 2, 'eyes': 4, 'mouth': 10}
  for i, (name, label) in enumerate(features.items()):
    labels[40 * i:40 * i + 20, :20] = 1 if name == missing else label
  assert not photograph_reading._has_features(jnp.asarray(labels))
  labels[200:250, :50] = {'mouth': features['mouth'], 'eyes': 3}[missing]
  assert photograph_reading._has_features(jnp.asarray(labels))
