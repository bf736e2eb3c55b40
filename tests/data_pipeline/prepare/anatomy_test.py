"""A wrong label order is found before it trains: each known order is told from the others on drawn faces, and on sideways ones none fits."""

import json

import faces
import numpy as np
import pytest

from data_pipeline.prepare import anatomy
from data_pipeline.prepare import faults
from data_pipeline.prepare import label_orders

ORDERS = list(label_orders.KNOWN.values())
MAPS = [faces.face(seed)[1] for seed in range(6)]


def raw(order, maps=MAPS):
  return [anatomy.moments(faces.in_order(labels, order), 256) for labels in maps]


@pytest.mark.parametrize('declared', ORDERS, ids=lambda order: order.name)
@pytest.mark.parametrize('true', ORDERS, ids=lambda order: order.name)
def test_only_the_true_order_fits(true, declared):
  """Protects from the costliest mistake: any known order declared as another stops, and the one that fits is named."""
  check = anatomy.check_order(declared, raw(true))
  assert check.is_wrong == (true is not declared)
  if true is not declared:
    assert next(iter(check.fits)) == true.name and f'use --label-order {true.name}' in check.line()


def test_a_table_that_says_the_same_is_fine():
  """Protects users of JSON tables: an order is judged by what it says, not by its name."""
  table = label_orders.LabelOrder('mine.json', label_orders.BISENET.labels)
  assert not anatomy.check_order(table, raw(label_orders.BISENET)).is_wrong


@pytest.mark.parametrize('turn', [lambda labels: labels[::-1], lambda labels: labels.T], ids=['upside down', 'sideways'])
def test_labels_that_are_not_upright_fit_no_order(turn):
  """Protects from label maps that were turned: they stop with what they break, and no order is offered that does not fit."""
  check = anatomy.check_order(label_orders.CELEBAMASK_HQ, raw(label_orders.CELEBAMASK_HQ, [turn(labels) for labels in MAPS]))
  assert check.is_wrong and check.broken and 'no known order fits' in check.line()


def test_left_and_right_may_be_either_way_but_not_mixed():
  """Protects both conventions in use; an l_eye on the side of the r_brow breaks a rule."""
  swap = np.arange(19)
  for name in ('eye', 'brow', 'ear'):
    left, right = faces.LABELS.index(f'l_{name}'), faces.LABELS.index(f'r_{name}')
    swap[left], swap[right] = right, left
    if name == 'eye':
      mixed = swap.copy()
  mirrored = anatomy.check_order(label_orders.CELEBAMASK_HQ, raw(label_orders.CELEBAMASK_HQ, [swap[labels] for labels in MAPS]))
  assert mirrored.mirrored and not mirrored.is_wrong and not mirrored.broken
  check = anatomy.check_order(label_orders.CELEBAMASK_HQ, raw(label_orders.CELEBAMASK_HQ, [mixed[labels] for labels in MAPS]))
  assert check.broken == ('left and right on the same sides',)


def test_moments_are_means_over_pixels():
  """Oracle: shares and middles by hand."""
  labels = np.zeros((4, 8), np.uint8)
  labels[1:3, 6:] = 2
  one = anatomy.moments(labels)
  assert one.fraction[2] == 4 / 32 and one.x[2] == 7 / 8 and one.y[2] == 0.5 and one.top[2] == 0.25
  assert np.isnan(one.x[1])


def test_unlabelled_pictures_break_nothing():
  """Protects folders with few labels: absent parts are no evidence against one picture."""
  assert anatomy.fit(anatomy.moments(np.zeros((8, 8), np.uint8))) == 1
  assert anatomy.fit(anatomy.moments(MAPS[0])) == 1
  assert anatomy.fit(anatomy.moments(MAPS[0][::-1])) < anatomy.ODD


def test_json_tables(tmp_path):
  """Protects own vocabularies: a table or a list of names, several integers for one label."""
  path = tmp_path / 'order.json'
  path.write_text(json.dumps({'0': 'background', '7': 'skin', '8': 'skin', '255': 'hair'}))
  order = label_orders.label_order(str(path))
  np.testing.assert_array_equal(order.apply(np.array([[0, 7], [8, 255]])), [[0, 1], [1, 13]])
  path.write_text(json.dumps(['background', 'hair']))
  assert label_orders.label_order(str(path)).labels == {0: 'background', 1: 'hair'}


@pytest.mark.parametrize('content, message', [
    ('{', 'is no JSON'), ('[]', 'holds no table'), ('3', 'holds no table'), ('{"x": "skin"}', "label value 'x'"),
    ('{"256": "skin"}', "label value '256'"), ('{"1": "face"}', "maps 1 to 'face'; use one of background, skin")])
def test_tables_that_are_none_are_one_line(tmp_path, content, message):
  """Protects from typing errors in a table."""
  path = tmp_path / 'order.json'
  path.write_text(content)
  with pytest.raises(ValueError, match=message) as error:
    label_orders.label_order(str(path))
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('name, message', [('bisnet', 'use one of celebamask-hq, bisenet, lapa'), ('lost.json', 'no label order file')])
def test_unknown_orders_are_one_line(name, message):
  """Protects from typing errors in a name."""
  with pytest.raises(ValueError, match=message):
    label_orders.label_order(name)


@pytest.mark.parametrize('value, detail', [(19, 'value 19 in 25.0%'), (-1, 'value -1'), (70_000, 'value 70000')])
def test_labels_out_of_range_are_refused(value, detail):
  """Protects from silent wrapping of a 20th label."""
  with pytest.raises(faults.Refused, match=detail) as error:
    label_orders.CELEBAMASK_HQ.apply(np.array([[0, 1], [2, value]]))
  assert error.value.fault is faults.Fault.LABEL_RANGE
