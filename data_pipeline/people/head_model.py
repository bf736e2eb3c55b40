"""What is the same of every head: topology, where each point lies on the neutral head, which label it has, landmarks.

A point of the skin keeps its place on the neutral head (`template`) however it is shaped; textures, hair roots and labels
are told there. Labels are scores that are linear over a triangle, so that their borders are smooth at any resolution.
"""

import dataclasses
import functools

import numpy as np
import scipy.sparse
import scipy.spatial

from data_pipeline.people import assets as assets_lib
from data_pipeline.people import landmarks as landmarks_lib
from data_pipeline.people import subdivision

# Labels that skin can have besides 1 (skin), in the order of `HeadModel.scores`; CelebAMask-HQ's integers.
SCORED_LABELS = (2, 11, 12, 10, 8, 9, 17)
NOSE, UPPER_LIP, LOWER_LIP, MOUTH, LEFT_EAR, RIGHT_EAR, NECK = range(len(SCORED_LABELS))
# The template's chart for textures: angle around a vertical axis through the head, and height.
CHART_AXIS_Z = 0.35
CHART_BOTTOM, CHART_TOP = 5.7, 8.6
# The plane of the jaw: below it is neck. Heights at z = 0.45 (lobe of the ear) and 1.4 (chin).
_JAW = ((0.3, 6.80), (0.75, 6.52), (1.1, 6.26), (1.5, 6.10))
_WHOLE, _REACH = 0.1, 0.42  # decimetres from a region within which all, and beyond which none, of its shape is felt
# Half the width of the label `nose` by height.
_NOSE_HEIGHTS = (6.83, 6.86, 6.92, 6.98, 7.06, 7.18, 7.32, 7.42)
_NOSE_WIDTHS = (0.09, 0.15, 0.19, 0.195, 0.15, 0.095, 0.065, 0.045)


@dataclasses.dataclass(frozen=True)
class Part:
  """A mesh of the asset, subdivided.

  Attributes:
    sources: [coarse] vertex numbers in the asset.
    matrix: [vertices, coarse] makes the fine vertices, the first of which are the coarse ones.
    triangles: [triangles, 3] of the fine ones.
  """

  sources: np.ndarray
  matrix: scipy.sparse.csr_matrix
  triangles: np.ndarray

  def fine(self, vertices: np.ndarray) -> np.ndarray:
    """[vertices, 3] fine positions (or other values) from those of the asset's vertices."""
    return np.asarray(self.matrix @ vertices[self.sources], np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class HeadModel:
  """Everything about heads that no person changes.

  Attributes:
    assets: MakeHuman's.
    skin: head, neck, shoulders and inner mouth.
    upper_teeth, lower_teeth, tongue: the mouth's.
    template: [vertices, 3] of the skin on the neutral head.
    chart: [vertices, 2] place in textures of the skin: (column, row) fractions of the texture, row 0 at the top.
    scores: [vertices, 7] of `SCORED_LABELS`, positive inside.
    landmarks: [68] vertex numbers of the skin (iBUG's 68 points).
    reach: by region of a face [assets' vertices] how much of its shape reaches each: 1 in the region, 0 from `_REACH` decimetres on.
    tree: finds the vertices of the template nearest to a point.
  """

  assets: assets_lib.Assets
  skin: Part
  upper_teeth: Part
  lower_teeth: Part
  tongue: Part
  template: np.ndarray
  chart: np.ndarray
  scores: np.ndarray
  landmarks: np.ndarray
  reach: dict[str, np.ndarray]
  tree: scipy.spatial.cKDTree


def load(path: str | None = None) -> HeadModel:
  """The model from the assets at `path` (`assets.load`)."""
  return _of(assets_lib.load(path))


@functools.lru_cache(maxsize=2)
def _of(assets: assets_lib.Assets) -> HeadModel:
  skin = _part(assets, ('body',))
  template = skin.fine(assets.vertices)
  masks = {name: skin.fine(assets.masks[:, i]) for i, name in enumerate(assets.mask_names)}
  scores = _scores(template, masks, skin.fine(_jaw_drop(assets)))
  landmarks = landmarks_lib.vertices(
      template, upper_lip=scores[:, UPPER_LIP] > 0, lower_lip=scores[:, LOWER_LIP] > 0, above_jaw=-scores[:, NECK])
  return HeadModel(
      assets=assets, skin=skin, upper_teeth=_part(assets, ('helper-upper-teeth',), 3),
      lower_teeth=_part(assets, ('helper-lower-teeth',), 3), tongue=_part(assets, ('helper-tongue',)), template=template,
      chart=_chart(template), scores=scores, landmarks=landmarks, reach=_reach(assets, template, scores, landmarks),
      tree=scipy.spatial.cKDTree(template))


def _part(assets: assets_lib.Assets, names: tuple[str, ...], levels: int = 1) -> Part:
  numbers = [assets.groups.index(name) for name in names]
  quads = assets.quads[np.isin(assets.group, numbers)]
  sources, quads = np.unique(quads, return_inverse=True)
  matrix, fine = subdivision.catmull_clark(quads.reshape(-1, 4).astype(np.int32), len(sources))
  for _ in range(levels - 1):
    again, fine = subdivision.catmull_clark(fine, matrix.shape[0])
    matrix = (again @ matrix).tocsr()
  return Part(sources, matrix, _halves(fine))


def _halves(quads: np.ndarray) -> np.ndarray:
  """Two triangles for each quad."""
  return np.ascontiguousarray(np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]), np.int32)


