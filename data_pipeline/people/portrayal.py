"""A person of a set of people, seen from a camera: the one place where what writes files meets what draws.

A scene does not depend on the camera, and is kept until another person's turn: of ten views of somebody nine cost the rendering alone.
"""

import functools

from data_pipeline.people import person as person_lib
from data_pipeline.people import rendering
from data_pipeline.people import scene as scene_lib


def draw(
    seed: int, index: int, viewpoint: tuple[float, float], *, image_size: int, framing: rendering.Framing = rendering.Framing(),
) -> tuple[person_lib.Person, rendering.Picture]:
  """Person `index` of the people called `seed`, and the picture of them; viewpoint is (azimuth, elevation), radians."""
  person, scene = _built(seed, index, image_size)
  return person, rendering.draw(scene, viewpoint, image_size=image_size, framing=framing)


def draw_edited(
    edited: person_lib.Person, person: person_lib.Person, viewpoint: tuple[float, float], *, image_size: int,
) -> rendering.Picture:
  """An edited person, cropped as the person was before, so that only the edit moves."""
  return rendering.draw(scene_lib.build(edited, image_size=image_size, aligned_as=person), viewpoint, image_size=image_size)


@functools.lru_cache(maxsize=1)
def _built(seed: int, index: int, image_size: int) -> tuple[person_lib.Person, scene_lib.Scene]:
  person = person_lib.draw(seed, index)
  return person, scene_lib.build(person, image_size=image_size)
