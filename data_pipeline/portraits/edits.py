"""True edits: person A with a region of person B's, everything else as it was.

A region has a shape (the numbers that place and size it) and a texture (its colours); either can be exchanged. Drawn again from the same
viewpoint, A changes where the region is or was, and by the shade that it casts beside it. Skin keeps A's tone, so that nose and ears have
no texture of their own; eyes stay as far apart as A's, because brows, glasses and sockets hang on that.
"""

from __future__ import annotations

from cnerf_jax import semantics
from data_pipeline import region_fields
from data_pipeline.portraits import identity as identity_lib

SemanticClass = semantics.SemanticClass

# Region: the fields of an identity that are its shape and its texture.
_FIELDS = {
    'nose': dict(shape=('nose_length', 'nose_width', 'nose_height')),
    'glasses': dict(shape=('lens_width', 'lens_height', 'frame_width', 'lens_opacity'), texture=('frame_colour', 'lens_colour')),
    'eyes': dict(shape=('eye_width', 'eye_height', 'gaze'), texture=('iris_colour',)),
    'brows': dict(shape=('brow_raise', 'brow_thickness', 'brow_tilt'), texture=('brow_colour',)),
    'ears': dict(shape=('ear_size',)),
    'mouth': dict(shape=('mouth_width', 'lip_fullness', 'smile', 'teeth'), texture=('lip_colour',)),
    'hair': dict(
        shape=('hair_cut', 'hair_thickness', 'hairline', 'hair_part', 'hair_fall', 'hair_fall_width', 'bun_radius', 'ear_opening'),
        texture=('hair_colour',)),
    'hat': dict(shape=('hat_height', 'brim_width', 'brim_length', 'brim_thickness'), texture=('hat_colour', 'band_colour')),
    'earrings': dict(shape=('earring_radius',), texture=('earring_colour',)),
}
# Regions that reach further than their own class: what lies behind a lens shows through it, lashes have the colour of the brows, earrings hang
# below the ears, a hat presses the hair down, and hair is tucked behind ears with earrings.
_ALSO_CHANGES = {
    'nose': (SemanticClass.GLASSES,),
    'eyes': (SemanticClass.GLASSES,),
    'brows': (SemanticClass.EYES, SemanticClass.GLASSES),
    'ears': (SemanticClass.EARRINGS, SemanticClass.GLASSES),
    'hair': (SemanticClass.GLASSES,),
    'hat': (SemanticClass.HAIR, SemanticClass.GLASSES),
    'earrings': (SemanticClass.HAIR, SemanticClass.GLASSES),
}
REGIONS = tuple(_FIELDS)
BOTH = region_fields.BOTH


def kinds(region: str) -> tuple[str, ...]:
  """What of a region can be exchanged: `shape`, `texture` and, where it has the two, `both`; ValueError for another region."""
  region_fields.check(_FIELDS, region)
  found = tuple(_FIELDS[region])
  return (*found, BOTH) if len(found) > 1 else found


def classes(region: str) -> tuple[SemanticClass, ...]:
  """The classes whose pixels an exchange of the region changes, its own first; ValueError for another region."""
  region_fields.check(_FIELDS, region)
  return (SemanticClass[region.upper()], *_ALSO_CHANGES.get(region, ()))


def exchange(a: identity_lib.Identity, b: identity_lib.Identity, region: str, what: str = BOTH) -> identity_lib.Identity:
  """A with B's region. As among people who are drawn at random, a hat presses the hair down, and earrings are not hidden by it.

  Args:
    a: who is edited.
    b: whose region it becomes; who has none takes A's away.
    region: one of `REGIONS`.
    what: `shape`, `texture` or `both` (all that the region has).

  Raises:
    ValueError: for another region, or if the region has no such thing.
  """
  names = region_fields.fields(_FIELDS, region, what)
  return identity_lib.settle(a.replace(**{name: getattr(b, name) for name in names}))
