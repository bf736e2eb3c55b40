"""Photographs on the static page: found in the browser, by the encoder alone; what goes wrong is said in one line."""

import io
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image
import pytest
import visiting

from cnerf_jax import camera
from cnerf_jax import pretrained
from cnerf_jax.semantics import SemanticClass

PEOPLE64 = pathlib.Path(__file__).parents[2] / 'pretrained' / 'people64.npz'

VIEW = (0.3, 0.1)


def as_file(image, name='portrait.png'):
  """What a file chooser is given."""
  data = io.BytesIO()
  Image.fromarray(image).save(data, 'PNG')
  return {'name': name, 'mimeType': 'image/png', 'buffer': data.getvalue()}


@pytest.fixture(scope='module')
def portrait(reader):
  """Somebody of the shipped model, seen from a side, at the size of the readers."""
  model = pretrained.load(PEOPLE64)
  styles = model.draw_styles(jax.random.key(4), 1, truncation=0.8)
  drawn = jax.jit(lambda styles: model.render(styles, camera.orbit(*VIEW), image_size=128).rgb[0])(styles)
  image = Image.fromarray(np.uint8(127.5 * (np.clip(drawn, -1, 1) + 1)))
  return np.asarray(image.resize((reader.side, reader.side), Image.Resampling.BICUBIC))


@pytest.fixture(scope='module')
def found_by_jax(portrait, encoder, reader):
  """What the encoder and the readers say of the portrait in JAX."""
  from cnerf_jax.studio import photograph_graph  # pylint: disable=g-import-not-at-top
  return jax.jit(lambda x: photograph_graph.find_person(encoder, reader, x))(jnp.float32(portrait) / 127.5 - 1)


def choose(visit, file):
  """Gives the page a file."""
  visit.page.evaluate("document.getElementById('status').replaceChildren()")
  visit.page.set_input_files('#photograph', file)


def said(visit):
  """The line that the page says, when it does."""
  visit.until("document.getElementById('status').textContent !== '' && !document.getElementById('status').textContent.endsWith('…')")
  return visit.page.text_content('#status')


def find(visit, image):
  """The person of an image is on the stage."""
  choose(visit, as_file(image))
  visit.page.wait_for_selector('#photograph-tools:not([hidden])')
  visit.page.click('#find-person')
  return said(visit)


def test_the_person_of_a_photograph_is_that_of_the_encoder(visit, model, portrait, found_by_jax):
  """Protects the whole way in the browser: parser, viewpoint, encoder, mapping, picture; to what kernels in bytes cost the readers."""
  visiting.show(visit, '#seed=1')
  assert 'guess' in find(visit, portrait)
  assert visit.recipe()['base'] and visit.recipe()['edits'] == {}
  view = visit.page.evaluate('[studio.view.azimuth, studio.view.elevation]')
  np.testing.assert_allclose(view, found_by_jax['viewpoint'], atol=np.radians(1))
  np.testing.assert_allclose(view, VIEW, atol=0.15)
  styles = model.generator.apply(model.params, found_by_jax['latents'][None], method='styles_of_draw')
  expected = visiting.drawn_by_jax(model, styles, *map(float, found_by_jax['viewpoint']))[0].astype(int)
  pixels = visit.pixels()
  assert np.abs(pixels - expected).mean() < 2, 'of 255, over the picture'
  side = len(pixels)
  small = np.asarray(Image.fromarray(portrait).resize((side, side), Image.Resampling.BOX)).astype(int)
  somebody = visiting.drawn_by_jax(model, jnp.broadcast_to(model.w_mean, styles.shape), *VIEW)[0].astype(int)
  assert np.abs(pixels - small).mean() < 0.6 * np.abs(somebody - small).mean(), 'no more like the photograph than anybody'


def test_the_person_is_edited_undone_and_linked(visit, context, address, portrait):
  """Protects what comes after: edits work on somebody of a photograph, undo goes back to them and before, a link is the person."""
  visiting.show(visit, '#seed=2&view=0,0,1')
  nobody = visit.recipe()
  find(visit, portrait)
  before = visit.pixels()
  visit.page.evaluate(f'studio.takeRegion({int(SemanticClass.HAIR)}, 5)')
  assert np.abs(visit.pixels().astype(int) - before).max() > 30
  visit.page.click('#undo')
  np.testing.assert_array_equal(visit.pixels(), before)
  other = visiting.Visit(context, address, visit.page.evaluate('location.hash'))
  np.testing.assert_array_equal(other.pixels(), before)
  other.page.close()
  visit.page.click('#undo')
  assert visit.recipe() == nobody


@pytest.mark.parametrize('file, line', [
    ({'name': 'notes.png', 'mimeType': 'image/png', 'buffer': b'no picture at all'}, 'no picture that the browser can read'),
    (as_file(np.full((40, 60, 3), 128, np.uint8)), '60 x 40 pixels; give one of at least 64 a side')], ids=['not an image', 'too small'])
def test_files_that_cannot_be_used_are_told_in_one_line(visit, file, line):
  """Protects from silence, and from a stage that changes: the line says what to give instead."""
  recipe = visit.recipe()
  choose(visit, file)
  assert line in said(visit)
  assert visit.page.is_hidden('#photograph-tools') and visit.recipe() == recipe


@pytest.mark.parametrize('kind', ['noise', 'slope'])
def test_no_face_is_told_in_one_line(visit, kind):
  """Protects from people who are not there: of a picture without a face nobody is made up."""
  recipe = visit.recipe()
  image = np.random.default_rng(0).integers(0, 256, (256, 256, 3)) if kind == 'noise' else np.zeros((256, 256, 3)) + np.arange(256)[:, None]
  assert find(visit, np.uint8(image)).startswith('No face was found')
  assert visit.recipe() == recipe


def test_a_square_of_too_few_pixels_is_told(visit, portrait):
  """Protects from guesses out of a blur."""
  choose(visit, as_file(np.ascontiguousarray(portrait[::2, ::2])))
  visit.page.wait_for_selector('#photograph-tools:not([hidden])')
  visit.page.locator('#photograph-zoom').fill('4')
  visit.page.click('#find-person')
  assert 'This square has 32 pixels a side' in said(visit)


def test_framing_takes_what_is_in_the_square(visit, portrait, found_by_jax):
  """Protects the crop: a portrait in the corner of a larger picture, zoomed to, dragged to, and dropped on the card, is the same person."""
  larger = np.full((512, 512, 3), 90, np.uint8)
  larger[:256, :256] = portrait
  file = as_file(larger)
  visit.page.evaluate("""async (bytes) => {
    const files = new DataTransfer();
    files.items.add(new File([Uint8Array.from(bytes)], 'dropped.png', {type: 'image/png'}));
    document.getElementById('photograph-card').dispatchEvent(new DragEvent('drop', {dataTransfer: files, bubbles: true, cancelable: true}));
  }""", list(file['buffer']))
  visit.page.wait_for_selector('#photograph-tools:not([hidden])')
  visit.page.locator('#photograph-zoom').fill('2')
  preview = visit.page.locator('#photograph-preview')
  for key in ('ArrowLeft', 'ArrowUp'):
    for _ in range(30):  # as far as it goes
      preview.press(key)
  visit.page.click('#find-person')
  assert 'guess' in said(visit)
  np.testing.assert_allclose(
      visit.page.evaluate('[studio.view.azimuth, studio.view.elevation]'), found_by_jax['viewpoint'], atol=np.radians(1))


def test_nothing_went_wrong(visit):
  """Protects privacy and the other tests: no request left the page, nothing was sent, no error in the console."""
  assert not visit.errors and not visit.foreign and not visit.sent
