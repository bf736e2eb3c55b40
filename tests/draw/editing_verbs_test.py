"""edit, directions, invert and export from the command line: what they write, that it repeats bit for bit, and what they refuse."""

import json
import shlex

import asked
import jax
import numpy as np
from PIL import Image
import pytest
import tiny

from cnerf_jax import camera
from cnerf_jax import latents
from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax.draw import checks
from cnerf_jax.draw import command_line
from cnerf_jax.draw import edit_sheet
from cnerf_jax.draw import edit_words
from cnerf_jax.draw import editing_verbs
from cnerf_jax.draw import export_verb
from cnerf_jax.draw import exporting
from cnerf_jax.draw import inversion_sheet
from cnerf_jax.draw import photograph
from cnerf_jax.editing import directions
from cnerf_jax.export import folder as folder_lib
from cnerf_jax.export import model_card
from cnerf_jax.semantics import SemanticClass

pytestmark = pytest.mark.usefixtures('quick_compilation')
VERBS = ('edit', 'directions', 'invert', 'export')


@pytest.fixture(name='regional_file', scope='module')
def _regional_file(tmp_path_factory):
  """A tiny model with regional latents, of data that are ours."""
  generator = tiny.make_generator(
      num_classes=12, base='sphere', mask_fusion='softmax', view_dependence='none', region_dim=4, residual_fusion='masked')
  path = tmp_path_factory.mktemp('regional') / 'regional.npz'
  pretrained.save(path, pretrained.Model(
      generator, tiny.make_params(generator), class_set='ffhq12', image_size=4, num_samples=4, azimuth_std=0.3, elevation_std=0.1,
      provenance=dict(run='tiny', step=1, data='people')))
  return path


@pytest.fixture(name='regional', scope='module')
def _regional(regional_file):
  return pretrained.load(regional_file)


@pytest.fixture(name='photo', scope='module')
def _photo(regional, tmp_path_factory):
  """A photograph (of one of the model's people) and its label map, as files."""
  drawn = regional.render(regional.draw_styles(jax.random.key(3), 1)[0], camera.orbit(0.2, 0.0), image_size=12)
  folder = tmp_path_factory.mktemp('photo') / 'of me'
  folder.mkdir()
  Image.fromarray(np.uint8(127.5 * (np.clip(drawn.rgb, -1, 1) + 1))).save(folder / 'me.png')
  labels = np.uint8(drawn.semantic_mask.argmax(-1))
  labels[0] = photograph.UNKNOWN
  Image.fromarray(labels).save(folder / 'labels.png')
  return folder / 'me.png'


@pytest.fixture(name='drawn', scope='module')
def _drawn(regional_file, photo, tmp_path_factory):
  """{verb: what it wrote}, each once."""
  folder = tmp_path_factory.mktemp('drawn')
  common = ['--model', str(regional_file), '--output', str(folder)]
  options = {
      'edit': ['--size', '6', '--seeds', '1,2', '--edits', 'hair=swap:7,nose.shape=move:local1:2,skin.texture=keep:3,eyes+brows=resample:5'],
      'directions': ['--size', '6', '--region', 'nose', '--seeds', '1', '--methods', 'film,norm'],
      'invert': ['--size', '6', '--photo', str(photo), '--labels', str(photo.with_name('labels.png')), '--latent_steps', '30',
                 '--style_steps', '10'],
      'export': ['--formats', 'stablehlo,onnx_float16']}
  for verb, some in options.items():
    assert command_line.main([verb, *common, *some, '--name', verb]) == 0
  return {verb: folder / f'{verb}.png' for verb in VERBS[:3]} | {'export': folder / 'export' / 'model_card.json'}


def check_command(record):
  """The command of a picture asks for its settings."""
  parsed = vars(command_line.make_parser().parse_args(shlex.split(record['command'])[3:]))
  settings = {name: value for name, value in parsed.items() if name in record['settings']}
  if record['verb'] == 'edit':
    settings = editing_verbs.complete_edit(settings)
  checks.check_settings(record['verb'], settings)
  assert settings == record['settings']


@pytest.mark.parametrize('verb', VERBS)
def test_every_verb_repeats_bit_for_bit(drawn, verb, tmp_path, capsys):
  """Protects reproduction: from the JSON alone the same files; every setting recorded, and a command that parses."""
  record = json.loads(checks.sidecar(drawn[verb]).read_text())
  assert set(record['settings']) == set(checks.SETTINGS[verb]) and record['verb'] == verb
  check_command(record)
  code, out, error = asked.said(capsys, 'repeat', checks.sidecar(drawn[verb]), '--output', tmp_path)
  assert code == 0 and 'the same bit for bit' in out, error
  for name in [drawn[verb].name, *[checks.beside(drawn[verb], name).name for name in record['beside']]]:
    assert (tmp_path / name).read_bytes() == drawn[verb].with_name(name).read_bytes(), name
  assert bool(record['beside']) == (verb != 'edit')


