"""Label orders: which integer of somebody's label map is which of the 19 CelebAMask-HQ labels.

A wrong order trains without an error, so that it must be declared, and `anatomy.py` checks it against the pictures.
"""

import dataclasses
import json
import os

import numpy as np
from jaxtyping import Int, UInt8

from data_pipeline import vocabularies
from data_pipeline.prepare import faults

LABELS = vocabularies.CELEBAMASK_HQ.labels
BACKGROUND = LABELS.index('background')
LARGEST_VALUE = 255
_UNKNOWN = 255


@dataclasses.dataclass(frozen=True)
class LabelOrder:
  """A table from the integers of a label map to the 19 labels.

  Attributes:
    name: how it is declared.
    labels: label name of each known integer.
  """

  name: str
  labels: dict[int, str]

  def lookup(self) -> UInt8[np.ndarray, '256']:
    """Index of the label of each integer, 255 where it is unknown."""
    table = np.full(LARGEST_VALUE + 1, _UNKNOWN, np.uint8)
    for value, label in self.labels.items():
      table[value] = LABELS.index(label)
    return table

  def apply(self, values: Int[np.ndarray, 'height width']) -> UInt8[np.ndarray, 'height width']:
    """The 19 labels of a label map; `faults.Refused` names a value that the order does not know."""
    smallest, largest = int(values.min()), int(values.max())
    if smallest < 0 or largest > LARGEST_VALUE:
      raise faults.Refused(faults.Fault.LABEL_RANGE, f'value {smallest if smallest < 0 else largest}')
    labels = self.lookup()[values]
    unknown = labels == _UNKNOWN
    if unknown.any():
      raise faults.Refused(
          faults.Fault.LABEL_RANGE, f'value {int(values[unknown][0])} in {unknown.mean():.1%} of the pixels')
    return labels


def _order(name: str, *labels: str) -> LabelOrder:
  return LabelOrder(name, dict(enumerate(labels)))


CELEBAMASK_HQ = _order('celebamask-hq', *LABELS)
# what BiSeNet face parsers put out
BISENET = _order(
    'bisenet', 'background', 'skin', 'l_brow', 'r_brow', 'l_eye', 'r_eye', 'eye_g', 'l_ear', 'r_ear', 'ear_r', 'nose', 'mouth', 'u_lip',
    'l_lip', 'neck', 'neck_l', 'cloth', 'hair', 'hat')
LAPA = _order(
    'lapa', 'background', 'skin', 'l_brow', 'r_brow', 'l_eye', 'r_eye', 'nose', 'u_lip', 'mouth', 'l_lip', 'hair')
KNOWN = {order.name: order for order in (CELEBAMASK_HQ, BISENET, LAPA)}


def label_order(name: str) -> LabelOrder:
  """The order called `name`, or the one in the JSON file of that name: {"0": "background", "1": "skin", ...} or a list of names.

  Several integers may be the same label; integers that are left out are faults where they occur.

  Raises:
    ValueError: in one line, if there is no such order, or the file is something else.
  """
  known = KNOWN.get(name.replace('_', '-'))
  if known is not None:
    return known
  if not name.lower().endswith('.json'):
    raise ValueError(f'unknown label order {name!r}; use one of {", ".join(KNOWN)}, or a .json file such as '
                     '{"0": "background", "1": "skin"}')
  try:
    with open(name, encoding='utf-8') as file:
      table = json.load(file)
  except FileNotFoundError:
    raise ValueError(f'no label order file {name}; give its path, or one of {", ".join(KNOWN)}') from None
  except (OSError, ValueError, RecursionError) as error:
    raise ValueError(f'label order file {name} is no JSON ({faults.printable(str(error), 100)})') from error
  if isinstance(table, list):
    table = dict(enumerate(table))
  if not isinstance(table, dict) or not table:
    raise ValueError(f'label order file {name} holds no table; write {{"0": "background", "1": "skin", ...}} or a list of names')
  return LabelOrder(os.path.basename(name), dict(_entry(name, value, label) for value, label in table.items()))


def _entry(name: str, value, label) -> tuple[int, str]:
  try:
    number = int(value)
  except (TypeError, ValueError):
    number = -1
  if not 0 <= number <= LARGEST_VALUE:
    raise ValueError(f'label order file {name} has the label value {value!r}; use integers from 0 to {LARGEST_VALUE}')
  if label not in LABELS:
    raise ValueError(f'label order file {name} maps {number} to {label!r}; use one of {", ".join(LABELS)}')
  return number, label
