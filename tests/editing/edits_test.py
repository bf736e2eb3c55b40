import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import latents
from cnerf_jax import sampler
from cnerf_jax import semantics
from cnerf_jax.editing import edits
from cnerf_jax.semantics import SemanticClass

EDITS = {
    'swap': lambda styles, donor, *region, **kind: edits.swap(styles, donor, *region, **kind),
    'interpolate': lambda styles, donor, *region, **kind: edits.interpolate(styles, donor, 0.3, *region, **kind),
    'move': lambda styles, donor, *region, **kind: edits.move(styles, donor[0, 0], 0.5, *region, **kind),
    'truncate': lambda styles, donor, *region, **kind: edits.truncate(styles, jnp.full(8, 0.1), 0.5, *region, **kind),
}


@pytest.mark.parametrize('name', EDITS)
@pytest.mark.parametrize('kind', [None, latents.SHAPE, latents.TEXTURE])
def test_an_edit_touches_its_region_alone(name, kind, styles):
  """Protects everything that is not edited: every row outside of the region is the same, bitwise, every row inside is new."""
  edited = EDITS[name](styles[0], styles[1], SemanticClass.NOSE, kind=kind)
  touched = np.any(np.asarray(edited != styles[0]), axis=-1)
  expected = np.zeros((3, 2), bool)
  expected[SemanticClass.NOSE, slice(None) if kind is None else kind] = True
  np.testing.assert_array_equal(touched, expected)


@pytest.mark.parametrize('name', EDITS)
def test_edits_are_pure(name, styles):
  """Protects use within other JAX code: the same under jit and vmap, and gradients that equal finite differences."""
  edit = functools.partial(EDITS[name], kind=latents.SHAPE)
  one = edit(styles[0], styles[1], SemanticClass.SKIN)
  jitted = jax.jit(lambda a, b: edit(a, b, SemanticClass.SKIN))(styles[0], styles[1])
  np.testing.assert_allclose(jitted, one, atol=1e-6)
  many = jax.vmap(lambda a, b: edit(a, b, SemanticClass.SKIN))(styles[:2], styles[1:3])
  np.testing.assert_allclose(many[0], one, atol=1e-6)
  loss = lambda donor: jnp.sum(jnp.sin(edit(styles[0], donor, SemanticClass.SKIN)))
  direction = styles[2]
  slope = jnp.vdot(jax.grad(loss)(styles[1]), direction)
  difference = (loss(styles[1] + 0.01 * direction) - loss(styles[1] - 0.01 * direction)) / 0.02
  np.testing.assert_allclose(slope, difference, atol=2e-3)


def test_a_style_swapped_with_itself_changes_nothing(model, styles):
  """Protects the receiver: the rendering is the same, bitwise."""
  draw = jax.jit(lambda styles: model.render(styles, sampler.camera_lib.orbit(0.1, 0.0)).rgb)
  swapped = edits.swap(styles[0], styles[0], [SemanticClass.SKIN, SemanticClass.NOSE])
  np.testing.assert_array_equal(draw(swapped), draw(styles[0]))


def test_an_edit_leaves_other_classes_own_terms(model, styles):
  """Protects locality: colour, mask score and residual of every other class are the same at every point, bitwise."""
  points = jax.random.uniform(jax.random.key(0), (7, 4, 3), minval=-1)
  viewdirs = jnp.ones((7, 3)) / 3**0.5

  @jax.jit
  def own_terms(styles):
    bank = sampler.radiance_field(model.generator, model.params, styles[None]).bank
    one = jax.tree.map(lambda x: x, bank)
    axes = type(one)(shape_layers=0, texture_layers=0, sdf_head=None, mask_head=None, feature_head=None, color_head=None)
    of_class = jax.vmap(lambda field: field.query(points, viewdirs), in_axes=(axes,))
    return jax.vmap(of_class)(one)

  before, after = own_terms(styles[0]), own_terms(edits.swap(styles[0], styles[1], SemanticClass.NOSE))
  for name, old in vars(before).items():
    new = getattr(after, name)
    others = [SemanticClass.BACKGROUND, SemanticClass.SKIN]
    np.testing.assert_array_equal(np.asarray(new)[others], np.asarray(old)[others], err_msg=name)
    assert np.any(np.asarray(new)[SemanticClass.NOSE] != np.asarray(old)[SemanticClass.NOSE]), name


def test_amounts_may_differ_between_people(styles):
  """Protects batches: a fraction or an amount of each portrait is that portrait's; 0 changes nothing, 1 is the donor's."""
  fraction = jnp.array([0.0, 1.0, 0.5])
  edited = edits.interpolate(styles[:3], styles[3:], fraction, SemanticClass.NOSE)
  np.testing.assert_array_equal(edited[0], styles[0])
  np.testing.assert_allclose(edited[1, SemanticClass.NOSE], styles[4, SemanticClass.NOSE], atol=1e-6)
  moved = edits.move(styles[:3], styles[3, 0, 0], fraction, SemanticClass.NOSE, kind=latents.TEXTURE)
  np.testing.assert_allclose(
      moved[2, SemanticClass.NOSE, latents.TEXTURE], styles[2, SemanticClass.NOSE, latents.TEXTURE] + 0.5 * styles[3, 0, 0], atol=1e-6)
  np.testing.assert_array_equal(edits.truncate(styles, jnp.zeros((3, 2, 8)), 0.0, SemanticClass.NOSE)[:, SemanticClass.NOSE], 0)


@pytest.mark.parametrize('changes, message', [
    ({'classes': 'nose'}, "class 'nose' is a name; use SemanticClass.NOSE"),
    ({'classes': SemanticClass.HAIR}, 'class 8 is not in 0..2'),
    ({'classes': -1}, 'class -1 is not in 0..2'),
    ({'classes': 1.5}, 'class 1.5 is no semantic class'),
    ({'classes': []}, 'no semantic class given'),
    ({'kind': 'shape'}, "kind 'shape' is neither shape nor texture; use latents.SHAPE"),
    ({'kind': 2}, 'kind 2 is neither'),
    ({'styles': np.zeros((3, 8))}, r'styles has shape \(3, 8\), styles are'),
    ({'donor': np.zeros((3, 2, 7))}, r'the other styles have shape \(3, 2, 7\)'),
])
def test_wrong_input_is_one_line(changes, message, styles):
  """Protects the user: the value, the rule, the remedy, in one line."""
  good = dict(styles=styles[0], donor=styles[1], classes=SemanticClass.NOSE, kind=None) | changes
  with pytest.raises(ValueError, match=message) as error:
    edits.swap(good['styles'], good['donor'], good['classes'], kind=good['kind'])
  assert '\n' not in str(error.value)


def test_a_class_of_another_set_is_refused():
  """Protects models of nine classes: SemanticClass.NOSE, 2 in ffhq12, would be the eyes there."""
  nine = jnp.zeros((9, 2, 8))
  with pytest.raises(ValueError, match=r'SemanticClass.NOSE is of ffhq12.*semantics.class_set\(.ffhq9.\)'):
    edits.swap(nine, nine + 1, SemanticClass.NOSE)
  edited = edits.swap(nine, nine + 1, semantics.FFHQ9.index('nose'))
  assert jnp.all(edited[5] == 1) and jnp.sum(edited) == 16


def test_a_direction_of_another_width_is_refused(styles):
  """Protects `move` from broadcasting what does not fit."""
  with pytest.raises(ValueError, match=r'direction has shape \(1,\), these styles'):
    edits.move(styles[0], jnp.ones(1), 1.0, SemanticClass.NOSE)
