"""Pictures of many people, to look at: from several sides, with every truth, and with parts of them exchanged."""

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from cnerf_jax import camera as camera_lib
from data_pipeline.people import edits
from data_pipeline.people import palette
from data_pipeline.people import portrayal

_MOST_AZIMUTH = 1.5 * camera_lib.AZIMUTH_STD_RADIANS
_FROM_ABOVE = (0.2, 0.3)  # (azimuth, elevation) of the last view, radians
_EDITED_FROM = (0.15, 0.0)
_DIFFERENCE_GAIN = 4  # so that shadows show


def views(seed: int, *, people: int, views: int, size: int) -> Image.Image:
  """Rows are people, columns are views, the last from above: images left, coloured labels right."""
  rows = []
  for index in range(people):
    pictures = [portrayal.draw(seed, index, viewpoint, image_size=size)[1] for viewpoint in _viewpoints(views)]
    rows.append([*(picture.image for picture in pictures), *(palette.colours(picture.label) for picture in pictures)])
  return _tiled(rows)


def truths(seed: int, *, people: int, views: int, size: int) -> Image.Image:
  """Rows are people; for each view the image, coloured labels, depth (near is bright) and normals (x red, y green, z blue, in the world)."""
  rows = []
  for index in range(people):
    row = []
    for viewpoint in _viewpoints(views):
      _, picture = portrayal.draw(seed, index, viewpoint, image_size=size)
      row += [picture.image, palette.colours(picture.label), _grey(picture.depth, picture.label > 0),
              np.uint8(np.round(127.5 * (picture.normal + 1)))]
    rows.append(row)
  return _tiled(rows)


def exchanges(seed: int, *, people: int, views: int, size: int) -> Image.Image:
  """Rows are regions; for each pair of people the first, the second, the first with the second's region, and what that changed, enlarged."""
  del views  # one is enough to see what is exchanged
  draw = lambda index: portrayal.draw(seed, index, _EDITED_FROM, image_size=size)
  pairs = [(draw(index), draw(index + 1)) for index in range(0, max(people - 1, 1), 2)]
  rows = []
  for region in edits.REGIONS:
    row = []
    for (first, first_picture), (second, second_picture) in pairs:
      edited = portrayal.draw_edited(edits.exchange(first, second, region, 'both'), first, _EDITED_FROM, image_size=size)
      change = np.abs(edited.image.astype(int) - first_picture.image) * _DIFFERENCE_GAIN
      row += [first_picture.image, second_picture.image, edited.image, np.uint8(np.minimum(change, 255))]
    rows.append(row)
  return _tiled(rows)


KINDS = {'views': views, 'truths': truths, 'edits': exchanges}


def _viewpoints(count: int) -> list[tuple[float, float]]:
  """Turning from the right to the left, and one from above if there are more than two."""
  turning = count - 1 if count > 2 else count
  azimuths = np.linspace(-_MOST_AZIMUTH, _MOST_AZIMUTH, turning) if turning > 1 else np.zeros(1)
  return [(float(azimuth), 0.0) for azimuth in azimuths] + [_FROM_ABOVE] * (count - turning)


def _grey(depth: Float[np.ndarray, 'size size'], there: np.ndarray) -> UInt8[np.ndarray, 'size size 3']:
  """Depth as brightness, from what is nearest to what is farthest in the picture; black where there is nothing."""
  near, far = (depth[there].min(), depth[there].max()) if there.any() else (0, 1)
  bright = np.where(there, 255 - 200 * (depth - near) / max(far - near, 1e-6), 0)
  return np.repeat(np.uint8(np.clip(bright, 0, 255))[..., None], 3, axis=-1)


def _tiled(rows: list[list[UInt8[np.ndarray, 'size size 3']]]) -> Image.Image:
  return Image.fromarray(np.concatenate([np.concatenate(row, axis=1) for row in rows], axis=0))
