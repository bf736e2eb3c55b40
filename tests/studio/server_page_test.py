"""The page and its server in a browser: painting, checkpoints, a photograph, a mesh."""

import io

import jax
import numpy as np
from PIL import Image
import pytest
import visiting

from cnerf_jax.semantics import SemanticClass

NO_JOB = "document.getElementById('job').hidden && !studio.jobs.running"


class Visit(visiting.Visit):
  """A visit to the page of a server, in a window of its own."""

  def __init__(self, browser, address, fragment='', **options):
    super().__init__(browser.new_context(viewport={'width': 1280, 'height': 1000}, accept_downloads=True, **options), address, fragment)

  def stroke(self, *points):
    """Draws through points, in [0, 1] of the stage."""
    box = self.page.locator('#stage').bounding_box()
    where = [(box['x'] + x * box['width'], box['y'] + y * box['height']) for x, y in points]
    self.page.mouse.move(*where[0])
    self.page.mouse.down()
    for point in where[1:]:
      self.page.mouse.move(*point, steps=4)
    self.page.mouse.up()


@pytest.fixture(scope='module')
def visit(browser, served):
  opened = Visit(browser, served, '#seed=1&view=0,0,1')
  yield opened
  opened.page.close()


def test_rows_are_said_exactly(visit):
  """Protects links: what a text says is read back as the same text, close to what it was made of; nonsense is nothing."""
  said = visit.page.evaluate("""async () => {
    const rows = await import('./rows.js');
    const styles = Float32Array.from({length: 24}, (_, i) => Math.sin(7 * i) * 10 ** (i % 3 - 1));
    const text = rows.encode(styles, 8);
    const read = rows.decode(text, 8, 3);
    const zeros = rows.decode(rows.encode(new Float32Array(8), 8), 8);
    return {text, again: rows.encode(read, 8), styles: [...styles], read: [...read], zeros: [...zeros],
            wrong: ['', null, text.slice(1), text + 'A', text.replace(/./, '*'), 'A'.repeat(text.length)].map((one) => rows.decode(one, 8, 3))};
  }""")
  assert said['again'] == said['text'] and set(said['text']) <= set('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_')
  np.testing.assert_allclose(said['read'], said['styles'], atol=10 / 32767)
  assert said['zeros'] == [0] * 8 and said['wrong'] == [None] * 6


@pytest.mark.parametrize('fragment', [
    'base=', 'base=AAAA', 'given8=', 'given8=,', 'given8=!!!!,AAAA', 'base=' + 'A' * 4224, 'given3=' + '_' * 176, 'step=100', 'step=x'])
def test_addresses_that_say_nonsense(visit, fragment):
  """Protects from links that are broken or hostile: styles that are no numbers of this model, steps that there are not."""
  found = visit.page.evaluate("""async fragment => (await import('./person.js')).fromAddress(
      fragment, {recipe: {seed: 1, truncation: 0.8, edits: {}}, view: {azimuth: 0, elevation: 0, zoom: 1}}, studio.model).recipe""", fragment)
  assert found == {'seed': 1, 'truncation': 0.8, 'edits': {}}


def test_without_a_server_the_tools_say_so(visit):
  """Protects the static page: painting, and photographs where there is no encoder, need `serve`, in one line; nothing else happens."""
  visit.page.evaluate('studio.model.server = false')
  visit.page.click('#paint')
  assert visit.page.text_content('#status') == 'Painting needs the server: python -m cnerf_jax.studio serve RUN'
  visit.page.click('#photograph')
  assert visit.page.text_content('#status') == (
      'This page has no encoder for photographs; a server finds their people: python -m cnerf_jax.studio serve RUN')
  assert visit.page.is_hidden('#brush') and visit.page.is_hidden('#brush-tools')
  visit.page.evaluate('studio.model.server = true')


def test_strokes_become_labels(visit):
  """Protects the brush: a pixel is painted where its middle is within the brush, later strokes cover earlier ones, the smallest paints."""
  labels = np.array(visit.page.evaluate("""async () => [...(await import('./brush.js')).labelsOf([
    {region: 3, radius: 0.2, points: [[0.25, 0.5], [0.75, 0.5]]}, {region: 5, radius: 0.075, points: [[0.5, 0.5]]},
    {region: 2, radius: 0.1, points: [[0, 0], [-1, -1]]}], 10)]""")).reshape(10, 10)
  y, x = (np.indices((10, 10)) + 0.5) / 10
  expected = np.where(np.hypot(np.maximum(np.abs(x - 0.5) - 0.25, 0), y - 0.5) <= 0.2, 3, 255)
  expected[np.hypot(x - 0.5, y - 0.5) <= 0.075] = 5
  expected[np.hypot(x, y) <= 0.1] = 2
  np.testing.assert_array_equal(labels, expected)
  assert (labels == 5).sum() == 4 and (labels == 2).sum() == 1


