"""Protects the table of exports: every format draws our picture in a process of its own, and is timed."""

import pytest
import tiny

from benchmarks import exported_programs
from cnerf_jax import pretrained
from cnerf_jax.export import folder

pytest.importorskip('onnxruntime', reason="no onnxruntime; pip install '.[test]'")


@pytest.mark.parametrize('name', folder.FORMATS)
def test_each_format_is_measured(quick_compilation, monkeypatch, name):
  generator = tiny.make_generator(num_classes=12, base='sphere', mask_fusion='softmax')
  model = pretrained.Model(generator, tiny.make_params(generator), class_set='ffhq12', image_size=4, num_samples=4, w_mean=[0.0] * 8)
  monkeypatch.setenv('JAX_DISABLE_MOST_OPTIMIZATIONS', '1')
  row = exported_programs.measure(model, name, repeats=1)
  assert row['difference_levels'] < 0.5 and row['model_card.json_bytes'] > 1000
  assert row['draw_first_seconds'] > 0 and ('gradient_seconds' in row) == (name == 'stablehlo')
