import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

from cnerf_jax import camera as camera_lib
from cnerf_jax import latents
from cnerf_jax import sampler

pytestmark = pytest.mark.usefixtures('quick_compilation')

SIZE = dict(image_size=4, num_samples=4)
GENERATOR = tiny.make_generator()
K = tiny.NUM_CLASSES


@pytest.fixture(scope='module')
def params(quick_compilation):
  return tiny.make_params(GENERATOR)


@pytest.fixture(scope='module')
def styles(params):
  """Styles of two portraits, another z in every class."""
  return GENERATOR.apply(params, jax.random.normal(jax.random.key(1), (2, K, 2, GENERATOR.style_dim)), method='map_latents')


def views(*angles):
  return camera_lib.orbit(*jnp.array(angles).T)


VIEWS = ((0.3, 0.1), (-0.2, 0.0))
_jitted = jax.jit(lambda params, styles, camera: sampler.render(GENERATOR, params, styles, camera, **SIZE))


@pytest.fixture(scope='module')
def rendering(params, styles):
  return _jitted(params, styles, views(*VIEWS))


def assert_same_rendering(actual, expected, rtol=2e-5):
  for name in ('rgb', 'semantic_mask', 'depth', 'surface_point', 'sdf', 'last_weight'):
    tiny.assert_close(getattr(actual, name), getattr(expected, name), rtol=rtol, what=name)


def test_rendering_has_the_promised_axes(rendering):
  """Protects the public shapes: [batch, height, width, ...]."""
  shapes = dict(rgb=(3,), semantic_mask=(K,), depth=(), surface_point=(3,), sdf=(4,), last_weight=())
  for name, shape in shapes.items():
    assert getattr(rendering, name).shape == (2, 4, 4) + shape
  assert np.abs(np.asarray(rendering.rgb)).max() <= 1
  assert ((np.asarray(rendering.depth) >= 0.88) & (np.asarray(rendering.depth) <= 1.12)).all()


def test_plain_call_equals_jit(params, styles, rendering):
  """Protects interactive use."""
  assert_same_rendering(sampler.render(GENERATOR, params, styles, views(*VIEWS), **SIZE), rendering)


def test_vmap_equals_the_batch(params, styles, rendering):
  """Protects composition with vmap, over portraits and cameras together."""
  one = lambda styles, camera: sampler.render(GENERATOR, params, styles, camera, **SIZE)
  assert_same_rendering(jax.jit(jax.vmap(one))(styles, views(*VIEWS)), rendering)


def test_one_portrait_needs_no_batch_axis(params, styles, rendering):
  """Protects the five-line example: no leading axis in, none out."""
  alone = sampler.render(GENERATOR, params, styles[0], camera_lib.orbit(*VIEWS[0]), **SIZE)
  assert alone.rgb.shape == (4, 4, 3)
  assert_same_rendering(alone, jax.tree.map(lambda x: x[0], rendering))


def test_leading_axes_broadcast(params, styles, rendering):
  """Protects sheets: portraits [2, 1] by cameras [2] is every portrait in every view."""
  sheet = _jitted(params, styles[:, None], views(*VIEWS))
  assert sheet.rgb.shape == (2, 2, 4, 4, 3)
  diagonal = jax.tree.map(lambda x: jnp.stack([x[0, 0], x[1, 1]]), sheet)
  assert_same_rendering(diagonal, rendering)


