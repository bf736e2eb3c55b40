"""The crop found from a label map undoes any move, turn and zoom of an aligned portrait."""

import math

import faces
import numpy as np
from PIL import Image
import pytest

from data_pipeline.prepare import alignment
from data_pipeline.prepare import faults
from data_pipeline.prepare import resizing


def placed(labels: np.ndarray, size: int, *, scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
  """An aligned map shrunk, turned and moved on a larger canvas, the rest background."""
  side = labels.shape[0]
  cos, sin = math.cos(math.radians(degrees)) / scale, math.sin(math.radians(degrees)) / scale
  middle = size / 2 + shift[0], size / 2 + shift[1]
  affine = (cos, sin, side / 2 - cos * middle[0] - sin * middle[1], -sin, cos, side / 2 + sin * middle[0] - cos * middle[1])
  return np.asarray(Image.fromarray(labels).transform((size, size), Image.Transform.AFFINE, affine, Image.Resampling.NEAREST))


def iou(a, b, label):
  return ((a == label) & (b == label)).sum() / ((a == label) | (b == label)).sum()


def test_aligned_portraits_are_recognised():
  """Protects FFHQ users from needless crops."""
  for seed in range(4):
    labels = faces.face(seed, 128)[1]
    offset = alignment.offsets(alignment.ffhq_square(alignment.landmarks(labels)), *labels.shape)
    assert alignment.is_aligned(offset), offset


@pytest.mark.parametrize('degrees', [0, 20, -35])
@pytest.mark.parametrize('scale', [0.5, 1.0])
def test_crop_undoes_a_similarity(degrees, scale):
  """Protects --align: a face that lies small, turned and off the middle comes back upright, in place and of full size."""
  labels = faces.face(3, 128)[1]
  wide = placed(labels, 320, scale=scale, degrees=degrees, shift=(30, -20))
  points = alignment.landmarks(wide)
  assert not alignment.is_aligned(alignment.offsets(alignment.ffhq_square(points), *wide.shape))
  image, crop = alignment.crop(faces.COLORS[wide], wide, alignment.ffhq_square(points), 512)
  again = alignment.ffhq_square(alignment.landmarks(crop))
  assert abs(again.roll) < math.radians(4)
  assert alignment.is_aligned(alignment.offsets(again, *crop.shape))
  own = resizing.resize_labels(resizing.center_square(labels), 64)
  cut = resizing.resize_labels(crop, 64)
  for name in ('skin', 'hair'):
    assert iou(own, cut, faces.LABELS.index(name)) > 0.75
  np.testing.assert_array_equal(image.shape[:2], crop.shape)
  assert (np.abs(image.astype(int) - faces.COLORS[crop]).max(-1) < 30).mean() > 0.9  # they moved together


def test_crop_of_a_large_picture_is_bounded():
  """Protects memory and against aliasing: large squares are shrunk by blocks first."""
  labels = faces.face(0, 600)[1]
  square = alignment.ffhq_square(alignment.landmarks(labels))
  image, crop = alignment.crop(faces.COLORS[labels], labels, square, 128)
  assert crop.shape[0] < 260 and image.shape[:2] == crop.shape
  assert iou(resizing.resize_labels(crop, 64), resizing.resize_labels(labels, 64), faces.LABELS.index('skin')) > 0.85


def test_sides_of_eyes_may_be_either_way():
  """Protects both conventions of left and right: the landmark on the left is the one on the left of the picture."""
  labels = faces.face(0, 128)[1]
  swapped = np.where(labels == 4, 5, np.where(labels == 5, 4, labels)).astype(np.uint8)
  one, other = alignment.landmarks(labels), alignment.landmarks(swapped)
  np.testing.assert_array_equal(one.left_eye, other.left_eye)
  assert one.left_eye[0] < one.right_eye[0]


def test_glasses_stand_in_for_eyes():
  """Protects people with dark glasses."""
  parts = [part for part in faces.PARTS if not part[0].endswith('eye')] + [('eye_g', .5, .474, .2, .05)]
  points = alignment.landmarks(faces.face(0, 128, parts)[1])
  assert points is not None and 0.12 < (points.right_eye - points.left_eye)[0] / 128 < 0.3


def test_eyes_of_one_label_are_told_apart_and_one_eye_is_not_two():
  """Protects own vocabularies without sides; a profile with one eye has no second one made up."""
  labels = faces.face(0, 128)[1]
  one, merged = alignment.landmarks(labels), alignment.landmarks(np.where(labels == 5, 4, labels).astype(np.uint8))
  np.testing.assert_allclose(merged.left_eye, one.left_eye, atol=1)
  np.testing.assert_allclose(merged.right_eye, one.right_eye, atol=1)
  assert alignment.landmarks(np.where(labels == 5, 1, labels).astype(np.uint8)) is None


def test_without_eyes_or_mouth_there_is_no_crop():
  """Protects from crops of nothing."""
  assert alignment.landmarks(np.zeros((64, 64), np.uint8)) is None
  no_mouth = [part for part in faces.PARTS if 'lip' not in part[0]]
  assert alignment.landmarks(faces.face(0, 64, no_mouth)[1]) is None


def test_faces_at_the_border_are_refused():
  """Protects from crops that are mostly reflection."""
  labels = faces.face(0, 128)[1]
  cut = np.ascontiguousarray(labels[50:100, 30:110])
  with pytest.raises(faults.Refused) as error:
    alignment.crop(faces.COLORS[cut], cut, alignment.ffhq_square(alignment.landmarks(cut)), 128)
  assert error.value.fault is faults.Fault.OUT_OF_FRAME


def test_labels_shrink_to_the_label_of_the_largest_area():
  """Oracle: blocks of whole pixels, one at a time; a tie goes to the rarer label."""
  labels = np.random.default_rng(0).integers(0, 5, (24, 24)).astype(np.uint8)
  small = resizing.resize_labels(labels, 8)
  for row in range(8):
    for column in range(8):
      counts = np.bincount(labels[3 * row:3 * row + 3, 3 * column:3 * column + 3].ravel(), minlength=5)
      assert counts[small[row, column]] == counts.max()
  tie = np.zeros((8, 8), np.uint8)
  tie[:, 1] = 4
  assert (resizing.resize_labels(tie, 4)[:, 0] == 4).all()


def test_label_maps_of_other_sizes_are_matched_by_proportions():
  """Protects parsers' 512-pixel maps of 1024-pixel images, and refuses maps of another picture."""
  assert resizing.same_proportions((512, 512), (1024, 1024)) and resizing.same_proportions((171, 128), (256, 192))
  assert not resizing.same_proportions((512, 512), (1024, 900)) and not resizing.same_proportions((192, 256), (256, 192))
  labels = faces.face(0, 32)[1]
  np.testing.assert_array_equal(resizing.match_labels(np.kron(labels, np.ones((2, 2), np.uint8)), 32, 32), labels)
  np.testing.assert_array_equal(resizing.match_labels(labels, 64, 64), np.kron(labels, np.ones((2, 2), np.uint8)))
