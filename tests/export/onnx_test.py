"""Generators as ONNX draw what they draw in JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from cnerf_jax import camera
from cnerf_jax import pretrained
from cnerf_jax import rays as rays_lib

pytest.importorskip('onnx', reason="no onnx; pip install '.[test]'")
onnxruntime = pytest.importorskip('onnxruntime', reason="no onnxruntime; pip install '.[test]'")

from cnerf_jax.export import onnx as onnx_export  # noqa: E402
from cnerf_jax.export import onnx_graph  # noqa: E402
from cnerf_jax.models import sine  # noqa: E402

pytestmark = pytest.mark.usefixtures('quick_compilation')
LEVEL = 2 / 255  # of an image in [-1, 1]
KINDS = {
    'published': {},
    'default': dict(base='sphere', mask_fusion='softmax', residual_from_zero=False, view_dependence='none'),
    'colours see the view': dict(base='sphere', mask_fusion='softmax', residual_from_zero=False, view_dependence='colour'),
    'regional latents, masked residuals': dict(
        base='sphere', mask_fusion='softmax', residual_from_zero=False, view_dependence='colour', region_dim=4, residual_fusion='masked'),
}


def make_model(**changes):
  """A tiny model whose styles matter."""
  generator = tiny.make_generator(color_gain=60.0, **changes)
  return pretrained.Model(generator=generator, params=tiny.make_params(generator), image_size=4, num_samples=4)


def run(graph, **inputs):
  """{name: array} of what the graph returns."""
  options = onnxruntime.SessionOptions()
  options.intra_op_num_threads = 1
  session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=['CPUExecutionProvider'])
  names = [output.name for output in session.get_outputs()]
  return dict(zip(names, session.run(names, {name: np.asarray(x) for name, x in inputs.items()})))


@pytest.mark.parametrize('kind', KINDS)
def test_renders_as_jax(kind):
  """Protects every runtime without JAX: mapping and rendering of each kind of generator, image, masks and depth."""
  model = make_model(**KINDS[kind])
  z = jax.random.normal(jax.random.key(1), (2, model.generator.latent_dim))
  styles = run(onnx_export.mapping(model, batch=2), z=z)['styles']
  np.testing.assert_allclose(styles, model.map_latents(z), atol=1e-5)
  azimuth, elevation = np.float32([0.3, -0.2]), np.float32([0.1, 0.0])
  drawn = run(onnx_export.render(model, batch=2), styles=styles, azimuth=azimuth, elevation=elevation)
  expected = model.render(jnp.asarray(styles), camera.orbit(azimuth, elevation))
  assert list(drawn) == ['rgb', 'semantic_mask', 'depth']
  assert np.ptp(expected.rgb) > 20 * LEVEL, 'nothing to compare'
  for name, tolerance in (('rgb', LEVEL / 4), ('semantic_mask', 1e-3), ('depth', 1e-4)):
    np.testing.assert_allclose(drawn[name], getattr(expected, name), atol=tolerance, err_msg=name)


@pytest.mark.parametrize('kind', KINDS)
def test_field_and_march_are_render_in_two_halves(kind):
  """Protects viewers: rays of any camera through conditioned networks, some classes left out, with each way of sines."""
  model = make_model(**KINDS[kind])
  styles = model.draw_styles(jax.random.key(2), 1)
  view = camera.orbit(0.4, 0.1, half_field_of_view=0.05)
  weights = np.float32([1, 0, 1])
  expected = model.render(styles, view, image_size=6, num_samples=5, class_weights=weights)
  conditioned = run(onnx_export.field(model), styles=styles[0])
  directions = rays_lib.cast_rays(view, image_size=6).directions
  for sines in onnx_graph.SINES:
    march = onnx_export.march(model, num_rays=18, num_samples=5, sines=sines)
    parts = [
        run(march, **conditioned, class_weights=weights, origin=view.cam_to_world[:, 3], directions=part)
        for part in (directions[:18], directions[18:])]
    for name, tolerance in (('rgb', LEVEL / 4), ('semantic_mask', 1e-3), ('depth', 1e-4)):
      drawn = np.concatenate([part[name] for part in parts])
      np.testing.assert_allclose(drawn, np.reshape(getattr(expected, name)[0], drawn.shape), atol=tolerance, err_msg=name)


def test_the_second_half_of_mapping_is_that_of_jax():
  """Protects viewers that draw regional latents themselves: their styles are those of the whole mapping; one latent for all is refused."""
  model = make_model(**KINDS['regional latents, masked residuals'])
  width = model.generator.latent_dim
  mapping = model.params['params']['mapping']
  mapping['factor'] = jnp.asarray(np.tril(np.random.default_rng(0).standard_normal((width, width))) + 3 * np.eye(width), jnp.float32)
  z = np.asarray(jax.random.normal(jax.random.key(3), (width,)))
  drawn = np.asarray(mapping['mean'] + mapping['factor'] @ z)
  styles = run(onnx_export.styles_of_draw(model), drawn=drawn)['styles']
  np.testing.assert_allclose(styles, model.map_latents(z), atol=1e-4)
  with pytest.raises(ValueError, match='one latent for all classes'):
    onnx_export.styles_of_draw(make_model(**KINDS['default']))


def test_chunks_are_a_scan():
  """Protects large images from memory: chunks of rays become one Scan, which draws the same."""
  model = make_model(**KINDS['default'])
  styles = model.draw_styles(jax.random.key(3), 1)
  angles = dict(azimuth=np.float32([0.1]), elevation=np.float32([0.0]))
  graph = onnx_export.render(model, image_size=6, num_chunks=4)
  assert 'Scan' in {node.op_type for node in graph.graph.node}
  expected = model.render(styles, camera.orbit(0.1, 0.0), image_size=6).rgb
  np.testing.assert_allclose(run(graph, styles=styles, **angles)['rgb'], expected, atol=LEVEL / 4)


def test_a_ray_ends_even_in_thin_air():
  """Protects backgrounds: densities of 1e-9 must not be rounded to 0, since the last interval is endless."""
  graph, _ = onnx_graph.convert(lambda x: {'y': jax.nn.sigmoid(x)}, {'x': jax.ShapeDtypeStruct((3,), jnp.float32)})
  x = np.float32([-60, -20, 3])
  np.testing.assert_allclose(run(graph, x=x)['y'], jax.nn.sigmoid(x), rtol=1e-5)


def test_saved_graphs_are_read(tmp_path):
  """Protects files: what save writes, a runtime reads."""
  onnx_export.save(tmp_path / 'deep' / 'mapping.onnx', onnx_export.mapping(make_model()))
  assert onnxruntime.InferenceSession(tmp_path / 'deep' / 'mapping.onnx').get_inputs()[0].shape == [1, 8]


FLOATS = jax.ShapeDtypeStruct((2, 3), jnp.float32)


@pytest.mark.parametrize('function', [
    lambda x: jnp.cumsum(x[:, ::2] ** 3, axis=0), lambda x: jnp.where(x > 0, x, -1.0).max(axis=1),
    lambda x: jnp.stack([x, x + 1], axis=1).transpose(2, 0, 1), lambda x: jnp.expm1(x) @ jnp.ones((3, 4)),
    lambda x: jnp.broadcast_to(x[:, None], (2, 5, 3)).reshape(10, 3)[2:9], lambda x: jnp.round(x * 1.7),
    lambda x: jax.lax.map(lambda row: row.cumsum(), x),
    lambda x: jnp.einsum('ij,kj->ki', x, jnp.arange(12.0).reshape(4, 3)), lambda x: jax.nn.softmax(x, axis=0)])
def test_operators(function):
  """Protects the converter where generators don't reach: broadcasts that are carried out, slices, maps, products of swapped axes."""
  x = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
  graph, _ = onnx_graph.convert(lambda x: {'y': function(x)}, {'x': FLOATS})
  np.testing.assert_allclose(run(graph, x=x)['y'], function(jnp.asarray(x)), atol=1e-5)