def test_gradients_are_those_of_finite_differences(params, styles):
  """Protects editing and inversion: gradients with respect to styles, camera and parameters are true, finite and not zero."""
  weight = jax.random.normal(jax.random.key(3), (1, 4, 4, 3))

  @jax.jit
  def loss(params, styles, angles):
    camera = camera_lib.orbit(angles[:, 0], angles[:, 1])
    rendering = sampler.render(GENERATOR, params, styles, camera, **SIZE)
    return jnp.sum(rendering.rgb * weight) + jnp.sum(rendering.depth)

  arguments = (params, styles[:1], jnp.array([VIEWS[0]]))
  gradients = jax.jit(jax.grad(loss, argnums=(0, 1, 2)))(*arguments)
  # the base network is frozen: finite differences would see it move
  direction = jax.tree_util.tree_map_with_path(
      lambda path, g: jnp.zeros_like(g) if "'base'" in jax.tree_util.keystr(path) else jnp.sign(g), gradients)
  for i, (name, step) in enumerate((('params', 2e-5), ('styles', 2e-4), ('camera', 2e-4))):
    if name == 'styles':
      continue  # styles also drive the frozen base: see the test below, of a sphere
    moved = [jax.tree.map(lambda x, d, s=s: x + s * step * d, arguments[i], direction[i]) for s in (1, -1)]
    replaced = [arguments[:i] + (m,) + arguments[i + 1:] for m in moved]
    expected = (loss(*replaced[0]) - loss(*replaced[1])) / (2 * step)
    actual = sum(jnp.vdot(g, d) for g, d in zip(jax.tree.leaves(gradients[i]), jax.tree.leaves(direction[i])))
    assert actual > 0
    np.testing.assert_allclose(actual, expected, rtol=0.05, err_msg=name)
  for path, gradient in jax.tree_util.tree_flatten_with_path(gradients)[0]:
    assert np.isfinite(np.asarray(gradient)).all(), jax.tree_util.keystr(path)
  assert (np.abs(np.asarray(gradients[1])).sum(axis=-1) > 0).all(), 'every class, shape and texture style should matter'


@pytest.mark.parametrize('mask_fusion', ['raw', 'softmax'])
def test_slopes_along_styles_are_those_of_finite_differences(mask_fusion):
  """Protects editing by styles: along shape and along texture styles of any class, rgb, masks and sdf change as derivatives say,
  forward and reverse, in float64."""
  with jax.enable_x64(True):
    generator = tiny.make_generator(base='sphere', mask_fusion=mask_fusion, residual_scale=0.25)
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float64), tiny.make_params(generator))
    draw = np.random.default_rng(0)
    styles = jnp.asarray(draw.standard_normal((2, K, 2, generator.style_dim)))
    points = jnp.asarray(draw.uniform(-0.1, 0.1, (2, 6, 3)))

    @jax.jit
    def see(styles):
      rendering = sampler.render(generator, params, styles, views(*VIEWS), **SIZE)
      return dict(rgb=rendering.rgb, semantic_mask=rendering.semantic_mask,
                  sdf=sampler.radiance_field(generator, params, styles).sdf(points))

    slope_along = jax.jit(lambda direction: jax.jvp(see, (styles,), (direction,))[1])
    pull_back = jax.jit(lambda cotangent: jax.vjp(see, styles)[1](cotangent)[0])
    step = 1e-4
    for kind in (latents.SHAPE, latents.TEXTURE):
      for semantic_class in range(K):
        direction = jnp.zeros_like(styles).at[:, semantic_class, kind].set(draw.standard_normal(generator.style_dim))
        ahead, behind = see(styles + step * direction), see(styles - step * direction)
        expected = jax.tree.map(lambda x, y: np.asarray((x - y) / (2 * step)), ahead, behind)
        weight = jax.tree.map(lambda x: jnp.asarray(draw.standard_normal(x.shape)), expected)
        along = slope_along(direction)
        for name, slope in expected.items():
          what = f'{name} by the {("shape", "texture")[kind]} of class {semantic_class}'
          assert np.abs(slope).max() > 1e-6, what
          tiny.assert_close(along[name], slope, rtol=1e-4, what=what)
        total = sum(np.vdot(weight[name], slope) for name, slope in expected.items())
        np.testing.assert_allclose(jnp.vdot(pull_back(weight), direction), total, rtol=1e-4)


