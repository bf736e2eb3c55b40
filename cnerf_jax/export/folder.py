"""A folder of a model for other programs: StableHLO and ONNX, and the card that says what the files are.

  for name, contents in folder.contents(model, ['stablehlo', 'onnx']).items():
    (path / name).write_bytes(contents)

  stablehlo      people, mapping, camera, rendering.stablehlo and params.npz   (`stablehlo`)
  onnx           mapping.onnx, rendering.onnx, of one portrait                 (`onnx`)
  onnx_float16   mapping_float16.onnx, rendering_float16.onnx                  (`onnx_float16`)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json

import numpy as np

from cnerf_jax import pretrained
from cnerf_jax.export import model_card
from cnerf_jax.export import stablehlo

FORMATS = ('stablehlo', 'onnx', 'onnx_float16')


def contents(
    model: pretrained.Model, formats: Sequence[str] = FORMATS, *, image_size: int | None = None, num_samples: int | None = None, **of_card,
) -> dict[str, bytes]:
  """{name: contents} of all files of the folder, the card last.

  Args:
    model: to export.
    formats: of FORMATS; those of ONNX need the package onnx.
    image_size: side of the images, pixels; that of training if None.
    num_samples: samples along a ray; likewise.
    **of_card: `licence`, `scores`, `config` of `model_card.make`.

  Raises:
    ValueError: in one line, if a format is not known, a size is neither given nor known, or a licence is missing.
  """
  unknown = [name for name in formats if name not in FORMATS]
  if unknown or not formats:
    raise ValueError(f'formats {", ".join(formats) or "(none)"} must be some of {", ".join(FORMATS)}')
  image_size, num_samples = stablehlo.check_sizes(model, image_size, num_samples)
  sizes = dict(image_size=image_size, num_samples=num_samples)
  model_card.make(model, {}, {}, **sizes, **of_card)  # refuses before the work
  files, programs = {}, {}
  if 'stablehlo' in formats:
    files |= stablehlo.files(model, **sizes)
    programs |= {name: stablehlo.describe(one) for name, one in files.items() if name.endswith(stablehlo.SUFFIX)}
  if set(formats) - {'stablehlo'}:
    found = _onnx(model, formats, sizes)
    files |= {name: graph.SerializeToString() for name, graph in found.items()}
    programs |= {name: _describe_onnx(graph) for name, graph in found.items()}
  card = model_card.make(model, files, programs, **sizes, **of_card)
  return files | {model_card.NAME: (json.dumps(card, indent=2) + '\n').encode()}


def _onnx(model: pretrained.Model, formats: Sequence[str], sizes: Mapping[str, int]) -> dict:
  """Graphs by the names of their files."""
  from cnerf_jax.export import onnx as onnx_export  # an extra of its own, as is onnx
  from cnerf_jax.export import onnx_float16
  graphs = {'mapping': onnx_export.mapping(model), 'rendering': onnx_export.render(model, **sizes)}
  found = {}
  if 'onnx' in formats:
    found |= {f'{name}.onnx': graph for name, graph in graphs.items()}
  if 'onnx_float16' in formats:
    found |= {f'{name}_float16.onnx': onnx_float16.narrow(graph) for name, graph in graphs.items()}
  return found


def _describe_onnx(graph) -> dict:
  """What a graph takes and gives, read off the graph."""
  from onnx import helper
  arrays = lambda values: {
      value.name: dict(
          shape=[dimension.dim_value for dimension in value.type.tensor_type.shape.dim],
          dtype=np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)).name) for value in values}
  return dict(kind='ONNX', opset=graph.opset_import[0].version, inputs=arrays(graph.graph.input), outputs=arrays(graph.graph.output))
