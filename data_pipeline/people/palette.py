"""A colour for each of the 19 CelebAMask-HQ labels, to look at."""

import numpy as np
from jaxtyping import UInt8

# background, skin, nose, glasses, eyes, brows, ears, mouth and lips, hair, hat, earrings, necklace, neck, cloth
COLOURS = np.array((
    (0, 0, 0), (205, 150, 115), (80, 155, 10), (205, 205, 0), (60, 60, 220), (0, 195, 255), (230, 0, 230), (255, 150, 230), (100, 50, 0),
    (180, 0, 0), (80, 205, 60), (255, 255, 0), (0, 0, 150), (120, 60, 165), (255, 50, 50), (0, 240, 200), (250, 120, 170), (255, 150, 50),
    (0, 95, 0)), np.uint8)


def colours(label: UInt8[np.ndarray, '*shape']) -> UInt8[np.ndarray, '*shape 3']:
  """A label map in colours."""
  return COLOURS[label]
