"""The command line, in one process: every verb end to end, every picture again bit for bit, every refusal in one line."""

import hashlib
import json
import shlex

import asked
import numpy as np
from PIL import Image
import pytest

from cnerf_jax.draw import checks
from cnerf_jax.draw import command_line
from cnerf_jax.draw import models

pytestmark = pytest.mark.usefixtures('quick_compilation')

VERBS = {
    'people': ['--seeds', '1-3', '--views', '2'],
    'views': ['--seeds', '3'],
    'parts': ['--seeds', '1,4', '--azimuth', '0.2'],
    'swap': ['--seeds', '1,2,3', '--classes', 'hair,hat'],
    'interpolate': ['--seeds', '1,2', '--steps', '3', '--classes', 'hair', '--kind', 'texture'],
    'video': ['--seeds', '1,2', '--seconds', '0.2', '--fps', '10', '--format', 'webp'],
}


@pytest.fixture(name='drawn', scope='module')
def _drawn(model_file, tmp_path_factory):
  """{verb: picture} of every verb, drawn once."""
  folder = tmp_path_factory.mktemp('drawn')
  found = {}
  for verb, options in VERBS.items():
    assert command_line.main([verb, '--model', str(model_file), '--size', '6', '--output', str(folder), '--name', verb, *options]) == 0
    found[verb] = folder / f'{verb}.{"webp" if verb == "video" else "png"}'
  return found


def record_of(picture):
  return json.loads(picture.with_suffix('.json').read_text())


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_draws_and_says_how(drawn, verb):
  """Protects each verb and its JSON: a picture with something on it; every setting, resolved; digests that are those of the file."""
  image = Image.open(drawn[verb])
  assert np.asarray(image.convert('RGB')).std() > 5
  record = record_of(drawn[verb])
  assert record['verb'] == verb and set(record['settings']) == set(checks.SETTINGS[verb])
  assert record['settings']['samples'] == record['settings']['importance'] == 4 and record['settings']['size'] == 6
  assert record['file_sha256'] == hashlib.sha256(drawn[verb].read_bytes()).hexdigest()
  command_line.make_parser().parse_args(shlex.split(record['command'])[3:])
  if verb == 'video':
    assert image.n_frames == 2 and image.size == (18, 6)


@pytest.mark.parametrize('verb', VERBS)
def test_its_json_repeats_a_picture_bit_for_bit(drawn, verb, tmp_path, capsys):
  """Protects reproduction: another folder gets the same bytes, from the JSON alone; beside the picture it says that it is the same."""
  json_file = drawn[verb].with_suffix('.json')
  code, out, error = asked.said(capsys, 'repeat', json_file, '--output', tmp_path)
  assert code == 0, error
  assert (tmp_path / drawn[verb].name).read_bytes() == drawn[verb].read_bytes()
  assert 'the same bit for bit' in out


def test_a_changed_picture_or_model_is_found(drawn, model, model_file, tmp_path, capsys):
  """Protects from a repetition that only seems one: another seed in the JSON, another picture beside it, other parameters."""
  picture, record = drawn['views'], record_of(drawn['views'])
  (tmp_path / 'views.json').write_text(json.dumps(record | {'settings': record['settings'] | {'seeds': [5]}}))
  code, _, error = asked.said(capsys, 'repeat', tmp_path / 'views.json')
  assert code == 1 and 'comes out with other pixels' in error and not (tmp_path / 'views.png').exists()
  (tmp_path / 'views.json').write_text(json.dumps(record))
  (tmp_path / 'views.png').write_bytes(b'something else')
  code, _, error = asked.said(capsys, 'repeat', tmp_path / 'views.json')
  assert code == 1 and 'is not the picture that' in error
  assert asked.said(capsys, 'repeat', tmp_path / 'views.json', '--overwrite')[0] == 0
  assert (tmp_path / 'views.png').read_bytes() == picture.read_bytes()
  code, _, error = asked.said(capsys, 'repeat', tmp_path / 'views.json', '--model', 'portraits32')
  assert code == 1 and 'other parameters' in error


