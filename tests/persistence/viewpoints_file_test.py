import json

import pytest

from cnerf_jax.persistence import viewpoints_file


def test_what_is_written_is_read_again_by_name(tmp_path):
  """Protects cameras: any name, tuples and lists, every digit; a line for each picture in the order of names, so that files can be compared."""
  viewpoints = {'b "quoted"\n': (0.1, -0.25), 'a/ä': [1.23456789012, 0.0], '': (-3, 1e-9)}
  path = tmp_path / viewpoints_file.NAME
  viewpoints_file.write(path, viewpoints)
  found = json.loads(path.read_text(encoding='utf-8'))
  assert found == {name: list(view) for name, view in viewpoints.items()} and list(found) == sorted(viewpoints)
  assert len(path.read_text().splitlines()) == 3
  viewpoints_file.write(path, {})
  assert json.loads(path.read_text()) == {}


def test_a_file_that_can_not_be_written_is_one_line(tmp_path):
  """Protects from a traceback: the place is named."""
  (tmp_path / 'taken').write_text('a file')
  with pytest.raises(OSError, match='taken') as error:
    viewpoints_file.write(tmp_path / 'taken' / 'viewpoints.json', {'a': (0.0, 0.0)})
  assert '\n' not in str(error.value)
