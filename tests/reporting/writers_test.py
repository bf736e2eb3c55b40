import json
import math
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from tensorboardX.proto import event_pb2

from cnerf_jax.persistence import jsonl
from cnerf_jax.reporting import writers

ROOT = pathlib.Path(__file__).parents[2]


def write(path, steps, start_step=0):
  writer = writers.JsonlWriter(path, start_step=start_step)
  for step in steps:
    writer.write_scalars(step, {'loss': step / 10})
  writer.close()


def steps_of(path):
  return [record['step'] for record in jsonl.read(path)]


def events(folder):
  """Events of all files in `folder`, oldest file first, read by the format's definition."""
  found = []
  for path in sorted(pathlib.Path(folder).iterdir()):
    content, offset = path.read_bytes(), 0
    while offset < len(content):
      length = int.from_bytes(content[offset:offset + 8], 'little')
      found.append(event_pb2.Event.FromString(content[offset + 12:offset + 12 + length]))
      offset += 12 + length + 4
  return found


def test_one_line_a_step(tmp_path):
  """Protects readers of the file: scalars of one step share a line, whenever they come, as numbers of any library."""
  path = tmp_path / 'metrics.jsonl'
  writer = writers.JsonlWriter(path)
  writer.write_scalars(10, {'a': np.float32(0.5), 'b': np.array([2])})
  writer.write_scalars(20, {'a': 1})
  writer.write_scalars(20, {'score': 3.})
  writer.write_scalars(30, {'a': 2})
  lines = [json.loads(line) for line in path.read_text().splitlines()]
  assert [{key: value for key, value in line.items() if key != 'seconds'} for line in lines] == [
      {'step': 10, 'a': 0.5, 'b': 2}, {'step': 20, 'a': 1, 'score': 3.}, {'step': 30, 'a': 2}]


@pytest.mark.parametrize('restored, kept', [(30, [10, 20, 30]), (20, [10, 20]), (0, [])],
                         ids=['nothing lost', 'fell back', 'from the start'])
def test_resume_drops_later_lines(tmp_path, restored, kept):
  """Protects the curve from steps that are there twice after a resume."""
  path = tmp_path / 'metrics.jsonl'
  write(path, [10, 20, 30])
  writer = writers.JsonlWriter(path, start_step=restored)
  assert steps_of(path) == kept
  writer.write_scalars(restored, {'score': 1.})
  writer.write_scalars(40, {'loss': 1.})
  writer.close()
  assert steps_of(path) == sorted({*kept, restored, 40})
  assert len(path.read_text().splitlines()) == len({*kept, restored, 40})
  if restored:
    assert jsonl.read(path)[-2]['loss'] == restored / 10 and jsonl.read(path)[-2]['score'] == 1.


def test_half_a_line(tmp_path):
  """Protects the file after a kill in the middle of a line, and the lines of a step that two runs wrote."""
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"step": 10, "loss": 1}\n{"step": 20, "loss": 2}\n{"step": 20, "loss": 3}\n'
                  'not json\n{"step": 30, "lo')
  assert [(record['step'], record['loss']) for record in jsonl.read(path)] == [(10, 1), (20, 3)]
  write(path, [30], start_step=20)
  for line in path.read_text().splitlines():
    json.loads(line)
  assert steps_of(path) == [10, 20, 30]


def test_seconds_go_on(tmp_path):
  """Protects the time axis of a resumed run from starting anew."""
  path = tmp_path / 'metrics.jsonl'
  path.write_text('{"step": 10, "seconds": 100.0}\n')
  write(path, [20], start_step=10)
  assert jsonl.read(path)[-1]['seconds'] >= 100


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf], ids=['nan', 'inf', '-inf'])
def test_non_finite_values_are_valid_json(tmp_path, value):
  """Protects the very lines one looks for when a run broke: valid JSON by the standard, and the value comes back."""
  path = tmp_path / 'metrics.jsonl'
  writers.JsonlWriter(path).write_scalars(1, {'loss': np.float32(value)})
  def refuse(constant):
    raise AssertionError(f'{constant} is not JSON')
  json.loads(path.read_text(), parse_constant=refuse)
  np.testing.assert_equal(jsonl.read(path)[0]['loss'], value)


def test_full_disk(tmp_path):
  """Protects from a traceback, or worse silence, when the disk is full."""
  writer = writers.JsonlWriter(tmp_path / 'metrics.jsonl')
  writer._file.close()
  writer._file = open('/dev/full', 'wb', buffering=0)
  writer._file.seek = lambda *_: 0
  with pytest.raises(OSError, match='metrics.jsonl: no space left on the disk'):
    writer.write_scalars(1, {'loss': 1.})


def test_event_files(tmp_path):
  """Protects what TensorBoard shows: scalars and images at their steps; purged on resume."""
  writer = writers.EventFileWriter(tmp_path)
  writer.write_scalars(10, {'loss': 0.25, 'broken': math.nan})
  writer.write_images(10, {'sheet': np.zeros((8, 4, 3), np.uint8)})
  writer.close()
  values = {value.tag: value for event in events(tmp_path) for value in event.summary.value}
  assert values['loss'].simple_value == 0.25 and math.isnan(values['broken'].simple_value)
  assert values['sheet'].image.height == 8 and values['sheet'].image.encoded_image_string.startswith(b'\x89PNG')
  assert {event.step for event in events(tmp_path) if event.summary.value} == {10}
  writers.EventFileWriter(tmp_path, start_step=10).close()
  starts = [event for event in events(tmp_path) if event.HasField('session_log')]
  assert [(event.step, event.session_log.status) for event in starts] == [(11, event_pb2.SessionLog.START)]


def test_writer_of_a_run(tmp_path):
  """Protects the pair of files that every run leaves."""
  writer = writers.create_writer(tmp_path)
  writer.write_scalars(1, {'loss': 2.})
  writer.write_images(1, {'sheet': np.zeros((8, 8, 3), np.uint8)})
  writer.flush()
  writer.close()
  assert steps_of(tmp_path / 'metrics.jsonl') == [1]
  assert {value.tag for event in events(tmp_path / 'tensorboard') for value in event.summary.value} == {'loss', 'sheet'}


def test_no_tensorflow():
  """Protects users from TensorFlow: neither needed nor loaded."""
  program = ('import sys; from cnerf_jax.reporting import writers\n'
             'assert not any(name == "tensorflow" or name.startswith("tensorflow.") for name in sys.modules)')
  subprocess.run([sys.executable, '-c', program], cwd=ROOT, check=True, timeout=60, capture_output=True)


def test_scalars_of_a_step():
  """Protects names of per-class numbers, and from vectors of another meaning; what was not measured is left out."""
  flat = writers.scalars({'loss': np.float32(1.5), 'mask_area/fake': np.array([0.25, 0.75]), 'score/image': None},
                         ('skin', 'hair'))
  assert flat == {'loss': 1.5, 'mask_area/fake/skin': 0.25, 'mask_area/fake/hair': 0.75}
  with pytest.raises(ValueError, match=r'metric odd has shape \(3,\)'):
    writers.scalars({'odd': np.zeros(3)}, ('skin', 'hair'))
