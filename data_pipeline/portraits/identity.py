"""Who a portrait shows: the random parameters of one person, deterministic in (seed, index).

Lengths are head units (`rendering.WORLD_PER_HEAD_UNIT`, about a tenth of a world unit), in the head's frame: x to the
viewer's right, y up, z out of the face, origin at the centre of the orbit. Colours are display RGB in [0, 1]. Sizes
switch parts off: a radius below zero has no surface. A person packs into one float32 vector (`to_vector`), from which
`rendering` can draw it from any viewpoint.
"""

import dataclasses
import enum

import flax.struct
import numpy as np
from jaxtyping import Array, Float

OFF = -0.3  # a length this far below zero hides its part inside the head


class HairCut(enum.IntEnum):
  """The cuts that identities draw from."""

  BALD = 0
  BUZZ = 1
  SHORT = 2
  VOLUME = 3
  BUN = 4
  BOB = 5
  LONG = 6


# Shares of the cuts; long and short hair alike, so that the outline varies.
_CUT_FRACTIONS = (0.07, 0.11, 0.25, 0.12, 0.10, 0.16, 0.19)
GLASSES_FRACTION = 0.25
HAT_FRACTION = 0.15
EARRINGS_FRACTION = 0.20
_THICKNESS_UNDER_HAT = 0.05
_EAR_OPENING = 0.20

_SKIN_TONES = np.array([
    [0.98, 0.80, 0.68], [0.94, 0.72, 0.57], [0.86, 0.62, 0.45], [0.74, 0.50, 0.34], [0.58, 0.37, 0.24],
    [0.42, 0.26, 0.17]])
_HAIR_COLOURS = np.array([
    [0.10, 0.08, 0.08], [0.22, 0.13, 0.08], [0.38, 0.22, 0.11], [0.86, 0.66, 0.30], [0.66, 0.26, 0.08],
    [0.66, 0.66, 0.68]])
_IRIS_COLOURS = np.array([[0.10, 0.05, 0.03], [0.06, 0.14, 0.34], [0.06, 0.24, 0.12], [0.16, 0.10, 0.06]])
_FRAME_COLOURS = np.array([[0.05, 0.05, 0.06], [0.36, 0.06, 0.07], [0.06, 0.12, 0.42], [0.30, 0.16, 0.06]])
_LENS_COLOURS = np.array([[0.62, 0.86, 0.94], [0.20, 0.22, 0.26], [0.66, 0.84, 0.66], [0.92, 0.70, 0.40]])
_HAT_COLOURS = np.array([
    [0.82, 0.12, 0.12], [0.10, 0.24, 0.72], [0.08, 0.48, 0.24], [0.92, 0.70, 0.10], [0.48, 0.14, 0.54]])
_EARRING_COLOURS = np.array([[1.0, 0.82, 0.20], [0.92, 0.94, 1.0], [0.20, 0.92, 0.86], [1.0, 0.30, 0.62]])
_CLOTHES_COLOURS = np.array([
    [0.16, 0.26, 0.52], [0.60, 0.14, 0.16], [0.14, 0.42, 0.30], [0.86, 0.86, 0.84], [0.16, 0.16, 0.20],
    [0.72, 0.48, 0.18], [0.44, 0.24, 0.50]])
_BACKGROUND_COLOURS = np.array([
    [0.62, 0.74, 0.86], [0.80, 0.78, 0.72], [0.46, 0.58, 0.50], [0.36, 0.40, 0.50], [0.74, 0.58, 0.54],
    [0.88, 0.90, 0.92]])


@flax.struct.dataclass
class Identity:
  """One person, or a batch of them: every field has the same leading axes; colours and directions add an axis of 3."""

  # Head.
  head_width: Float[Array, '*batch']
  head_height: Float[Array, '*batch']
  jaw_width: Float[Array, '*batch']
  chin_length: Float[Array, '*batch']
  nose_length: Float[Array, '*batch']
  nose_width: Float[Array, '*batch']
  nose_height: Float[Array, '*batch']
  ear_size: Float[Array, '*batch']
  neck_radius: Float[Array, '*batch']
  shoulder_width: Float[Array, '*batch']
  # Painted features.
  eye_spacing: Float[Array, '*batch']
  eye_width: Float[Array, '*batch']
  eye_height: Float[Array, '*batch']
  gaze: Float[Array, '*batch']
  brow_raise: Float[Array, '*batch']
  brow_thickness: Float[Array, '*batch']
  brow_tilt: Float[Array, '*batch']
  mouth_width: Float[Array, '*batch']
  lip_fullness: Float[Array, '*batch']
  smile: Float[Array, '*batch']
  teeth: Float[Array, '*batch']
  # Hair.
  hair_cut: Float[Array, '*batch']
  hair_thickness: Float[Array, '*batch']
  hairline: Float[Array, '*batch']
  hair_part: Float[Array, '*batch']
  hair_fall: Float[Array, '*batch']
  hair_fall_width: Float[Array, '*batch']
  bun_radius: Float[Array, '*batch']
  ear_opening: Float[Array, '*batch']
  # What people wear.
  lens_width: Float[Array, '*batch']
  lens_height: Float[Array, '*batch']
  frame_width: Float[Array, '*batch']
  lens_opacity: Float[Array, '*batch']
  hat_height: Float[Array, '*batch']
  brim_width: Float[Array, '*batch']
  brim_length: Float[Array, '*batch']
  brim_thickness: Float[Array, '*batch']
  earring_radius: Float[Array, '*batch']
  neckline: Float[Array, '*batch']
  # Light and colours.
  light_direction: Float[Array, '*batch 3']
  ambient: Float[Array, '*batch']
  skin_colour: Float[Array, '*batch 3']
  lip_colour: Float[Array, '*batch 3']
  iris_colour: Float[Array, '*batch 3']
  hair_colour: Float[Array, '*batch 3']
  brow_colour: Float[Array, '*batch 3']
  frame_colour: Float[Array, '*batch 3']
  lens_colour: Float[Array, '*batch 3']
  hat_colour: Float[Array, '*batch 3']
  band_colour: Float[Array, '*batch 3']
  earring_colour: Float[Array, '*batch 3']
  clothes_colour: Float[Array, '*batch 3']
  collar_colour: Float[Array, '*batch 3']
  background_top: Float[Array, '*batch 3']
  background_bottom: Float[Array, '*batch 3']

  @property
  def has_glasses(self) -> Array:
    return self.lens_width > 0

  @property
  def has_hat(self) -> Array:
    return self.hat_height > 0

  @property
  def has_earrings(self) -> Array:
    return self.earring_radius > 0


