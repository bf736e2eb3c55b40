"""Curves of a run: loss terms, accuracies, gradient norms, class areas and scores over steps, as small multiples in one PNG."""

from __future__ import annotations

from collections.abc import Sequence
import dataclasses
import io
import math
import os

import matplotlib.backends.backend_agg
import matplotlib.figure
import numpy as np

from cnerf_jax import semantics
from cnerf_jax.persistence import atomic_files
from cnerf_jax.persistence import jsonl

_PRESENCE = 'score/presence_ratio_'
_SMALLEST_SHOWN = 1e-12  # an exact zero, the failure to look for, stays on a logarithmic plot


def loss_plot(metrics_path: str | os.PathLike, path: str | os.PathLike) -> None:
  """Draws `metrics.jsonl` as small multiples into a PNG.

  Each loss term has a panel, the two discriminators together; accuracies, gradient norms of the terms on the
  generator (logarithmic), mask areas (dotted: of real images), scores, what the oracle reads, geometry, locality of edits
  and how often classes are seen share one each. Steps with values that are not finite are marked in red.

  Args:
    metrics_path: the file, with the names of `train_step` and `score/...`; other names are left out.
    path: the PNG to write.
  """
  records = jsonl.read(metrics_path)
  panels = _panels(sorted({name for record in records for name in record})) or [_Panel('no numbers yet', ())]
  num_columns = min(4, len(panels))
  num_rows = math.ceil(len(panels) / num_columns)
  figure = matplotlib.figure.Figure(figsize=(4.2 * num_columns, 3.0 * num_rows), layout='constrained')
  matplotlib.backends.backend_agg.FigureCanvasAgg(figure)
  for index, panel in enumerate(panels):
    _draw_panel(figure.add_subplot(num_rows, num_columns, index + 1), records, panel)
  buffer = io.BytesIO()
  figure.savefig(buffer, format='png', dpi=90)
  atomic_files.write_bytes(path, buffer.getvalue())


@dataclasses.dataclass(frozen=True)
class _Panel:
  """One small plot.

  Attributes:
    title: above it.
    series: metric names.
    scale: of the values, in matplotlib's words.
    limits: of the values, None for what they span.
  """

  title: str
  series: tuple[str, ...]
  scale: str = 'linear'
  limits: tuple[float, float] | None = None


def _panels(names: Sequence[str]) -> list[_Panel]:
  """The panels for the metrics that are there, in the order in which one looks at them."""
  named = lambda condition: tuple(name for name in names if condition(name))
  terms = lambda player: [name for name in names if name.startswith(f'{player}/') and 'accuracy' not in name]
  normalised = named(lambda name: name.startswith('score/') and name.endswith('_normalised'))
  panels = [
      _Panel('score (0 real, 1 untrained)', normalised),
      _Panel('what the oracle reads', named(lambda name: name in (
          'score/mask_agreement', 'score/rare_agreement', 'score/azimuth', 'score/elevation')), limits=(-0.25, 1.02)),
      _Panel('how often a class is seen (1: as often as real)', named(lambda name: name.startswith(_PRESENCE))),
      _Panel('relief, and fog: width of the surface (world units)', named(lambda name: name in (
          'score/geometry_relief', 'score/geometry_fog'))),
      _Panel('noses, eyes, ears in order', named(lambda name: name == 'score/geometry_in_order'), limits=(-0.02, 1.02)),
      _Panel('locality of edits (1: nothing leaks)', named(lambda name: name.startswith('score/locality_')), limits=(-0.02, 1.02)),
      _Panel('discriminator accuracy', named(lambda name: name.endswith(('/accuracy', '/class_accuracy'))),
             limits=(-0.02, 1.02)),
      _Panel('gradient norm on the generator, per term',
             named(lambda name: name.startswith('generator_gradient_norm/')), 'log'),
      _Panel('mask area (dotted: real)', named(lambda name: name.startswith('mask_area/')), 'symlog'),
  ]
  panels += [_Panel(f'generator: {name.partition("/")[2]}', (name,)) for name in terms('generator')]
  discriminators = ('global_discriminator', 'semantic_discriminator')
  for term in sorted({name.partition('/')[2] for player in discriminators for name in terms(player)}):
    series = named(lambda name, term=term: name in [f'{player}/{term}' for player in discriminators])
    panels.append(_Panel(f'discriminators: {term}', series))
  return [panel for panel in panels if panel.series]


def _draw_panel(axes, records: list[dict[str, float]], panel: _Panel) -> None:
  for name in panel.series:
    points = np.array([(record['step'], record[name]) for record in records if name in record], np.float64)
    finite = np.isfinite(points[:, 1])
    for step in points[~finite, 0]:
      axes.axvline(step, color='red', linewidth=1)
    steps, values = points[finite].T
    if panel.scale == 'log':
      values = np.maximum(values, _SMALLEST_SHOWN)
    _draw_series(axes, name, steps, values)
  if panel.scale == 'symlog':
    axes.set_yscale('symlog', linthresh=1e-3)
  else:
    axes.set_yscale(panel.scale)
  axes.set_ylim(panel.limits)
  axes.set_title(panel.title, fontsize=10)
  axes.set_xlabel('step', fontsize=8)
  axes.tick_params(labelsize=8)
  axes.grid(alpha=0.25)
  if len(panel.series) > 1 or panel.limits:
    axes.legend(fontsize=6, ncols=2 if len(panel.series) > 5 else 1)


def _draw_series(axes, name: str, steps: np.ndarray, values: np.ndarray) -> None:
  marker = 'o' if len(steps) < 20 else None
  if name.startswith(_PRESENCE):
    class_name = name.removeprefix(_PRESENCE)
    axes.plot(steps, values, label=class_name, color=_class_colour(class_name), linewidth=1.2, marker=marker, markersize=2.5)
    return
  if not name.startswith('mask_area/'):
    player, _, term = name.partition('/')
    label = player.replace('_', ' ') if term == 'accuracy' or player.endswith('discriminator') else term
    label = f'{label} (class)' if term == 'class_accuracy' else label
    axes.plot(steps, values, label=label.removesuffix('_normalised'), linewidth=1.2, marker=marker, markersize=2.5)
    return
  class_name = name.rpartition('/')[2]
  of_real = name.startswith('mask_area/real/')
  if of_real and len(values):
    values = np.full_like(values, values.mean())  # one batch says little of the data set
  axes.plot(steps, values, label=None if of_real else class_name, color=_class_colour(class_name),
            linewidth=0.9 if of_real else 1.3, linestyle=':' if of_real else '-', marker=None if of_real else marker,
            markersize=2.5)


def _class_colour(name: str) -> tuple[float, float, float] | None:
  for class_set in semantics.CLASS_SETS.values():
    if name in class_set.classes:
      red, green, blue = class_set.palette[class_set.classes.index(name)]
      return red / 255, green / 255, blue / 255
  return None
