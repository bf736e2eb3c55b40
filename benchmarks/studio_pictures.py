"""The pictures of the studio in docs/pictures, taken in headless Chromium.

  python -m benchmarks.studio_pictures [FOLDER] [--model pretrained/people64.npz] [--page DIR] [--step fine]

Writes studio.png, studio_dark.png, studio_phone.png and studio_parts.png, each of less than 400 kB. Needs `pip install -e '.[test]'` and
Chromium.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import io
import pathlib
import shutil
import sys
import tempfile
import threading

from PIL import Image
from playwright import sync_api

from cnerf_jax.studio import __main__ as studio

LARGEST_BYTES = 400_000
COLORS = 256  # of a picture that would be larger
STARTED = 'body[data-drawn]:not([data-drawn=""])'
WALL_IS_DRAWN = "[...document.querySelectorAll('#people canvas')].every(canvas => canvas.width < 300)"  # as wide as new ones are
DESKTOP, PHONE = {'width': 1280, 'height': 900}, {'width': 390, 'height': 844}
SELECT = "name => studio.chooseRegion(studio.model.classes.indexOf(name))"
# file: (the address, what the window is like, the display, the region that is selected)
PICTURES = {
    'studio.png': ('seed=9&view=0.35,0.05,1', {'viewport': DESKTOP}, 'picture', 'hair'),
    'studio_parts.png': ('seed=7&view=0.4,0.1,1', {'viewport': DESKTOP}, 'parts', None),
    'studio_dark.png': ('seed=9&view=-0.3,0.05,1', {'viewport': DESKTOP, 'color_scheme': 'dark'}, 'mask', None),
    'studio_phone.png': ('seed=4&view=0.25,0.05,1', {'viewport': PHONE, 'device_scale_factor': 2, 'has_touch': True}, 'picture', 'eyes'),
}


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('folder', type=pathlib.Path, nargs='?', default=pathlib.Path('docs/pictures'))
  parser.add_argument('--model', default='pretrained/people64.npz')
  parser.add_argument('--page', type=pathlib.Path, help='folder of a page that is built already')
  parser.add_argument('--step', choices=('middle', 'fine'), default='fine', help='how fine the person is drawn (%(default)s)')
  given = parser.parse_args()
  with tempfile.TemporaryDirectory() as temporary, sync_api.sync_playwright() as playwright:
    page = given.page or pathlib.Path(temporary)
    if given.page is None:
      with contextlib.redirect_stdout(sys.stderr):
        if studio.main(['build', str(page), '--model', given.model]):
          sys.exit(1)  # it has said why
    browser = playwright.chromium.launch(executable_path=shutil.which('chromium'), args=['--no-sandbox'])
    with _file_server(page) as address:
      for name, (fragment, window, display, region) in PICTURES.items():
        _write(given.folder / name, _take(browser.new_context(**window), f'{address}#{fragment}', display, region, given.step))
        print(f'{given.folder / name}: {(given.folder / name).stat().st_size // 1000} kB')


def _take(context, address: str, display: str, region: str | None, step: str) -> bytes:
  page = context.new_page()
  page.goto(address)
  page.wait_for_selector(STARTED, timeout=600_000, state='attached')
  if region:
    page.evaluate(SELECT, region)
  page.check(f'input[value={display}]')
  page.wait_for_timeout(6000)  # parts have moved, what was said is gone
  page.wait_for_selector(f'body:is([data-drawn={step}], [data-drawn=fine])', timeout=600_000, state='attached')
  while not page.evaluate(WALL_IS_DRAWN):
    page.wait_for_timeout(100)
  taken = page.screenshot()
  context.close()
  return taken


def _write(path: pathlib.Path, png: bytes) -> None:
  image = Image.open(io.BytesIO(png)).convert('RGB')
  image.save(path, optimize=True)
  if path.stat().st_size > LARGEST_BYTES:
    image.quantize(COLORS).save(path, optimize=True)


@contextlib.contextmanager
def _file_server(folder: pathlib.Path):
  server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(_Quiet, directory=str(folder)))
  threading.Thread(target=server.serve_forever, daemon=True).start()
  yield f'http://127.0.0.1:{server.server_port}/'
  server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
  def log_message(self, *arguments):
    pass


if __name__ == '__main__':
  main()
