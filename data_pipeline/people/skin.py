"""Skin: what colour, relief and gloss somebody's has, painted on the chart of the head (`head_model.HeadModel.chart`).

Albedo is exp(-absorption) in three bands. Melanin and haemoglobin absorb as measured skin does from the palest to the darkest;
what varies over a face (flush, freckles, moles, stubble, circles under the eyes) adds to one of the two or to grey. Make-up lies
over them. Nothing here depends on the shape of the head.
"""

import dataclasses

from jaxtyping import Float
from jaxtyping import Float32
import numba
import numpy as np

from data_pipeline.people import head_model as head_model_lib
from data_pipeline.people import noise
from data_pipeline.people import skin_regions as regions_lib
from data_pipeline.people import srgb
from data_pipeline.people import traits as traits_lib

# sRGB of skin by melanin.
_MELANIN = (0.0, 0.15, 0.45, 0.8, 1.0)
_TONES = ((240, 204, 184), (226, 181, 156), (191, 142, 112), (110, 75, 55), (72, 49, 38))
_HAEMOGLOBIN = (0.13, 0.85, 0.7)  # absorption of one unit of flush
_LIPS = (0.26, 0.82, 0.6)
_STUBBLE = (1.25, 1.1, 0.95)  # hair under the skin is bluish
_LIPSTICKS = ((190, 30, 45), (150, 20, 40), (205, 85, 95), (196, 110, 105), (175, 60, 85), (220, 95, 80), (120, 35, 55), (200, 130, 120))
_SHADOWS = ((110, 75, 60), (70, 60, 60), (150, 110, 85), (95, 70, 90), (70, 80, 95), (190, 150, 120), (45, 40, 42))
_COLOURED_STD = 8.0  # of make-up's colours, sRGB


@dataclasses.dataclass(frozen=True)
class Skin:
  """Somebody's skin. Unless told otherwise, 0 is none and 1 is much.

  Attributes:
    melanin: 0 (palest) to 1 (darkest).
    haemoglobin: how ruddy, about -0.3 to 0.4.
    warmth: yellowish (positive) or pinkish.
    unevenness: blotches.
    flush: of cheeks and nose.
    freckles: how many and how dark.
    moles: how many.
    spots: of age.
    blemishes: how many pimples.
    circles: dark under the eyes.
    wrinkles: depth.
    pores: depth.
    stubble: shaven beard that shows.
    oiliness: gloss of forehead and nose.
    lip_colour: how much redder lips are than the skin.
    foundation: make-up that evens the skin.
    lipstick: how much covers the lips, with its linear RGB colour and its gloss.
    blush: rouge on the cheekbones.
    eye_shadow: on the lids, with its linear RGB colour.
    eyeliner: dark line at the lashes.
    key: of random details.
  """

  melanin: float
  haemoglobin: float
  warmth: float
  unevenness: float
  flush: float
  freckles: float
  moles: int
  spots: float
  blemishes: int
  circles: float
  wrinkles: float
  pores: float
  stubble: float
  oiliness: float
  lip_colour: float
  foundation: float
  lipstick: float
  lipstick_colour: tuple[float, float, float]
  lipstick_gloss: float
  blush: float
  eye_shadow: float
  eye_shadow_colour: tuple[float, float, float]
  eyeliner: float
  key: int


@dataclasses.dataclass(frozen=True)
class SkinTexture:
  """On the chart: columns wrap around, row 0 is the top.

  Attributes:
    albedo: linear RGB in [0, 1].
    height: fine relief (pores, wrinkles), decimetres outwards.
    gloss: factor on the highlight.
  """

  albedo: Float32[np.ndarray, 'rows columns 3']
  height: Float32[np.ndarray, 'rows columns']
  gloss: Float32[np.ndarray, 'rows columns']


