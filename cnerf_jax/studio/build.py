"""The static page: the model as ONNX, what the page must know of it, a runtime, and the page's own sources, in one folder.

Any file server shows the folder; it asks for nothing from elsewhere.
"""

from __future__ import annotations

import gzip
import json
import pathlib
import shutil
import sys

import jax

from cnerf_jax import pretrained
from cnerf_jax.export import onnx as onnx_export
from cnerf_jax.export import onnx_float16
from cnerf_jax.persistence import atomic_files
from cnerf_jax.studio import description
from cnerf_jax.studio import directions as directions_lib
from cnerf_jax.studio import photograph_graph
from cnerf_jax.studio import runtime

MODEL_FILE = 'model.json'
FACTOR_FILE = 'models/factor.bin.gz'
LARGEST_BYTES = 12_000_000
_SINES = {'wasm': 'polynomial', 'webgpu': 'reduced'}


def build(
    folder: str | pathlib.Path, model: pretrained.Model, *, tarball: pathlib.Path, num_directions: int = 4, seed: int = 0,
    encoder: pretrained.Encoder | None = None, reader: photograph_graph.Reader | None = None,
) -> int:
  """Writes the page; a folder that has one gets the new one.

  Args:
    folder: to write to.
    model: whose people.
    tarball: of `runtime.find`.
    num_directions: sliders of each class, for shape and for texture.
    seed: of the people whose styles give the directions.
    encoder: of the model; with a reader, the page finds the people of photographs.
    reader: of photographs.

  Returns:
    The size of the page in bytes.

  Raises:
    ValueError: if the folder holds something else, or the model does not know its sizes.
    OSError: in one line, if the folder can't be written.
  """
  folder = pathlib.Path(folder).expanduser()
  check(folder, model)
  graphs, said = _graphs(model), description.for_drawing(model)
  if encoder is not None and reader is not None:
    photograph_graph.check(encoder, reader)
    graphs[photograph_graph.NAME] = photograph_graph.graph(encoder, reader)
    said['photographSide'] = reader.side
  contents = {f'runtime/{name}': data for name, data in runtime.files(tarball).items()}
  contents |= {f'models/{name}.onnx.gz': _compressed(graph.SerializeToString()) for name, graph in graphs.items()}
  if model.generator.region_dim:
    contents[FACTOR_FILE] = _compressed(description.packed_factor(model))
  found = directions_lib.named(model, jax.random.key(seed), count=num_directions)
  contents[MODEL_FILE] = json.dumps(description.describe(model, found) | said, separators=(',', ':')).encode()
  contents |= description.sources()
  for part in ('runtime', 'models'):
    shutil.rmtree(folder / part, ignore_errors=True)  # what an earlier build left
  for name, data in contents.items():
    atomic_files.write_bytes(folder / name, data)
  return sum(map(len, contents.values()))


def _compressed(data: bytes) -> bytes:
  return gzip.compress(data, 9, mtime=0)


def check(folder: pathlib.Path, model: pretrained.Model) -> None:
  """Refuses, before any work, a folder with other files and a model that does not know its sizes."""
  description.check(model)
  if folder.exists() and not folder.is_dir():
    raise ValueError(f'{folder} is a file; give a folder, new or of an earlier build')
  if folder.is_dir() and any(folder.iterdir()) and not (folder / MODEL_FILE).exists():
    raise ValueError(f'{folder} holds other files; give a folder that is new, empty, or of an earlier build')


def _graphs(model: pretrained.Model):
  graphs = {'field': onnx_export.field(model)}
  if model.generator.region_dim:
    graphs['styles_of_draw'] = onnx_export.styles_of_draw(model)
  else:
    graphs['mapping'] = onnx_export.mapping(model)
  for backend, num_rays in description.RAYS.items():
    sines = _SINES[backend]
    for num_samples in sorted({size['numSamples'] for size in description.sizes(model).values()}):
      graphs[f'march_{backend}_{num_samples}'] = onnx_export.march(model, num_rays=num_rays, num_samples=num_samples, sines=sines)
    graphs[f'signed_distance_{backend}'] = onnx_export.signed_distance(model, num_points=8 * num_rays, sines=sines)
    graphs[f'shade_{backend}'] = onnx_export.shade(model, num_points=num_rays, sines=sines)
  # the kernels of a compact file are float16 as they are
  return {name: onnx_float16.narrow(graph) for name, graph in graphs.items()}


def report(folder: pathlib.Path, num_bytes: int) -> None:
  """Says what was written and how to look at it."""
  print(f'{folder}: {num_bytes / 1e6:.1f} MB. Look at it: python -m http.server --bind 127.0.0.1 --directory {folder}')
  if num_bytes > LARGEST_BYTES:
    print(f'that is more than the {LARGEST_BYTES / 1e6:.0f} MB that a page should have: the parameters are large', file=sys.stderr)
