"""The examples of docs/editing.md, run as they stand, on the shipped model drawn at 12x12 pixels with fewer steps of painting."""

import dataclasses
import pathlib
import re

import numpy as np
import pytest

from cnerf_jax import pretrained
from cnerf_jax.editing import paint
from cnerf_jax.semantics import SemanticClass

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def names(quick_compilation):
  """Everything that the examples named."""
  with pytest.MonkeyPatch.context() as patch:
    load, settings = pretrained.load, paint.Settings(steps=30)
    patch.chdir(ROOT)
    patch.setattr(pretrained, 'load', lambda path: dataclasses.replace(load(path), image_size=12))
    patch.setattr(paint.paint, '__kwdefaults__', paint.paint.__kwdefaults__ | {'settings': settings})
    found = {}
    blocks = re.findall(r'```python\n(.*?)```', (ROOT / 'docs/editing.md').read_text(), re.DOTALL)
    assert len(blocks) > 6
    for block in blocks:
      exec(compile(block, 'docs/editing.md', 'exec'), found)  # pylint: disable=exec-used
  return found


def test_edits_are_edits(names):
  """Protects the examples of edits: each moves its region and nothing else."""
  for name, touched in {
      'their_nose': [SemanticClass.NOSE], 'halfway': [SemanticClass.BROWS, SemanticClass.HAIR], 'plainer': [SemanticClass.MOUTH],
      'their_nose_my_tone': [SemanticClass.NOSE], 'new_hair': [SemanticClass.HAIR], 'moved': [SemanticClass.NOSE]}.items():
    changed = np.any(np.asarray(names[name] != names['mine']), axis=(-2, -1))
    np.testing.assert_array_equal(np.flatnonzero(changed), touched, err_msg=name)
  assert 0.5 < names['free'] < 1


def test_a_swapped_nose_keeps_the_tone(names):
  """Protects what docs/editing.md promises: the colour of a swapped nose is nearer to the receiver's."""
  color = lambda styles: names['tone'].class_color(names['draw'](styles, names['front']), SemanticClass.NOSE)
  mine, plain, kept = (np.asarray(color(names[name])) for name in ('mine', 'nose_as_is', 'their_nose_my_tone'))
  assert np.abs(kept - mine).sum() < 0.5 * np.abs(plain - mine).sum()


def test_painting_and_inversion_go_where_they_should(names):
  """Protects the examples of paint and invert: the target's IoU rises, the portrait is found, tuning comes closer."""
  assert names['painting'].iou_after > names['painting'].iou_before
  assert names['inversion'].psnr > 22
  assert names['closer'].psnr >= names['inversion'].psnr


def test_plain_jax_does_it_too(names):
  """Protects the examples of other people's loops: the camera is fitted, the mask matched, the step learns."""
  np.testing.assert_allclose(names['viewpoint'], [0.3, 0.1], atol=0.03)
  assert names['errors'][0] > names['errors'][1] > names['errors'][2]
  assert np.mean(names['losses'][-5:]) < 0.5 * np.mean(names['losses'][:5])
