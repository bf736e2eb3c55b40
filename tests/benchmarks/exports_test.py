from absl import app
import numpy as np
from PIL import Image
import pytest

import drawn_export

from benchmarks import exports


def test_label_maps_and_truth_are_read_in_the_same_order(tmp_path):
  """Protects the pairing of a map with its truth: by name, integers kept, the middle of each block."""
  viewpoint = drawn_export.write(tmp_path, 5)
  names, labels = exports.read_labels(tmp_path, size=128, limit=4)
  assert names == ['000000', '000001', '000002', '000003']
  np.testing.assert_array_equal(labels, drawn_export.label_maps(viewpoint)[:4])
  truth = exports.read_truth(tmp_path, ('azimuth', 'elevation'), count=4)
  np.testing.assert_array_equal(truth['elevation'], viewpoint[:4, 1])
  assert exports.read_labels(tmp_path / 'labels', size=32, names=['000003'])[1].shape == (1, 32, 32)


@pytest.mark.parametrize('break_it, message', [
    (lambda folder: (folder / 'truth.npz').unlink(), 'is not the truth of an export'),
    (lambda folder: (folder / 'truth.npz').write_bytes(b'nothing'), 'is not the truth of an export'),
    (lambda folder: np.savez(folder / 'truth.npz', azimuth=np.zeros(3)), 'has no elevation; it has azimuth'),
    (lambda folder: np.savez(folder / 'truth.npz', azimuth=np.zeros(3), elevation=np.zeros(2)), 'has 2 rows for 3 images'),
    (lambda folder: Image.new('RGB', (8, 8)).save(folder / 'labels' / '000001.png'), 'is no label map'),
    (lambda folder: Image.new('L', (8, 8), 19).save(folder / 'labels' / '000001.png'), 'integers in 0..18'),
    (lambda folder: (folder / 'labels' / '000001.png').write_bytes(b'nothing'), 'is no picture'),
    (lambda folder: [path.unlink() for path in (folder / 'labels').iterdir()], 'no label map'),
], ids=['missing', 'no npz', 'no field', 'too few', 'colours', 'other labels', 'damaged', 'empty'])
def test_what_is_no_export_is_one_line(tmp_path, break_it, message):
  """Protects from tracebacks: a wrong folder, file or field is told in one line."""
  drawn_export.write(tmp_path, 3)
  break_it(tmp_path)
  with pytest.raises(app.UsageError, match=message) as error:
    exports.read_labels(tmp_path, size=8)
    exports.read_truth(tmp_path, ('azimuth', 'elevation'), count=3)
  assert '\n' not in str(error.value)