def draw(rng: np.random.Generator, traits: traits_lib.Traits) -> Skin:
  """Skin that goes with somebody's age, sex and pigment; six in seven women wear make-up."""
  age, fair = traits.age, 1 - traits.melanin
  positive = lambda mean, std, top=1.0: float(np.clip(rng.normal(mean, std), 0, top))
  made_up = float(rng.beta(2.4, 1.3)) if traits.female and rng.random() < 0.86 else 0.0
  worn = lambda chance, low: float(rng.uniform(low, 1) * (0.4 + 0.6 * made_up)) * (made_up > 0) * float(rng.random() < chance)
  aged = float(np.interp(age, (20, 35, 50, 65, 85), (0.0, 0.12, 0.4, 0.75, 1.0)))
  pale_gene = max(traits.ancestry[2] - 0.4, 0)
  freckles = rng.uniform(0.3, 1.0) if rng.random() < 0.45 * pale_gene else positive(0.06, 0.08) * fair
  shaven = 0.0 if traits.female else float(rng.beta(1.5, 1.9)) * float(np.interp(age, (16, 24), (0.35, 1.0)))
  coloured = lambda colours: tuple(float(v) for v in srgb.to_linear(
      np.clip(np.asarray(colours[rng.integers(len(colours))]) + rng.normal(0, _COLOURED_STD, 3), 5, 250)))
  return Skin(
      melanin=float(np.clip(traits.melanin + rng.normal(0, 0.02), 0, 1)), haemoglobin=float(np.clip(rng.normal(0.06, 0.1), -0.1, 0.35)),
      warmth=float(np.clip(rng.normal(0, 0.035), -0.07, 0.07)), unevenness=positive(0.28 + 0.35 * aged, 0.13),
      flush=positive(0.45, 0.25) * (0.4 + 0.6 * fair),
      freckles=float(freckles), moles=int(rng.poisson(1.5 + 3 * aged)), spots=positive(aged * aged, 0.12) * aged,
      blemishes=int(rng.poisson(np.interp(age, (16, 22, 30), (4, 1.5, 0.5)))), circles=positive(0.3 + 0.3 * aged, 0.2),
      wrinkles=float(np.clip(aged * rng.uniform(0.7, 1.25) + 0.04, 0, 1.1)),
      pores=positive(0.4 + 0.25 * aged + 0.15 * (not traits.female), 0.15),
      stubble=shaven * (1 - 0.65 * max(0.0, aged - 0.6) / 0.4), oiliness=positive(0.4, 0.22), lip_colour=positive(0.6 - 0.2 * aged, 0.18),
      foundation=0.85 * made_up, lipstick=worn(0.85, 0.4), lipstick_colour=coloured(_LIPSTICKS),
      lipstick_gloss=positive(0.45, 0.3), blush=worn(0.7, 0.15), eye_shadow=worn(0.65, 0.2), eye_shadow_colour=coloured(_SHADOWS),
      eyeliner=worn(0.8, 0.4), key=int(rng.integers(2 ** 31)))