def test_edits_are_those_of_the_package(regional):
  """Protects the sheet from other edits than it names: rows that an edit does not name stay, those that it names are as in `editing`."""
  settings = dict(
      seeds=[1], person=None, directions=None, truncation=1.0, azimuth=0.0, elevation=0.0,
      edits=['hair.texture=swap:7', 'mouth=truncate:0.5', 'eyes+brows=resample:5'])
  person = np.asarray(regional.draw_styles(jax.random.key(1), 1))
  before, swapped, truncated, resampled, together = (
      shot.styles for shot in edit_sheet.Edit(settings, semantics.FFHQ12, person, regional).shots())
  np.testing.assert_array_equal(before, person[0])
  other = regional.draw_styles(jax.random.key(7), 1)[0]
  np.testing.assert_array_equal(swapped[SemanticClass.HAIR, latents.TEXTURE], other[SemanticClass.HAIR, latents.TEXTURE])
  np.testing.assert_array_equal(swapped[SemanticClass.HAIR, latents.SHAPE], before[SemanticClass.HAIR, latents.SHAPE])
  middle = (before + np.asarray(regional.w_mean))[SemanticClass.MOUTH] / 2
  np.testing.assert_allclose(truncated[SemanticClass.MOUTH], middle, atol=1e-6)
  changed = lambda styles: np.flatnonzero((styles != before).any(axis=(-2, -1))).tolist()
  assert changed(swapped) == [SemanticClass.HAIR] and changed(resampled) == [SemanticClass.EYES, SemanticClass.BROWS]
  assert changed(together) == [SemanticClass.EYES, SemanticClass.BROWS, SemanticClass.MOUTH, SemanticClass.HAIR]


def test_directions_go_to_a_file_that_edits_read(drawn, regional_file, regional, tmp_path, capsys):
  """Protects names: the direction of a sheet is that of an edit, from the file beside it and found anew."""
  found = directions.load(drawn['directions'].with_suffix('.npz'))
  assert set(found.semantic_class) == {SemanticClass.NOSE} and set(found.method) == set(directions.METHODS) == set(edit_words.METHODS)
  person = np.asarray(regional.draw_styles(jax.random.key(1), 1))
  settings = dict(seeds=[1], person=None, truncation=1.0, azimuth=0.0, elevation=0.0, edits=['nose.shape=move:local2:-1.5'])
  moved = [
      edit_sheet.Edit(settings | dict(directions=where), semantics.FFHQ12, person, regional).shots()[1].styles
      for where in (None, str(drawn['directions'].with_suffix('.npz')))]
  np.testing.assert_allclose(moved[0], moved[1], atol=1e-5)
  step = found.of(SemanticClass.NOSE, latents.SHAPE, 'local').step(1)
  np.testing.assert_allclose((moved[1] - person[0])[SemanticClass.NOSE, latents.SHAPE], -1.5 * step, atol=1e-5)
  code, _, error = asked.said(capsys, 'edit', '--model', regional_file, '--size', 6, '--output', tmp_path,
      '--edits', 'hair.shape=move:local1:1',
                        '--directions', drawn['directions'].with_suffix('.npz'))
  assert code == 1 and 'no directions of class 8' in error


