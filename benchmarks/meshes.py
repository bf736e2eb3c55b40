"""What meshes cost and how near they are to the pictures: python -m benchmarks.meshes [--model=portraits32,people64] [--seeds=1]

For each person a mesh of the whole head at --size points a side, after one at 16 has compiled the programs; then, over the ten azimuths of the
paper at 64x64 pixels (24 even samples a ray, 24 by importance):

  seconds, cpu_seconds   of the mesh, with a device for each core; of all cores together, which other work on the machine touches less
  silhouette_iou         the mesh's silhouette and the pixels whose mask is more head than background: intersection over union
  depth_error            the mesh's depth against the rendered one where both show the head: median, relative
  warped_error           the mesh's points of a view, moved into the next one, against the depth rendered there: median, relative
  splats_psnr            50,000 splats of the mesh against the picture, where its mask is head (> .9): dB, mean of the views
  mesh_psnr              the same of the mesh's colours
  texture_psnr           the same of its texture, with --texture=TEXELS of a side; texture_seconds more

Depths are about 1, those of a head within .9 and 1.1: a relative error of .01 is a twentieth of a head. With --dense also the mesh of a field
asked at every point of the grid, and whether its triangles are the same. Prints a table; appended to --output as JSON.
"""

import os
import pathlib
import time

from absl import app
from absl import flags
import jax
import numpy as np

from benchmarks import machine
from cnerf_jax import camera as camera_lib
from cnerf_jax import sampler
from cnerf_jax.draw import models
from cnerf_jax.meshing import portrait_mesh
from cnerf_jax.meshing import rasterizing
from cnerf_jax.meshing import splat_rendering
from cnerf_jax.meshing import splats as splats_lib
from cnerf_jax.meshing import texture_atlas

AZIMUTHS = np.linspace(-0.45, 0.45, 10, dtype=np.float32)
IMAGE_SIZE = 64
_SAMPLES = 24
_COLUMNS = ('seconds', 'cpu_seconds', 'peak_gib', 'faces', 'silhouette_iou', 'depth_error', 'warped_error', 'splats_psnr', 'mesh_psnr')

_MODEL = flags.DEFINE_list('model', ['portraits32', 'people64'], 'shipped models by name, or paths')
_SEEDS = flags.DEFINE_list('seeds', ['1'], 'people')
_SIZE = flags.DEFINE_integer('size', portrait_mesh.RESOLUTION, 'points of the grid along a side')
_DENSE = flags.DEFINE_bool('dense', False, 'also with a field asked at every point')
_TEXTURE = flags.DEFINE_integer('texture', None, 'also with a texture of so many texels a side')
_OUTPUT = flags.DEFINE_string('output', None, 'file for the JSON lines')


def render(model, styles, cameras) -> list:
  """The volume rendering of each camera's view."""
  draw = jax.jit(lambda params, styles, camera: sampler.render(
      model.generator, params, styles, camera, image_size=IMAGE_SIZE, num_samples=_SAMPLES, num_importance=_SAMPLES))
  return [jax.device_get(draw(model.params, styles, camera)) for camera in cameras]


def compare(portrait, splats, cameras, renderings, background: int) -> dict[str, float]:
  """How near a mesh and its splats are to renderings of the same views."""
  rasters = [rasterizing.rasterize(portrait.triangles, camera, image_size=IMAGE_SIZE) for camera in cameras]
  opacity = [1 - rendering.semantic_mask[..., background] for rendering in renderings]
  shared, union, depth, warped, of_splats, of_mesh, of_texture = 0, 0, [], [], [], [], []
  for i, (camera, raster, head) in enumerate(zip(cameras, rasters, opacity)):
    inside, rendered = head > 0.5, renderings[i]
    shared, union = shared + (inside & raster.silhouette).sum(), union + (inside | raster.silhouette).sum()
    both = (head > 0.9) & raster.silhouette
    depth.append(np.abs(raster.depth[both] / rendered.depth[both] - 1))
    j = i + 1 if i + 1 < len(cameras) else i - 1
    points = raster.interpolate(portrait.triangles, portrait.triangles.vertices)[both]
    warped.append(warp_error(points, cameras[j], renderings[j].depth, opacity[j]))
    rgb = (rendered.rgb + 1) / 2
    splatted = splat_rendering.render(splats, camera, image_size=IMAGE_SIZE)
    of_splats.append(psnr(splatted[both][:, :3] + 0.5 * (1 - splatted[both][:, 3:]), rgb[both]))
    of_mesh.append(psnr(raster.interpolate(portrait.triangles, portrait.colors)[both], rgb[both]))
    if portrait.texture is not None:
      of_texture.append(psnr(texture_atlas.sample(portrait.texture, raster)[both], rgb[both]))
  more = dict(texture_psnr=float(np.mean(of_texture))) if of_texture else {}
  return more | dict(
      silhouette_iou=float(shared / union), depth_error=float(np.median(np.concatenate(depth))),
      warped_error=float(np.median(np.concatenate(warped))), splats_psnr=float(np.mean(of_splats)), mesh_psnr=float(np.mean(of_mesh)))


