"""A built page, the server that shows it, and a browser that looks at it; all skipped where there is none."""

import contextlib
import dataclasses
import functools
import http.server
import os
import pathlib
import shutil
import sys
import threading
import time

import jax
import jax.numpy as jnp
import pytest
import tiny

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # for `import visiting`, whatever pytest's import mode
import visiting  # noqa: E402

from cnerf_jax import pretrained  # noqa: E402

PRETRAINED = pathlib.Path(__file__).parents[2] / 'pretrained'


class Quiet(http.server.SimpleHTTPRequestHandler):
  """A file server that says nothing."""

  def log_message(self, *arguments):
    pass


@pytest.fixture(scope='session')
def model():
  """The parameters that the page shows by default at smaller sizes, to be quick: pictures of 12, 24 and 48 pixels."""
  return dataclasses.replace(pretrained.load(PRETRAINED / 'people64.npz'), image_size=12, num_samples=4)


@pytest.fixture(scope='session')
def one_latent_model():
  """Shipped parameters all of whose classes share one latent, likewise."""
  return dataclasses.replace(pretrained.load(PRETRAINED / 'portraits32.npz'), image_size=12, num_samples=4)


@pytest.fixture(scope='session')
def encoder():
  """That of the shipped file."""
  return pretrained.load_encoder(PRETRAINED / 'people64.npz')


@pytest.fixture(scope='session')
def reader():
  """The shipped readers of photographs."""
  from cnerf_jax.studio import __main__ as command_line  # pylint: disable=g-import-not-at-top
  return command_line._reader()


def build_page(model, folder, **readers):
  """The size in bytes of the page, written to a folder; skips where something for it is missing."""
  for name in ('onnx', 'onnxruntime'):
    pytest.importorskip(name, reason=f"no {name}; pip install '.[test]'")
  from cnerf_jax.studio import build, runtime  # pylint: disable=g-import-not-at-top
  try:
    tarball = runtime.find()
  except FileNotFoundError as error:
    pytest.skip(f'no onnxruntime-web: {error}')
  return build.build(folder, model, tarball=tarball, num_directions=2, **readers)


@contextlib.contextmanager
def file_server(folder):
  """The address of a server of a folder."""
  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(folder)))
  threading.Thread(target=server.serve_forever, daemon=True).start()
  yield f'http://127.0.0.1:{server.server_port}/'
  server.shutdown()


@pytest.fixture(scope='session')
def built(model, encoder, reader, tmp_path_factory):
  """(folder of the page, its size in bytes)."""
  folder = tmp_path_factory.mktemp('page')
  return folder, build_page(model, folder, encoder=encoder, reader=reader)


@pytest.fixture(scope='session')
def address(built):
  """Where the page is."""
  with file_server(built[0]) as where:
    yield where


@pytest.fixture(scope='session')
def address_of_one_latent(tiny_model, tmp_path_factory):
  """Where the page of a tiny model is whose classes share one latent."""
  folder = tmp_path_factory.mktemp('page_of_one_latent')
  build_page(tiny_model, folder)
  with file_server(folder) as where:
    yield where


@pytest.fixture(scope='session')
def tiny_model():
  """Three classes, 4x4 pixels, one latent."""
  generator = tiny.make_generator(color_gain=60.0, base='sphere', mask_fusion='softmax', residual_from_zero=False)
  return pretrained.Model(
      generator=generator, params=tiny.make_params(generator), image_size=4, num_samples=4, w_mean=jnp.zeros(generator.style_dim))


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
def served(one_latent_model, tmp_path_factory):
  """Where the server of the studio shows the model of one latent."""
  pytest.importorskip('starlette', reason="no starlette; pip install '.[test]'")
  from cnerf_jax.studio import drawing  # pylint: disable=g-import-not-at-top
  file = tmp_path_factory.mktemp('parameters') / 'model.npz'
  pretrained.save(file, one_latent_model)
  with serving(drawing.Drawer(file, num_directions=2)) as address:
    yield address


@pytest.fixture(scope='session')
def served_run(one_latent_model, tmp_path_factory):
  """Where the server shows a run of five checkpoints, whose people become the more colourful the longer it went."""
  pytest.importorskip('starlette', reason="no starlette; pip install '.[test]'")
  from cnerf_jax.studio import checkpoints, drawing  # pylint: disable=g-import-not-at-top
  steps = [100, 200, 300, 400, 500]

  class Run(checkpoints.Models):
    """A run that is not on the disk."""

    def _read(self, step):
      step = step or steps[-1]
      params = jax.tree_util.tree_map_with_path(
          lambda path, x: x * (0.3 + 0.7 * step / steps[-1]) if 'color_kernel' in jax.tree_util.keystr(path) else x, one_latent_model.params)
      return dataclasses.replace(one_latent_model, params=params, provenance={'step': step})

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


@pytest.fixture(scope='module')
def context(browser, address):
  """A browser window that reaches the page's server alone."""
  opened = browser.new_context(viewport={'width': 1280, 'height': 900}, accept_downloads=True)
  opened.route('**/*', lambda route: route.continue_() if route.request.url.startswith(address) else route.abort())
  yield opened
  opened.close()


@pytest.fixture(scope='module')
def visit(context, address):
  """The page, opened once; each test says which person it wants with `show`."""
  return visiting.Visit(context, address)
