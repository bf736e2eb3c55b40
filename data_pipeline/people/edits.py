"""True edits: person A with a region of person B's, everything else as it was.

A region has a shape (targets, style, the thing itself) and a texture (colours); either can be exchanged. The same scene is drawn
again with that part replaced, cropped as A is (`scene.build(..., aligned_as=a)`): a pixel changes only where the region is, was, or
changes the light.
"""

import dataclasses
from typing import Any

from data_pipeline import region_fields
from data_pipeline.people import person as person_lib

# Region: what its shape and its texture are, as fields of a person; `part.a+b` are fields of a part, `part-a` all fields but a.
_FIELDS = {
    'nose': dict(shape=('shape.nose',)),
    'eyes': dict(shape=('shape.eyes',), texture=('eyes',)),
    'brows': dict(shape=('shape.brows', 'brows-colour'), texture=('brows.colour',)),
    'mouth': dict(shape=('shape.mouth',), texture=('skin.lip_colour+lipstick+lipstick_colour+lipstick_gloss',)),
    'ears': dict(shape=('shape.ears',)),
    'hair': dict(shape=('hair-colour',), texture=('hair.colour',)),
    'glasses': dict(shape=('glasses',)),
    'hat': dict(shape=('hat',)),
    'earrings': dict(shape=('earrings',)),
    'beard': dict(shape=('beard',)),
    'skin': dict(texture=('skin.melanin+haemoglobin+warmth',)),
    'clothing': dict(shape=('clothing', 'necklace')),
}
REGIONS = tuple(_FIELDS)


def exchange(a: person_lib.Person, b: person_lib.Person, region: str, what: str = region_fields.BOTH) -> person_lib.Person:
  """A with B's region.

  Args:
    a: who is edited.
    b: whose region it becomes.
    region: one of `REGIONS`.
    what: `shape`, `texture` or `both` (all that the region has).

  Raises:
    ValueError: for another region, or if the region has no such thing.
  """
  for path in region_fields.fields(_FIELDS, region, what):
    a = _replaced(a, b, path)
  return a


def _replaced(a: person_lib.Person, b: person_lib.Person, path: str) -> person_lib.Person:
  part, names = path, None
  for sign in '.-':
    if sign in path:
      part, listed = path.split(sign)
      names = listed.split('+') if sign == '.' else [
          field.name for field in dataclasses.fields(getattr(a, part)) if field.name != listed]
  theirs: Any = getattr(b, part)
  if names is not None:
    theirs = dataclasses.replace(getattr(a, part), **{name: getattr(theirs, name) for name in names})
  return dataclasses.replace(a, **{part: theirs})
