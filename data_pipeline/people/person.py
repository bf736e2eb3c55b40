"""A person: independent parts, each drawn from a random stream of its own, so that one can be another person's.

`draw(seed, index)` is the same person everywhere. Part p of person i comes from the stream (seed, i, p) and depends on
others only through `traits` (but brows and beard have the hair's colour, and the place suits the light).
"""

import dataclasses

from jaxtyping import Float32
import numpy as np

from data_pipeline.people import backgrounds
from data_pipeline.people import clothing as clothing_lib
from data_pipeline.people import expression as expression_lib
from data_pipeline.people import eyes as eyes_lib
from data_pipeline.people import facial_hair
from data_pipeline.people import glasses as glasses_lib
from data_pipeline.people import hair as hair_lib
from data_pipeline.people import hats
from data_pipeline.people import jewellery
from data_pipeline.people import lighting as lighting_lib
from data_pipeline.people import shape as shape_lib
from data_pipeline.people import skin as skin_lib
from data_pipeline.people import traits as traits_lib


@dataclasses.dataclass(frozen=True)
class Person:
  """Everything that a portrait shows but the camera; None is what somebody does not wear."""

  traits: traits_lib.Traits
  shape: shape_lib.Shape
  expression: expression_lib.Expression
  skin: skin_lib.Skin
  eyes: eyes_lib.Eyes
  hair: hair_lib.Hair
  brows: facial_hair.Brows
  beard: facial_hair.Beard | None
  glasses: glasses_lib.Glasses | None
  hat: hats.Hat | None
  earrings: jewellery.Earrings | None
  necklace: jewellery.Necklace | None
  clothing: clothing_lib.Clothing
  lighting: lighting_lib.Lighting
  background: backgrounds.Background


_PARTS = tuple(field.name for field in dataclasses.fields(Person))


def draw(seed: int, index: int) -> Person:
  """Person `index` of the set of people called `seed`; both non-negative."""
  stream = lambda part: np.random.default_rng((seed, index, _PARTS.index(part)))
  traits = traits_lib.draw(stream('traits'))
  hair = hair_lib.draw(stream('hair'), traits)
  lighting = lighting_lib.draw(stream('lighting'), traits.melanin)
  return Person(
      traits=traits, shape=shape_lib.draw(stream('shape'), traits), expression=expression_lib.draw(stream('expression'), traits),
      skin=skin_lib.draw(stream('skin'), traits), eyes=eyes_lib.draw(stream('eyes'), traits), hair=hair,
      brows=facial_hair.draw_brows(stream('brows'), traits, hair), beard=facial_hair.draw_beard(stream('beard'), traits, hair),
      glasses=glasses_lib.draw(stream('glasses'), traits), hat=hats.draw(stream('hat'), traits),
      earrings=jewellery.draw_earrings(stream('earrings'), traits), necklace=jewellery.draw_necklace(stream('necklace'), traits),
      clothing=clothing_lib.draw(stream('clothing'), traits), lighting=lighting,
      background=backgrounds.draw(stream('background'), lighting.kind))


VECTOR_SIZE = len(traits_lib.to_vector(traits_lib.draw(np.random.default_rng(0)))) + shape_lib.NUM_WEIGHTS


def to_vector(person: Person) -> Float32[np.ndarray, 'numbers']:
  """[VECTOR_SIZE] who somebody is, whatever they wear and however they feel: traits, then the weights of their shape."""
  return np.concatenate([traits_lib.to_vector(person.traits), shape_lib.to_vector(person.shape)])


def attributes(person: Person) -> dict[str, float | int | str]:
  """What a reader would say of a portrait, one value each; names of kinds are empty where there is none."""
  traits = person.traits
  african, asian, caucasian = traits.ancestry
  kind = lambda part: '' if part is None else part.kind
  return dict(
      age=traits.age, female=int(traits.female), african=african, asian=asian, caucasian=caucasian, melanin=traits.melanin,
      expression=person.expression.name, gaze_yaw=person.expression.gaze_yaw, gaze_pitch=person.expression.gaze_pitch,
      body_yaw=person.expression.body_yaw, hair=person.hair.style, beard='' if person.beard is None else person.beard.style,
      glasses=int(person.glasses is not None),
      glasses_kind=kind(person.glasses), hat=int(person.hat is not None), hat_kind=kind(person.hat),
      earrings=int(person.earrings is not None), necklace=int(person.necklace is not None), clothing=person.clothing.kind,
      lighting=person.lighting.kind, background=person.background.kind)
