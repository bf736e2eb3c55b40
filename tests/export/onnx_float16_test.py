"""Half of the weights' bits draw the same picture."""

import pathlib

import jax
import numpy as np
import pytest

from cnerf_jax import camera
from cnerf_jax import pretrained

onnx = pytest.importorskip('onnx', reason="no onnx; pip install '.[test]'")
onnxruntime = pytest.importorskip('onnxruntime', reason="no onnxruntime; pip install '.[test]'")

from cnerf_jax.export import onnx as onnx_export  # noqa: E402
from cnerf_jax.export import onnx_float16  # noqa: E402

pytestmark = pytest.mark.usefixtures('quick_compilation')
SHIPPED = pathlib.Path(__file__).parents[2] / 'pretrained'


def run(graph, **inputs):
  """{name: array} of what the graph returns."""
  session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=['CPUExecutionProvider'])
  return dict(zip([output.name for output in session.get_outputs()], session.run(None, inputs)))


@pytest.mark.parametrize('name', ['people64', 'portraits32'])
def test_shipped_models_draw_the_same(name):
  """Protects small files: two people of each shipped model, mapped and drawn with float16 weights, within 2 of 255 levels of ours."""
  model = pretrained.load(SHIPPED / f'{name}.npz')
  graphs = onnx_export.mapping(model), onnx_export.render(model, image_size=16)
  mapping, rendering = map(onnx_float16.narrow, graphs)
  before, after = (sum(len(graph.SerializeToString()) for graph in some) for some in (graphs, (mapping, rendering)))
  assert after < 0.7 * before
  for seed in (1, 2):
    z = np.asarray(jax.random.normal(jax.random.key(seed), (1, model.generator.latent_dim)))
    drawn = run(rendering, **run(mapping, z=z), azimuth=np.float32([0.3]), elevation=np.float32([0.1]))
    expected = model.render(model.draw_styles(jax.random.key(seed), 1), camera.orbit(0.3, 0.1), image_size=16)
    levels = 127.5 * np.abs(drawn['rgb'] - expected.rgb).max()
    assert 0 < levels <= 2, levels
    assert np.abs(drawn['semantic_mask'] - expected.semantic_mask).max() < 0.01


def test_only_weights_of_products_are_narrowed():
  """Protects sines from coarse phases, and the graph that was given from change."""
  from cnerf_jax.export import onnx_graph
  weights = np.linspace(0.1, 1, 64, dtype=np.float32).reshape(8, 8)
  huge = np.full((8, 8), 1e6, np.float32)
  shape = jax.ShapeDtypeStruct((2, 8), np.float32)
  function = lambda x: {'y': (x @ weights) * weights.ravel()[:8] + jax.numpy.sin(x @ huge) + (x @ (2 * weights)) @ weights[:, :1]}
  graph, _ = onnx_graph.convert(function, {'x': shape})
  before = graph.SerializeToString()
  narrowed = onnx_float16.narrow(graph)
  assert graph.SerializeToString() == before
  types = {tuple(x.dims): [] for x in narrowed.graph.initializer}
  for x in narrowed.graph.initializer:
    types[tuple(x.dims)].append(x.data_type)
  half, whole = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
  square = [kinds for dims, kinds in types.items() if np.prod(dims) == 64]
  assert sorted(sum(square, [])) == sorted([half, half, whole]), 'two weights, and one that float16 cannot hold'
  assert all(kind != half for dims, kinds in types.items() if np.prod(dims) < 64 for kind in kinds)
  x = np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32) * 1e-6
  np.testing.assert_allclose(run(narrowed, x=x)['y'], run(graph, x=x)['y'], atol=1e-7)