def test_an_inversion_finds_the_person_and_can_be_edited(drawn, regional, regional_file, photo, tmp_path, capsys):
  """Protects photographs: nearer than the mean, styles and camera in the file are those that draw it; `edit --person` takes them on."""
  with np.load(drawn['invert'].with_suffix('.npz')) as file:
    found = dict(file)
  image = photograph.read_image(str(photo), image_size=4)
  error = lambda styles, viewpoint: float(np.mean((regional.render(styles, camera.orbit(*viewpoint)).rgb - image)**2))
  assert error(found['styles'], found['viewpoint']) < error(regional.map_latents(np.zeros(regional.generator.latent_dim)), (0.0, 0.0))
  np.testing.assert_allclose(found['cam_to_world'], camera.orbit(*found['viewpoint']).cam_to_world, atol=1e-6)
  assert found['psnr'] == pytest.approx(10 * np.log10(4 / error(found['styles'], found['viewpoint'])), abs=0.1)
  edited = ['edit', '--model', regional_file, '--size', 6, '--output', tmp_path, '--edits', 'hair=swap:7']
  person = drawn['invert'].with_suffix('.npz')
  assert asked.said(capsys, *edited, '--person', person)[0] == 0 and (tmp_path / 'edit_invert.png').exists()
  check_command(json.loads((tmp_path / 'edit_invert.json').read_text()))
  code, _, message = asked.said(capsys, *edited, '--person', drawn['directions'].with_suffix('.npz'), '--name', 'x')
  assert code == 1 and 'holds no person' in message
  code, _, message = asked.said(capsys, *edited, '--person', person, '--name', 'x', '--model', 'portraits32')
  assert code == 1 and 'is a person of other parameters' in message
  code, _, message = asked.said(capsys, *edited, '--person', person, '--seeds', '3,4')
  assert code == 1 and f'--person {person} and --seeds both say who is edited; give one of them' in message


def test_a_camera_that_is_given_stays(regional_file, photo, tmp_path, capsys):
  """Protects known cameras; and says that there is no encoder."""
  code = command_line.main([
      'invert', '--model', str(regional_file), '--photo', str(photo), '--size', '6', '--azimuth', '0.2', '--elevation', '-0.1', '--output',
      str(tmp_path), '--latent_steps', '2', '--style_steps', '0', '--name', 'given'])
  said_so = capsys.readouterr().err
  assert code == 0 and 'begin at the mean of all people, as there is no encoder' in said_so and 'invert 2/2 (100%)' in said_so
  np.testing.assert_allclose(np.load(tmp_path / 'given.npz')['viewpoint'], [0.2, -0.1], atol=1e-6)


def test_an_encoder_begins(regional, photo, monkeypatch):
  """Protects the second column: what the encoder reads is drawn, and is where the search begins; one of another run is refused."""
  import jax.numpy as jnp
  from cnerf_jax.models import portrait_encoder
  z = jnp.linspace(-1, 1, regional.generator.latent_dim)

  class Encoder:
    image_size, class_set, latent_mean = 4, 'ffhq12', z

    def __call__(self, image, mask):
      assert image.shape == (1, 4, 4, 3) and mask.shape == (1, 4, 4, 12)
      return portrait_encoder.LatentGaussian(z[None], jnp.zeros((1, len(z)))), jnp.array([[0.3, 0.1]])

  monkeypatch.setattr(pretrained, 'load_encoder', lambda path: Encoder())
  settings = dict(
      photo=str(photo), labels=str(photo.with_name('labels.png')), label_order='classes', encoder='some run', size=6, azimuth=None,
      elevation=None, turn=0.4, latent_steps=1, style_steps=0)
  guess, refined, left, right = inversion_sheet.Inversion(settings, semantics.FFHQ12, regional).shots()
  np.testing.assert_array_equal(guess.styles, regional.map_latents(z))
  assert (guess.azimuth, guess.elevation) == pytest.approx((0.3, 0.1))
  assert right.azimuth - left.azimuth == pytest.approx(0.8) and refined.azimuth == pytest.approx((left.azimuth + right.azimuth) / 2)
  for name, value, message in (
      ('image_size', 8, 'has image_size 8, the model 4'), ('latent_mean', z[1:], 'reads 107 latents, the model has 108')):
    monkeypatch.setattr(Encoder, name, value)
    with pytest.raises(ValueError, match=message):
      inversion_sheet.load_encoder('some run', regional)
    monkeypatch.undo()
    monkeypatch.setattr(pretrained, 'load_encoder', lambda path: Encoder())


def test_label_maps_become_masks(tmp_path):
  """Protects masks from mixed-up classes: each pixel's parts, merged labels of CelebAMask-HQ, nothing where unknown."""
  Image.fromarray(np.uint8([[0, 0, 8, 8], [0, 0, 8, 255], [1] * 4, [2] * 4])).save(tmp_path / 'classes.png')
  masks = photograph.read_masks(str(tmp_path / 'classes.png'), semantics.FFHQ12, image_size=2)
  np.testing.assert_allclose(masks[0, 0], np.eye(12)[0])
  np.testing.assert_allclose(masks[0, 1], 0.75 * np.eye(12)[8])
  np.testing.assert_allclose(masks[1, 0], (np.eye(12)[1] + np.eye(12)[2]) / 2)
  Image.fromarray(np.uint8([[4, 5], [17, 13]])).save(tmp_path / 'celeba.png')
  masks = photograph.read_masks(str(tmp_path / 'celeba.png'), semantics.FFHQ12, image_size=2, order='celebamask_hq')
  np.testing.assert_array_equal(masks.argmax(-1), [[SemanticClass.EYES] * 2, [semantics.FFHQ12.celebamask_hq[17], SemanticClass.HAIR]])


