import numpy as np
import pytest

from benchmarks import people_statistics
from data_pipeline import vocabularies

NAMES = vocabularies.CELEBAMASK_HQ.labels


def test_statistics_of_a_drawing():
  """Protects the table: shares, spread, presence and middles of two maps that a pencil can check."""
  labels = np.zeros((2, 100, 100), np.uint8)
  labels[0, 20:40, 10:30] = NAMES.index('l_eye')  # 4% of the picture, middle (.2, .3)
  labels[1, :3, 0] = NAMES.index('l_eye')  # 3 pixels: not there
  labels[0, 50:60, 50:60] = NAMES.index('r_eye')
  rows = people_statistics.statistics(labels)
  assert rows['l_eye'] == pytest.approx(dict(share=0.02015, spread=0.01985, present=0.5, x=0.2, y=0.3))
  assert rows['both eyes']['share'] == pytest.approx(0.02015 + 0.005)
  assert rows['hat']['present'] == 0 and np.isnan(rows['hat']['x'])
  assert sum(rows[name]['share'] for name in NAMES) == pytest.approx(1)


def test_shares_and_spreads_beyond_the_factor_are_marked():
  """Protects the bar: 1.5 times as much passes, more does not, nor does a spread that is too small; a label that nobody has is neither."""
  row = dict(share=0.3, spread=0.1, present=1.0, x=0.5, y=0.5)
  none = dict(row, share=0.0, spread=0.0)
  compared = people_statistics.compare(
      dict(skin=row, hair=row, nose=dict(row, spread=0.01), hat=row, neck_l=none),
      dict(skin=dict(row, share=0.2001), hair=dict(row, share=0.19), nose=row, hat=dict(row, share=0.21), neck_l=none), 1.5)
  assert [name for name, one in compared.items() if not one['within']] == ['hair', 'nose']
  assert compared['hair']['share_ratio'] == pytest.approx(0.3 / 0.19)
  table = people_statistics.table(compared)
  assert table.count('<- outside') == 2 and len(set(map(len, (line.split('  <-')[0] for line in table.splitlines())))) == 1


def test_a_table_without_a_reference():
  """Protects the command with one folder."""
  rows = people_statistics.statistics(np.zeros((1, 8, 8), np.uint8))
  assert '100.000' in people_statistics.table(rows).splitlines()[1]
