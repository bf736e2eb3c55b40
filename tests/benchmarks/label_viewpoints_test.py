import json

from absl import app
import numpy as np
import pytest

import drawn_export

from benchmarks import label_viewpoints
from data_pipeline.label_viewpoints import reading


def test_shipped_parameters_read_people_of_another_seed(tmp_path):
  """Protects what is printed: columns of maps that the network can't have learnt by heart, drawn with a nose that moves."""
  viewpoint = drawn_export.write(tmp_path, 24)
  labels = drawn_export.label_maps(viewpoint)
  row = label_viewpoints.measure(reading.load(), labels, viewpoint)
  assert row['maps'] == 24 and set(row['accuracy']) == {'azimuth', 'elevation'} and len(row['by_confidence']) == 4
  assert row['accuracy']['azimuth']['correlation'] > 0.5  # discs with a nose: the sign at least


def test_errors_are_sorted_by_confidence():
  """Protects the quarters: the least sure first."""
  confidence = np.array([0.9, 0.1, 0.5, 0.3, 1.0, 0.2, 0.6, 0.4])
  rows = label_viewpoints.by_confidence(np.stack([10 - 10 * confidence] * 2, axis=-1), confidence)
  assert [row['confidence'] for row in rows] == sorted(row['confidence'] for row in rows)
  assert [row['azimuth'] for row in rows] == pytest.approx([8.5, 6.5, 4.5, 0.5])


@pytest.mark.parametrize('text', ['', '[]', '{"a": 3}', '{"a": ["left", "right"]}'])
def test_a_file_without_poses_is_one_line(tmp_path, text):
  """Protects from tracebacks."""
  (tmp_path / 'poses.json').write_text(text)
  with pytest.raises(app.UsageError, match='has no poses'):
    label_viewpoints.read_poses(tmp_path / 'poses.json')


def test_poses_are_by_name_without_suffix(tmp_path):
  """Protects the comparison: names of pictures and of label maps differ in their suffix."""
  (tmp_path / 'poses.json').write_text(json.dumps({'a.jpg': [0.1, 0.2, 0.3]}))
  assert label_viewpoints.read_poses(tmp_path / 'poses.json') == {'a': [0.1, 0.2]}
