"""Shares of labels beside those of photographs: python -m benchmarks.people_statistics --labels=DIR [--reference=DIR]

For each of the 19 CelebAMask-HQ labels, and for eyes, brows, ears and lips of both sides together: its share of the picture (mean over
images, percent), the spread between people (standard deviation of that share), in how many images it is there at all, and the middle of
its pixels, in sides of the picture. With a second folder (label maps of photographs), its columns stand beside, with their ratio; a share or
a spread outside a factor of 1.5 is marked. Prints the table and appends it to --output as JSON.
"""


from absl import app
from absl import flags
from jaxtyping import UInt8
import numpy as np

from benchmarks import exports
from benchmarks import machine
from data_pipeline import vocabularies

PRESENT = 0.0005  # of the picture: a label with fewer pixels counts as not there
_LABEL_NAMES = vocabularies.CELEBAMASK_HQ.labels
GROUPS = {name: (name,) for name in _LABEL_NAMES} | {
    'both eyes': ('l_eye', 'r_eye'), 'both brows': ('l_brow', 'r_brow'), 'both ears': ('l_ear', 'r_ear'),
    'lips, mouth': ('u_lip', 'l_lip', 'mouth')}
_COLUMNS = ('share', 'spread', 'present', 'x', 'y')


def statistics(labels: UInt8[np.ndarray, 'images height width']) -> dict[str, dict[str, float]]:
  """By name of a label or group: share, spread, present (fractions), x and y of its middle (in sides; NaN where it is nowhere)."""
  height, width = labels.shape[1:]
  counts = np.stack([(labels == k).sum(axis=2) for k in range(len(_LABEL_NAMES))])  # labels, images, rows
  columns = np.stack([(labels == k).sum(axis=1) for k in range(len(_LABEL_NAMES))])
  rows = {}
  for name, members in GROUPS.items():
    chosen = [_LABEL_NAMES.index(member) for member in members]
    in_rows, in_columns = counts[chosen].sum(axis=0), columns[chosen].sum(axis=0)
    share = in_rows.sum(axis=1) / (height * width)
    worn = share >= PRESENT
    x, y = (np.nan, np.nan) if not worn.any() else (_middle(in_columns[worn]), _middle(in_rows[worn]))
    rows[name] = dict(share=share.mean(), spread=share.std(), present=worn.mean(), x=x, y=y)
  return {name: {column: float(value) for column, value in row.items()} for name, row in rows.items()}


def _middle(counts: np.ndarray) -> float:
  """Mean over images of the mean position of pixels counted along an axis, in sides."""
  position = (np.arange(counts.shape[1]) + 0.5) / counts.shape[1]
  return (counts @ position / counts.sum(axis=1)).mean()


def compare(
    found: dict[str, dict[str, float]], reference: dict[str, dict[str, float]], factor: float) -> dict[str, dict[str, float]]:
  """Rows of `statistics` with those of the reference (`real_share`, ...), ratios and whether share and spread are `within` the factor."""
  rows = {}
  for name, row in found.items():
    real = reference[name]
    ratios = {f'{column}_ratio': row[column] / real[column] if real[column] > 0 else float('nan') for column in _COLUMNS[:3]}
    within = all(not ratios[f'{column}_ratio'] < 1 / factor and not ratios[f'{column}_ratio'] > factor for column in ('share', 'spread'))
    rows[name] = row | {f'real_{column}': real[column] for column in _COLUMNS} | ratios | dict(within=within)
  return rows


def table(rows: dict[str, dict[str, float]]) -> str:
  """Rows of `statistics` or `compare` as text; shares in percent of the picture."""
  compared = 'within' in next(iter(rows.values()))
  pair = lambda name: f'{name:>9}' + (f'{"real":>9}{"ratio":>7}' if compared else '')
  middles = f'{"x":>7}{"y":>7}' + (f'{"real":>7}{"real":>7}' if compared else '')
  lines = [f'{"label":<12}{pair("share %")}{pair("spread %")}{pair("there %")}{middles}']
  for name, row in rows.items():
    cells = []
    for column, digits in (('share', 3), ('spread', 3), ('present', 1)):
      cells.append(f'{100 * row[column]:>9.{digits}f}')
      if compared:
        cells.append(f'{100 * row[f"real_{column}"]:>9.{digits}f}{row[f"{column}_ratio"]:>7.2f}')
    cells += [f'{row[column]:>7.3f}' for column in (('x', 'y', 'real_x', 'real_y') if compared else ('x', 'y'))]
    lines.append(f'{name:<12}' + ''.join(cells) + ('  <- outside' if compared and not row['within'] else ''))
  return '\n'.join(lines)


def main(argv):
  del argv
  names, labels = exports.read_labels(_LABELS.value, size=_SIZE.value, limit=_LIMIT.value)
  rows = statistics(labels)
  if _REFERENCE.value:
    rows = compare(rows, statistics(exports.read_labels(_REFERENCE.value, size=_SIZE.value, limit=_LIMIT.value)[1]), _FACTOR.value)
  print(f'{len(names)} images\n{table(rows)}')
  if _REFERENCE.value:
    outside = [name for name, row in rows.items() if not row['within']]
    print(f'{len(rows) - len(outside)} of {len(rows)} within a factor of {_FACTOR.value:g}; outside: {", ".join(outside) or "none"}')
  machine.append(dict(benchmark='people_statistics', images=len(names), rows=rows), _OUTPUT.value)


if __name__ == '__main__':
  _LABELS = flags.DEFINE_string('labels', None, 'Folder of an export, or of label maps.', required=True)
  _REFERENCE = flags.DEFINE_string('reference', None, 'Folder of label maps of photographs to compare with.')
  _SIZE = flags.DEFINE_integer('size', 256, 'Side that label maps are read at, pixels.', lower_bound=16)
  _LIMIT = flags.DEFINE_integer('limit', None, 'Only the first so many images of each folder.', lower_bound=1)
  _FACTOR = flags.DEFINE_float('factor', 1.5, 'Ratios beyond this factor are marked.', lower_bound=1.0)
  _OUTPUT = flags.DEFINE_string('output', None, 'A line of JSON is appended here.')
  app.run(main)
