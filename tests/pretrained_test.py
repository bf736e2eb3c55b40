import dataclasses
import hashlib
import json
import os
import pathlib

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

import cnerf_jax
from cnerf_jax import camera
from cnerf_jax import latents
from cnerf_jax import pretrained
from cnerf_jax import sampler
from cnerf_jax import semantics
from cnerf_jax.models import generator as generator_lib

ROOT = pathlib.Path(__file__).parents[1]
SHIPPED = ROOT / 'pretrained' / 'portraits32.npz'
# of names and bytes of the parameters when they were trained; a file may be written again, but not changed
SHIPPED_DIGEST = '8527e5d364d1d33bfb277ea933314410693bdc048fa7e46a6fd2d5f0ee03461b'
TRAINING = dict(
    image_size=16, num_samples=4, azimuth_std=0.25, elevation_std=0.1, elevation_mean=0.05,
    provenance=dict(config='tiny', step=7, seed=3, data='portraits', averaged=True, version=cnerf_jax.__version__))


@pytest.fixture
def saved(tmp_path):
  generator = tiny.make_generator(mask_fusion='softmax', color_gain=3.0)
  model = pretrained.Model(generator, tiny.make_params(generator), **TRAINING)
  pretrained.save(tmp_path / 'people.npz', model)
  return tmp_path / 'people.npz', model


def assert_same_params(actual, expected):
  assert jax.tree.structure(actual) == jax.tree.structure(expected)
  for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected)):
    np.testing.assert_array_equal(a, b)


def rewrite(path, **changes):
  """The file with some of its entries replaced, or left out where they are None."""
  with np.load(path) as file:
    entries = dict(file) | changes
  np.savez(path, **{name: value for name, value in entries.items() if value is not None})


def test_one_file_gives_back_the_model(saved):
  """Protects people who share weights: every setting of the generator and every array, bit for bit, and all that drawing needs."""
  path, model = saved
  loaded = pretrained.load(path)
  assert loaded.generator == model.generator
  assert_same_params(loaded.params, model.params)
  assert {name: getattr(loaded, name) for name in TRAINING} == TRAINING and loaded.class_set is None
  expected = sampler.mean_style(model.generator, model.params, jax.random.key(0))
  np.testing.assert_allclose(loaded.w_mean, expected, rtol=1e-5, atol=1e-6)
  moved = dataclasses.replace(loaded, w_mean=loaded.w_mean + 1)
  pretrained.save(path, moved)
  np.testing.assert_array_equal(pretrained.load(path).w_mean, moved.w_mean)  # handed on, not computed again


def test_file_of_the_first_version_still_loads(saved):
  """Protects files that people have: parameters alone load, the mean w is computed, a rendering asks for what is not known."""
  path, model = saved
  rewrite(path, training=None, w_mean=None)
  loaded = pretrained.load(path)
  assert_same_params(loaded.params, model.params)
  assert all(getattr(loaded, name) is None for name in ('class_set', *TRAINING))
  assert loaded.w_mean.shape == (8,)
  styles = loaded.map_latents(jnp.ones(8))
  for known, asked in (({}, 'image_size'), (dict(image_size=4), 'num_samples')):
    with pytest.raises(ValueError, match=f'these weights do not say their {asked}; give that of their training') as error:
      loaded.render(styles, camera.orbit(0.0, 0.0), **known)
    assert '\n' not in str(error.value)
  assert loaded.render(styles, camera.orbit(0.0, 0.0), image_size=4, num_samples=4).rgb.shape == (4, 4, 3)