def test_jitter_comes_from_the_key_alone(params, styles, rendering):
  """Protects reproducible pictures: the same key, the same picture; another key or none, another."""
  draw = lambda key: np.asarray(
      sampler.render(GENERATOR, params, styles, views(*VIEWS), key=key, **SIZE).rgb)
  np.testing.assert_array_equal(draw(jax.random.key(0)), draw(jax.random.key(0)))
  assert np.abs(draw(jax.random.key(0)) - draw(jax.random.key(1))).max() > 1e-4
  assert np.abs(draw(jax.random.key(0)) - rendering.rgb).max() > 1e-4


def test_drawing_all_classes_is_drawing(params, styles, rendering):
  """Protects part rendering: all classes give the whole picture, class_weights of ones too."""
  assert_same_rendering(sampler.render(GENERATOR, params, styles, views(*VIEWS), classes=range(K), **SIZE), rendering)
  ones = sampler.render(GENERATOR, params, styles, views(*VIEWS), class_weights=jnp.ones(K), **SIZE)
  assert_same_rendering(ones, rendering)


def test_drawing_one_class_keeps_the_whole_geometry(params, styles, rendering):
  """Protects part rendering: that class's mask, no other's; depth and sdf of the whole; class_weights says the same."""
  part = sampler.render(GENERATOR, params, styles, views(*VIEWS), classes=[1], **SIZE)
  for name in ('depth', 'surface_point', 'sdf', 'last_weight'):
    tiny.assert_close(getattr(part, name), getattr(rendering, name), rtol=2e-5, what=name)
  tiny.assert_close(part.semantic_mask[..., 1], rendering.semantic_mask[..., 1], rtol=2e-5)
  assert (np.asarray(part.semantic_mask)[..., [0, 2]] == 0).all()
  assert np.abs(np.asarray(part.rgb - rendering.rgb)).max() > 1e-3
  weighted = sampler.render(GENERATOR, params, styles, views(*VIEWS), class_weights=jnp.eye(K)[1], **SIZE)
  assert_same_rendering(weighted, part)


def test_no_class_is_grey(params, styles):
  """Protects the meaning of an empty selection: colour logit 0, so grey everywhere the weights reach."""
  empty = sampler.render(GENERATOR, params, styles, views(*VIEWS), classes=[], **SIZE)
  np.testing.assert_allclose(empty.rgb, 0, atol=1e-5)
  assert (np.asarray(empty.semantic_mask) == 0).all()


@pytest.mark.parametrize('classes', [[3], [-1], [0, 99]])
def test_unknown_class_is_refused(params, styles, classes):
  """Protects against silent wrapping of indices."""
  with pytest.raises(ValueError, match=r'are not in 0\.\.2') as error:
    sampler.render(GENERATOR, params, styles, views(*VIEWS), classes=classes, **SIZE)
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('options, message', [
    (dict(classes=[1], class_weights=jnp.ones(K)), 'classes and class_weights both say what to draw; give one of them'),
    (dict(class_weights=jnp.ones(K + 1)), r'class_weights has shape \(4,\), this generator needs \(3,\)'),
    (dict(class_weights=1.0), r'class_weights has shape \(\), this generator needs \(3,\)'),
    (dict(image_size=0), 'image_size 0 must be at least 1 pixel'),
    (dict(num_samples=1), 'num_samples 1 must be at least 2'),
    (dict(num_importance=-1), 'num_importance -1 must be at least 0'),
    (dict(num_chunks=3), '16 rays do not divide into 3 chunks')],
    ids=['both', 'length', 'number', 'no pixel', 'one sample', 'less than none', 'chunks'])
def test_impossible_drawings_are_refused(params, styles, options, message):
  """Protects from a wrong picture or an error deep inside: the value and the rule in one line."""
  with pytest.raises(ValueError, match=message) as error:
    sampler.render(GENERATOR, params, styles, views(*VIEWS), **SIZE | options)
  assert '\n' not in str(error.value)
  if 'class_weights' in options:
    with pytest.raises(ValueError, match=message):
      sampler.radiance_field(GENERATOR, params, styles, **options)