def paint(skin: Skin, model: head_model_lib.HeadModel, size: int) -> SkinTexture:
  """The texture for pictures of `size` pixels: 400 rows by 640 columns, or half of it below 192."""
  columns = 640 if size >= 192 else 320
  rows = columns * 5 // 8
  regions = regions_lib.regions(model, rows, columns)
  rng = np.random.default_rng(skin.key)
  starts = np.stack([rng.integers(0, 200, len(noise.WAVELENGTHS)), rng.integers(0, 320, len(noise.WAVELENGTHS))], axis=-1)
  albedo = np.empty((rows, columns, 3), np.float32)
  height, gloss = np.empty((rows, columns), np.float32), np.empty((rows, columns), np.float32)
  colours = np.array([tone(skin), _HAEMOGLOBIN, _melanin_slope(skin.melanin), _LIPS, _STUBBLE,
                      np.array(skin.lipstick_colour) * (1 - 0.45 * skin.melanin), skin.eye_shadow_colour], np.float32)
  _paint(albedo, height, gloss, regions.masks, noise.bank(columns), starts * columns // 320, colours, _amounts(skin, columns / 640))
  _moles(rng, skin, albedo, height)
  return SkinTexture(albedo, height, gloss)


def tone(skin: Skin) -> Float[np.ndarray, '3']:
  """Linear albedo of an even, unflushed patch."""
  absorption = np.array([np.interp(skin.melanin, _MELANIN, band) for band in _ABSORPTION.T])
  return np.exp(-absorption - skin.haemoglobin * np.array(_HAEMOGLOBIN) - skin.warmth * np.array([-0.2, 0.0, 1.0]))


def inner_mouth(skin: Skin) -> Float[np.ndarray, '3']:
  """Linear albedo of the inside of the mouth, of gums and tongue."""
  return np.array([0.32, 0.085, 0.075]) * (1 - 0.35 * skin.melanin)


_ABSORPTION = -np.log(srgb.to_linear(np.array(_TONES)))


def _melanin_slope(melanin: float) -> np.ndarray:
  """[3] absorption that a unit of melanin adds, around somebody's."""
  low, high = max(melanin - 0.2, 0.0), min(melanin + 0.35, 1.0)
  at = lambda value: np.array([np.interp(value, _MELANIN, band) for band in _ABSORPTION.T])
  return (at(high) - at(low)) / (high - low)


# What `_paint` is given of a skin, in this order.
(_FLUSH, _UNEVEN, _FRECKLES, _SPOTS, _CIRCLES, _WRINKLES, _PORES, _STUBBLE_AMOUNT, _OIL, _LIP, _FOUNDATION, _LIPSTICK, _LIPSTICK_GLOSS,
 _BLUSH, _SHADOW, _LINER, _DARK, _SCALE) = range(18)
# Regions as constants of the compiled loops.
_CHEEKS, _NOSE_TIP, _UNDER_EYES, _LIDS = regions_lib.CHEEKS, regions_lib.NOSE_TIP, regions_lib.UNDER_EYES, regions_lib.LIDS
_LINER_MASK, _BEARD, _FRECKLED, _OILY = regions_lib.LINER, regions_lib.BEARD, regions_lib.FRECKLED, regions_lib.OILY
_EARS, _LIPS_MASK, _LIP_LINE, _BLUSH_MASK = regions_lib.EARS, regions_lib.LIPS, regions_lib.LIP_LINE, regions_lib.BLUSH
_FOLDS, _FOREHEAD_LINES, _EYE_LINES = regions_lib.FOLDS, regions_lib.FOREHEAD_LINES, regions_lib.EYE_LINES
_MOUTH_LINES, _FACE = regions_lib.MOUTH_LINES, regions_lib.FACE
F = np.float32


def _amounts(skin: Skin, scale: float) -> np.ndarray:
  bare = 1 - 0.75 * skin.foundation
  return np.array([
      skin.flush * (1 - 0.6 * skin.foundation), skin.unevenness * (1 - 0.6 * skin.foundation), skin.freckles * bare, skin.spots * bare,
      skin.circles * bare, skin.wrinkles, skin.pores * (1 - 0.4 * skin.foundation), skin.stubble, skin.oiliness * (1 - 0.5 * skin.foundation),
      skin.lip_colour, skin.foundation, skin.lipstick, skin.lipstick_gloss, skin.blush, skin.eye_shadow, skin.eyeliner, skin.melanin,
      scale], np.float32)


@numba.njit(cache=True, nogil=True, fastmath=True)
def _paint(albedo, height, gloss, masks, octaves, starts, colours, amounts):
  """Fills the three textures; `colours` and `amounts` as `paint` orders them."""
  rows, columns = height.shape
  noises = np.empty((octaves.shape[0], columns), np.float32)
  rowwise = np.empty((6, columns), np.float32)
  blood, melanin, stubble, redder, grey, value = rowwise[0], rowwise[1], rowwise[2], rowwise[3], rowwise[4], rowwise[5]
  for row in range(rows):
    for octave in range(octaves.shape[0]):  # the noise of this row, from where this person reads it
      source = octaves[octave, (row + starts[octave, 0]) % rows]
      start = starts[octave, 1]
      noises[octave, :columns - start] = source[start:]
      noises[octave, columns - start:] = source[:start]
    mask = masks[row]
    _pigments(mask, noises, amounts, blood, melanin, stubble, redder, grey)
    _relief(mask, noises, amounts, stubble, grey, height[row], gloss[row])
    for band in range(3):
      _band(mask, noises, colours, amounts, band, blood, melanin, stubble, redder, grey, value)
      for column in range(columns):
        albedo[row, column, band] = value[column]


@numba.njit(cache=True, nogil=True, fastmath=True, inline='always')
def _pigments(mask, noises, amounts, blood, melanin, stubble, redder, grey):
  """One row's haemoglobin, melanin, hair under the skin, redness of lips, and depth of grooves (`grey`)."""
  for i in range(blood.shape[0]):
    pores, grain, blotches = noises[0, i], noises[1, i], noises[2, i]
    patches, clouds, tints = noises[3, i], noises[4, i], noises[5, i]
    lips = mask[_LIPS_MASK, i]
    flush = amounts[_FLUSH] * (mask[_CHEEKS, i] * (F(0.38) + F(0.12) * clouds) + F(0.42) * mask[_NOSE_TIP, i])
    blotchy = amounts[_UNEVEN] * (F(0.055) * patches + F(0.06) * clouds + F(0.035) * blotches)
    blood[i] = (flush + blotchy + F(0.22) * mask[_EARS, i] + F(0.3) * mask[_FOLDS, i] + F(0.12) * amounts[_CIRCLES] * mask[_UNDER_EYES, i]
                + F(0.5) * amounts[_BLUSH] * mask[_BLUSH_MASK, i]) * (F(1) - F(0.35) * lips)
    even = amounts[_UNEVEN] * (F(0.02) * patches + F(0.025) * tints) + F(0.012) * (tints + clouds)
    freckle = grain + F(0.45) * blotches + F(0.35) * pores - F(1.8) + F(0.9) * amounts[_FRECKLES]
    spot = blotches + F(0.4) * grain - F(2.5) + F(0.6) * amounts[_SPOTS]
    melanin[i] = (even + F(0.085) * amounts[_CIRCLES] * mask[_UNDER_EYES, i] + F(0.03) * mask[_FOLDS, i]
                  + F(0.24) * amounts[_FRECKLES] * min(max(freckle, F(0)), F(1)) * (mask[_FRECKLED, i] + F(0.08))
                  + F(0.17) * amounts[_SPOTS] * min(max(spot, F(0)), F(0.8)) * (F(1) - lips))
    hairs = F(0.75) + F(0.2) * grain + F(0.3) * pores + F(0.08) * patches
    stubble[i] = F(0.55) * amounts[_STUBBLE_AMOUNT] * mask[_BEARD, i] * max(hairs, F(0))
    redder[i] = lips * (F(0.25) + F(0.85) * amounts[_LIP]) * (F(1) - F(0.3) * amounts[_DARK]) * (F(1) + F(0.05) * grain)
    grey[i] = amounts[_WRINKLES] * (F(1) + F(0.35) * blotches) * (
        mask[_FOREHEAD_LINES, i] * max(F(1) + F(0.6) * clouds, F(0)) + mask[_EYE_LINES, i] * max(F(1) + F(0.5) * patches, F(0))
        + F(0.9) * mask[_MOUTH_LINES, i] * max(F(1) + F(0.4) * tints, F(0)))


@numba.njit(cache=True, nogil=True, fastmath=True, inline='always')
def _relief(mask, noises, amounts, stubble, groove, height, gloss):
  """One row's relief and gloss."""
  for i in range(height.shape[0]):
    pores, grain, blotches, patches = noises[0, i], noises[1, i], noises[2, i], noises[3, i]
    lips, face = mask[_LIPS_MASK, i], mask[_FACE, i]
    rough = amounts[_PORES] * (F(1) - F(0.6) * lips) * (F(0.0004) * pores + F(0.0004) * grain)
    rough += F(0.0005) * amounts[_WRINKLES] * blotches + F(0.001) * stubble[i] * grain
    rough += lips * (F(0.0007) * grain + F(0.0004) * pores)
    height[i] = (rough * amounts[_SCALE] - F(0.0055) * groove[i]) * (F(0.2) + F(0.8) * face) - F(0.0025) * mask[_FOLDS, i]
    shine = F(0.75) + F(0.9) * amounts[_OIL] * mask[_OILY, i] + F(0.12) * patches + F(0.1) * blotches
    shine *= F(1) - F(0.25) * stubble[i]
    wet = F(1.3) + F(2.2) * amounts[_LIPSTICK_GLOSS] * amounts[_LIPSTICK] + F(0.3) * grain
    gloss[i] = max(shine + lips * (wet - shine), F(0.1))


@numba.njit(cache=True, nogil=True, fastmath=True, inline='always')
def _band(mask, noises, colours, amounts, band, blood, melanin, stubble, redder, groove, value):
  """One row's albedo in one band: absorption, then make-up."""
  tone, haemoglobin, pigment, lip, hair = (colours[0, band], colours[1, band], colours[2, band], colours[3, band], colours[4, band])
  stick, shade = colours[5, band], F(0.75) * colours[6, band]
  for i in range(value.shape[0]):
    absorption = (haemoglobin * blood[i] + pigment * melanin[i] + lip * redder[i] + hair * stubble[i] + F(0.2) * groove[i]
                  + F(0.12) * mask[_FOLDS, i] + F(0.015) * noises[1, i] + F(0.01) * noises[0, i]
                  + F(0.06) * amounts[_DARK] * mask[_LIP_LINE, i])
    power = max(F(1) - absorption * F(0.0625) + absorption * absorption * F(0.001953125), F(0))  # to the 16th it is exp(-absorption)
    power *= power
    power *= power
    power *= power
    colour = tone * power * power
    colour += mask[_LIPS_MASK, i] * amounts[_LIPSTICK] * (stick * (F(1) + F(0.08) * noises[1, i]) - colour)
    colour += mask[_LIDS, i] * amounts[_SHADOW] * F(0.65) * (shade - F(0.75) * colour)
    colour *= F(1) - F(0.9) * mask[_LINER_MASK, i] * amounts[_LINER]
    value[i] = min(max(colour, F(0.004)), F(0.95))


def _moles(rng: np.random.Generator, skin: Skin, albedo: np.ndarray, height: np.ndarray):
  """Draws moles and pimples: small discs on the face and the neck."""
  rows, columns = height.shape
  for number in range(skin.moles + skin.blemishes):
    mole = number < skin.moles
    y, x, radius, depth, raised = rng.uniform((0.3, 0.36, 0.8, 0.5, 0), (0.85, 0.64, 1.9, 1.6, 0.008 if mole else 0.004))
    y, x, radius = y * rows, x * columns, max(radius * columns / 640, 0.6)
    top, left = int(y) - 4, int(x) - 4
    away = np.hypot(np.arange(top, top + 9)[:, None] + 0.5 - y, np.arange(left, left + 9) + 0.5 - x)
    disc = np.clip(1.2 - away / radius, 0, 1)[..., None].astype(np.float32)
    patch = (slice(top, top + 9), slice(left, left + 9))
    colour = np.array([0.7, 0.9, 1.0]) * depth if mole else np.array([0.1, 0.75, 0.6]) * 0.5 * depth
    cover = (1 - 0.5 * skin.foundation) if mole else (1 - 0.8 * skin.foundation)
    albedo[patch] *= np.exp(-cover * disc * colour.astype(np.float32))
    height[patch] += (raised * cover * disc[..., 0]).astype(np.float32)
