"""The examples of docs/export.md, run as they stand in the folder of a tiny export; those that use the files, without our code."""

import pathlib
import re
import subprocess
import sys

import pytest
import quick
import tiny

from cnerf_jax import pretrained
from cnerf_jax.export import folder

pytest.importorskip('onnxruntime', reason="no onnxruntime; pip install '.[test]'")

ROOT = pathlib.Path(__file__).parents[2]
CHECKS = {
    'export.deserialize': "assert portrait['rgb'].shape == (2, 4, 4, 3) and np.isfinite(slope).all() and np.any(slope)",
    'onnxruntime': "assert rgb.shape == (1, 4, 4, 3) and semantic_mask.shape == (1, 4, 4, 12) and np.isfinite(depth).all()"}


@pytest.fixture(name='export', scope='module')
def _export(tmp_path_factory, quick_compilation):
  generator = tiny.make_generator(num_classes=12, base='sphere', mask_fusion='softmax')
  model = pretrained.Model(generator, tiny.make_params(generator), class_set='ffhq12', image_size=4, num_samples=4, w_mean=[0.0] * 8)
  path = tmp_path_factory.mktemp('export')
  for name, contents in folder.contents(model, licence='for a test').items():
    (path / name).write_bytes(contents)
  return path


@pytest.mark.parametrize('which', CHECKS)
def test_ten_lines_use_the_files_without_our_code(export, which):
  """Protects what docs/export.md promises to whoever has the folder alone."""
  blocks = re.findall(r'```python\n(.*?)```', (ROOT / 'docs/export.md').read_text(), re.DOTALL)
  (block,) = [block for block in blocks if which in block]
  assert len([line for line in block.splitlines() if line.strip()]) <= 11
  code = f"{block}\nimport sys\n{CHECKS[which]}\nassert 'cnerf_jax' not in sys.modules"
  done = subprocess.run([sys.executable, '-I', '-c', code], cwd=export, capture_output=True, text=True, env=quick.environment())
  assert done.returncode == 0, done.stderr[-1500:]