@pytest.mark.parametrize('changes, message', [
    (dict(seeds='three'), '--seeds three must be whole numbers'), (dict(truncation=None), '--truncation None must be in 0..2'),
    (dict(size='large'), '--size large must be'), (dict(model=None), '--model None must be'),
    (dict(colour='red'), 'colour are missing or too many')])
def test_an_edited_json_is_refused_in_a_line(drawn, tmp_path, capsys, changes, message):
  """Protects from a traceback: settings that no command line would have let through."""
  record = record_of(drawn['views'])
  (tmp_path / 'views.json').write_text(json.dumps(record | {'settings': record['settings'] | changes}))
  code, _, error = asked.said(capsys, 'repeat', tmp_path / 'views.json')
  assert code == 1 and message in error and error.count('\n') == 0


def test_a_person_is_its_seed(model, drawn, model_file, tmp_path, capsys):
  """Protects `--seeds`: the person of a seed is the same among others and alone, and that of `draw_styles`."""
  import jax
  from cnerf_jax.draw import verbs
  settings = dict(seeds=[3, 1], truncation=1.0)
  styles = verbs._people(model, settings)
  for index, seed in enumerate(settings['seeds']):
    np.testing.assert_array_equal(styles[index], model.draw_styles(jax.random.key(seed), 1)[0])
  mean = verbs._people(model, dict(seeds=[3], truncation=0.0))
  np.testing.assert_allclose(mean[0], np.broadcast_to(model.w_mean, mean[0].shape), atol=1e-6)


def test_mp4_has_its_frames(model_file, tmp_path, capsys):
  """Protects films: H.264 of the right length, rate and even sides, frames that are those that were drawn, the same bytes again."""
  av = pytest.importorskip('av')
  code, out, error = asked.said(
      capsys, 'video', '--model', model_file, '--size', 7, '--seconds', 0.5, '--fps', 6, '--show', 'image', '--output', tmp_path)
  assert code == 0, error
  path = tmp_path / 'video_1_ellipse.mp4'
  with av.open(str(path)) as film:
    assert film.streams.video[0].codec_context.name == 'h264' and film.streams.video[0].average_rate == 6
    frames = [frame.to_ndarray(format='rgb24') for frame in film.decode(video=0)]
  assert len(frames) == 3 and frames[0].shape == (8, 8, 3)
  code, out, _ = asked.said(capsys, 'repeat', path.with_suffix('.json'))
  assert code == 0 and 'the same bit for bit' in out


REFUSALS = [
    (['views', '--model', 'portraits23'], 1, 'no model portraits23: neither a file or folder nor a shipped model (people64, portraits32)'),
    (['views', '--model', 'X'], 1, 'X'),  # a foreign folder
    (['swap', '--model', 'TINY', '--classes', 'beard'], 1, "no semantic class 'beard' in ffhq12; use one of background, skin"),
    (['swap', '--seeds', '1'], 1, 'swap needs at least two people; give --seeds 1,2'),
    (['views', '--size', '3'], 1, '--size 3 must be a whole number in 4..4096 pixels'),
    (['views', '--samples', '1'], 1, '--samples 1 must be a whole number in 2..1024'),
    (['views', '--importance', '-1'], 1, '--importance -1 must be'),
    (['views', '--truncation', '3'], 1, '--truncation 3.0 must be in 0..2'),
    (['parts', '--elevation', '2'], 1, '--elevation 2.0 must be in -1.5..1.5 radians'),
    (['views', '--name', '../x'], 1, "--name '../x' must be letters"),
    (['views', '--name', 'pic.jpg'], 1, '--name pic.jpg ends in .jpg, and what views writes is .png; leave the ending out'),
    (['video', '--name', 'clip.webp'], 1, '--name clip.webp ends in .webp, and what video writes is .mp4; --format webp'),
    (['video', '--seconds', '500', '--fps', '60', '--format', 'webp'], 1, 'are 30000 frames; ask for 1 to 4000'),
    (['video', '--show', 'image,smell', '--format', 'webp'], 1, '--show image,smell must be some of image, mask, depth, normals'),
    (['views', '--model', 'TINY', '--size', '2048'], 1, '10 views of --size 2048 are 41943040 pixels, more than 33554432; ask for a smaller'),
    (['views', '--seeds', '3-1'], 2, 'must rise'),
    (['views', '--seeds', 'three'], 2, "'three' is no list of seeds; write 3 or 1-6 or 1,4,9"),
    (['video', '--path', 'spiral'], 2, "invalid choice: 'spiral'"),
    (['paint'], 2, "invalid choice: 'paint'"),
    ([], 2, 'the following arguments are required: VERB'),
    (['repeat', 'X/none.json'], 1, 'give the JSON that stands beside a picture'),
    (['repeat', 'X/broken.json'], 1, 'is not the JSON of a picture'),
]


