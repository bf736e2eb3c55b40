"""A face parser of the user's makes the label maps: batches, normalisation, label order, faults, and going on where it was stopped."""

import json

import faces
import numpy as np
import pytest

from data_pipeline import stored_records
from data_pipeline.prepare import __main__ as command_line
from data_pipeline.prepare import label_orders

onnx = pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')


def write_parser(path, order=label_orders.BISENET, *, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), batch='N', side=512):
  """A 1 x 1 convolution that finds the label of the nearest of the drawn faces' colours: the smallest parser there is."""
  colors = (faces.COLORS + 12.0) / 255  # the middle of the drawn noise
  values = {name: value for value, name in order.labels.items()}
  weight, bias = np.zeros((19, 3, 1, 1), np.float32), np.zeros(19, np.float32)
  for label, name in enumerate(faces.LABELS):
    # the nearest colour has the largest 2 c.x - c.c, c and x in colours before normalisation
    weight[values[name], :, 0, 0] = 2 * colors[label] * np.array(std)
    bias[values[name]] = 2 * colors[label] @ np.array(mean) - colors[label] @ colors[label]
  helper = onnx.helper
  float_ = onnx.TensorProto.FLOAT
  graph = helper.make_graph(
      [helper.make_node('Conv', ['image', 'weight', 'bias'], ['logits'])], 'parser',
      [helper.make_tensor_value_info('image', float_, [batch, 3, side, side])],
      [helper.make_tensor_value_info('logits', float_, [batch, 19, side, side])],
      [onnx.numpy_helper.from_array(weight, 'weight'), onnx.numpy_helper.from_array(bias, 'bias')])
  model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8)
  path.write_bytes(model.SerializeToString())
  return path


@pytest.fixture
def images(tmp_path):
  for i in range(5):
    faces.save(tmp_path / 'in' / f'{i}.png', faces.face(i, 64)[0])
  return tmp_path / 'in'


def prepare(images, output, model, *options):
  return command_line.main([
      str(images), str(output), '--parser', str(model), '--workers', '1', '--validation', '0', '--viewpoints', 'none', *options])


def records(output):
  stored = stored_records.StoredRecords(output / 'real_portraits' / 'size64' / '1.0.0', 'train', with_all=True)
  return {stored[i]['name'].decode(): stored[i]['label'] for i in range(len(stored))}


@pytest.mark.parametrize('batch', ['N', 2], ids=['any batch', 'its own batch'])
def test_parsed_labels_are_those_of_the_faces(images, tmp_path, batch):
  """Protects the whole way of a parser: RGB, normalised, in batches (the last one not full), its order declared."""
  (images / 'broken.png').write_bytes(b'')
  model = write_parser(tmp_path / 'parser.onnx', batch=batch)
  assert prepare(images, tmp_path / 'out', model, '--label-order', 'bisenet', '--parser-batch', '2') == 0
  for name, labels in records(tmp_path / 'out').items():
    assert (labels == faces.face(int(name), 64)[1]).mean() > 0.93
  report = json.loads((tmp_path / 'out' / 'report' / 'report.json').read_text())
  assert report['num_kept'] == 5 and [one['fault'] for one in report['refused']] == ['empty']
  assert report['anatomy']['fits']['bisenet'] > 0.95


def test_normalisation_is_an_option(images, tmp_path):
  """Protects parsers with inputs in -1 to 1: with their own mean and deviation they see what they know."""
  model = write_parser(tmp_path / 'parser.onnx', mean=(.5, .5, .5), std=(.5, .5, .5))
  options = ('--label-order', 'bisenet', '--parser-mean', '.5', '.5', '.5', '--parser-std', '.5', '.5', '.5')
  assert prepare(images, tmp_path / 'out', model, *options) == 0
  assert all((labels == faces.face(int(name), 64)[1]).mean() > 0.93 for name, labels in records(tmp_path / 'out').items())


def test_wrong_order_of_a_parser_stops_before_all_is_parsed(images, tmp_path, capsys):
  """Protects hours of parsing: a sample is parsed and checked first."""
  assert prepare(images, tmp_path / 'out', write_parser(tmp_path / 'parser.onnx')) == 2
  assert 'use --label-order bisenet' in capsys.readouterr().err


def test_second_run_parses_only_what_is_new(images, tmp_path, capsys):
  """Protects from parsing twice."""
  model = write_parser(tmp_path / 'parser.onnx')
  prepare(images, tmp_path / 'out', model, '--label-order', 'bisenet')
  parsed = {path: path.stat().st_mtime_ns for path in (tmp_path / 'out' / '.prepare').glob('labels-*/*.png')}
  assert len(parsed) == 5
  faces.save(images / 'new.png', faces.face(9, 64)[0])
  prepare(images, tmp_path / 'out', model, '--label-order', 'bisenet')
  again = {path: path.stat().st_mtime_ns for path in (tmp_path / 'out' / '.prepare').glob('labels-*/*.png')}
  assert len(again) == 6 and again.items() >= parsed.items()


def write_identity(path):
  """A model that takes an image and gives it back."""
  helper = onnx.helper
  tensor = lambda name: helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ['N', 3, 512, 512])
  graph = helper.make_graph([helper.make_node('Identity', ['image'], ['same'])], 'identity', [tensor('image')], [tensor('same')])
  path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)], ir_version=8).SerializeToString())


@pytest.mark.parametrize('make, message', [
    (lambda path: path.write_bytes(b'no model'), 'is no ONNX model'), (lambda path: None, 'is no ONNX model'),
    (lambda path: write_parser(path, side=256), 'give a model that takes'), (write_identity, 'puts out')],
    ids=['bytes', 'missing', 'input', 'output'])
def test_what_is_no_parser_is_one_line(images, tmp_path, capsys, make, message):
  """Protects from the wrong model."""
  make(tmp_path / 'parser.onnx')
  assert prepare(images, tmp_path / 'out', tmp_path / 'parser.onnx') == 1
  told = [line for line in capsys.readouterr().err.splitlines() if 'error: ' in line]
  assert len(told) == 1 and message in told[0]
