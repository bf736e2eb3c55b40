"""ONNX graphs with float16 weights: smaller files, the same inputs and outputs, arithmetic in float32 as before.

Weights of matrix products become float16: the mapping network's and the FiLM projections', most of a graph. What the sines' frequencies
multiply stays float32: their phases reach tens of radians, so that rounding the weights of the sine layers, too, changed a picture by up
to 3 of 255 levels.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper
from onnx import numpy_helper

_LEAST = 64  # numbers in an array; a smaller one saves no more than its cast costs


def narrow(graph: onnx.ModelProto) -> onnx.ModelProto:
  """The graph with the weights of its matrix products in float16, cast to float32 where a runtime loads them; the argument is not changed."""
  narrowed = onnx.ModelProto()
  narrowed.CopyFrom(graph)
  weights = _weights_of_products(narrowed.graph)
  casts = []
  for initializer in narrowed.graph.initializer:
    if initializer.name not in weights or not _fits(numpy_helper.to_array(initializer)):
      continue
    name = initializer.name
    initializer.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(initializer).astype(np.float16), f'{name}_float16'))
    casts.append(helper.make_node('Cast', [f'{name}_float16'], [name], to=onnx.TensorProto.FLOAT))
  nodes = list(narrowed.graph.node)
  del narrowed.graph.node[:]
  narrowed.graph.node.extend(casts + nodes)
  onnx.checker.check_model(narrowed, full_check=True)
  return narrowed


def _weights_of_products(graph: onnx.GraphProto) -> set[str]:
  """Names of what is the right side of a matrix product, and nothing else."""
  uses = {}
  for node in graph.node:
    for position, name in enumerate(node.input):
      uses.setdefault(name, set()).add((node.op_type, position))
  return {name for name, found in uses.items() if found == {('MatMul', 1)}}


def _fits(array: np.ndarray) -> bool:
  return array.dtype == np.float32 and array.size >= _LEAST and np.abs(array).max() <= np.finfo(np.float16).max