@pytest.mark.parametrize('arguments, code, message', REFUSALS, ids=[' '.join(case[0]) or 'nothing' for case in REFUSALS])
def test_each_fault_is_one_line(model_file, tmp_path, capsys, arguments, code, message):
  """Protects an hour of drawing the wrong thing: value, rule and remedy in one line, nothing written."""
  (tmp_path / 'broken.json').write_text('{"format": 1}')
  arguments = [part.replace('X', str(tmp_path)).replace('TINY', str(model_file)) for part in arguments]
  if arguments and arguments[0] != 'repeat':
    arguments += ['--output', str(tmp_path / 'out')]
  found, _, error = asked.said(capsys, *arguments)
  assert (found, error.count('\n')) == (code, 0) and error.startswith('error: ')
  assert message.replace('X', str(tmp_path)) in error
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('name, verb, file', [
    ('pic', 'views', 'pic.png'), ('pic.png', 'views', 'pic.png'), ('PIC.PNG', 'views', 'PIC.png'), ('a.b', 'views', 'a.b.png'),
    ('clip.mp4', 'video', 'clip.mp4'), (None, 'views', 'views_1.png')])
def test_names_get_one_ending(tmp_path, name, verb, file):
  """Protects from pic.png.png."""
  settings = dict(seeds=[1], model='portraits32') | (dict(format='mp4', path='ellipse') if verb == 'video' else {})
  assert checks.picture_path(verb, settings, str(tmp_path), name) == tmp_path / file


def test_a_picture_is_not_replaced_unasked(drawn, model_file, capsys):
  """Protects what was drawn: a file of that name, or its JSON, is refused before any work; --overwrite replaces it."""
  before = drawn['views'].read_bytes()
  options = ['views', '--model', model_file, '--size', 6, '--output', drawn['views'].parent, '--name', 'views', '--seeds', 4]
  code, _, error = asked.said(capsys, *options)
  assert code == 1 and error == f'error: {drawn["views"]} exists; --overwrite replaces it, --name gives another name'
  assert drawn['views'].read_bytes() == before


@pytest.mark.parametrize('module, arguments, message', [
    ('av', ['video'], "mp4 needs PyAV; pip install av (or -e '.[video]'), or ask for --format webp"),
    ('PIL', ['views'], 'drawing needs pillow; pip install pillow')])
def test_a_missing_package_is_named(monkeypatch, tmp_path, capsys, module, arguments, message):
  """Protects small installs: what is missing, and how to get it."""
  real = checks.importlib.util.find_spec
  monkeypatch.setattr(checks.importlib.util, 'find_spec', lambda name: None if name == module else real(name))
  code, _, error = asked.said(capsys, *arguments, '--output', tmp_path)
  assert code == 1 and error == f'error: {message}'


def test_help_reads_without_jax(capsys):
  """Protects the page: each command of it parses; every verb has its own."""
  code, out, _ = asked.said(capsys, '--help')
  assert code == 0
  commands = [line.strip() for line in out.splitlines() if line.strip().startswith('python -m cnerf_jax.draw ') and 'VERB' not in line]
  assert len(commands) >= 11
  for command in commands:
    command_line.make_parser().parse_args(shlex.split(command)[3:])
  for verb in [*VERBS, 'repeat']:
    assert asked.said(capsys, verb, '--help')[0] == 0


def test_models_are_found_by_name_from_anywhere(monkeypatch, tmp_path):
  """Protects shipped models: the name resolves next to the package, whatever the current folder; other parameters, another digest."""
  monkeypatch.chdir(tmp_path)
  assert models.find('portraits32') == models.SHIPPED / 'portraits32.npz'
