"""A built page, the server that shows it, and a browser that looks at it; all skipped where there is none."""

import contextlib
import dataclasses
import functools
import http.server
import os
import pathlib
import shutil
import threading
import time

import jax
import pytest

from cnerf_jax import pretrained

MODEL = pathlib.Path(__file__).parents[2] / 'pretrained' / 'portraits32.npz'


class Quiet(http.server.SimpleHTTPRequestHandler):
  """A file server that says nothing."""

  def log_message(self, *arguments):
    pass


@pytest.fixture(scope='session')
def model():
  """The shipped parameters at smaller sizes, to be quick: pictures of 12, 24 and 48 pixels."""
  return dataclasses.replace(pretrained.load(MODEL), image_size=12, num_samples=4)


@pytest.fixture(scope='session')
def built(model, tmp_path_factory):
  """(folder of the page, its size in bytes)."""
  for name in ('onnx', 'onnxruntime'):
    pytest.importorskip(name, reason=f"no {name}; pip install '.[test]'")
  from cnerf_jax.studio import build, runtime  # pylint: disable=g-import-not-at-top
  try:
    tarball = runtime.find()
  except FileNotFoundError as error:
    pytest.skip(f'no onnxruntime-web: {error}')
  folder = tmp_path_factory.mktemp('page')
  return folder, build.build(folder, model, tarball=tarball, num_directions=2)


@pytest.fixture(scope='session')
def address(built):
  """Where the page is."""
  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(built[0])))
  threading.Thread(target=server.serve_forever, daemon=True).start()
  yield f'http://127.0.0.1:{server.server_port}/'
  server.shutdown()


@contextlib.contextmanager
def serving(drawer):
  """Where a server shows a drawer's models."""
  pytest.importorskip('starlette', reason="no starlette; pip install '.[test]'")
  uvicorn = pytest.importorskip('uvicorn', reason="no uvicorn; pip install '.[test]'")
  from cnerf_jax.studio import serve  # pylint: disable=g-import-not-at-top
  app = serve.make_app(drawer)
  app.state.studio.doer.inversion = {'latent_steps': 12, 'style_steps': 4}  # quick
  server = uvicorn.Server(uvicorn.Config(app, host='127.0.0.1', port=0, log_level='error'))
  thread = threading.Thread(target=server.run, daemon=True)
  thread.start()
  while not server.started:
    time.sleep(0.01)
  yield f'http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/'
  server.should_exit = True
  thread.join(30)


@pytest.fixture(scope='session')
def served(model, tmp_path_factory):
  """Where the server of the studio shows the same model."""
  pytest.importorskip('starlette', reason="no starlette; pip install '.[test]'")
  from cnerf_jax.studio import drawing  # pylint: disable=g-import-not-at-top
  file = tmp_path_factory.mktemp('parameters') / 'model.npz'
  pretrained.save(file, model)
  with serving(drawing.Drawer(file, num_directions=2)) as address:
    yield address


@pytest.fixture(scope='session')
def served_run(model, tmp_path_factory):
  """Where the server shows a run of five checkpoints, whose people become the more colourful the longer it went."""
  pytest.importorskip('starlette', reason="no starlette; pip install '.[test]'")
  from cnerf_jax.studio import checkpoints, drawing  # pylint: disable=g-import-not-at-top
  steps = [100, 200, 300, 400, 500]

  class Run(checkpoints.Models):
    """A run that is not on the disk."""

    def _read(self, step):
      step = step or steps[-1]
      params = jax.tree_util.tree_map_with_path(
          lambda path, x: x * (0.3 + 0.7 * step / steps[-1]) if 'color_kernel' in jax.tree_util.keystr(path) else x, model.params)
      return dataclasses.replace(model, params=params, provenance={'step': step})

    def list_steps(self):
      return steps

  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(checkpoints, 'Models', Run)
    drawer = drawing.Drawer(tmp_path_factory.mktemp('run'), num_directions=1)
  with serving(drawer) as address:
    yield address


@pytest.fixture(scope='module')
def browser():
  """Headless Chromium; no longer than a module needs it, since Playwright keeps an event loop, beside which asyncio.run refuses to."""
  sync_api = pytest.importorskip('playwright.sync_api', reason="no playwright; pip install '.[test]'")
  with sync_api.sync_playwright() as playwright:
    found = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    if found is None and not os.path.exists(playwright.chromium.executable_path):
      pytest.skip('no Chromium; install one with: playwright install chromium, or apt-get install chromium')
    opened = playwright.chromium.launch(executable_path=found, args=['--no-sandbox'])
    yield opened
    opened.close()