def test_the_compiled_pattern_of_the_docstring_runs(params, styles, rendering):
  """Protects what people copy: the two lines in `render`'s docstring, run as they stand but for the sizes."""
  lines = [line.strip() for line in sampler.render.__doc__.splitlines() if 'draw = ' in line or '= draw(' in line]
  assert len(lines) == 2
  code = '\n'.join(lines).replace('image_size=64, num_samples=24', 'image_size=4, num_samples=4')
  names = dict(functools=functools, jax=jax, sampler=sampler, camera=camera_lib, generator=GENERATOR, params=params, styles=styles)
  exec(code, names)
  expected = _jitted(params, styles, camera_lib.orbit(0.3, 0.0))
  assert_same_rendering(names['rendering'], expected)


@pytest.mark.parametrize('shape', [(2, 4, 2, 8), (2, 3, 1, 8), (2, 3, 2, 7), (3, 2, 7)])
def test_wrong_styles_are_refused(params, shape):
  """Protects against a matmul error deep inside: both shapes and the remedy in one line."""
  with pytest.raises(ValueError, match=r'styles end in shape .* needs \(3, 2, 8\); see map_latents') as error:
    sampler.render(GENERATOR, params, jnp.zeros(shape), views(*VIEWS), **SIZE)
  assert '\n' not in str(error.value)


def test_map_latents_gives_each_class_the_same_style(params):
  """Protects plain sampling, and mean_style as the mean of what is drawn."""
  z = jax.random.normal(jax.random.key(5), (2, 3, GENERATOR.style_dim))
  styles = sampler.map_latents(GENERATOR, params, z)
  w = GENERATOR.apply(params, z, method='map_latents')
  np.testing.assert_allclose(styles, latents.broadcast_style(w, num_classes=K), rtol=1e-6)
  mean = sampler.mean_style(GENERATOR, params, jax.random.key(0), num_latents=64)
  w = GENERATOR.apply(params, jax.random.normal(jax.random.key(0), (64, GENERATOR.style_dim)), method='map_latents')
  np.testing.assert_allclose(mean, np.asarray(w).mean(axis=0), rtol=1e-4, atol=1e-6)


def test_class_indices_reads_names():
  """Protects drawing by name, and its error that lists the right names."""
  assert sampler.class_indices('ffhq12', ['hair', 'hat']) == [8, 9]
  with pytest.raises(ValueError, match='beard.*background, skin'):
    sampler.class_indices('ffhq12', ['beard'])


def test_normals_are_those_of_finite_differences(params, styles):
  """Protects the pictures of shapes: the normal in camera axes is the slope of the signed distance along the camera's own axes."""
  camera, step = views(*VIEWS), 2e-4
  rendering = _jitted(params, styles, camera)
  found = sampler.surface(GENERATOR, params, styles, camera, rendering)
  assert found.normal.shape == (2, 4, 4, 3) and found.width.shape == found.opacity.shape == (2, 4, 4)
  field = sampler.radiance_field(GENERATOR, params, styles)
  axes = jnp.moveaxis(camera.cam_to_world[..., :3], -1, 0)[:, :, None, None, :]  # [x y z, batch, 1, 1, 3]
  slopes = jnp.stack([
      field.sdf(rendering.surface_point + step * axis) - field.sdf(rendering.surface_point - step * axis) for axis in axes], axis=-1)
  expected = slopes / jnp.linalg.norm(slopes, axis=-1, keepdims=True)
  assert np.ptp(expected, axis=(0, 1, 2)).min() > 0.1  # of a sphere, not of a wall
  np.testing.assert_allclose(found.normal, expected, atol=2e-2)


