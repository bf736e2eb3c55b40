import errno
import json
import os

import numpy as np
import pytest

from cnerf_jax.persistence import parameter_file


def test_texts_and_arrays_are_given_back(tmp_path):
  """Protects shared files: JSON texts and arrays stand under their names, bit for bit, and the same content makes the same bytes."""
  arrays = parameter_file.flat({'params': {'mapping': {'mean': np.float32([1, 2]), 'steps': np.int8([[3]])}}})
  assert set(arrays) == {'params/mapping/mean', 'params/mapping/steps'}
  for name in ('one.npz', 'two.npz'):
    parameter_file.write(tmp_path / name, {'settings': {'width': 8, 'sizes': (1, 2)}}, arrays)
  with np.load(tmp_path / 'one.npz', allow_pickle=False) as file:
    assert json.loads(str(file['settings'])) == {'width': 8, 'sizes': [1, 2]}
    assert set(file.files) == {'settings', *arrays}
    for name, array in arrays.items():
      assert file[name].dtype == array.dtype
      np.testing.assert_array_equal(file[name], array)
  assert (tmp_path / 'one.npz').read_bytes() == (tmp_path / 'two.npz').read_bytes()


@pytest.mark.parametrize('content', [b'', b'no zip at all', b'PK\x03\x04 cut'], ids=['empty', 'other', 'cut'])
def test_damaged_files_raise_what_is_caught(tmp_path, content):
  """Protects from tracebacks: reading what is no such file raises one of the errors that readers turn into a line."""
  (tmp_path / 'file.npz').write_bytes(content)
  with pytest.raises(parameter_file.UNREADABLE):
    with np.load(tmp_path / 'file.npz', allow_pickle=False) as file:
      dict(file)


def test_a_file_that_cannot_be_written_is_one_line(tmp_path):
  """Protects from a traceback where a path leads through a file, and that file from being lost."""
  (tmp_path / 'people').write_text('kept')
  with pytest.raises(OSError) as error:
    parameter_file.write(tmp_path / 'people' / 'file.npz', {}, {})
  assert 'people' in str(error.value) and '\n' not in str(error.value)
  assert (tmp_path / 'people').read_text() == 'kept'


def test_a_full_disk_leaves_the_file_that_was_there(tmp_path, monkeypatch):
  """Protects parameters that are written over: where the new ones can't be stored, the old ones are whole."""
  path = tmp_path / 'people.npz'
  parameter_file.write(path, {'settings': {'width': 8}}, {})
  before = path.read_bytes()

  def full(descriptor):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

  monkeypatch.setattr(os, 'fsync', full)
  with pytest.raises(OSError):
    parameter_file.write(path, {'settings': {'width': 9}}, {})
  assert path.read_bytes() == before and os.listdir(tmp_path) == ['people.npz']
