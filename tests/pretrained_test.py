import pathlib

import jax
import numpy as np
import pytest

import tiny

from cnerf_jax import camera
from cnerf_jax import pretrained
from cnerf_jax import sampler
from cnerf_jax import semantics
from cnerf_jax.models import generator as generator_lib

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def saved(tmp_path):
  generator = tiny.make_generator(mask_fusion='softmax', color_gain=3.0)
  params = tiny.make_params(generator)
  pretrained.save(tmp_path / 'people.npz', generator, params)
  return tmp_path / 'people.npz', generator, params


def test_one_file_gives_back_generator_and_parameters(saved):
  """Protects people who share weights: every setting of the generator and every array, bit for bit, from one file."""
  path, generator, params = saved
  loaded, read = pretrained.load(path)
  assert loaded == generator and jax.tree.structure(read) == jax.tree.structure(params)
  for a, b in zip(jax.tree.leaves(read), jax.tree.leaves(params)):
    np.testing.assert_array_equal(a, b)


def test_every_setting_is_saved():
  """Protects files against settings that come later: what the generator's class declares is what is written."""
  assert set(generator_lib.SETTINGS) == set(generator_lib.Generator.__annotations__) - {'parent', 'name'}


@pytest.mark.parametrize('damage', [
    lambda data: data[:len(data) // 2], lambda data: b'no zip at all', lambda data: b''], ids=['half', 'other', 'empty'])
def test_damaged_file_is_refused_in_one_line(saved, damage):
  """Protects from a traceback: a file that holds no generator is named, with what to give instead."""
  path, _, _ = saved
  path.write_bytes(damage(path.read_bytes()))
  with pytest.raises(ValueError, match='people.npz holds no generator .*pretrained.save wrote') as error:
    pretrained.load(path)
  assert '\n' not in str(error.value)


def test_every_byte_counts(saved):
  """Protects from wrong pictures: wherever a byte of the arrays is damaged, the file is refused, whatever unpacking makes of it."""
  path, _, _ = saved
  data = path.read_bytes()
  for place in np.random.default_rng(0).integers(200, len(data) // 2, 30):
    path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1:])
    try:
      loaded = pretrained.load(path)
    except ValueError as error:
      assert 'holds no generator' in str(error) and '\n' not in str(error)
    else:  # a byte of a name or a date that zip does not use
      path.write_bytes(data)
      for a, b in zip(jax.tree.leaves(loaded[1]), jax.tree.leaves(pretrained.load(path)[1])):
        np.testing.assert_array_equal(a, b)


def test_arrays_must_fit_the_settings(saved):
  """Protects from errors deep inside a rendering: what a file lacks is told when it is read."""
  path, _, _ = saved
  with np.load(path) as file:
    arrays = dict(file)
  del arrays['params/field/density_beta']
  np.savez(path, **arrays)
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
  assert pretrained.load('~/people.npz')[0] == saved[1]


def test_arrays_without_settings_are_refused(tmp_path):
  """Protects from arrays of something else."""
  np.savez(tmp_path / 'other.npz', x=np.zeros(3))
  with pytest.raises(ValueError, match='other.npz holds no generator'):
    pretrained.load(tmp_path / 'other.npz')


def test_shipped_people_are_drawn():
  """Protects the first thing that a newcomer tries: the weights in the repository draw people, background around and skin within."""
  generator, params = pretrained.load(ROOT / 'pretrained' / 'portraits32.npz')
  styles = sampler.map_latents(generator, params, jax.random.normal(jax.random.key(0), (2, generator.style_dim)))
  portrait = sampler.render(generator, params, styles, camera.orbit(0.0, 0.0), image_size=8, num_samples=8)
  likeliest = np.argmax(portrait.semantic_mask, axis=-1)
  assert (likeliest[:, 0, 0] == semantics.SemanticClass.BACKGROUND).all() and (likeliest[:, 3:5, 3:5] != 0).all()
  assert np.isfinite(portrait.rgb).all() and np.std(portrait.rgb) > 0.1