FIELDS = tuple(field.name for field in dataclasses.fields(Identity))
_FIELD_SIZES = tuple(3 if name == 'light_direction' or name.endswith(('_colour', '_top', '_bottom')) else 1
                     for name in FIELDS)
VECTOR_SIZE = sum(_FIELD_SIZES)


def to_vector(identity: Identity) -> Float[np.ndarray, '*batch parameters']:
  """All parameters in the order of `FIELDS`, float32."""
  parts = [np.asarray(getattr(identity, name), np.float32) for name in FIELDS]
  parts = [part if size == 3 else part[..., None] for part, size in zip(parts, _FIELD_SIZES)]
  return np.concatenate(parts, axis=-1)


def from_vector(vector: Float[Array, '*batch parameters']) -> Identity:
  """The inverse of `to_vector`, for NumPy and JAX arrays alike."""
  values, start = {}, 0
  for name, size in zip(FIELDS, _FIELD_SIZES):
    values[name] = vector[..., start:start + 3] if size == 3 else vector[..., start]
    start += size
  return Identity(**values)


def draw(seed: int, index: int) -> Identity:
  """The person with number `index`; the same (seed, index) is the same person on every machine."""
  random = np.random.default_rng((seed, index))
  worn = _draw_worn(random)
  hair = _draw_hair(random, worn)
  return Identity(**_draw_head(random), **_draw_features(random), **hair, **worn, **_draw_colours(random, hair))


def settle(person: Identity) -> Identity:
  """One person with hair as `draw` would have it beside what is worn: pressed down by a hat, tucked behind ears with earrings."""
  if person.has_hat:
    person = person.replace(hair_thickness=min(person.hair_thickness, _THICKNESS_UNDER_HAT), bun_radius=OFF)
  if person.has_earrings:
    person = person.replace(ear_opening=_EAR_OPENING)
  return person


def draw_viewpoint(
    seed: int, index: int, azimuth_std: float, elevation_std: float) -> Float[np.ndarray, '2']:
  """The random camera (azimuth, elevation), radians, from which person `index` is seen; its own random stream."""
  random = np.random.default_rng((seed, index, 1))
  return (random.normal(size=2) * (azimuth_std, elevation_std)).astype(np.float32)


def _draw_head(random: np.random.Generator) -> dict:
  uniform = random.uniform
  return dict(
      head_width=uniform(0.93, 1.07), head_height=uniform(0.95, 1.04), jaw_width=uniform(0.36, 0.44),
      chin_length=uniform(0.40, 0.50), nose_length=uniform(0.20, 0.27), nose_width=uniform(0.075, 0.105),
      nose_height=uniform(0.11, 0.17), ear_size=uniform(0.9, 1.2), neck_radius=uniform(0.22, 0.28),
      shoulder_width=uniform(0.92, 1.12))


def _draw_features(random: np.random.Generator) -> dict:
  uniform = random.uniform
  shows_teeth = uniform() < 0.35
  return dict(
      eye_spacing=uniform(0.20, 0.23), eye_width=uniform(0.140, 0.160), eye_height=uniform(0.085, 0.110),
      gaze=uniform(-0.03, 0.03), brow_raise=uniform(0.19, 0.23), brow_thickness=uniform(0.028, 0.042),
      brow_tilt=uniform(-0.30, 0.12), mouth_width=uniform(0.17, 0.22), lip_fullness=uniform(0.85, 1.2),
      smile=uniform(0.5, 1.4) if shows_teeth else uniform(-0.3, 1.2), teeth=uniform(0.5, 1.0) if shows_teeth else 0.0)


