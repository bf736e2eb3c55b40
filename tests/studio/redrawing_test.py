"""Another one that goes with the rest, and parts apart: what the page does with regions beyond sliders."""

import jax
import jax.numpy as jnp
import numpy as np
import visiting

from cnerf_jax import latents
from cnerf_jax.models import regional_mapping
from cnerf_jax.semantics import SemanticClass

HAIR, SKIN, GLASSES = int(SemanticClass.HAIR), int(SemanticClass.SKIN), int(SemanticClass.GLASSES)
DRAW = """async ([recipe, region, seed]) => {
  const {redrawing} = studio.renderer;
  const code = await redrawing.draw(recipe, region, seed);
  const edits = {...recipe.edits, [region]: {shapeFrom: code, textureFrom: code, shape: [0, 0], texture: [0, 0]}};
  return [code, [...await redrawing.drawnOf({...recipe, edits})]];
}"""


def draw_regions(model, seed):
  """(u, e) of a seed's person."""
  z = jax.random.normal(jax.random.key(seed), (1, model.generator.latent_dim))
  return model.generator.apply(model.params, z, method='draw_regions')[0]


def redrawn_by_jax(model, semantic_class, person):
  """(u, e) of a person with the skin of person 5, a class of theirs drawn anew from seed 42; what else there is to know of it."""
  mapping, generator = model.params['params']['mapping'], model.generator
  owners = regional_mapping.class_of_coordinates(generator.num_classes, generator.region_dim)
  given = regional_mapping.given_others(mapping['factor'], generator.num_classes)
  person = jnp.where(owners == SKIN, draw_regions(model, 5), draw_regions(model, person))
  redrawn = regional_mapping.redraw(given.gain, person, draw_regions(model, 42), jnp.float32(owners != semantic_class))
  return np.asarray(redrawn), owners, given, np.asarray(jnp.linalg.norm(mapping['factor'], axis=-1))


RECIPE = {'seed': 3, 'truncation': 0.9, 'edits': {SKIN: {'shapeFrom': 5, 'textureFrom': 5, 'shape': [0, 0], 'texture': [0, 0]}}}


def test_another_one_goes_with_the_rest(visit, model):
  """Protects redrawing: hair drawn given all other regions, taken ones too, is JAX's; its code is a link, and the picture of its styles."""
  expected, owners, _, std = redrawn_by_jax(model, HAIR, 3)
  code, found = visit.page.evaluate(DRAW, [RECIPE, HAIR, 42])
  assert np.abs((np.array(found) - expected) / std).max() < 1e-3
  assert np.abs((expected - draw_regions(model, 42)) / std)[owners == HAIR].max() > 0.5, 'the others say nothing'
  visiting.show(visit, f'#seed=3&truncation=0.9&view=0,0,1&edit{SKIN}=5,5&edit{HAIR}={code},*')
  assert visit.recipe()['edits'][str(HAIR)]['textureFrom'] == code
  styles = model.generator.apply(model.params, expected[None], method='styles_of_draw')
  styles = latents.truncate(styles, model.w_mean, 0.9)
  visiting.assert_same_picture(visit.pixels(), visiting.drawn_by_jax(model, styles, 0.0, 0.0)[0])


def test_another_one_is_there(visit, model):
  """Protects rare regions: glasses that would not be there are drawn given that they are; the rest of them moves as the Gaussian says."""
  threshold = float(model.params['params']['mapping']['threshold'][GLASSES])
  for person in range(20):
    before, owners, given, std = redrawn_by_jax(model, GLASSES, person)
    if before[GLASSES] < threshold:
      break
  assert before[GLASSES] < threshold, 'everybody wears glasses'
  after = np.array(visit.page.evaluate(DRAW, [RECIPE | {'seed': person}, GLASSES, 42])[1])
  assert after[GLASSES] > threshold
  change = np.where(owners == GLASSES, given.carry * (after[GLASSES] - before[GLASSES]), 0)
  assert np.abs((after - before - change) / std).max() < 2e-3


