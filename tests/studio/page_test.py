"""The page in a browser: it draws what JAX draws, and what a person does to it happens."""

import json

import jax
import numpy as np
import pytest
import visiting

from cnerf_jax import latents
from cnerf_jax import semantics
from cnerf_jax.semantics import SemanticClass


def test_it_opens_by_itself(visit, built):
  """Protects offline use: pictures and people appear, no error, nothing asked for elsewhere, a small page."""
  visit.until(visiting.WALL_IS_DRAWN)
  assert 'pixels' in visit.page.text_content('#engine')
  assert not visit.errors and not visit.foreign
  assert built[1] < 12_000_000


def test_it_draws_the_people_of_jax(visit, model):
  """Protects the whole way from seed to pixel: the z of a seed, mapping, truncation, camera, rendering."""
  visiting.show(visit, '#seed=7&truncation=0.6&view=-0.4,0.2,1.3')
  styles = model.draw_styles(jax.random.key(7), 1, truncation=0.6)
  visiting.assert_same_picture(visit.pixels(), visiting.drawn_by_jax(model, styles, -0.4, 0.2, 1.3)[0])


def test_edits_are_what_they_say(visit, model, tmp_path):
  """Protects recipes: a region of another person and a coefficient along a direction are those styles, in the picture and in the JSON."""
  hair = int(SemanticClass.HAIR)
  visiting.show(visit, f'#seed=3&truncation=1&view=0,0,1&edit{hair}=5,;0,150;-100,0')
  styles = model.draw_styles(jax.random.key(3), 1)
  styles = styles.at[0, hair, latents.SHAPE].set(model.draw_styles(jax.random.key(5), 1)[0, hair, latents.SHAPE])
  vectors = [[np.array(one['vector']) for one in part] for part in visit.page.evaluate(f'studio.model.directions[{hair}]')]
  styles = styles.at[0, hair].add(np.stack([1.5 * vectors[0][1], -vectors[1][0]]))
  visiting.assert_same_picture(visit.pixels(), visiting.drawn_by_jax(model, styles, 0.0, 0.0)[0])
  with visit.page.expect_download() as download:
    visit.page.click('#save-json')
  download.value.save_as(tmp_path / 'person.json')
  said = json.loads((tmp_path / 'person.json').read_text())
  np.testing.assert_allclose(said['styles'], styles[0], atol=1e-4)
  assert said['edits']['hair']['shapeFrom'] == 5 and said['seed'] == 3


def test_a_click_selects_the_region(visit, model):
  """Protects pointing: what is under the pointer is selected, named, lit up; a second click lets go."""
  visiting.show(visit, '#seed=1')
  before = visit.page.evaluate("document.getElementById('picture').toDataURL()")
  masks = visiting.drawn_by_jax(model, model.draw_styles(jax.random.key(1), 1, truncation=0.8))[1]
  for semantic_class in (SemanticClass.HAIR, SemanticClass.SKIN):
    visit.click_class(masks, semantic_class)
    assert visit.page.text_content('#editor-name') == semantic_class.name.lower()
    assert visit.page.text_content('#region-name') == semantic_class.name.lower()
    lit = visit.page.evaluate("""() => {
      const c = document.getElementById('overlay');
      return [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data].filter((x, i) => i % 4 === 3);
    }""")
    inside = (masks[..., semantic_class] > 0.9).reshape(-1)
    assert np.array(lit)[inside].min() > 20 and np.array(lit)[masks[..., semantic_class].reshape(-1) < 0.02].max() <= 10
  assert visit.page.evaluate("document.getElementById('picture').toDataURL()") == before, 'light belongs on the overlay'
  visit.click_class(masks, SemanticClass.SKIN)
  assert visit.page.is_hidden('#editor')


def test_a_slider_changes_pixels_and_undo_restores_them(visit, model):
  """Protects edits and history: pixels inside the region change, undo and redo bring back each picture exactly."""
  visiting.show(visit, '#seed=1')
  before = visit.pixels()
  masks = visiting.drawn_by_jax(model, model.draw_styles(jax.random.key(1), 1, truncation=0.8))[1]
  visit.click_class(masks, SemanticClass.HAIR)
  visit.page.locator('#sliders fieldset:nth-child(2) input').first.fill('2')
  after = visit.pixels()
  inside = masks[..., SemanticClass.HAIR] > 0.9
  assert np.abs(after.astype(int) - before)[inside].max() > 10
  assert visit.recipe()['edits'][str(int(SemanticClass.HAIR))]['texture'][0] == 2
  visit.page.keyboard.press('c')  # a tap of compare must not stay
  visit.page.click('#undo')
  np.testing.assert_array_equal(visit.pixels(), before)
  visit.page.click('#redo')
  np.testing.assert_array_equal(visit.pixels(), after)
  visit.page.click('#reset')
  np.testing.assert_array_equal(visit.pixels(), before)


