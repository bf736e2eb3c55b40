"""The card of an exported model says what the files are, and an export that is no such card is refused."""

import copy
import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from cnerf_jax import camera
from cnerf_jax import pretrained
from cnerf_jax import semantics
from cnerf_jax.export import folder
from cnerf_jax.export import model_card
from cnerf_jax.export import stablehlo

pytest.importorskip('onnx', reason="no onnx; pip install '.[test]'")
onnxruntime = pytest.importorskip('onnxruntime', reason="no onnxruntime; pip install '.[test]'")

pytestmark = pytest.mark.usefixtures('quick_compilation')


@pytest.fixture(name='model', scope='module')
def _model():
  generator = tiny.make_generator(
      num_classes=12, base='sphere', mask_fusion='softmax', view_dependence='none', region_dim=4, residual_fusion='masked', color_gain=60.0)
  return pretrained.Model(
      generator, tiny.make_params(generator), class_set='ffhq12', image_size=4, num_samples=4, azimuth_std=0.3, elevation_std=0.1,
      elevation_mean=0.02, w_mean=jnp.zeros((12, 2, 8)), provenance=dict(run='tiny', step=3, data='people', averaged=True))


@pytest.fixture(name='contents', scope='module')
def _contents(model):
  return folder.contents(model, scores=dict(passed=3), config='configs/tiny.py')


@pytest.fixture(name='card', scope='module')
def _card(contents):
  return json.loads(contents[model_card.NAME])


def test_the_card_says_what_the_model_is(model, card):
  """Protects whoever gets a file without us: classes, sizes, cameras, data and its licence, training, scores, licence."""
  assert card['classes']['names'] == list(semantics.FFHQ12.classes) and len(card['classes']['palette']) == 12
  assert card['sizes']['image_size'] == card['sizes']['trained_num_samples'] == 4
  assert card['sizes']['latent_dim'] == model.generator.latent_dim
  assert card['sizes']['parameters'] == sum(x.size for x in jax.tree.leaves(model.params))
  assert (card['cameras']['azimuth_std'], card['cameras']['elevation_std'], card['cameras']['elevation_mean']) == (0.3, 0.1, 0.02)
  focal = 0.5 / np.tan(card['cameras']['half_field_of_view'])
  np.testing.assert_allclose(focal, camera.orbit(0.0, 0.0).focal, rtol=1e-6)
  assert card['data']['licence'] == card['licence']['parameters'] == 'Apache-2.0' and 'people' in card['data']['what']
  assert card['training']['generator']['region_dim'] == 4 and card['training']['config'] == 'configs/tiny.py'
  assert card['training']['provenance'] == model.provenance and card['scores'] == dict(passed=3)


def test_the_card_fits_the_files(contents, card):
  """Protects the description from the files: every file with its digest; inputs and outputs as a runtime reads them off the file."""
  files = {name: data for name, data in contents.items() if name != model_card.NAME}
  model_card.check(card, files)
  assert set(card['files']) == set(files)
  assert set(card['programs']) == set(files) - {stablehlo.PARAMS_FILE}
  for name, program in card['programs'].items():
    if name.endswith('.onnx'):
      session = onnxruntime.InferenceSession(files[name])
      for side, values in (('inputs', session.get_inputs()), ('outputs', session.get_outputs())):
        assert {value.name: value.shape for value in values} == {key: array['shape'] for key, array in program[side].items()}
        assert {array['dtype'] for array in program[side].values()} == {'float32'}
  rendering = card['programs']['rendering.stablehlo']
  assert rendering['arguments'] == ['params', 'styles', 'camera'] and rendering['platforms'] == ['cpu', 'cuda', 'tpu']
  assert rendering['inputs']['styles']['shape'] == ['batch', 12, 2, 8] and rendering['outputs']['rgb']['shape'] == ['batch', 4, 4, 3]
  assert card['programs']['people.stablehlo']['inputs']['seeds']['dtype'] == 'uint32'
  assert set(rendering['outputs']) == {*card['programs']['rendering.onnx']['outputs'], 'opacity'}


def test_an_export_repeats_bit_for_bit(model, contents):
  """Protects reproduction: no time, no path in the files."""
  assert folder.contents(model, scores=dict(passed=3), config='configs/tiny.py') == contents


@pytest.mark.parametrize('break_card, message', [
    (lambda card: card.pop('classes'), 'classes of the model card is None'),
    (lambda card: card.update(format=2), 'format of the model card is 2'),
    (lambda card: card['cameras'].pop('near'), 'cameras of the model card lacks near'),
    (lambda card: card['licence'].update(parameters=''), 'names no licence of the parameters'),
    (lambda card: card['classes']['palette'].pop(), '12 classes and 11 colours'),
    (lambda card: card['programs']['mapping.onnx']['inputs'].update(smell={}), 'no meaning of smell'),
    (lambda card: card['programs'].update({'nose.onnx': dict(outputs={'x': dict(meaning='x')})}),
     'program nose.onnx of the model card has no file'),
    (lambda card: card['files']['params.npz'].update(sha256='f' * 64), 'params.npz is missing or another file'),
    (lambda card: card['files']['params.npz'].pop('bytes'), 'params.npz of the model card has no size')])
def test_what_is_no_card_is_refused(contents, card, break_card, message):
  """Protects readers of cards: one line that says what is wrong."""
  broken = copy.deepcopy(card)
  break_card(broken)
  with pytest.raises(ValueError, match=message):
    model_card.check(broken, contents)


@pytest.mark.parametrize('changes, options, message', [
    (dict(provenance=dict(data='photographs')), {}, 'the data of this model .photographs. has a licence that only you know'),
    (dict(class_set=None), {}, 'do not say their class_set'), ({}, dict(formats=['pickle']), 'formats pickle must be some of'),
    ({}, dict(formats=[]), r'formats \(none\)'), (dict(num_samples=None), {}, 'num_samples None must be')])
def test_what_cannot_be_exported_is_refused(model, changes, options, message):
  """Protects from exports that nobody may use, and from riddles."""
  with pytest.raises(ValueError, match=message):
    folder.contents(dataclasses.replace(model, **changes), **options)


def test_another_licence_is_that_of_the_owner(model):
  """Protects photographs: their owner's licence is in the card, not ours."""
  foreign = dataclasses.replace(model, provenance=dict(data='photographs'))
  card = model_card.make(foreign, {}, {}, image_size=4, num_samples=4, licence='research alone')
  assert card['licence'] == dict(code='Apache-2.0', parameters='research alone') and card['data']['licence'] is None


def test_a_digest_is_of_the_parameters(model):
  """Protects identification: other parameters, another digest; the same in another order, the same."""
  digest = model_card.parameters_sha256(model)
  moved = jax.tree.map(lambda x: x, dict(model.params))
  moved['params']['field']['density_beta'] = jnp.float32(0.5)
  assert model_card.parameters_sha256(dataclasses.replace(model, params=moved)) != digest
  turned = {'params': dict(reversed(model.params['params'].items()))}
  assert model_card.parameters_sha256(dataclasses.replace(model, params=turned)) == digest
