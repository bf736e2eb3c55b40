"""One picture of many portraits: rows are people, columns are views; image left, coloured mask right."""

import numpy as np
from PIL import Image

from cnerf_jax import camera as camera_lib
from cnerf_jax import semantics
from data_pipeline.portraits import identity as identity_lib
from data_pipeline.portraits import rendering


def contact_sheet(
    seed: int, *, num_identities: int = 12, num_views: int = 5, image_size: int = 64, magnification: int = 2,
) -> Image.Image:
  """Identities by views over the azimuths of `camera.multi_view_azimuths`, images beside coloured masks."""
  azimuths = np.linspace(*np.asarray(camera_lib.multi_view_azimuths())[[0, -1]], num_views)
  viewpoints = np.stack([azimuths, np.zeros(num_views)], axis=-1)
  palette = np.array(semantics.FFHQ12.palette, np.uint8)
  rows = []
  for index in range(num_identities):
    picture = rendering.render_people([identity_lib.draw(seed, index)] * num_views, viewpoints, image_size=image_size)
    rows.append(np.concatenate([*picture.image, *palette[picture.label]], axis=1))
  sheet = Image.fromarray(np.concatenate(rows, axis=0))
  return sheet.resize((sheet.width * magnification, sheet.height * magnification), Image.Resampling.NEAREST)