def test_a_link_is_the_person(visit, context, address):
  """Protects sharing: the address, opened elsewhere, draws the same pixels."""
  visiting.show(visit, '#seed=11&truncation=0.9&view=0.3,0.1,1.2')
  visit.page.keyboard.press('Escape')
  visit.page.locator('#regions button').nth(int(SemanticClass.MOUTH)).click()
  visit.page.locator('#sliders input').first.fill('-1.5')
  visit.page.locator('#sliders input').first.dispatch_event('change')
  visit.page.click('#resample')
  visit.until('typeof studio.recipe.edits[7].shapeFrom === "string"')
  expected = visit.pixels()
  assert 'edit7=' in visit.page.url
  other = visiting.Visit(context, address, visit.page.url.removeprefix(address))
  np.testing.assert_array_equal(other.pixels(), expected)
  assert other.recipe() == visit.recipe() and not other.errors
  other.page.close()


def test_hands_turn_and_zoom(visit):
  """Protects the stage: dragging, arrow keys and the wheel change the view, the picture and the address; 0 looks from the front."""
  visiting.show(visit, '#seed=2')
  before = visit.pixels()
  box = visit.page.locator('#stage').bounding_box()
  middle = box['x'] + box['width'] / 2, box['y'] + box['height'] / 2
  visit.page.mouse.move(*middle)
  visit.page.mouse.down()
  visit.page.mouse.move(middle[0] + 60, middle[1] + 20, steps=6)
  visit.page.mouse.up()
  assert visit.page.is_hidden('#editor'), 'a drag is no click'
  turned = visit.page.evaluate('studio.view')
  assert turned['azimuth'] < 0 and turned['elevation'] > 0.1
  assert np.abs(visit.pixels().astype(int) - before).max() > 50
  visit.page.mouse.wheel(0, -300)
  visit.until('studio.view.zoom > 1.3')
  visit.until("location.hash.includes(`view=${studio.view.azimuth},${studio.view.elevation},${studio.view.zoom}`)")
  visit.page.focus('#stage')
  visit.page.keyboard.press('ArrowRight')
  assert visit.page.evaluate('studio.view.azimuth') == pytest.approx(turned['azimuth'] + 0.1)
  visit.page.keyboard.press('0')
  assert visit.page.evaluate('studio.view') == {'azimuth': 0, 'elevation': 0, 'zoom': 1}
  visit.rest()


def test_a_person_dropped_on_a_region_gives_it(visit, model):
  """Protects drag and drop, and the way without it: the region of the dropped person is taken, by the stage and by buttons."""
  visiting.show(visit, '#seed=1')
  masks = visiting.drawn_by_jax(model, model.draw_styles(jax.random.key(1), 1, truncation=0.8))[1]
  row, column = np.unravel_index(np.argmax(masks[..., SemanticClass.HAIR]), masks.shape[:2])
  box = visit.page.locator('#stage').bounding_box()
  visit.page.drag_and_drop(
      '#people button:nth-child(4)', '#stage',
      target_position={'x': box['width'] * (column + 0.5) / len(masks), 'y': box['height'] * (row + 0.5) / len(masks)})
  hair, neck = str(int(SemanticClass.HAIR)), str(int(SemanticClass.NECK))
  assert visit.recipe()['edits'] == {hair: {'shapeFrom': 4, 'textureFrom': 4, 'shape': [0, 0], 'texture': [0, 0]}}
  visit.page.locator('#regions button').nth(int(SemanticClass.NECK)).click()
  visit.page.click('#take')
  visit.page.click('#people button:nth-child(2)')
  assert visit.recipe()['edits'][neck]['textureFrom'] == 2 and visit.recipe()['seed'] == 1
  visit.page.click('#people button:nth-child(2)')
  assert visit.recipe() == {'seed': 2, 'truncation': 0.8, 'edits': {}}