def test_surface_has_the_axes_of_its_rendering(params, styles, rendering):
  """Protects single portraits, and the width and opacity of a surface: by a loop over the samples of each ray."""
  camera = views(*VIEWS)
  found = sampler.surface(GENERATOR, params, styles, camera, rendering)
  alone = jax.tree.map(lambda x: x[1], (camera, rendering))
  one = sampler.surface(GENERATOR, params, styles[1], *alone)
  jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b[1], rtol=1e-4, atol=1e-4), one, found)
  np.testing.assert_allclose(found.opacity, 1 - rendering.last_weight, atol=1e-6)
  distances = 0.88 + 0.24 * np.arange(4) / 4
  beta = float(params['params']['field']['density_beta'])
  for ray in [(0, 0, 0), (1, 2, 1)]:
    left, weights = 1.0, []
    slant = np.hypot(1, np.hypot(*((np.array(ray[1:]) + 0.5 - 2) / 4 * 2 * np.tan(np.pi / 30))))
    for j, sdf in enumerate(np.asarray(rendering.sdf)[ray]):
      density = 1 / (1 + np.exp(sdf / beta)) / beta
      weights.append(left * (1 - np.exp(-density * slant * (0.06 if j < 3 else np.inf))))
      left -= weights[-1]
    mean = np.average(distances, weights=weights)
    np.testing.assert_allclose(found.width[ray], np.average((distances - mean)**2, weights=weights)**0.5, rtol=1e-3)


def test_importance_adds_samples_around_the_surface(params, styles):
  """Protects num_importance: samples of both passes, in order, whatever the chunks; the surface follows."""
  camera = views(*VIEWS)

  @functools.partial(jax.jit, static_argnums=0)
  def draw(num_chunks):
    rendering = sampler.render(GENERATOR, params, styles, camera, num_importance=3, num_chunks=num_chunks, **SIZE)
    return rendering, sampler.surface(GENERATOR, params, styles, camera, rendering)

  (found, surface), (cut, _) = draw(None), draw(4)
  assert found.sdf.shape == found.distances.shape == (2, 4, 4, 7) and (np.diff(found.distances, axis=-1) >= 0).all()
  assert_same_rendering(cut, found)
  np.testing.assert_allclose(surface.opacity, 1 - found.last_weight, atol=1e-6)


def test_sizes_without_divisors_are_padded(params, styles, monkeypatch):
  """Protects any image size: 5x5 pixels in chunks that 25 does not divide into are the pixels drawn whole."""
  camera = views(*VIEWS)

  def draw():
    rendering = sampler.render(GENERATOR, params, styles, camera, image_size=5, num_samples=4)
    return rendering, sampler.surface(GENERATOR, params, styles, camera, rendering).normal

  whole, normals = jax.jit(draw)()
  monkeypatch.setitem(sampler.volume_rendering._ACTIVATIONS_PER_CHUNK, 'cpu', 2 * 4 * K * GENERATOR.width * 4)  # four rays
  cut, cut_normals = jax.jit(lambda: draw())()
  assert_same_rendering(cut, whole)
  np.testing.assert_allclose(cut_normals, normals, atol=1e-4)


@pytest.mark.parametrize('num_chunks', [0, -4])
def test_impossible_chunks_are_one_line(num_chunks):
  """Protects callers who know the config's 0: None chooses here."""
  generator = tiny.make_generator()
  styles = jnp.zeros((1, 3, 2, 8))
  with pytest.raises(ValueError, match=f'num_chunks {num_chunks} must be at least 1; None chooses it'):
    sampler.render(generator, {}, styles, camera_lib.orbit(0.0, 0.0), image_size=4, num_samples=4, num_chunks=num_chunks)


def test_nobody_is_one_line():
  """Protects loops that end with an empty batch."""
  with pytest.raises(ValueError, match='are of nobody; give at least one portrait'):
    sampler.render(tiny.make_generator(), {}, jnp.zeros((0, 3, 2, 8)), camera_lib.orbit(0.0, 0.0), image_size=4, num_samples=4)
