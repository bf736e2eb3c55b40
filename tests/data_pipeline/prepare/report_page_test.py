"""The report page opens in a browser without an error, its pictures are there, and it is optional."""

import json
import os
import re
import shutil
import sys

import faces
import pytest

from data_pipeline.prepare import __main__ as command_line

HOSTILE = '<script>alert(1)<'  # a folder; with `script>.png` in it the path closes the element

pytest.importorskip('jinja2')


def prepare(root):
  """The command line's exit code for ten people, one of them upside down, and a file with a hostile name."""
  faces.write_folder(root / 'in', {f'p{i}': faces.face(i, 64) for i in range(9)})
  turned = faces.face(20, 64)
  faces.write_folder(root / 'in', {'upside down': (turned[0], turned[1][::-1])})
  (root / 'in' / 'images' / HOSTILE).mkdir(exist_ok=True)
  (root / 'in' / 'images' / HOSTILE / 'script>.png').write_bytes(b'')
  return command_line.main([str(root / 'in' / 'images'), str(root / 'out'), '--labels', str(root / 'in' / 'labels'), '--workers', '1'])


@pytest.fixture(scope='module')
def page(tmp_path_factory):
  """A page in headless Chromium, and what its console said; skipped where there is no browser."""
  messages = []
  sync_api = pytest.importorskip('playwright.sync_api')
  with sync_api.sync_playwright() as playwright:
    found = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    if found is None and not os.path.exists(playwright.chromium.executable_path):
      pytest.skip('no Chromium; install one with: playwright install chromium, or apt-get install chromium')
    browser = playwright.chromium.launch(executable_path=found, args=['--no-sandbox'])
    page = browser.new_page()
    page.on('console', lambda message: messages.append(message.text))
    page.on('pageerror', lambda error: messages.append(str(error)))
    page.on('requestfailed', lambda request: messages.append(request.url))
    yield page, messages
    browser.close()


def test_page_opens_and_shows_its_pictures(page, tmp_path):
  """Protects the first look at one's data: no error, every picture loaded, the refused file named, odd names harmless."""
  page, messages = page
  assert prepare(tmp_path) == 0
  page.goto(f'file://{tmp_path}/out/report/index.html')
  assert page.title() == 'Prepared portraits: 10 kept, 1 refused'
  sizes = page.eval_on_selector_all('img', 'images => images.map(image => [image.complete, image.naturalWidth, image.naturalHeight])')
  # contact sheet, odd label maps, images by azimuth and by elevation, a mean mask each
  assert len(sizes) == 4 + len(faces.LABELS)
  assert all(complete and width > 50 and height > 50 for complete, width, height in sizes)
  assert page.locator('#labels tr').count() == 1 + len(faces.LABELS)
  told = page.inner_text('body')
  assert 'has zero bytes; download it again' in told and '<script>alert(1)<' in told
  assert 'Rules kept under each label order' in told and 'aligned as FFHQ is' in told
  assert 'Read off the label maps for' in told and 'of 10 pictures' in told
  assert messages == []


def test_hostile_names_are_escaped(tmp_path, capsys):
  """Protects whoever opens the report: a file name is text, never an element, and every picture of the page is there."""
  assert prepare(tmp_path) == 0
  assert f'look at {tmp_path}/out/report/index.html' in capsys.readouterr().out
  page = (tmp_path / 'out' / 'report' / 'index.html').read_text()
  assert '<script' not in page and '&lt;script&gt;alert(1)&lt;/script&gt;.png' in page
  assert 'Prepared portraits: 10 kept, 1 refused' in page and '9 of 10 pictures with eyes and mouth are aligned' in page
  pictures = re.findall('src="([^"]*)"', page)
  assert len(pictures) == 4 + len(faces.LABELS)
  assert all((tmp_path / 'out' / 'report' / name).exists() for name in pictures)


def test_without_jinja2_the_page_is_left_out(tmp_path, capsys, monkeypatch):
  """Protects small installs: all else is prepared, one line says how to get the page, and none of an earlier run is left to mislead."""
  assert prepare(tmp_path) == 0
  capsys.readouterr()
  monkeypatch.setitem(sys.modules, 'jinja2', None)
  assert prepare(tmp_path) == 0
  lines = [line for line in capsys.readouterr().out.splitlines() if 'HTML report' in line]
  assert len(lines) == 1 and 'pip install -e .[report]' in lines[0]
  assert not (tmp_path / 'out' / 'report' / 'index.html').exists()
  assert json.loads((tmp_path / 'out' / 'report' / 'report.json').read_text())['num_kept'] == 10
