import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import camera
from cnerf_jax import latents
from cnerf_jax.editing import direction_methods
from cnerf_jax.editing import directions
from cnerf_jax.editing import image_changes
from cnerf_jax.editing import style_statistics
from cnerf_jax.models import local_generator
from cnerf_jax.semantics import SemanticClass

pytestmark = pytest.mark.usefixtures('quick_compilation')


@pytest.fixture(scope='module')
def statistics(model):
  return style_statistics.of_model(model, jax.random.key(0), num_people=200)


@pytest.fixture(scope='module')
def found(model, statistics):
  return directions.find(
      model, jax.random.key(1), statistics=statistics, classes=[SemanticClass.NOSE, SemanticClass.SKIN], count=2, num_people=1, image_size=8,
      subspace=4)


def test_directions_are_unit_vectors_in_order(found):
  """Protects the table: every class, kind and method is there, vectors have length one, sorted by what they move inside."""
  assert len(found) == 2 * 2 * (1 + 3 * 2)
  np.testing.assert_allclose(np.linalg.norm(found.vector, axis=-1), 1, rtol=1e-4)
  assert np.all(np.diff(found.semantic_class) >= 0) and np.all(found.area >= 0)
  for kind in (latents.SHAPE, latents.TEXTURE):
    of_nose = found.of(SemanticClass.NOSE, kind)
    assert set(of_nose.method) == set(directions.METHODS) and np.all(np.diff(of_nose.inside) <= 0)
    np.testing.assert_allclose(of_nose.step(1), of_nose.deviation[1] * of_nose.vector[1])


def test_what_directions_move_is_what_a_small_step_changes(model, found):
  """Protects the measures from finite differences of a rendering: colours inside and outside, and the class's area."""
  nose = found.of(SemanticClass.NOSE, latents.SHAPE)
  person = model.draw_styles(jax.random.key(1), 1)[0]
  step = np.zeros((3, 2, 8), np.float32)
  step[SemanticClass.NOSE, latents.SHAPE] = nose.step(0)
  draw = jax.jit(lambda styles: model.render(styles, camera.orbit(0.0, 0.0)))
  here, more, less = (draw(person + amount * step) for amount in (0.0, 0.02, -0.02))
  change = np.asarray(more.rgb - less.rgb, np.float64) / 0.04
  mask = np.asarray(here.semantic_mask[..., SemanticClass.NOSE], np.float64)
  rms = lambda weights: np.sqrt((weights * (change**2).mean(axis=-1)).sum() / weights.sum())
  np.testing.assert_allclose([nose.inside[0], nose.outside[0]], [rms(mask), rms(1 - mask)], rtol=0.05)
  area = np.asarray(more.semantic_mask - less.semantic_mask)[..., SemanticClass.NOSE].sum() / 0.04 / mask.sum()
  np.testing.assert_allclose(nose.area[0], area, rtol=0.05, atol=1e-3)


def test_energies_are_sums_of_squares(model, statistics):
  """Protects what 'local' optimises: J^T J inside and outside, from the measures of single steps."""
  changes = image_changes.ImageChanges(model, model.draw_styles(jax.random.key(4), 1), image_size=4)
  steps = direction_methods.principal_components(statistics, SemanticClass.SKIN, latents.TEXTURE, count=2)
  inside, outside = changes.energies(steps, SemanticClass.SKIN, latents.TEXTURE)
  both, _ = changes.energies(steps[:1] + steps[1:], SemanticClass.SKIN, latents.TEXTURE)
  np.testing.assert_allclose(both[0, 0], jnp.sum(inside), rtol=1e-3)
  np.testing.assert_allclose(inside, inside.T, rtol=1e-4, atol=1e-8)
  assert np.all(np.linalg.eigvalsh(outside) > -1e-6)


def test_local_directions_win_by_their_own_measure():
  """Protects the generalised eigenvectors: no other combination of components changes more inside for the change outside."""
  draw = np.random.default_rng(0)
  square = lambda: (lambda x: jnp.asarray(x @ x.T, jnp.float32))(draw.standard_normal((5, 8)))
  inside, outside, components = square(), square(), jnp.asarray(draw.standard_normal((5, 6)), jnp.float32)
  best = direction_methods.local_directions(inside, outside, components, count=2)
  ridge = 0.05 * np.trace(inside + outside) / 5
  ratio = lambda a: a @ inside @ a / (a @ outside @ a + ridge * a @ a)
  combination = np.linalg.lstsq(np.asarray(components).T, np.asarray(best[0]), rcond=None)[0]
  assert ratio(combination) >= max(ratio(a) for a in draw.standard_normal((2000, 5))) * 0.999
  assert ratio(combination) > ratio(np.linalg.lstsq(np.asarray(components).T, np.asarray(best[1]), rcond=None)[0])


