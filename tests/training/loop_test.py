import pytest

import tiny

from cnerf_jax.training import loop

MESH = type('Mesh', (), {'size': 2})()


def test_good_configs_are_accepted():
  """Protects the recipes: nothing is refused that can run."""
  loop.check(tiny.make_config(), MESH)
  loop.check(tiny.make_config(batch_size=16, num_micro_batches=2, eikonal_share=1.0), MESH)


@pytest.mark.parametrize('changes, message', [
    (dict(batch_size=7), 'batch_size 7 does not divide over 2 devices; use a multiple of 2'),
    (dict(num_micro_batches=3), 'batch_size 4 does not divide into 3 micro-batches'),
    (dict(class_draw='rare'), "class_draw 'rare' is not known; use one of uniform, present"),
    (dict(eikonal_of='base'), "eikonal_of 'base' is not known; use one of whole, residual"),
    (dict(discriminator_dtype='float16'), "discriminator_dtype 'float16' is not known; use one of float32, bfloat16"),
    (dict(data__class_set='ffhq7'), "unknown class set 'ffhq7'; use one of ffhq12, ffhq9"),
    (dict(num_steps=0), 'num_steps 0 must be at least 1'),
    (dict(report_every=0), 'report_every 0 must be at least 1'),
    (dict(coarse_size=3), 'coarse_size 3 must divide image_size 4'),
    (dict(eikonal_share=0.0), r'eikonal_share 0.0 must be in \(0, 1\]'),
    (dict(r1_share=1.5), r'r1_share 1.5 must be in \(0, 1\]'),
    (dict(r1_share=0.7), 'r1_share 0.7 must be one over a whole number'),
    (dict(batch_size=16, num_micro_batches=4, r1_share=0.5), 'r1_share'),
    (dict(reconstruction__num_steps=5, generator__mask_fusion='raw'), 'needs masks that sum to one'),
], ids=lambda value: ','.join(value) if isinstance(value, dict) else '')
def test_impossible_configs_are_refused(changes, message):
  """Protects hours of training: what can't run, or would not be what it says, is refused at once in one line."""
  with pytest.raises(ValueError, match=message) as error:
    loop.check(tiny.make_config(**changes), MESH)
  assert '\n' not in str(error.value)