def _draw_worn(random: np.random.Generator) -> dict:
  uniform = random.uniform
  has_glasses, has_hat, has_earrings = uniform(size=3) < (GLASSES_FRACTION, HAT_FRACTION, EARRINGS_FRACTION)
  glasses = dict(
      lens_width=uniform(0.155, 0.18), lens_height=uniform(0.125, 0.155), frame_width=uniform(0.040, 0.055),
      lens_opacity=uniform(0.35, 0.85))
  # A beanie has a thick rim and no brim to speak of, a cap a bill to the front, a brimmed hat one all around.
  rim, bill, brim = (0.64, 0.02, 0.11), (0.52, 0.36, 0.05), (0.88, 0.10, 0.05)
  brim_width, brim_length, brim_thickness = (rim, bill, brim)[random.integers(3)]
  hat = dict(hat_height=uniform(0.64, 0.76), brim_width=brim_width, brim_length=brim_length,
             brim_thickness=brim_thickness)
  earrings = dict(earring_radius=uniform(0.062, 0.085))
  off = lambda parts: {name: OFF for name in parts}
  return dict(
      **(glasses if has_glasses else off(glasses)), **(hat if has_hat else off(hat)),
      **(earrings if has_earrings else off(earrings)), neckline=uniform(0.02, 0.20))


def _draw_hair(random: np.random.Generator, worn: dict) -> dict:
  uniform = random.uniform
  cut = HairCut(int(random.choice(len(HairCut), p=_CUT_FRACTIONS)))
  thickness = {
      HairCut.BALD: OFF, HairCut.BUZZ: 0.03, HairCut.SHORT: uniform(0.07, 0.11), HairCut.VOLUME: uniform(0.16, 0.22),
      HairCut.BUN: 0.05, HairCut.BOB: uniform(0.08, 0.12), HairCut.LONG: uniform(0.07, 0.11)}[cut]
  fall = {HairCut.BOB: uniform(0.52, 0.66), HairCut.LONG: uniform(0.9, 1.15)}.get(cut, OFF)
  bun_radius = uniform(0.20, 0.26) if cut == HairCut.BUN else OFF
  if worn['hat_height'] > 0:  # a hat presses the hair down
    thickness, bun_radius = min(thickness, _THICKNESS_UNDER_HAT), OFF
  wears_earrings = worn['earring_radius'] > 0  # long hair is tucked behind the ears that show them
  covers_ears = fall > 0 and not (wears_earrings or uniform() < 0.3)
  return dict(
      hair_cut=float(cut), hair_thickness=thickness, hairline=uniform(0.40, 0.56), hair_part=uniform(-1, 1),
      hair_fall=fall, hair_fall_width=uniform(0.67, 0.74), bun_radius=bun_radius,
      ear_opening=OFF if covers_ears else _EAR_OPENING)


def _draw_colours(random: np.random.Generator, hair: dict) -> dict:
  tone = random.beta(1.3, 1.5) * (len(_SKIN_TONES) - 1)
  low = min(int(tone), len(_SKIN_TONES) - 2)
  skin = _SKIN_TONES[low] + (tone - low) * (_SKIN_TONES[low + 1] - _SKIN_TONES[low])
  hair_colour = _jitter(random, _pick(random, _HAIR_COLOURS), 0.03)
  lip = 0.45 * skin * np.array([1.0, 0.5, 0.5]) + 0.55 * np.array([0.76, 0.13, 0.16])
  background = _jitter(random, _pick(random, _BACKGROUND_COLOURS), 0.06)
  light = np.array([random.uniform(-0.7, 0.7), random.uniform(0.25, 0.8), 1.0])
  clothes = _jitter(random, _pick(random, _CLOTHES_COLOURS), 0.04)
  return dict(
      light_direction=light / np.linalg.norm(light), ambient=random.uniform(0.42, 0.58), skin_colour=skin,
      lip_colour=_jitter(random, lip, 0.03), iris_colour=_pick(random, _IRIS_COLOURS), hair_colour=hair_colour,
      brow_colour=0.45 * hair_colour * min(1.0, 0.5 / hair_colour.max()) + 0.02,
      frame_colour=_pick(random, _FRAME_COLOURS), lens_colour=_pick(random, _LENS_COLOURS),
      hat_colour=_jitter(random, _pick(random, _HAT_COLOURS), 0.04), band_colour=_pick(random, _CLOTHES_COLOURS),
      earring_colour=_pick(random, _EARRING_COLOURS), clothes_colour=clothes,
      collar_colour=np.clip(clothes * random.uniform(0.6, 1.5), 0, 1),
      background_top=np.clip(background * random.uniform(0.95, 1.1), 0, 1),
      background_bottom=background * random.uniform(0.6, 0.95))


def _pick(random: np.random.Generator, colours: np.ndarray) -> np.ndarray:
  return colours[random.integers(len(colours))]


def _jitter(random: np.random.Generator, colour: np.ndarray, amount: float) -> np.ndarray:
  return np.clip(colour + random.uniform(-amount, amount, size=3), 0, 1)
