"""The graphs of `draw export` in a browser: onnxruntime-web, by WebAssembly in Chromium, draws what JAX draws; skipped where there is none."""

import functools
import http.server
import os
import shutil
import tarfile
import threading

import jax
import numpy as np
import pytest
import tiny

from cnerf_jax import camera
from cnerf_jax import pretrained
from cnerf_jax.export import folder
from cnerf_jax.studio import runtime

pytest.importorskip('onnx', reason="no onnx; pip install '.[test]'")
sync_api = pytest.importorskip('playwright.sync_api', reason="no playwright; pip install '.[test]'")

pytestmark = pytest.mark.usefixtures('quick_compilation')
FORMATS = ('onnx', 'onnx_float16')
RUNTIME = ('ort.wasm.min.mjs', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm')
PAGE = '<!doctype html><title>loading</title><script type="module" src="page.js"></script>'
SCRIPT = """
import * as ort from './ort.wasm.min.mjs';
ort.env.wasm.numThreads = 1;
window.draw = async (ending, z, azimuth, elevation) => {
  const load = name => ort.InferenceSession.create(`${name}${ending}.onnx`, {executionProviders: ['wasm']});
  const [mapping, rendering] = await Promise.all(['mapping', 'rendering'].map(load));
  const {styles} = await mapping.run({z: new ort.Tensor('float32', z, [1, z.length])});
  const drawn = await rendering.run({
    styles, azimuth: new ort.Tensor('float32', [azimuth], [1]), elevation: new ort.Tensor('float32', [elevation], [1])});
  return Object.fromEntries(Object.entries(drawn).map(([name, x]) => [name, {shape: [...x.dims], data: [...x.data]}]));
};
document.title = 'ready';
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
  """A file server that says nothing, and gives modules the type that browsers ask for."""

  extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {'.mjs': 'text/javascript', '.wasm': 'application/wasm'}

  def log_message(self, *arguments):
    pass


@pytest.fixture(name='model', scope='module')
def _model():
  """A tiny model whose styles matter."""
  generator = tiny.make_generator(
      num_classes=12, base='sphere', mask_fusion='softmax', residual_from_zero=False, view_dependence='none', color_gain=60.0)
  return pretrained.Model(generator, tiny.make_params(generator), class_set='ffhq12', image_size=6, num_samples=4, w_mean=[0.0] * 8)


@pytest.fixture(name='page', scope='module')
def _page(model, tmp_path_factory):
  """A page of Chromium in the export's own folder, with nothing beside it but the runtime; what it complained of as its `errors`."""
  try:
    tarball = runtime.find()
  except FileNotFoundError as error:
    pytest.skip(f'no onnxruntime-web: {error}')
  chromium = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
  site = tmp_path_factory.mktemp('export')
  for name, contents in folder.contents(model, FORMATS, licence='for a test').items():
    (site / name).write_bytes(contents)
  with tarfile.open(tarball) as archive:
    for name in RUNTIME:
      (site / name).write_bytes(archive.extractfile(f'package/dist/{name}').read())
  (site / 'index.html').write_text(PAGE)
  (site / 'page.js').write_text(SCRIPT)
  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(site)))
  threading.Thread(target=server.serve_forever, daemon=True).start()
  with sync_api.sync_playwright() as playwright:
    if chromium is None and not os.path.exists(playwright.chromium.executable_path):
      pytest.skip('no Chromium; install one with: playwright install chromium, or apt-get install chromium')
    browser = playwright.chromium.launch(executable_path=chromium, args=['--no-sandbox'])
    page = browser.new_page()
    page.errors = []
    page.on('pageerror', lambda error: page.errors.append(str(error)))
    page.goto(f'http://127.0.0.1:{server.server_port}/index.html')
    page.wait_for_function("document.title === 'ready'", timeout=300_000)
    page.set_default_timeout(300_000)
    yield page
    browser.close()
  server.shutdown()


@pytest.mark.parametrize('ending, levels', [('', 0.5), ('_float16', 2)])
def test_a_browser_draws_what_jax_draws(page, model, ending, levels):
  """Protects viewers in browsers: mapping.onnx and rendering.onnx as they are written give JAX's image, masks and depth."""
  z = np.asarray(jax.random.normal(jax.random.key(3), (1, model.generator.latent_dim)))
  drawn = page.evaluate(f'([z]) => window.draw("{ending}", z, 0.3, -0.1)', [z[0].tolist()])
  expected = model.render(model.map_latents(z), camera.orbit(np.float32([0.3]), np.float32([-0.1])))
  assert not page.errors and set(drawn) == {'rgb', 'semantic_mask', 'depth'}
  assert np.ptp(expected.rgb) > 40 / 255, 'nothing to compare'
  for name, tolerance in (('rgb', levels * 2 / 255), ('semantic_mask', 5e-3 * levels), ('depth', 1e-3 * levels)):
    found = np.reshape(drawn[name]['data'], drawn[name]['shape'])
    np.testing.assert_allclose(found, getattr(expected, name), atol=tolerance, err_msg=name)