def test_principal_components_are_those_of_numpy(statistics):
  """Protects the components: SVD of one row's covariance, largest first, as long as standard deviations."""
  shape = statistics.mean.shape
  covariance = np.asarray(statistics.covariance).reshape(*shape, *shape)[2, 1, :, 2, 1]
  vectors, variances, _ = np.linalg.svd(covariance)
  components = direction_methods.principal_components(statistics, SemanticClass.NOSE, latents.TEXTURE, count=3)
  np.testing.assert_allclose(np.linalg.norm(components, axis=-1), np.sqrt(variances[:3]), rtol=1e-3)
  np.testing.assert_allclose(np.abs(np.sum(components[0] * vectors[:, 0])), np.sqrt(variances[0]), rtol=1e-3)


def test_film_directions_turn_phases_most(model):
  """Protects the factorisation: along its first direction a class's first sine layer changes more than along its last, in the layer itself."""
  film = direction_methods.film_directions(model.params, SemanticClass.SKIN, latents.TEXTURE, count=8)
  np.testing.assert_allclose(film @ film.T, np.eye(8), atol=1e-4)
  bank = jax.tree.map(lambda x: x[SemanticClass.SKIN], model.params['params']['field']['bank'])
  layers = local_generator.LocalGenerator(width=8, num_shape_layers=2, num_texture_layers=1, gamma_offset=model.generator.gamma_offset)
  features = jax.random.uniform(jax.random.key(0), (500, 8), minval=-1) * 3**0.5 * direction_methods.SINE_SQUARE**0.5

  def phases(texture):
    layer = layers.apply({'params': bank}, jnp.stack([jnp.zeros(8), texture])[None]).texture_layers[0]
    return features @ layer.kernel[0] + layer.bias[0]

  turned = [float(jnp.linalg.norm(phases(v) - phases(jnp.zeros(8)))) for v in film]
  assert turned[0] == max(turned) and turned[0] > 1.2 * turned[-1]
  np.testing.assert_allclose(turned, sorted(turned, reverse=True), rtol=0.1)


def test_the_norm_is_the_baseline():
  """Protects w / |w|, of any stack of styles, zeros included."""
  w = jnp.array([[3.0, 4.0], [0.0, 0.0]])
  np.testing.assert_allclose(direction_methods.norm_direction(w), [[0.6, 0.8], [0, 0]], rtol=1e-6)


def test_files_hold_directions(found, tmp_path):
  """Protects the file: what was saved comes back, and files of something else are refused in one line."""
  directions.save(tmp_path / 'directions.npz', found)
  loaded = directions.load(tmp_path / 'directions.npz')
  for name, value in vars(found).items():
    np.testing.assert_array_equal(getattr(loaded, name), value, err_msg=name)
  np.savez(tmp_path / 'other.npz', vector=np.zeros(3))
  with pytest.raises(ValueError, match='other.npz holds no directions'):
    directions.load(tmp_path / 'other.npz')
  with pytest.raises(FileNotFoundError, match='no file .*missing.npz'):
    directions.load(tmp_path / 'missing.npz')


@pytest.mark.parametrize('act, message', [
    (lambda model, found: found.of(SemanticClass.HAIR, latents.SHAPE), 'no directions of class 8, kind 0 and method None'),
    (lambda model, found: found.of(SemanticClass.NOSE, latents.SHAPE, 'pca'), "method 'pca' is not known; use one of norm, principal"),
    (lambda model, found: directions.find(model, jax.random.key(0), count=99), r'count 99 must be in 1..8'),
    (lambda model, found: directions.find(model, jax.random.key(0), num_people=0), 'num_people 0 must be at least 1'),
    (lambda model, found: directions.find(model, jax.random.key(0), classes=SemanticClass.HAIR), r'class 8 is not in 0..2'),
])
def test_wrong_input_is_one_line(act, message, model, found):
  """Protects the user: the value, the rule, the remedy, in one line."""
  with pytest.raises(ValueError, match=message) as error:
    act(model, found)
  assert '\n' not in str(error.value)