def test_painting_changes_the_person(visit, browser, served, one_latent_model):
  """Protects painting: strokes are undone singly, the view stays, the region grows where it was painted, undo, link and JSON have it."""
  page = visit.page
  before = visit.pixels()
  styles = np.array(page.evaluate('studio.styles().then((styles) => [...styles])'), np.float32).reshape(12, 2, -1)
  from cnerf_jax import camera
  from cnerf_jax.editing import paint
  labels = paint.labels(one_latent_model, styles, camera.orbit(0.0, 0.0))
  hair = int(SemanticClass.HAIR)
  assert labels[1, 9] == 0 and labels[3, 9] == hair
  page.locator('#regions button').nth(hair).click()
  page.click('#paint')
  assert page.input_value('#brush-class') == str(hair) and page.is_disabled('#apply-strokes')
  page.locator('#brush-size').fill('2')
  visit.stroke((9.5 / 12, 1.5 / 12), (10 / 12, 5 / 12))  # beside it
  visit.stroke((0.1, 0.9))
  page.keyboard.press('z')
  assert page.evaluate('studio.brush.holds') and page.evaluate('studio.history.canUndo') is False
  page.focus('#stage')
  page.keyboard.press('ArrowRight')
  assert page.evaluate('studio.view.azimuth') == 0 and 'strokes belong to this view' in page.text_content('#status')
  page.click('#apply-strokes')
  visit.until(NO_JOB)
  visit.until('studio.history.canUndo')
  after = visit.pixels()
  edits = visit.recipe()['edits']
  assert set(edits) <= {str(hair), '0'} and list(edits[str(hair)]['given']) == ['shape']
  found = np.array(page.evaluate('studio.styles().then((styles) => [...styles])'), np.float32).reshape(12, 2, -1)
  now = paint.labels(one_latent_model, found, camera.orbit(0.0, 0.0))
  assert (now == hair).sum() > (labels == hair).sum() and np.abs(after.astype(int) - before).max() > 30
  assert page.is_hidden('#brush')
  with page.expect_download() as download:
    page.click('#save-json')
  import json
  np.testing.assert_allclose(json.loads(open(download.value.path()).read())['styles'], found, atol=1e-6)
  other = Visit(browser, served, page.url.removeprefix(served))
  np.testing.assert_array_equal(other.pixels(), after)
  assert other.recipe() == visit.recipe()
  other.page.close()
  page.click('#undo')
  np.testing.assert_array_equal(visit.pixels(), before)
  page.click('#redo')
  np.testing.assert_array_equal(visit.pixels(), after)
  page.click('#resample')
  assert 'given' not in visit.recipe()['edits'][str(hair)], 'another shape takes the place of the painted one'
  page.click('#undo')
  assert 'given' in visit.recipe()['edits'][str(hair)]
  page.click('#reset')
  assert str(hair) not in visit.recipe()['edits']


def test_a_job_can_be_cancelled(visit):
  """Protects patience: progress is shown, Cancel ends it, the person stays."""
  page = visit.page
  page.evaluate("location.hash = 'seed=2&view=0,0,1'")
  visit.rest()
  page.click('#paint')
  page.select_option('#brush-class', 'hat')
  visit.stroke((0.3, 0.1), (0.7, 0.1))
  page.click('#apply-strokes')
  page.click('#cancel-job')
  visit.until(NO_JOB)
  assert 'Cancelled' in page.text_content('#status') and visit.recipe()['edits'] == {}
  assert page.evaluate('studio.brush.holds'), 'the strokes are there to try again'
  page.keyboard.press('Escape')
  assert page.is_hidden('#brush') and not visit.page.evaluate('studio.brush.active')


