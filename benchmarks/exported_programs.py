"""Exported models in a process without our code: python -m benchmarks.exported_programs [--params=pretrained/people64.npz] [--repeats=5]

Bytes and seconds of an export, then what a fresh process with jax alone (StableHLO), or with ONNX Runtime alone, takes to load it, to draw one
portrait and to differentiate it, and how far its picture is from ours: the largest difference, of 255 levels. `first` is with compilation.
Appended to --output as JSON.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from absl import app
from absl import flags
import jax
import numpy as np

from benchmarks import machine
from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax.export import folder

_VIEWPOINT = 0.3, 0.1
_TIMED = """
import json, sys, time
import numpy as np
repeats = int(sys.argv[1])
row = {}
def timed(name, function):
  seconds = []
  for _ in range(1 + repeats):
    started = time.perf_counter()
    result = function()
    seconds.append(time.perf_counter() - started)
  row[f'{name}_first_seconds'], row[f'{name}_seconds'] = seconds[0], float(np.median(seconds[1:]))
  return result
"""
_BY_JAX = _TIMED + """
started = time.perf_counter()
import jax
from jax import export
load = lambda name: export.deserialize(bytearray(open(f'{name}.stablehlo', 'rb').read())).call
people, camera, rendering = map(load, ('people', 'camera', 'rendering'))
params = dict(np.load('params.npz'))
row['load_seconds'] = time.perf_counter() - started
styles, view = people(params, np.uint32([7]), np.float32(1)), np.float32([[0.3, 0.1]])
draw = jax.jit(lambda styles: rendering(params, styles, camera(view))['rgb'])
gradient = jax.jit(jax.grad(lambda styles: (rendering(params, styles, camera(view))['rgb']**2).mean()))
np.save('found.npy', timed('draw', lambda: jax.block_until_ready(draw(styles))))
timed('gradient', lambda: jax.block_until_ready(gradient(styles)))
print(json.dumps(row))
"""
_BY_ONNX = _TIMED + """
started = time.perf_counter()
import onnxruntime
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
load = lambda name: onnxruntime.InferenceSession(f'{name}SUFFIX.onnx', options, providers=['CPUExecutionProvider'])
mapping, rendering = load('mapping'), load('rendering')
row['load_seconds'] = time.perf_counter() - started
(styles,) = mapping.run(None, {'z': np.load('z.npy')})
inputs = {'styles': styles, 'azimuth': np.float32([0.3]), 'elevation': np.float32([0.1])}
np.save('found.npy', timed('draw', lambda: rendering.run(['rgb'], inputs))[0])
print(json.dumps(row))
"""
_CONSUMERS = {
    'stablehlo': _BY_JAX, 'onnx': _BY_ONNX.replace('SUFFIX', ''), 'onnx_float16': _BY_ONNX.replace('SUFFIX', '_float16')}


def measure(model: pretrained.Model, format_name: str, *, repeats: int) -> dict:
  """Bytes, seconds and error of one format."""
  key = jax.random.key(7)
  expected = model.render(model.draw_styles(key, 1), camera_lib.orbit(*_VIEWPOINT)).rgb
  with tempfile.TemporaryDirectory() as where:
    started = time.perf_counter()
    files = folder.contents(model, [format_name], licence='for a measurement')
    row = dict(format=format_name, export_seconds=time.perf_counter() - started)
    for name, contents in files.items():
      (pathlib.Path(where) / name).write_bytes(contents)
      row[f'{name}_bytes'] = len(contents)
    np.save(pathlib.Path(where) / 'z.npy', jax.random.normal(key, (1, model.generator.latent_dim)))
    done = subprocess.run(
        [sys.executable, '-I', '-c', _CONSUMERS[format_name], str(repeats)], capture_output=True, text=True, cwd=where)
    if done.returncode:
      raise SystemExit(f'{format_name} failed:\n{done.stderr[-2000:]}')
    found = np.load(pathlib.Path(where) / 'found.npy')
  row |= json.loads(done.stdout.splitlines()[-1])
  return row | dict(difference_levels=float(127.5 * np.abs(found - expected).max()), load=os.getloadavg()[0])


def main(argv):
  del argv
  model = pretrained.load(_PARAMS.value)
  for name in folder.FORMATS:
    machine.report(measure(model, name, repeats=_REPEATS.value), _OUTPUT.value)
    print(flush=True)


if __name__ == '__main__':
  _PARAMS = flags.DEFINE_string('params', 'pretrained/people64.npz', 'Model: a file, or the folder of a run.')
  _REPEATS = flags.DEFINE_integer('repeats', 5, 'Timed repetitions.', lower_bound=1)
  _OUTPUT = flags.DEFINE_string('output', None, 'JSON lines are appended here.')
  app.run(main)
