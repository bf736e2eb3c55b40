"""A sheet of meshes from four sides, in colour and as grey relief:

  python -m benchmarks.mesh_picture --people=portraits32:1,people64:7 --output=meshes.png
"""

import io
import pathlib

from absl import app
from absl import flags
import jax
import numpy as np
from PIL import Image

from cnerf_jax import camera as camera_lib
from cnerf_jax.draw import models
from cnerf_jax.meshing import portrait_mesh
from cnerf_jax.meshing import rasterizing
from cnerf_jax.persistence import atomic_files

AZIMUTHS = (0.0, 0.8, np.pi / 2, np.pi)
ELEVATION = 0.1
SUPERSAMPLING = 2

_PEOPLE = flags.DEFINE_list('people', ['portraits32:1', 'people64:7'], 'model:seed of each row')
_IMAGE_SIZE = flags.DEFINE_integer('image_size', 128, 'side of a view, pixels')
_OUTPUT = flags.DEFINE_string('output', None, '.png', required=True)


def views(portrait: portrait_mesh.ColoredMesh, image_size: int) -> np.ndarray:
  """[image_size, 8 image_size, 3] in [0, 1]: each side in colour, each lit from the camera, on white."""
  colored, relief = [], []
  for azimuth in AZIMUTHS:
    camera = camera_lib.orbit(np.float32(azimuth), np.float32(ELEVATION))
    fine = SUPERSAMPLING * image_size
    raster = rasterizing.rasterize(portrait.triangles, camera, image_size=fine)
    facing = np.abs(raster.interpolate(portrait.triangles, portrait.normals) @ np.asarray(camera.cam_to_world)[:, 2])[..., None]
    color = raster.interpolate(portrait.triangles, portrait.colors)
    for pictures, picture in ((colored, color * (0.6 + 0.4 * facing)), (relief, np.broadcast_to(0.2 + 0.75 * facing, color.shape))):
      on_white = np.where(raster.silhouette[..., None], picture, 1.0)
      pictures.append(on_white.reshape(image_size, SUPERSAMPLING, image_size, SUPERSAMPLING, 3).mean(axis=(1, 3)))
  return np.concatenate(colored + relief, axis=1).clip(0, 1)


def main(argv):
  del argv
  rows = []
  for person in _PEOPLE.value:
    name, _, seed = person.rpartition(':')
    model = models.load(name)
    rows.append(views(portrait_mesh.mesh(model, model.draw_styles(jax.random.key(int(seed)), 1)[0]).whole, _IMAGE_SIZE.value))
  data = io.BytesIO()
  Image.fromarray(np.round(255 * np.concatenate(rows)).astype(np.uint8)).save(data, 'png')
  atomic_files.write_bytes(pathlib.Path(_OUTPUT.value), data.getvalue())


if __name__ == '__main__':
  app.run(main)