def warp_error(points, camera, depth, opacity) -> np.ndarray:
  """Relative errors of world points' depths in a view against the depth rendered there, where that view shows the head."""
  column, row, here = rasterizing.project(points, camera, image_size=len(depth)).T
  column, row = np.floor(column).astype(int), np.floor(row).astype(int)
  within = (column >= 0) & (row >= 0) & (column < len(depth)) & (row < len(depth))
  column, row, here = column[within], row[within], here[within]
  shown = opacity[row, column] > 0.9
  return np.abs(here[shown] / depth[row, column][shown] - 1)


def psnr(image, reference) -> float:
  """Peak signal-to-noise ratio of colours in [0, 1], dB."""
  return float(-10 * np.log10(np.mean((np.asarray(image) - reference)**2)))


def measure(name: str, seed: int, size: int, dense: bool, texture: int | None = None) -> dict[str, object]:
  """All figures of one person."""
  model = models.load(name)
  styles = model.draw_styles(jax.random.key(seed), 1)[0]
  portrait_mesh.mesh(model, styles, resolution=16)
  started, processor = time.perf_counter(), time.process_time()
  portrait = portrait_mesh.mesh(model, styles, resolution=size).whole
  found = dict(
      model=name, seed=seed, size=size, seconds=time.perf_counter() - started, cpu_seconds=time.process_time() - processor,
      peak_gib=machine.peak_resident_gib(), load=os.getloadavg()[0], faces=len(portrait.triangles.faces))
  if texture is not None:
    started, processor = time.perf_counter(), time.process_time()
    portrait = portrait_mesh.mesh(model, styles, resolution=size, texture=texture).whole
    found |= dict(
        texture=texture, texture_seconds=time.perf_counter() - started - found['seconds'],
        texture_cpu_seconds=time.process_time() - processor - found['cpu_seconds'])
  cameras = [camera_lib.orbit(azimuth, np.float32(0)) for azimuth in AZIMUTHS]
  background = portrait_mesh.class_names(model).index(portrait_mesh.BACKGROUND)
  splats = splats_lib.from_mesh(portrait, count=splats_lib.COUNT, seed=seed)
  found |= compare(portrait, splats, cameras, render(model, styles, cameras), background)
  if dense:
    started, processor = time.perf_counter(), time.process_time()
    every = portrait_mesh.mesh(model, styles, resolution=size, stride=1).whole.triangles
    found |= dict(
        dense_seconds=time.perf_counter() - started, dense_cpu_seconds=time.process_time() - processor,
        same=np.array_equal(every.faces, portrait.triangles.faces) and np.array_equal(every.vertices, portrait.triangles.vertices))
  return found


def main(argv):
  del argv
  jax.config.update('jax_num_cpu_devices', len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1)
  rows = []
  for name in _MODEL.value:
    for seed in _SEEDS.value:
      rows.append(measure(name, int(seed), _SIZE.value, _DENSE.value, _TEXTURE.value))
      machine.report(rows[-1], _OUTPUT.value and pathlib.Path(_OUTPUT.value))
      print(flush=True)
  columns = _COLUMNS + (('texture_psnr', 'texture_seconds') if _TEXTURE.value else ())
  print(f'{"person":16}' + ''.join(f'{column:>17}' for column in columns))
  for row in rows:
    print(f'{row["model"][-12:] + " " + str(row["seed"]):16}' + ''.join(f'{row[column]:>17.4g}' for column in columns))


if __name__ == '__main__':
  app.run(main)
