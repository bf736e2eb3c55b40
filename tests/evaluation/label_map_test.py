import numpy as np
import pytest

from cnerf_jax import semantics
from cnerf_jax.evaluation import label_map

CLASSES = semantics.class_set('ffhq12')


def pixel(**masks):
  mask = np.zeros((1, 1, CLASSES.num_classes), np.float32)
  for name, value in masks.items():
    mask[..., CLASSES.index(name)] = value
  return mask


@pytest.mark.parametrize('expected, masks', [
    ('eyes', dict(skin=1, eyes=1)),
    ('ears', dict(hair=1, ears=1)),
    ('earrings', dict(ears=1, earrings=1, hair=1)),
    ('eyes', dict(glasses=1, eyes=1)),
    ('skin', dict(skin=1, eyes=0.4)),
    ('eyes', dict(skin=1, eyes=0.6)),
    ('hair', dict(hair=0.6, skin=0.4)),
    ('eyes', dict(eyes=0.4, skin=0.3, brows=0.3)),
], ids=lambda value: value if isinstance(value, str) else '-'.join(value))
def test_thin_classes_win_where_masks_overlap(expected, masks):
  """Dilated masks lie over others: the argmax alone would give the eyes back to the skin."""
  assert label_map.label_map(pixel(**masks), CLASSES).item() == CLASSES.index(expected)


def test_is_the_argmax_where_masks_share_a_pixel():
  """A rendered softmax does not overlap, so the rule for real masks must not touch it."""
  mask = np.random.default_rng(0).dirichlet(np.full(CLASSES.num_classes, 0.3), size=(4, 8, 8)).astype(np.float32)
  np.testing.assert_array_equal(label_map.label_map(mask, CLASSES), mask.argmax(axis=-1))


def test_wrong_number_of_channels_is_refused():
  """A mask of another class set would be read as nonsense."""
  with pytest.raises(ValueError, match='12 channels'):
    label_map.label_map(np.zeros((2, 2, 9)), CLASSES)