def test_an_export_is_a_folder_with_its_card(drawn, regional):
  """Protects the folder: the files that the card names, and nothing else; facts beside a model are taken if they are of its parameters."""
  folder = drawn['export'].parent
  card = json.loads(drawn['export'].read_text())
  model_card.check(card, {path.name: path.read_bytes() for path in folder.iterdir()})
  assert set(card['files']) == {path.name for path in folder.iterdir()} - {'model_card.json', 'repeat.json'}
  assert {'rendering.stablehlo', 'params.npz', 'rendering_float16.onnx'} < set(card['files']) and card['scores'] is None
  where = folder / 'model.npz'
  facts = dict(parameters_sha256=model_card.parameters_sha256(regional), config='configs/x.py', scores=dict(passed=8))
  where.with_suffix('.json').write_text(json.dumps(facts))
  assert exporting.facts(where, regional) == dict(config='configs/x.py', scores=dict(passed=8))
  where.with_suffix('.json').write_text(json.dumps(facts | dict(parameters_sha256='0')))
  assert exporting.facts(where, regional) == dict(config=None, scores=None)
  where.with_suffix('.json').unlink()


def test_facts_of_shipped_models_are_of_their_parameters():
  """Protects cards of shipped models: a file of facts beside them is of these very parameters, or says nothing."""
  from cnerf_jax.draw import models
  for path in sorted(models.SHIPPED.glob('*.json')):
    model = models.load(str(path.with_suffix('.npz')))
    assert exporting.facts(path.with_suffix('.npz'), model)['scores'], f'{path} is of other parameters; write it again'


REFUSALS = [
    (['edit', '--edits', 'hair'], "'hair' is no edit; write REGION=ACTION"),
    (['edit', '--edits', 'hair=dye:3'], "'hair=dye:3': dye is not known; use one of swap, keep, move"),
    (['edit', '--edits', 'beard=swap:3'], "no semantic class 'beard' in ffhq12"),
    (['edit', '--edits', 'hair.smell=swap:3'], '.smell is not known; write .shape or .texture'),
    (['edit', '--edits', 'hair=move:local1:2'], 'a direction is of shape or of texture'),
    (['edit', '--edits', 'hair.shape=move:local9:2'], 'local9 is no direction; use local1 to local3'),
    (['edit', '--edits', 'hair.shape=move:2'], 'write move:NAME:STEPS'),
    (['edit', '--edits', 'hair=swap:a'], 'a must be a whole number in 0..'),
    (['edit', '--edits', 'hair=truncate:3'], '3 must be a number in 0..2'), (['edit', '--edits', ','], '--edits [] must be 1 to 12 edits'),
    (['edit', '--model', 'portraits32', '--edits', 'hair=resample:3', '--size', 6], 'all classes of a person of this model share one latent'),
    (['edit', '--edits', 'hair=swap:3', '--person', 'X/none.npz'], '--person X/none.npz: no such file'),
    (['directions', '--region', 'beard'], "no semantic class 'beard' in ffhq12"),
    (['directions', '--region', 'hair', '--methods', 'magic'], '--methods magic must be some of local, film, principal, norm'),
    (['directions', '--region', 'hair', '--reach', 99], '--reach 99.0 must be in 0..20 standard deviations'),
    (['invert', '--photo', 'X/none.png'], '--photo X/none.png: no such file'),
    (['invert', '--photo', 'X/wide.png'], 'is 4 x 2 pixels; crop it'),
    (['invert', '--photo', 'X/broken.png'], 'is no photograph that can be read'),
    (['invert', '--photo', 'X/grey.png', '--labels', 'X/colour.png'], 'is no label map but a picture in colours (RGB)'),
    (['invert', '--photo', 'X/grey.png', '--labels', 'X/grey.png'], 'has labels 17; use 0..11, or 255 where unknown; the 19 labels of'),
    (['invert', '--photo', 'X/grey.png', '--encoder', 'X'], 'an encoder reads photograph and label map together; give --labels'),
    (['invert', '--photo', 'X/grey.png', '--size', 4000], '4 views of --size 4000 are 64000000 pixels, more than'),
    (['invert', '--photo', 'X/grey.png', '--azimuth', 0.3], '--azimuth and --elevation are one camera; give both'),
    (['invert', '--photo', 'X/grey.png', '--labels', 'X/zeros.png', '--encoder', 'X'], 'no encoder X/encoder.npz'),
    (['export', '--formats', 'pickle'], '--formats pickle must be some of stablehlo, onnx, onnx_float16'),
    (['export', '--model', 'FOREIGN', '--formats', 'onnx'], 'has a licence that only you know'),
]


