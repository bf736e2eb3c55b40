"""The report's page opens in a browser without an error, and its pictures are there."""

import os
import shutil

import faces
import pytest

from data_pipeline.prepare import __main__ as command_line

sync_api = pytest.importorskip('playwright.sync_api')


@pytest.fixture(scope='module')
def page(tmp_path_factory):
  """A page in headless Chromium, and what its console said; skipped where there is no browser."""
  messages = []
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
  faces.write_folder(tmp_path / 'in', {f'p{i}': faces.face(i, 64) for i in range(9)})
  turned = faces.face(20, 64)
  faces.write_folder(tmp_path / 'in', {'upside down': (turned[0], turned[1][::-1])})
  (tmp_path / 'in' / 'images' / '<script>alert(1)<').mkdir()
  (tmp_path / 'in' / 'images' / '<script>alert(1)<' / 'script>.png').write_bytes(b'')
  assert command_line.main([str(tmp_path / 'in' / 'images'), str(tmp_path / 'out'), '--labels', str(tmp_path / 'in' / 'labels'),
                            '--workers', '1']) == 0
  page.goto(f'file://{tmp_path}/out/report/index.html')
  assert page.title() == 'Prepared portraits: 10 kept, 1 refused'
  sizes = page.eval_on_selector_all('img', 'images => images.map(image => [image.complete, image.naturalWidth, image.naturalHeight])')
  assert len(sizes) == 2 + len(faces.LABELS)  # contact sheet, odd label maps, a mean mask each
  assert all(complete and width > 50 and height > 50 for complete, width, height in sizes)
  assert page.locator('#labels tr').count() == 1 + len(faces.LABELS)
  told = page.inner_text('body')
  assert 'has zero bytes; download it again' in told and '<script>alert(1)<' in told
  assert 'Rules kept under each label order' in told and 'aligned as FFHQ is' in told
  assert messages == []
