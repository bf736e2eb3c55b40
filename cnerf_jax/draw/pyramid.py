"""A view at growing sizes: something to see at once, then finer, for whoever waits in front of a screen."""

from __future__ import annotations

from collections.abc import Iterator

from cnerf_jax import pretrained
from cnerf_jax.draw import renderer as renderer_lib


def sizes(image_size: int, first: int = 32) -> list[int]:
  """Growing sides, each twice the one before, up to image_size: [32, 64, 100] for 100.

  Raises:
    ValueError: if a side is less than one pixel.
  """
  if first < 1 or image_size < 1:
    raise ValueError(f'image_size {image_size} and first {first} must be at least 1 pixel')
  found = []
  while first < image_size:
    found.append(first)
    first *= 2
  return found + [image_size]


class Pyramid:
  """Draws shots of one model coarse to fine; what was compiled stays for the next shot.

    for view in Pyramid(model, image_size=512, num_samples=8, num_importance=8).draw(renderer.Shot(styles)):
      show(view.rgb)
  """

  def __init__(self, model: pretrained.Model, *, image_size: int, first: int = 32, **options):
    """`options` are those of `renderer.Renderer`; all but the last size take even samples alone, which is what they are quick for."""
    quick = options | {'num_importance': 0}
    *coarse, fine = sizes(image_size, first)
    self._renderers = [renderer_lib.Renderer(model, image_size=size, **quick) for size in coarse]
    self._renderers.append(renderer_lib.Renderer(model, image_size=fine, **options))

  def draw(self, shot: renderer_lib.Shot) -> Iterator[renderer_lib.View]:
    """The view at each size; stop asking when something else is to be drawn."""
    for renderer in self._renderers:
      yield renderer.draw(shot)
