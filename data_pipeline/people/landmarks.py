"""The 68 points of iBUG's 300-W annotation on the neutral head, snapped to vertices of the skin.

Order: jaw 0-16 (from the picture's left to its right, for a face seen from the front), brows 17-26, bridge of the nose 27-30,
its base 31-35, eyes 36-47, outer lips 48-59, inner lips 60-67. Coordinates are (x, y) decimetres of the neutral head. Where the annotation
leaves it open what a point of the surface is (jaw, brows, nose), it is where a detector trained on photographs (dlib's) saw it on most of 160
people from many sides; the points of the jaw, which that detector puts on the outline of the face, are the least certain.
"""

from jaxtyping import Float
import numpy as np

# From the person's right (the picture's left, negative x) to the middle; the other side is the mirror image.
_JAW = (
    (0.688, 7.291), (0.678, 7.106), (0.67, 6.951), (0.633, 6.764), (0.554, 6.616), (0.481, 6.481), (0.349, 6.343), (0.185, 6.218), (0, 6.191))
_BROW = ((0.549, 7.391), (0.454, 7.484), (0.337, 7.52), (0.202, 7.512), (0.11, 7.462))
_BRIDGE = ((0, 7.336), (0, 7.213), (0, 7.084), (0, 6.97))
_BASE = ((0.135, 6.853), (0.062, 6.827), (0, 6.817))
_EYE = ((0.442, 7.29), (0.365, 7.335), (0.265, 7.332), (0.187, 7.275), (0.265, 7.243), (0.365, 7.243))
_UPPER_LIP = ((0.25, 6.611), (0.165, 6.68), (0.075, 6.722), (0, 6.705))
_LOWER_LIP = ((0.165, 6.525), (0.075, 6.493), (0, 6.488))
_INNER_LIPS = ((0.215, 6.612), (0.085, 6.613), (0, 6.613))
_DEPTH_WEIGHT = 0.03  # of two vertices on one line of sight the nearer one is meant


def vertices(
    template: Float[np.ndarray, 'vertices 3'], *, upper_lip: np.ndarray, lower_lip: np.ndarray, above_jaw: np.ndarray,
) -> np.ndarray:
  """[68] numbers of the skin's vertices.

  Args:
    template: the neutral head.
    upper_lip: [vertices] whether it is on the upper lip.
    lower_lip: [vertices] whether it is on the lower lip.
    above_jaw: [vertices] height above the lower edge of the face, decimetres; points of the jaw lie above it.
  """
  face = template[:, 2] > 0.9
  side = (template[:, 2] > 0.8) & (above_jaw > 0)  # before the ears
  rows = (
      (_right(_JAW), side), (_left(_JAW[:8]), side),
      (_right(_BROW), face), (_left(_BROW), face), (_BRIDGE, face), (_right(_BASE), face), (_left(_BASE[:2]), face),
      (_right(_EYE), face), ([(x, y) for x, y in (_EYE[i] for i in (3, 2, 1, 0, 5, 4))], face),
      (_right(_UPPER_LIP), face), (_left(_UPPER_LIP[:3]), face), (_LOWER_LIP, face), (_right(_LOWER_LIP[1::-1]), face),
      (_right(_INNER_LIPS), upper_lip), (_left(_INNER_LIPS[:2]), upper_lip), (_left(_INNER_LIPS[1:2]), lower_lip),
      (_right(_INNER_LIPS[:0:-1]), lower_lip))
  return np.array([_nearest(template, point, among) for points, among in rows for point in points], np.int32)


def _right(points):
  return [(-x, y) for x, y in points]


def _left(points):
  return list(reversed(points))


def _nearest(template: np.ndarray, point: tuple[float, float], among: np.ndarray) -> int:
  """The vertex nearest to `point` seen from the front; of those on one line of sight the one in front."""
  distance = np.hypot(template[:, 0] - point[0], template[:, 1] - point[1]) - _DEPTH_WEIGHT * template[:, 2]
  return int(np.argmin(np.where(among, distance, np.inf)))
