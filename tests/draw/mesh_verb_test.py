"""The verb mesh: a closed head in each kind of file, again bit for bit from its JSON, refusals in one line."""

import json

import asked
import pytest

from cnerf_jax.draw import models
from cnerf_jax.meshing import splats

trimesh = pytest.importorskip('trimesh')
pytest.importorskip('skimage')
pytestmark = pytest.mark.usefixtures('quick_compilation')


def run(capsys, *arguments):
  """(exit code, standard output, last line of the error output)."""
  code, out, error = asked.said(capsys, *arguments)
  return code, out, error.splitlines()[-1] if error else ''


@pytest.mark.parametrize('name, options', [
    ('head.glb', []), ('head.ply', []), ('both.obj', ['--whole', '--parts']), ('parts.glb', ['--parts']), ('splats.ply', ['--splats', '500']),
    ('textured.obj', ['--texture', '64'])])
def test_a_file_is_written_and_made_again(capsys, model_file, tmp_path, name, options):
  """Protects the ending that decides, and the JSON: all settings, a command, and the same bytes again in another folder."""
  if '--texture' in options:
    pytest.importorskip('xatlas', reason="no xatlas; pip install '.[test]'")
  arguments = ['mesh', '--model', model_file, '--seed', 2, '--size', 20, '--background', '--output', tmp_path, '--name', name, *options]
  assert run(capsys, *arguments)[0] == 0
  path = tmp_path / name
  record = json.loads(path.with_suffix('.json').read_text())
  assert record['verb'] == 'mesh' and record['settings']['format'] == path.suffix[1:] and '--background' in record['command']
  if options[:1] == ['--splats']:
    assert len(splats.read(path).positions) == 500
  elif path.suffix != '.obj':
    assert all(one.is_watertight for one in trimesh.load(path, process=False, force='scene').geometry.values())
  else:
    names = [line.split()[1] for line in path.read_text().splitlines() if line.startswith('o ')]
    assert names[0] == 'head' and len(names) == len(set(names)) and (len(names) > 1) == ('--parts' in options)
  code, said, _ = run(capsys, 'repeat', path.with_suffix('.json'), '--output', tmp_path / 'again')
  assert code == 0 and 'the same bit for bit' in said
  assert (tmp_path / 'again' / name).read_bytes() == path.read_bytes()
  if '--texture' in options:
    assert len(record['beside']) == 2
    for beside in record['beside']:
      assert (tmp_path / 'again' / beside).read_bytes() == (tmp_path / beside).read_bytes()
  code, _, error = run(capsys, *arguments)
  assert code == 1 and 'exists; --overwrite replaces it' in error


@pytest.mark.parametrize('options, rule', [
    (['--size', '7'], '--size 7 must be a whole number in 8..1024'),
    (['--seed', '-1'], '--seed -1 must be a whole number in 0..4294967295'),
    (['--truncation', '3'], '--truncation 3.0 must be in 0..2'),
    (['--name', 'head.stl'], 'ends in .stl; use one of .glb, .ply, .obj'),
    (['--name', 'head.glb', '--format', 'obj'], 'leave one of them out'),
    (['--parts', '--name', 'parts.ply'], 'one object only'),
    (['--splats', '--parts'], 'splats have no parts'),
    (['--splats', '--format', 'obj'], 'splats are written to .ply'),
    (['--texture', '8'], '--texture 8 must be a whole number in 64..4096'),
    (['--texture', '--parts'], 'a texture is of the whole head'),
    (['--texture', '--format', 'ply'], 'a texture is of the whole head, in .glb or .obj'),
    (['--splats', '0'], '--splats 0 must be a whole number in 1..'),
    (['--model', 'nobody'], 'no model nobody'),
])
def test_a_refusal_is_one_line_before_any_work(capsys, monkeypatch, tmp_path, options, rule):
  """Protects against minutes of work for nothing: the value, the rule, no file."""
  if '--model' not in options:
    monkeypatch.setattr(models, 'load', lambda name: pytest.fail('a model was loaded'))
  code, _, error = run(capsys, 'mesh', '--output', tmp_path, *options)
  assert code == 1 and error.startswith('error: ') and rule in error
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('module, package, options', [
    ('skimage', 'scikit-image', []), ('trimesh', 'trimesh', []), ('xatlas', 'xatlas', ['--texture'])],
    ids=['scikit-image', 'trimesh', 'xatlas'])
def test_a_missing_package_is_named_with_its_extra(capsys, monkeypatch, tmp_path, module, package, options):
  """Protects those who installed the package without the extra."""
  import importlib.util
  found = importlib.util.find_spec
  monkeypatch.setattr(importlib.util, 'find_spec', lambda name, *more: None if name == module else found(name, *more))
  code, _, error = run(capsys, 'mesh', '--output', tmp_path, *options)
  assert code == 1 and error == f"error: meshes need {package}; pip install -e '.[mesh]'"


def test_a_record_that_was_tampered_with_is_refused(capsys, model_file, tmp_path):
  """Protects `repeat` against settings that the verb does not have."""
  assert run(capsys, 'mesh', '--model', model_file, '--size', 16, '--background', '--output', tmp_path, '--name', 'head.glb')[0] == 0
  path = tmp_path / 'head.json'
  record = json.loads(path.read_text())
  record['settings']['colour'] = 'red'
  path.write_text(json.dumps(record))
  code, _, error = run(capsys, 'repeat', path)
  assert code == 1 and 'colour are missing or too many' in error
