"""Portraits to measure with where no photographs are at hand: ellipses, soft noise, and the 19 CelebAMask-HQ labels of each pixel."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from data_pipeline import vocabularies

# (label, middle x, middle y, half width, half height) in shares of an FFHQ-aligned square, painted in this order
_PARTS = (
    ('hair', .50, .40, .36, .38), ('cloth', .50, 1.06, .50, .22), ('neck', .50, .90, .14, .14), ('l_ear', .24, .53, .04, .07),
    ('r_ear', .76, .53, .04, .07), ('skin', .50, .54, .26, .34), ('l_brow', .375, .41, .07, .015), ('r_brow', .625, .41, .07, .015),
    ('l_eye', .375, .474, .045, .02), ('r_eye', .625, .474, .045, .02), ('nose', .50, .57, .05, .09), ('u_lip', .50, .715, .09, .02),
    ('mouth', .50, .735, .06, .012), ('l_lip', .50, .755, .09, .02))


def draw(seed: int, size: int) -> tuple[UInt8[np.ndarray, 'size size 3'], UInt8[np.ndarray, 'size size']]:
  """(image with about a photograph's detail, labels) of a person; another one for each seed."""
  rng = np.random.default_rng(seed)
  shift, scale = rng.uniform(-.03, .03, 2), rng.uniform(.9, 1.1, (len(_PARTS), 2))
  y, x = np.mgrid[:size, :size] / size + 0.5 / size
  labels = np.zeros((size, size), np.uint8)
  for (name, middle_x, middle_y, half_width, half_height), (wide, high) in zip(_PARTS, scale):
    inside = ((x - middle_x - shift[0]) / (wide * half_width))**2 + ((y - middle_y - shift[1]) / (high * half_height))**2 <= 1
    labels[inside] = vocabularies.CELEBAMASK_HQ.labels.index(name)
  colors = rng.integers(30, 226, (len(vocabularies.CELEBAMASK_HQ.labels), 3))
  image = colors[labels].astype(np.float32)
  for cells, strength in ((4, 30), (16, 16), (64, 10)):  # light, texture, grain
    noise = rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    image += (np.asarray(Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC), np.float32) - 128) * (strength / 128)
  return np.clip(image, 0, 255).astype(np.uint8), labels
