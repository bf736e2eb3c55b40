"""What the page must know of a model, and the page's own files."""

from __future__ import annotations

import importlib.resources

import jax
import jax.numpy as jnp
import numpy as np

from cnerf_jax import camera as camera_lib
from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax import version
from cnerf_jax.models import regional_mapping
from cnerf_jax.studio import directions as directions_lib

# Rays that one call of the runtime marches: few where a processor's cache should hold them, many where a GPU should be filled.
RAYS = {'wasm': 128, 'webgpu': 2048}
# Cells along a side of the box of a mesh, a multiple of 4: half a pixel of a 64x64 picture.
MESH_CELLS = 96
# Pictures while something moves: no larger, so that two cores draw eight of them a second.
_COARSE_SIDE, _COARSE_SAMPLES = 32, 8
# Pictures at rest, by steps. Sides in multiples of that of training, samples likewise.
_MIDDLE, _FINE = (2, 2), (4, 2)


def check(model: pretrained.Model) -> None:
  """Refuses, before any work, a model that does not know its sizes.

  Raises:
    ValueError: naming what is missing.
  """
  for name in ('image_size', 'num_samples', 'w_mean'):
    if getattr(model, name) is None:
      raise ValueError(f'these weights do not say their {name}; give a file that cnerf_jax.pretrained.save wrote, or the --workdir of a run')


def sources() -> dict[str, bytes]:
  """The page's own files, by name."""
  page = importlib.resources.files('cnerf_jax.studio') / 'page'
  return {file.name: file.read_bytes() for file in sorted(page.iterdir(), key=lambda file: file.name) if file.is_file()}


def sizes(model: pretrained.Model) -> dict[str, dict[str, int]]:
  """Sides in pixels and samples along a ray of the pictures that the page draws, by the page's names, in its order.

  `coarse` while something moves, then, at rest, `plain` as in training, which may be the same, `middle` and `fine`.
  """
  side, samples = model.image_size, model.num_samples
  coarse = min(side, _COARSE_SIDE), min(samples, _COARSE_SAMPLES)
  found = {'coarse': coarse, 'plain': (side, samples)}
  found |= {name: (side * sides, samples * more) for name, (sides, more) in (('middle', _MIDDLE), ('fine', _FINE))}
  return {name: {'imageSize': size, 'numSamples': count} for name, (size, count) in found.items()}


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
      'seedsAreKeys': _seeds_are_keys(model), 'sizes': sizes(model), 'rays': RAYS,
      'camera': {
          'near': camera_lib.NEAR, 'far': camera_lib.FAR, 'halfFieldOfView': float(camera_lib.HALF_FIELD_OF_VIEW_RADIANS),
          'azimuthStd': model.azimuth_std or camera_lib.AZIMUTH_STD_RADIANS,
          'elevationStd': model.elevation_std or camera_lib.ELEVATION_STD_RADIANS}}


def for_drawing(model: pretrained.Model) -> dict[str, object]:
  """What a page must know besides to draw regions anew, where they have latents of their own, and to make a mesh."""
  params = model.params['params']
  found = {'densityBeta': float(params['field']['density_beta']), 'meshCells': MESH_CELLS}
  if model.generator.region_dim:
    mapping = params['mapping']
    given = regional_mapping.given_others(mapping['factor'], model.generator.num_classes)
    found['regionalLatents'] = {
        'mean': _numbers(mapping['mean']), 'std': _numbers(jnp.linalg.norm(mapping['factor'], axis=-1)),
        'threshold': _numbers(mapping['threshold']), 'presenceStd': _numbers(given.presence_std), 'carry': _numbers(given.carry)}
  return found


def packed_factor(model: pretrained.Model) -> bytes:
  """The factor of the Gaussian of regional latents: the rows of its lower triangle, one after another, as float32."""
  factor = np.asarray(model.params['params']['mapping']['factor'], np.float32)
  return factor[np.tril_indices(len(factor))].tobytes()


def _seeds_are_keys(model: pretrained.Model) -> bool:
  """Whether z = normal(key(seed)), which the page draws, are the people of `draw_styles(key(seed), 1)`."""
  key = jax.random.key(1)
  styles = model.map_latents(jax.random.normal(key, (1, model.generator.latent_dim)))
  return bool(np.allclose(styles, model.draw_styles(key, 1), atol=1e-5))


def _numbers(array) -> list[float]:
  """Float32 numbers in the fewest digits that read back as the same."""
  return [float(str(x)) for x in np.asarray(array, np.float32).reshape(-1)]