def test_views(visit):
  """Protects mask, normals and difference: the classes in their colours, a face towards the camera, nothing where nothing changed."""
  mouth = int(SemanticClass.MOUTH)
  visiting.show(visit, f'#seed=1&edit{mouth}=9,9;0,0;0,0')
  edited = visit.pixels()
  visit.page.check('input[value=mask]')
  palette = np.array(semantics.FFHQ12.palette)
  distances = np.abs(visit.pixels()[..., None, :].astype(int) - palette).max(axis=-1)
  found = {int(k) for k in range(len(palette)) if distances[..., k].min() <= 8}
  assert found >= {SemanticClass.BACKGROUND, SemanticClass.HAIR, SemanticClass.SKIN, SemanticClass.NECK}
  visit.page.check('input[value=normals]')
  assert np.median(visiting.middle(visit.pixels())[..., 2]) > 200
  visit.page.check('input[value=difference]')
  difference = visit.pixels()
  assert difference.max() > 50 and np.median(difference) < 20
  visit.page.keyboard.down('c')
  assert visit.pixels().max() == 0, 'the person without edits differs from itself'
  visit.page.keyboard.up('c')
  visit.page.check('input[value=picture]')
  np.testing.assert_array_equal(visit.pixels(), edited)


@pytest.mark.parametrize('fragment', [
    'seed=-1', 'seed=1e99&truncation=2', 'seed=x&view=a,b,c', 'edit0=-1;2000&edit99=1', 'edit8=,;999,0;0,0', '%', 'seed=1.5', 'seed=&edit3=',
    'view=1e9,,-1', 'edit1=;;', 'truncation=-0.1&edit2=1e3.5', '__proto__=1&edit__proto__=1'])
def test_addresses_that_say_nonsense(visit, fragment):
  """Protects from links that are broken or hostile: what is out of range is as if it were not said."""
  found = visit.page.evaluate("""async fragment => (await import('./person.js')).fromAddress(
      fragment, {recipe: {seed: 1, truncation: 0.8, edits: {}}, view: {azimuth: 0, elevation: 0, zoom: 1}}, studio.model)""", fragment)
  assert found['recipe'] == {'seed': 1, 'truncation': 0.8, 'edits': {}}
  assert found['view'] == {'azimuth': 0, 'elevation': 0, 'zoom': 1}


def test_everyone_can_use_it(visit, browser, address):
  """Protects those who don't see or don't point: axe finds nothing serious, in light and dark; a phone has no sideways scroll."""
  axe = pytest.importorskip('axe_playwright_python.sync_playwright', reason="no axe; pip install '.[test]'")
  for options in ({}, {'color_scheme': 'dark', 'viewport': {'width': 390, 'height': 844}}):
    opened = browser.new_context(bypass_csp=True, **options)
    other = visiting.Visit(opened, address)
    other.page.locator('#regions button').nth(8).click()
    other.page.check('input[value=parts]')
    other.page.evaluate("document.getElementById('making').hidden = false")
    found = axe.Axe().run(other.page).response['violations']
    serious = [(one['id'], [node['html'] for node in one['nodes']]) for one in found if one['impact'] in ('serious', 'critical')]
    assert not serious, serious
    assert other.page.evaluate('document.documentElement.scrollWidth <= innerWidth')
    opened.close()


def test_the_same_page_from_a_server(browser, served, one_latent_model):
  """Protects the page on a run of one's own: JAX's pictures come through the socket, hands turn, no error."""
  opened = browser.new_context(viewport={'width': 1280, 'height': 900})
  other = visiting.Visit(opened, served, '#seed=7&truncation=0.6&view=-0.4,0.2,1.3')
  styles = one_latent_model.draw_styles(jax.random.key(7), 1, truncation=0.6)
  visiting.assert_same_picture(other.pixels(), visiting.drawn_by_jax(one_latent_model, styles, -0.4, 0.2, 1.3)[0])
  other.until(visiting.WALL_IS_DRAWN)
  other.page.focus('#stage')
  other.page.keyboard.press('ArrowRight')
  assert other.page.evaluate('studio.view.azimuth') == -0.3
  other.pixels()
  assert other.page.text_content('#engine').startswith('Server') and not other.errors and not other.foreign
  opened.close()


def test_nothing_went_wrong(visit):
  """Protects the other tests: all that was done wrote no error to the console and asked for nothing elsewhere."""
  assert not visit.errors and not visit.foreign