def test_a_photograph_becomes_the_person(visit, one_latent_model, browser, served):
  """Protects photographs: chosen, framed, sent, found; the person has its own styles, a link draws them, another seed ends it."""
  page = visit.page
  from cnerf_jax import camera  # pylint: disable=g-import-not-at-top
  person = one_latent_model.draw_styles(jax.random.key(3), 1)[0]
  drawn = one_latent_model.render(person, camera.orbit(0.2, 0.0), image_size=96)
  buffer = io.BytesIO()
  Image.fromarray(np.uint8(127.5 * (np.clip(drawn.rgb, -1, 1) + 1))).save(buffer, 'PNG')
  page.set_input_files('#photograph', {'name': 'me.txt', 'mimeType': 'text/plain', 'buffer': b'no picture'})
  visit.until("document.getElementById('status').textContent.includes('no picture')")
  page.set_input_files('#photograph', {'name': 'me.png', 'mimeType': 'image/png', 'buffer': buffer.getvalue()})
  page.wait_for_selector('#find-person')
  page.click('#find-person')
  visit.until("document.body.dataset.drawn === 'job'")
  visit.until(NO_JOB)
  visit.until("studio.recipe.base !== undefined")
  recipe = visit.recipe()
  assert recipe['truncation'] == 1 and recipe['edits'] == {} and 'dB' in page.text_content('#status')
  expected = visit.pixels()
  other = Visit(browser, served, page.url.removeprefix(served))
  np.testing.assert_array_equal(other.pixels(), expected)
  other.page.close()
  page.click('#new-person')
  assert 'base' not in visit.recipe()
  visit.rest()


def test_a_mesh_is_saved(visit, monkeypatch):
  """Protects the download from the server: a GLB of the person."""
  for name in ('skimage', 'trimesh'):
    pytest.importorskip(name)
  from cnerf_jax.studio import jobs
  monkeypatch.setattr(jobs, 'MESH_RESOLUTION', 24)
  with visit.page.expect_download(timeout=visiting.LOADED) as download:
    visit.page.click('#save-glb-server')
  assert download.value.suggested_filename.endswith('.glb')
  assert open(download.value.path(), 'rb').read(4) == b'glTF'


def test_nothing_went_wrong(visit):
  """Protects the other tests: all that was done wrote no error to the console."""
  assert not visit.errors and visit.page.is_hidden('#checkpoints'), 'a file has no checkpoints'


def test_checkpoints_draw_the_same_person(browser, served_run):
  """Protects training's film: a step is chosen, played, said by the address; the newest is followed again."""
  visit = Visit(browser, served_run, '#seed=5&view=0,0,1')
  page = visit.page
  newest = visit.pixels()
  assert page.text_content('#step-words') == 'step 500, followed' and page.is_disabled('#newest')
  page.locator('#step').fill('0')
  visit.until('studio.checkpoints.step === 100')
  visit.until("document.body.dataset.drawn === 'fine' && document.getElementById('engine').textContent.includes('step 100')")
  first = visit.pixels()
  assert np.abs(first.astype(int) - newest).mean() > 2 and 'step=100' in page.url
  other = Visit(browser, served_run, page.url.removeprefix(served_run))
  np.testing.assert_array_equal(other.pixels(), first)
  assert other.page.text_content('#step-words') == 'step 100'
  other.page.close()
  page.evaluate("""() => {
    window.seen = [];
    new MutationObserver(() => seen.push(document.getElementById('engine').textContent)).observe(
      document.getElementById('engine'), {childList: true});
  }""")
  page.click('#play')
  assert page.text_content('#play') == 'Stop'
  visit.until("document.getElementById('play').textContent === 'Play training'")
  seen = ' '.join(page.evaluate('seen'))
  assert all(f'step {step}' in seen for step in (100, 200, 300, 400, 500)), 'more than are held: each is loaded again'
  axe = pytest.importorskip('axe_playwright_python.sync_playwright', reason="no axe; pip install '.[test]'")
  other = Visit(browser, served_run, '#seed=5', bypass_csp=True)
  other.page.click('#paint')
  serious = [(one['id'], [node['html'] for node in one['nodes']]) for one in axe.Axe().run(other.page).response['violations']
             if one['impact'] in ('serious', 'critical')]
  assert not serious, serious
  other.page.close()
  page.click('#newest')
  visit.until('studio.checkpoints.step === null')
  np.testing.assert_array_equal(visit.pixels(), newest)
  assert 'step=' not in page.url and not visit.errors
  page.close()
