"""What the benchmark of the face search knows of the pictures that it makes, and what it prints of known finds."""

import math

import numpy as np
from PIL import Image
import pytest

from benchmarks import face_search
from data_pipeline.face_parser import framing
from data_pipeline.prepare import alignment


def test_the_frame_that_is_told_is_where_the_photograph_lies():
  """Protects the truth of the table: cut upright out of the canvas, the told square shows the photograph."""
  y, x = np.mgrid[:256, :256]
  photograph = Image.fromarray(np.stack([x, y, 255 - x], axis=-1).astype(np.uint8))
  rng = np.random.default_rng(3)
  for _ in range(3):
    image, true = face_search.pasted(photograph, face_search.background('noise', 500, [], rng), rng)
    crop, _ = alignment.crop(image, np.zeros(image.shape[:2], np.uint8), true, 256)
    error = np.abs(np.asarray(crop, int) - np.asarray(photograph))[20:-20, 20:-20]
    assert np.median(error) <= 2 and true.roll != 0


def test_a_find_is_right_within_a_tenth_of_the_side():
  """Protects the counts: kept are those with a frame, right those whose frame is near the true one and as large."""
  square = lambda x, side: alignment.Square(np.array([x, 100.0]), side, 0.0)
  row = lambda found: dict(name='a', true=square(100.0, 100.0), square=found, labels=None)
  rows = [row(square(105.0, 110.0)), row(square(120.0, 100.0)), row(square(100.0, 130.0)), row(None)]
  found = face_search.summary(rows, {})
  assert found['kept'] == 0.75 and found['right'] == pytest.approx(1 / 3) and math.isnan(found['azimuth'])
  assert framing.distance(rows[1]['square'], rows[1]['true'])[0] == pytest.approx(0.2)
  assert face_search.summary([row(None)], {})['kept'] == 0