def test_tails_of_the_normal_distribution(visit):
  """Protects draws of what is there: numbers above a bound have the mean of the normal distribution above it, near and far."""
  for bound, mean in ((-0.5, 0.5092), (0.0, 0.7979), (1.5, 1.9387), (4.0, 4.2256)):  # density / probability of the tail
    found = visit.page.evaluate("""async (bound) => {
      const {normalAbove} = await import('./random.js');
      return Array.from({length: 3000}, (_, seed) => normalAbove(bound, seed));
    }""", bound)
    assert min(found) >= bound
    assert abs(np.mean(found) - mean) < 4 * np.std(found) / np.sqrt(len(found))


def test_one_latent_has_anybodys_region(browser, address_of_one_latent, tiny_model):
  """Protects models all of whose classes share one latent: the page draws what JAX draws; another one is somebody else's."""
  opened = browser.new_context()
  other = visiting.Visit(opened, address_of_one_latent, '#seed=6&truncation=1&view=0.2,0.1,1')
  styles = tiny_model.draw_styles(jax.random.key(6), 1)
  visiting.assert_same_picture(other.pixels(), visiting.drawn_by_jax(tiny_model, styles, 0.2, 0.1)[0])
  other.page.locator('#regions button').nth(1).click()
  other.page.click('#resample')
  other.until('studio.recipe.edits[1] !== undefined')
  assert isinstance(other.recipe()['edits']['1']['shapeFrom'], int) and not other.errors
  opened.close()


# of 30x30 places on the stage, by the region that is there: [x, y, opacity]
REGIONS_SEEN = """amount => {
  studio.setApart(amount);
  const canvas = document.getElementById('picture');
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const places = {};
  for (let i = 0; i < 900; i++) {
    const [x, y] = [(i % 30 + 0.5) / 30, (Math.floor(i / 30) + 0.5) / 30];
    const pixel = Math.floor(y * canvas.height) * canvas.width + Math.floor(x * canvas.width);
    (places[studio.display.regionAt(studio.frame, [x, y])] ??= []).push([x, y, data[4 * pixel + 3]]);
  }
  return places;
}"""


def test_parts_apart(visit):
  """Protects the exploded view: pieces are the regions, solid where they are, nothing between; hair goes up, neck down; a click selects."""
  visiting.show(visit, '#seed=7&view=0,0,1')
  visit.page.emulate_media(reduced_motion='reduce')
  visit.page.check('input[value=parts]')
  visit.until('studio.display.exploded.hasLayout')
  visit.rest()
  together, apart = visit.page.evaluate(REGIONS_SEEN, 0), visit.page.evaluate(REGIONS_SEEN, 0.7)
  height = lambda places, k: np.mean([y for _, y, _ in places[str(int(k))]])
  opacity = lambda k: [alpha for _, _, alpha in apart[k]]
  for k in (SemanticClass.SKIN, SemanticClass.NOSE, SemanticClass.MOUTH, SemanticClass.HAIR, SemanticClass.NECK):
    assert str(int(k)) in apart, k.name
    assert np.mean(opacity(str(int(k)))) > 150, k.name
  assert 'null' in apart and len(together.get('null', [])) < 0.2 * len(apart['null'])
  assert np.median(opacity('null')) < 60
  gap = lambda places: height(places, SemanticClass.NECK) - height(places, SemanticClass.HAIR)
  assert gap(apart) > 0.8 * gap(together) and height(apart, SemanticClass.MOUTH) > height(apart, SemanticClass.NOSE)
  x, y, _ = max(apart[str(HAIR)], key=lambda place: place[2])
  box = visit.page.locator('#stage').bounding_box()
  visit.page.locator('#stage').click(position={'x': x * box['width'], 'y': y * box['height']})
  assert visit.page.text_content('#editor-name') == 'hair'
  before = visit.page.evaluate("document.getElementById('picture').toDataURL()")
  visit.page.focus('#stage')
  visit.page.keyboard.press('ArrowRight')
  visit.rest()
  assert visit.page.evaluate("document.getElementById('picture').toDataURL()") != before
  visit.page.check('input[value=picture]')
  visit.rest()
  assert visit.page.is_hidden('#apart')


def test_nothing_went_wrong(visit):
  """Protects the other tests: all that was done wrote no error to the console and asked for nothing elsewhere."""
  assert not visit.errors and not visit.foreign