def test_what_no_input_changes_is_returned_beside_the_graph():
  """Protects small graphs: results that are known are no outputs."""
  graph, constants = onnx_graph.convert(lambda x: {'y': x * 2, 'known': jnp.arange(3.0) * 2}, {'x': FLOATS})
  assert [output.name for output in graph.graph.output] == ['y']
  np.testing.assert_array_equal(constants['known'], [0, 2, 4])


@pytest.mark.parametrize('sines', onnx_graph.SINES)
def test_sines_of_large_arguments(sines):
  """Protects phases of tens of radians: each way of sines is the sine, to what float32 arguments are worth."""
  x = np.float32([np.linspace(-1, 1, 3), [30.0, -77.7, 99.9]])
  graph, _ = onnx_graph.convert(lambda x: {'y': sine.sine(x)}, {'x': FLOATS}, sines=sines)
  assert ('Sin' in [node.op_type for node in graph.graph.node]) == (sines != 'polynomial')
  np.testing.assert_allclose(run(graph, x=x)['y'], np.sin(x.astype(np.float64)), atol=1e-5)


@pytest.mark.parametrize('call, message', [
    (lambda: onnx_graph.convert(lambda x: {'y': jnp.sort(x)}, {'x': FLOATS}), 'no ONNX operator is known for the primitive sort'),
    (lambda: onnx_graph.convert(lambda x: {'x': x}, {'x': FLOATS}), r"\['x'\] name inputs and results"),
    (lambda: onnx_export.march(make_model(), num_rays=4, sines='cosines'), "sines 'cosines' are not known; use one of operator, reduced, poly"),
    (lambda: onnx_export.march(make_model(), num_rays=0), 'num_rays 0 must be at least 1'),
    (lambda: onnx_export.march(make_model(), num_rays=4, num_samples=1), 'num_samples 1 must be at least 2')])
def test_refusals(call, message):
  """Protects from riddles: what can't be exported is said in one line."""
  with pytest.raises((ValueError, NotImplementedError), match=message):
    call()
