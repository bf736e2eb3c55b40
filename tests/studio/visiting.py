"""A visit to the studio's page, as tests make it: what is on the stage, and what JAX draws of the same."""

import jax.numpy as jnp
import numpy as np

from cnerf_jax import camera

SECONDS = 1000  # milliseconds
LOADED = 300 * SECONDS  # of a machine that has much other work
FINE = 'body[data-drawn=fine]'
WALL_IS_DRAWN = "[...document.querySelectorAll('#people canvas')].every(canvas => canvas.width < 300)"  # as wide as new ones are


class Visit:
  """A page of the studio, what it said to the console, what it asked for, and where it sent anything."""

  def __init__(self, context, address, fragment=''):
    self.errors, self.foreign, self.sent = [], [], []
    self.page = context.new_page()
    self.page.on('console', lambda message: self.errors.append(message.text) if message.type == 'error' else None)
    self.page.on('pageerror', lambda error: self.errors.append(str(error)))
    self.page.on('requestfailed', lambda request: self.errors.append(request.url))
    self.page.on('request', lambda request: self._note(request, address))
    self.page.goto(address + fragment)
    self.rest()

  def _note(self, request, address):
    url = request.url
    if request.method != 'GET':
      self.sent.append(url)
    if not url.startswith((address, 'data:', f'blob:{address}', address.replace('http', 'ws'))):
      self.foreign.append(url)

  def rest(self):
    """Waits for the finest picture."""
    self.page.wait_for_selector(FINE, timeout=LOADED, state='attached')

  def until(self, expression):
    """Waits until something is so; the page's own policy forbids Playwright's way, which evaluates strings in it."""
    for _ in range(LOADED // 100):
      if self.page.evaluate(expression):
        return
      self.page.wait_for_timeout(100)
    raise AssertionError(f'never: {expression}')

  def pixels(self):
    """[size, size, 3] of the picture."""
    self.rest()
    size, data = self.page.evaluate("""() => {
      const canvas = document.getElementById('picture');
      return [canvas.width, [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]];
    }""")
    return np.array(data, np.uint8).reshape(size, size, 4)[..., :3]

  def recipe(self):
    return self.page.evaluate('window.studio.recipe')

  def click_class(self, mask, semantic_class, **options):
    """Clicks where a class is most itself."""
    row, column = np.unravel_index(np.argmax(mask[..., semantic_class]), mask.shape[:2])
    box = self.page.locator('#stage').bounding_box()
    size = mask.shape[0]
    self.page.locator('#stage').click(
        position={'x': box['width'] * (column + 0.5) / size, 'y': box['height'] * (row + 0.5) / size}, **options)


def show(visit, fragment):
  """Another person on the stage, as if the address had been pasted; nothing selected."""
  visit.page.evaluate('studio.selected !== null && studio.chooseRegion(studio.selected)')
  visit.page.evaluate("fragment => { document.body.dataset.drawn = ''; location.hash = fragment + '&' + Math.random(); }", fragment)
  visit.rest()


def drawn_by_jax(model, styles, azimuth=0.25, elevation=0.05, zoom=1.0):
  """The finest picture as bytes, and the masks."""
  view = camera.orbit(azimuth, elevation, half_field_of_view=float(jnp.arctan(jnp.tan(camera.HALF_FIELD_OF_VIEW_RADIANS) / zoom)))
  drawn = model.render(styles, view, image_size=4 * model.image_size, num_samples=2 * model.num_samples)
  return np.uint8(127.5 * (np.clip(drawn.rgb[0], -1, 1) + 1)), np.asarray(drawn.semantic_mask[0])


def middle(image):
  """The middle quarter of a picture."""
  side = len(image)
  return image[3 * side // 8:5 * side // 8, 3 * side // 8:5 * side // 8]


def assert_same_picture(found, expected):
  difference = np.abs(found.astype(int) - expected)
  assert np.ptp(expected) > 100, 'nothing to compare'
  assert difference.max() <= 2, f'{difference.max()} of 255'
