"""Label maps end in the channel that the published method gives them."""

import numpy as np
import pytest

from cnerf_jax import semantics
from data_pipeline import class_merging

CELEBAMASK_HQ = ('background', 'skin', 'nose', 'eye_g', 'l_eye', 'r_eye', 'l_brow', 'r_brow', 'l_ear', 'r_ear', 'mouth',
                 'u_lip', 'l_lip', 'hair', 'hat', 'ear_r', 'neck_l', 'neck', 'cloth')


@pytest.mark.parametrize('label, ffhq12, ffhq9', [
    ('background', 'background', 'background'), ('skin', 'skin', 'face'), ('eye_g', 'glasses', 'eye'),
    ('r_eye', 'eyes', 'eye'), ('l_brow', 'brows', 'brow'), ('u_lip', 'mouth', 'mouth'), ('nose', 'nose', 'nose'),
    ('r_ear', 'ears', 'ear'), ('ear_r', 'earrings', 'ear'), ('hat', 'hat', 'hair'), ('cloth', 'neck', 'neck')])
def test_celebamask_hq_labels_merge_by_name(label, ffhq12, ffhq9):
  """Guards the tables against a shifted row."""
  labels = np.array([CELEBAMASK_HQ.index(label)])
  for class_set, name in ((semantics.FFHQ12, ffhq12), (semantics.FFHQ9, ffhq9)):
    assert class_merging.merge_celebamask_hq(labels, class_set)[0] == class_set.index(name)


def test_twelve_classes_merge_into_nine_as_their_labels_do():
  """Merging 19 -> 12 -> 9 equals merging 19 -> 9."""
  labels = np.arange(19)
  twelve = class_merging.merge_celebamask_hq(labels, semantics.FFHQ12)
  np.testing.assert_array_equal(
      class_merging.merge_ffhq12(twelve, semantics.FFHQ9), class_merging.merge_celebamask_hq(labels, semantics.FFHQ9))
  np.testing.assert_array_equal(class_merging.merge_ffhq12(twelve, semantics.FFHQ12), twelve)


def test_unknown_label_is_refused():
  """A 13th class must not wrap around silently."""
  with pytest.raises(ValueError, match='label 12 .* values 0 to 11'):
    class_merging.merge_ffhq12(np.array([[0, 12]]), semantics.FFHQ12)
