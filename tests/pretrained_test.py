import pathlib

import jax
import numpy as np
import pytest

import tiny

from cnerf_jax import pretrained
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


def test_arrays_without_settings_are_refused(tmp_path):
  """Protects from arrays of something else."""
  np.savez(tmp_path / 'other.npz', x=np.zeros(3))
  with pytest.raises(ValueError, match='other.npz holds no generator'):
    pretrained.load(tmp_path / 'other.npz')


def test_shipped_people_are_drawn():
  """Protects the first thing that a newcomer tries: the weights in the repository load and know all twelve classes."""
  generator, params = pretrained.load(ROOT / 'pretrained' / 'portraits32.npz')
  assert generator.num_classes == 12 and all(np.isfinite(np.asarray(x)).all() for x in jax.tree.leaves(params))
