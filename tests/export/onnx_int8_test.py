"""Graphs with kernels in bytes: what they compute is what JAX computes with the rounded kernels; and the primitives of such networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip('onnx', reason="no onnx; pip install '.[test]'")
onnxruntime = pytest.importorskip('onnxruntime', reason="no onnxruntime; pip install '.[test]'")

from cnerf_jax.export import onnx_graph  # noqa: E402
from cnerf_jax.export import onnx_int8  # noqa: E402
from cnerf_jax.persistence import compact_arrays  # noqa: E402


def run(graph, **inputs):
  session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=['CPUExecutionProvider'])
  return dict(zip([one.name for one in session.get_outputs()], session.run(None, inputs)))


def test_a_network_with_kernels_in_bytes():
  """Protects readers of photographs: convolutions, products of each class and plain ones, each kernel rounded by its own outputs; a quarter
  of the bytes."""
  draw = np.random.default_rng(0)
  kernels = {'conv': (3, 3, 4, 32), 'dense': (32, 48), 'classes': (3, 48, 16)}
  kernels = {name: draw.standard_normal(shape).astype(np.float32) for name, shape in kernels.items()}

  def network(kernels, x):
    x = jax.lax.conv_general_dilated(x, kernels['conv'], (2, 2), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC'))
    x = jnp.mean(jnp.tanh(x), axis=(1, 2)) @ kernels['dense']
    return {'y': jnp.einsum('bki,kio->bko', jnp.broadcast_to(x[:, None], (1, 3, 48)), kernels['classes'])}

  x = draw.standard_normal((1, 8, 8, 4)).astype(np.float32)
  graph, _ = onnx_graph.convert(lambda x: network(kernels, x), {'x': jax.ShapeDtypeStruct(x.shape, jnp.float32)})
  narrowed = onnx_int8.narrow(graph)
  rounded = compact_arrays.expanded(compact_arrays.in_bytes(kernels, {'conv': (0, 1, 2), 'dense': (0,), 'classes': (1,)}))
  np.testing.assert_allclose(run(narrowed, x=x)['y'], network(rounded, x)['y'], rtol=1e-4, atol=1e-4)
  np.testing.assert_allclose(run(graph, x=x)['y'], network(kernels, x)['y'], rtol=1e-4, atol=1e-4)
  assert np.abs(run(narrowed, x=x)['y'] - run(graph, x=x)['y']).max() > 1e-3
  assert narrowed.ByteSize() < 0.4 * graph.ByteSize()


CASES = {
    'rev': lambda x: jnp.flip(x, (1, 2)), 'gather': lambda x: x[:, jnp.array([2, 0, 0, 3])], 'rsqrt': jax.lax.rsqrt, 'log1p': jnp.log1p,
    'ne': lambda x: jnp.where(x != 0.5, x, 7.0), 'argmax': lambda x: jnp.argmax(x, axis=-1).astype(jnp.float32),
    'logaddexp': lambda x: jnp.logaddexp(x, 1 - x), 'pool': lambda x: jax.lax.reduce_window(x, 0.0, jax.lax.add, (1, 2, 2), (1, 2, 2), 'VALID'),
    'dilated': lambda x: jax.lax.conv_general_dilated(
        x[..., None], jnp.arange(9.0).reshape(3, 3, 1, 1), (1, 1), 'SAME', rhs_dilation=(2, 2), dimension_numbers=('NHWC', 'HWIO', 'NHWC'))}


@pytest.mark.parametrize('case', CASES)
def test_primitives_of_convolutional_networks(case):
  """Protects each operator that readers of photographs need: it does what JAX does."""
  x = np.random.default_rng(1).uniform(0.1, 1, (2, 4, 6)).astype(np.float32)
  x[0, 1, 2] = 0.5
  graph, _ = onnx_graph.convert(lambda x: {'y': CASES[case](x)}, {'x': jax.ShapeDtypeStruct(x.shape, jnp.float32)})
  np.testing.assert_allclose(run(graph, x=x)['y'], CASES[case](x), rtol=1e-5, atol=1e-5)


def test_what_is_not_known_is_named():
  """Protects from wrong graphs: windows that overlap, and gathers of single numbers, are refused."""
  x = jax.ShapeDtypeStruct((4, 4), jnp.float32)
  overlapping = lambda x: {'y': jax.lax.reduce_window(x, 0.0, jax.lax.add, (2, 2), (1, 1), 'VALID')}
  with pytest.raises(NotImplementedError, match='overlap or are padded'):
    onnx_graph.convert(overlapping, {'x': x})
  with pytest.raises(NotImplementedError, match='a gather of something else'):
    onnx_graph.convert(lambda x: {'y': x[jnp.array([0, 1]), jnp.array([1, 2])]}, {'x': x})
