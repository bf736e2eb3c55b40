"""The static page: the model as ONNX, what the page must know of it, a runtime, and the page's own sources, in one folder.

Any file server shows the folder; it asks for nothing from elsewhere.
"""

from __future__ import annotations

import importlib.resources
import json
import pathlib
import shutil
import sys

import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax import version
from cnerf_jax.export import onnx as onnx_export
from cnerf_jax.persistence import atomic_files
from cnerf_jax.studio import directions as directions_lib
from cnerf_jax.studio import runtime

MODEL_FILE = 'model.json'
NUM_DIRECTIONS = 4
LARGEST_BYTES = 12_000_000
# Rays that one call of the runtime marches: few where a processor's cache should hold them, many where a GPU should be filled.
_RAYS = {'wasm': 256, 'webgpu': 2048}
# Pictures: while something moves, and at rest, by steps. Sides in multiples of that of training, samples likewise.
_COARSE, _MIDDLE, _FINE = (1, 1), (2, 2), (4, 2)


def build(
    folder: str | pathlib.Path, model: pretrained.Model, *, tarball: pathlib.Path, num_directions: int = NUM_DIRECTIONS, seed: int = 0,
) -> int:
  """Writes the page; a folder that has one gets the new one.

  Args:
    folder: to write to.
    model: whose people.
    tarball: of `runtime.find`.
    num_directions: sliders of each class, for shape and for texture.
    seed: of the people whose styles give the directions.

  Returns:
    The size of the page in bytes.

  Raises:
    ValueError: if the folder holds something else, or the model does not know its sizes.
    OSError: in one line, if the folder can't be written.
  """
  folder = pathlib.Path(folder).expanduser()
  check(folder, model)
  contents = {f'runtime/{name}': data for name, data in runtime.files(tarball).items()}
  contents |= {f'models/{name}.onnx': graph.SerializeToString() for name, graph in _graphs(model).items()}
  found = directions_lib.named(model, jax.random.key(seed), count=num_directions)
  contents[MODEL_FILE] = json.dumps(describe(model, found), separators=(',', ':')).encode()
  contents |= sources()
  for part in ('runtime', 'models'):
    shutil.rmtree(folder / part, ignore_errors=True)  # what an earlier build left
  for name, data in contents.items():
    atomic_files.write_bytes(folder / name, data)
  return sum(map(len, contents.values()))


def check(folder: pathlib.Path, model: pretrained.Model) -> None:
  """Refuses, before any work, a folder with other files and a model that does not know its sizes."""
  if folder.exists() and not folder.is_dir():
    raise ValueError(f'{folder} is a file; give a folder, new or of an earlier build')
  if folder.is_dir() and any(folder.iterdir()) and not (folder / MODEL_FILE).exists():
    raise ValueError(f'{folder} holds other files; give a folder that is new, empty, or of an earlier build')
  for name in ('image_size', 'num_samples', 'w_mean'):
    if getattr(model, name) is None:
      raise ValueError(f'these weights do not say their {name}; give a file that cnerf_jax.pretrained.save wrote, or the --workdir of a run')


def sources() -> dict[str, bytes]:
  """The page's own files, by name."""
  page = importlib.resources.files('cnerf_jax.studio') / 'page'
  return {file.name: file.read_bytes() for file in sorted(page.iterdir(), key=lambda file: file.name) if file.is_file()}


def _sizes(model: pretrained.Model) -> dict[str, dict[str, int]]:
  return {
      name: {'imageSize': model.image_size * side, 'numSamples': model.num_samples * samples}
      for name, (side, samples) in (('coarse', _COARSE), ('middle', _MIDDLE), ('fine', _FINE))}


def _graphs(model: pretrained.Model):
  graphs = {'mapping': onnx_export.mapping(model), 'field': onnx_export.field(model)}
  for backend, num_rays in _RAYS.items():
    for num_samples in sorted({size['numSamples'] for size in _sizes(model).values()}):
      graphs[f'march_{backend}_{num_samples}'] = onnx_export.march(
          model, num_rays=num_rays, num_samples=num_samples, reduce_range=backend == 'webgpu')
  return graphs


def describe(model: pretrained.Model, found: directions_lib.Directions) -> dict[str, object]:
  """What the page must know of a model."""
  generator = model.generator
  if model.class_set is None:
    names = [f'class {k}' for k in range(generator.num_classes)]
    palette = [[int(255 * x) for x in np.random.default_rng(k).uniform(0.2, 1, 3)] for k in range(generator.num_classes)]
  else:
    class_set = semantics.class_set(model.class_set)
    names, palette = class_set.classes, class_set.palette
  shape = (generator.num_classes, 2, generator.style_dim)
  return {
      'version': version.__version__, 'provenance': dict(model.provenance or {}), 'classes': list(names), 'palette': [list(c) for c in palette],
      'latentDim': generator.latent_dim, 'styleDim': generator.style_dim, 'meanStyles': _numbers(jnp.broadcast_to(model.w_mean, shape)),
      'directions': [
          [[{'name': name, 'vector': _numbers(vector)} for name, vector in zip(*pair)] for pair in zip(*both)]
          for both in zip(found.names, found.vectors)],
      'seedsAreKeys': _seeds_are_keys(model), 'sizes': _sizes(model), 'rays': _RAYS,
      'camera': {
          'near': camera_lib.NEAR, 'far': camera_lib.FAR, 'halfFieldOfView': float(camera_lib.HALF_FIELD_OF_VIEW_RADIANS),
          'azimuthStd': model.azimuth_std or camera_lib.AZIMUTH_STD_RADIANS,
          'elevationStd': model.elevation_std or camera_lib.ELEVATION_STD_RADIANS}}


def _seeds_are_keys(model: pretrained.Model) -> bool:
  """Whether z = normal(key(seed)), which the page draws, are the people of `draw_styles(key(seed), 1)`."""
  key = jax.random.key(1)
  styles = model.map_latents(jax.random.normal(key, (1, model.generator.latent_dim)))
  return bool(np.allclose(styles, model.draw_styles(key, 1), atol=1e-5))


def _numbers(array) -> list[float]:
  """Float32 numbers in the fewest digits that read back as the same."""
  return [float(str(x)) for x in np.asarray(array, np.float32).reshape(-1)]


def report(folder: pathlib.Path, num_bytes: int) -> None:
  """Says what was written and how to look at it."""
  print(f'{folder}: {num_bytes / 1e6:.1f} MB. Look at it: python -m http.server --bind 127.0.0.1 --directory {folder}')
  if num_bytes > LARGEST_BYTES:
    print(f'that is more than the {LARGEST_BYTES / 1e6:.0f} MB that a page should have: the parameters are large', file=sys.stderr)
