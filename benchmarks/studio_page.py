"""The studio's page in headless Chromium: how soon, how fast, how close to JAX, what a slider changes elsewhere, how long a mesh takes.

  python -m benchmarks.studio_page [--model pretrained/people64.npz] [--page DIR] [--backend wasm]

Prints one JSON object. Needs `pip install -e '.[test]'` and Chromium. On a machine that does other work the times are of that machine: the
load average is printed with them, and the processor time of a picture (Linux), which other work disturbs less.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import json
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time

import jax
import numpy as np
from playwright import sync_api

from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax.studio import __main__ as studio
from cnerf_jax.studio import runtime

SEED = 7
FRAMES = 40
DRAG_SECONDS = 5
VIEW = {'azimuth': -0.4, 'elevation': 0.2, 'zoom': 1}
MARKS = "Object.fromEntries(performance.getEntriesByType('mark').map(mark => [mark.name, Math.round(mark.startTime)]))"
# draws the person of a seed, not truncated, without the page's own history and address
DRAW = """async ([seed, view, size, frames]) => {
  const {renderer, model} = studio;
  const styles = await renderer.person(seed);
  let frame;
  const begin = performance.now();
  for (let i = 0; i < frames; i++) {
    const turned = {...view, azimuth: view.azimuth + i * 1e-3};
    frame = await renderer.draw({stylesId: 'benchmark', styles, view: turned, size: model.sizes[size]}, {priority: 9});
  }
  return [(performance.now() - begin) / frames, [...frame.rgb]];
}"""
# coarse pictures before and after each region's first slider of a part
SLIDE = """async ([seed, view, coefficient]) => {
  const {renderer, model} = studio;
  const own = await renderer.person(seed);
  const draw = (styles, id) => renderer.draw({stylesId: id, styles, view, size: model.sizes.coarse}, {priority: 9});
  const before = await draw(own, 'before');
  const found = [];
  for (const [region, parts] of model.directions.entries()) {
    for (const [part, [{vector}]] of parts.entries()) {
      const styles = own.slice();
      vector.forEach((x, i) => { styles[(2 * region + part) * model.styleDim + i] += coefficient * x; });
      const after = await draw(styles, `${region},${part}`);
      found.push([[...after.rgb], [...after.mask]]);
    }
  }
  return [[...before.rgb], [...before.mask], found];
}"""


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--model', default='pretrained/people64.npz')
  parser.add_argument('--page', type=pathlib.Path, help='folder of a page that is built already')
  parser.add_argument('--backend', choices=runtime.BACKENDS, default='wasm')
  given = parser.parse_args()
  model = pretrained.load(given.model)
  with tempfile.TemporaryDirectory() as temporary, sync_api.sync_playwright() as playwright:
    folder = given.page or pathlib.Path(temporary)
    if given.page is None:
      with contextlib.redirect_stdout(sys.stderr):
        if studio.main(['build', str(folder), '--model', given.model]):
          sys.exit(1)  # it has said why
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    flags = ['--no-sandbox'] + ['--enable-unsafe-webgpu'] * (given.backend == 'webgpu')
    browser = playwright.chromium.launch(executable_path=shutil.which('chromium'), args=flags)
    page = browser.new_page(viewport={'width': 1280, 'height': 900})
    begin, processor_begin = time.perf_counter(), _processor_seconds()
    page.goto(f'http://127.0.0.1:{server.server_port}/?backend={given.backend}')
    page.wait_for_selector('body:is([data-drawn=coarse], [data-drawn=plain], [data-drawn=middle])', timeout=120_000, state='attached')
    figures = {
        'seconds_to_first_picture': time.perf_counter() - begin, 'processor_seconds_to_first_picture': _processor_seconds() - processor_begin,
        'milliseconds_after_navigation': page.evaluate(MARKS)}
    page.wait_for_selector('body[data-drawn=fine]', timeout=300_000, state='attached')
    figures |= {'seconds_to_finest_picture': time.perf_counter() - begin, 'engine': page.text_content('#engine')}
    figures |= _speed(page) | _mesh(page) | _parity(page, model) | _locality(page, model)
    figures |= {'backend': given.backend, 'page_bytes': sum(file.stat().st_size for file in folder.rglob('*') if file.is_file()),
                'load_average': os.getloadavg()[0]}
    print(json.dumps(figures, indent=1))


def _speed(page) -> dict[str, float]:
  before = _processor_seconds()
  milliseconds, _ = page.evaluate(DRAW, [SEED, VIEW, 'coarse', FRAMES])
  processor_milliseconds = 1000 * (_processor_seconds() - before) / FRAMES
  box = page.locator('#stage').bounding_box()
  x, y = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
  page.mouse.move(x, y)
  page.mouse.down()
  first, begin = page.evaluate('studio.painter.numCoarse'), time.perf_counter()
  while time.perf_counter() - begin < DRAG_SECONDS:
    page.mouse.move(x + 150 * np.sin(time.perf_counter()), y)
    time.sleep(0.015)
  drawn, side = page.evaluate('[studio.painter.numCoarse, studio.frame.size]')
  drawn -= first
  seconds = time.perf_counter() - begin
  page.mouse.up()
  page.wait_for_selector('body[data-drawn=fine]', timeout=300_000, state='attached')
  return {
      'pictures_a_second': 1000 / milliseconds, 'processor_milliseconds_a_picture': processor_milliseconds,
      'pictures_a_second_while_dragging': drawn / seconds, 'side_while_dragging': side}


def _mesh(page) -> dict[str, float]:
  begin, processor_begin = time.perf_counter(), _processor_seconds()
  with page.expect_download(timeout=600_000) as download:
    page.click('#save-glb')
  size = pathlib.Path(download.value.path()).stat().st_size
  return {
      'seconds_of_mesh': time.perf_counter() - begin, 'processor_seconds_of_mesh': _processor_seconds() - processor_begin, 'mesh_bytes': size}


def _processor_seconds() -> float:
  """Of all that this process has started and that still runs: the browser."""
  parents, seconds = {}, {}
  for stat in pathlib.Path('/proc').glob('[0-9]*/stat'):
    try:
      fields = stat.read_text().rpartition(')')[2].split()
    except OSError:
      continue  # it has just ended
    parents[int(stat.parent.name)] = int(fields[1])
    seconds[int(stat.parent.name)] = (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

  def is_ours(process):
    while process in parents:
      process = parents[process]
      if process == os.getpid():
        return True
    return False

  return sum(value for process, value in seconds.items() if is_ours(process))


def _parity(page, model: pretrained.Model) -> dict[str, float]:
  """Largest differences from JAX, of 255, at each size."""
  styles = model.draw_styles(jax.random.key(SEED), 1)
  worst = {}
  for name in ('coarse', 'plain', 'middle', 'fine'):
    size = page.evaluate(f'studio.model.sizes.{name}')
    expected = model.render(
        styles, camera_lib.orbit(VIEW['azimuth'], VIEW['elevation']), image_size=size['imageSize'], num_samples=size['numSamples']).rgb
    _, rgb = page.evaluate(DRAW, [SEED, VIEW, name, 1])
    worst[f'difference_from_jax_{name}'] = float(np.abs(np.array(rgb) - np.asarray(expected).reshape(-1)).max() * 127.5)
  return worst


def _locality(page, model: pretrained.Model) -> dict[str, object]:
  """For the first slider of each region and part at 2: 99th percentile of what changes outside the region, largest change inside, of 255."""
  rgb, mask, moved = page.evaluate(SLIDE, [SEED, VIEW, 2])
  names = page.evaluate('studio.model.classes')
  rgb, mask = np.array(rgb).reshape(-1, 3), np.array(mask).reshape(-1, len(names))
  found = {}
  for i, (new_rgb, new_mask) in enumerate(moved):
    region, part = names[i // 2], ('shape', 'texture')[i % 2]
    change = np.abs(np.array(new_rgb).reshape(-1, 3) - rgb).max(axis=-1) * 127.5
    inside = np.maximum(mask, np.array(new_mask).reshape(mask.shape))[:, i // 2] > 0.05
    found[f'{region} {part}'] = [
        round(float(np.percentile(change[~inside], 99)), 1) if (~inside).any() else None,
        round(float(change[inside].max()), 1) if inside.any() else None]
  return {'changes_outside_and_inside': found}


class _Quiet(http.server.SimpleHTTPRequestHandler):
  def log_message(self, *arguments):
    pass


if __name__ == '__main__':
  main()