@pytest.mark.parametrize('arguments, message', REFUSALS, ids=[' '.join(map(str, case[0])) for case in REFUSALS])
def test_each_fault_is_one_line(regional_file, model_file, tmp_path, capsys, arguments, message):
  """Protects an hour of work on the wrong thing: value, rule and remedy in one line, nothing written."""
  for name, shape in (('wide', (2, 4, 3)), ('grey', (4, 4)), ('colour', (4, 4, 3)), ('zeros', (4, 4))):
    Image.fromarray(np.full(shape, 0 if name == 'zeros' else 17, np.uint8)).save(tmp_path / f'{name}.png')
  (tmp_path / 'broken.png').write_bytes(b'no picture')
  arguments = [str(part).replace('X', str(tmp_path)).replace('FOREIGN', str(model_file)) for part in arguments]
  if '--model' not in arguments:
    arguments += ['--model', regional_file]
  code, _, error = asked.said(capsys, *arguments, '--output', tmp_path / 'out')
  assert code == 1 and error.count('\n') == 0 and error.startswith('error: ')
  assert message.replace('X/', f'{tmp_path}/') in error
  assert not (tmp_path / 'out').exists()


def test_what_is_known_without_jax_is_what_the_package_has():
  """Protects checks, which load nothing: formats and the card's name are those of `export`."""
  assert export_verb.FORMATS == folder_lib.FORMATS and export_verb.CARD == model_card.NAME


def test_what_is_there_is_not_replaced_unasked(drawn, regional_file, capsys):
  """Protects exports and arrays: a folder with other files, or an .npz of that name, is refused; changed inputs of a picture, too."""
  folder = drawn['edit'].parent
  code, _, error = asked.said(capsys, 'export', '--model', regional_file, '--output', folder, '--name', 'export')
  assert code == 1 and f'{folder / "export"} holds other files; --overwrite replaces those of an export' in error
  (folder / 'new.npz').write_bytes(b'')
  code, _, error = asked.said(capsys, 'directions', '--region', 'hair', '--model', regional_file, '--output', folder, '--name', 'new')
  assert code == 1 and 'new.npz exists; --overwrite replaces it' in error


def test_a_changed_input_is_found(drawn, photo, tmp_path, capsys):
  """Protects from a repetition that only seems one: another photograph under the same name."""
  record = json.loads(drawn['invert'].with_suffix('.json').read_text())
  other = tmp_path / 'me.png'
  Image.fromarray(np.zeros((4, 4), np.uint8)).save(other)
  (tmp_path / 'invert.json').write_text(json.dumps(record | {'settings': record['settings'] | {'photo': str(other)}}))
  code, _, error = asked.said(capsys, 'repeat', tmp_path / 'invert.json')
  assert code == 1 and f'--photo {other} is another file than the one that invert.png was drawn from' in error


@pytest.mark.parametrize('verb', VERBS)
def test_help_is_a_page_whose_commands_parse(capsys, verb):
  """Protects the page: its own commands are right."""
  code, out, _ = asked.said(capsys, verb, '--help')
  commands = [line.strip() for line in out.splitlines() if line.strip().startswith('python -m cnerf_jax.draw ')]
  assert code == 0 and commands
  for command in commands:
    command_line.make_parser().parse_args(shlex.split(command)[3:])


def test_a_missing_package_is_named(monkeypatch, tmp_path, photo, capsys):
  """Protects small installs: what is missing, and how to get it."""
  real = checks.importlib.util.find_spec
  for package, arguments, message in (
      ('optax', ['invert', '--photo', photo], 'invert needs optax; pip install optax'),
      ('onnx', ['export', '--formats', 'onnx'], "export to onnx needs onnx; pip install -e '.[export]'"),
      ('flatbuffers', ['export', '--formats', 'stablehlo'], 'export to stablehlo needs flatbuffers')):
    with monkeypatch.context() as patch:
      patch.setattr(checks.importlib.util, 'find_spec', lambda name: None if name == package else real(name))
      code, _, error = asked.said(capsys, *arguments, '--output', tmp_path / 'out')
      assert code == 1 and message in error