@pytest.mark.parametrize('field, message', [
    (dict(class_set='ffhq12'), 'class_set ffhq12 has 12 classes, the generator 3; use the set of its training'),
    (dict(class_set='ffhq7'), "unknown class set 'ffhq7'; use one of ffhq12, ffhq9"),
    (dict(image_size=0), 'image_size 0 must be a whole number of at least 1'),
    (dict(num_samples=1), 'num_samples 1 must be a whole number of at least 2'),
    (dict(num_samples='8'), "num_samples '8' must be a whole number of at least 2"),
    (dict(azimuth_std=-0.3), 'azimuth_std -0.3 must be a number of radians of at least 0'),
    (dict(w_mean=np.zeros(3)), r'w_mean has shape \(3,\), this generator needs \(8,\); see sampler.mean_style'),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else '')
def test_fields_that_do_not_fit_are_refused(saved, field, message):
  """Protects from a file that says something false of its weights: when it is made, and when it is read."""
  path, model = saved
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(model, **field)
  changes = dict(w_mean=field['w_mean']) if 'w_mean' in field else dict(training=np.array(json.dumps(TRAINING | field)))
  rewrite(path, **changes)
  with pytest.raises(ValueError, match=f'people.npz holds no generator .{message}') as error:
    pretrained.load(path)
  assert '\n' not in str(error.value)


def test_every_setting_is_saved():
  """Protects files against settings that come later: what the generator's class declares is what is written."""
  assert set(generator_lib.SETTINGS) == set(generator_lib.Generator.__annotations__) - {'parent', 'name'}


@pytest.mark.parametrize('damage', [
    lambda data: data[:len(data) // 2], lambda data: b'no zip at all', lambda data: b''], ids=['half', 'other', 'empty'])
def test_damaged_file_is_refused_in_one_line(saved, damage):
  """Protects from a traceback: a file that holds no generator is named, with what to give instead."""
  path, _ = saved
  path.write_bytes(damage(path.read_bytes()))
  with pytest.raises(ValueError, match='people.npz holds no generator .*pretrained.save wrote') as error:
    pretrained.load(path)
  assert '\n' not in str(error.value)


def test_every_byte_counts(saved):
  """Protects from wrong pictures: wherever a byte of the arrays is damaged, the file is refused, whatever unpacking makes of it."""
  path, _ = saved
  data = path.read_bytes()
  for place in np.random.default_rng(0).integers(200, len(data) // 2, 30):
    path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1:])
    try:
      loaded = pretrained.load(path)
    except ValueError as error:
      assert 'holds no generator' in str(error) and '\n' not in str(error)
    else:  # a byte of a name or a date that zip does not use
      path.write_bytes(data)
      assert_same_params(loaded.params, pretrained.load(path).params)


def test_arrays_must_fit_the_settings(saved):
  """Protects from errors deep inside a rendering: what a file lacks is told when it is read."""
  path, _ = saved
  rewrite(path, **{'params/field/density_beta': None})
  with pytest.raises(ValueError, match='density_beta is nothing, its settings ask for'):
    pretrained.load(path)


@pytest.mark.parametrize('options', [dict(step=5), dict(ema=False)], ids=lambda o: next(iter(o)))
def test_a_file_has_no_steps(saved, options):
  """Protects from an option that is silently ignored."""
  with pytest.raises(ValueError, match='leave step and ema out'):
    pretrained.load(saved[0], **options)


def test_missing_file_is_told(tmp_path):
  """Protects from a misleading search for a run in a mistyped file."""
  with pytest.raises(FileNotFoundError, match='no file .*peple.npz'):
    pretrained.load(tmp_path / 'peple.npz')


def test_home_folder(saved, monkeypatch):
  """Protects paths with ~, which no shell has expanded."""
  monkeypatch.setenv('HOME', str(saved[0].parent))
  assert pretrained.load('~/people.npz').generator == saved[1].generator


def test_arrays_without_settings_are_refused(tmp_path):
  """Protects from arrays of something else."""
  np.savez(tmp_path / 'other.npz', x=np.zeros(3))
  with pytest.raises(ValueError, match='other.npz holds no generator'):
    pretrained.load(tmp_path / 'other.npz')


def test_shipped_people_are_drawn():
  """Protects the first thing that a newcomer tries: the weights in the repository draw people, background around and skin within."""
  model = pretrained.load(SHIPPED)
  styles = model.map_latents(jax.random.normal(jax.random.key(0), (2, model.generator.style_dim)))
  portrait = model.render(styles, camera.orbit(0.0, 0.0), image_size=8)
  likeliest = np.argmax(portrait.semantic_mask, axis=-1)
  assert (likeliest[:, 0, 0] == semantics.SemanticClass.BACKGROUND).all() and (likeliest[:, 3:5, 3:5] != 0).all()
  assert np.isfinite(portrait.rgb).all() and np.std(portrait.rgb) > 0.1


def test_shipped_parameters_are_those_that_were_trained():
  """Protects the pictures in the documents: whatever is written beside them, the parameters stay the same to the last bit; and small."""
  digest = hashlib.sha256()
  for name, leaf in sorted(traverse_util.flatten_dict(pretrained.load(SHIPPED).params, sep='/').items()):
    digest.update(name.encode())
    digest.update(np.asarray(leaf).tobytes())
  assert digest.hexdigest() == SHIPPED_DIGEST
  assert os.path.getsize(SHIPPED) < 3_000_000


def test_shipped_file_says_what_made_it():
  """Protects newcomers from guessing: class set, sizes, cameras, mean w and origin are in the file, and the mean is that of its parameters."""
  model = pretrained.load(SHIPPED)
  assert (model.class_set, model.image_size, model.num_samples) == ('ffhq12', 32, 8)
  assert (model.azimuth_std, model.elevation_std) == (camera.AZIMUTH_STD_RADIANS, camera.ELEVATION_STD_RADIANS)
  assert model.provenance | {'version': ''} == dict(
      config='portraits32_long', step=1_000, seed=0, data='portraits', averaged=True, version='')
  expected = sampler.mean_style(model.generator, model.params, jax.random.key(1), num_latents=4096)
  np.testing.assert_allclose(model.w_mean, expected, atol=0.1)
  w = model.map_latents(jnp.ones(model.generator.style_dim))[0, 0]
  np.testing.assert_allclose(latents.truncate(w, model.w_mean, 0.0), model.w_mean)