def _chart(template: np.ndarray) -> np.ndarray:
  angle = np.arctan2(template[:, 0], template[:, 2] - CHART_AXIS_Z)
  row = (CHART_TOP - template[:, 1]) / (CHART_TOP - CHART_BOTTOM)
  return np.stack([0.5 + angle / (2 * np.pi), np.clip(row, 0, 1)], axis=-1).astype(np.float32)


def _jaw_drop(assets: assets_lib.Assets) -> np.ndarray:
  """[vertices] how far each falls when the jaw opens, positive down."""
  number = assets.target_numbers['faceunits/jawOpen']
  part = slice(assets.starts[number], assets.starts[number + 1])
  drop = np.zeros(len(assets.vertices), np.float32)
  drop[assets.moved[part]] = -assets.offsets[part, 1]
  return drop


def _scores(template: np.ndarray, masks: dict[str, np.ndarray], jaw_drop: np.ndarray) -> np.ndarray:
  x, y, z = template.T
  scores = np.full((len(template), len(SCORED_LABELS)), -1, np.float32)
  front = np.minimum(z - 1.15, 0.1)
  scores[:, NOSE] = np.minimum(np.minimum(np.interp(y, _NOSE_HEIGHTS, _NOSE_WIDTHS, left=0, right=0) - np.abs(x), front),
                               np.minimum(y - 6.83, 7.42 - y))
  lips, inside = masks['lips'] - 0.5, masks['inside-mouth'] - 0.5
  middle = 0.17 - 0.25 * np.abs(x)  # the lower lip falls further than this, the upper one less; the corners fall half as far
  scores[:, UPPER_LIP] = np.minimum(lips, (middle - jaw_drop) * 4)
  scores[:, LOWER_LIP] = np.minimum(lips, (jaw_drop - middle) * 4)
  scores[:, MOUTH] = np.where(lips > 0, -1, inside)
  scores[:, LEFT_EAR] = np.minimum(masks['ears'] - 0.5, x)
  scores[:, RIGHT_EAR] = np.minimum(masks['ears'] - 0.5, -x)
  heights, places = [height for _, height in _JAW], [place for place, _ in _JAW]
  scores[:, NECK] = np.where(masks['ears'] > 0.5, -1, np.interp(z, places, heights) - y)
  return scores


def _reach(assets: assets_lib.Assets, template: np.ndarray, scores: np.ndarray, landmarks: np.ndarray) -> dict[str, np.ndarray]:
  """MakeHuman's targets reach far into cheeks and skull; so that a region can be another person's alone, theirs end around it."""
  label, inside = scores.argmax(axis=1), scores.max(axis=1) > 0
  of = lambda *labels: template[inside & np.isin(label, labels)]
  eyes = [assets.groups.index(f'helper-{side}-eye') for side in 'lr']
  eyeballs = assets.vertices[np.unique(assets.quads[np.isin(assets.group, eyes)])]
  regions = {
      'nose': of(NOSE), 'mouth': of(UPPER_LIP, LOWER_LIP), 'ears': of(LEFT_EAR, RIGHT_EAR), 'brows': template[landmarks[17:27]],
      'eyes': np.concatenate([eyeballs, template[landmarks[36:48]]])}
  reach = {}
  for name, points in regions.items():
    distance = scipy.spatial.cKDTree(points).query(assets.vertices)[0]
    fraction = np.clip((_REACH - distance) / (_REACH - _WHOLE), 0, 1)
    reach[name] = (fraction * fraction * (3 - 2 * fraction)).astype(np.float32)
  return reach
