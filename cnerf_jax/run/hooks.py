"""What happens between steps, each in its turn: report metrics, draw pictures, score, save.

A hook is called with (step, state, metrics) after every step and acts when its turn has come: every so many steps, and at the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import ml_collections
import numpy as np

from cnerf_jax import semantics
from cnerf_jax.evaluation import geometry as geometry_lib
from cnerf_jax.evaluation import scores as scores_lib
from cnerf_jax.models import players as players_lib
from cnerf_jax.persistence import checkpoints as checkpoints_lib
from cnerf_jax.reporting import health
from cnerf_jax.reporting import pictures as pictures_lib
from cnerf_jax.reporting import progress as progress_lib
from cnerf_jax.reporting import writers
from cnerf_jax.run import evaluator as evaluator_lib
from cnerf_jax.run import start as start_lib
from cnerf_jax.training import term_gradients

Metrics = dict[str, jax.Array]


def is_due(config: ml_collections.ConfigDict, step: int, *names: str) -> bool:
  """Whether one of the `NAME_every` of the config comes round at a step; all do at the last."""
  return step == config.num_steps or any(step % config[f'{name}_every'] == 0 for name in names)


class Report:
  """Metrics to the writer and the progress bar, and warnings of what looks ill.

  Attributes:
    health: what the reports so far have shown.
  """

  def __init__(
      self, config: ml_collections.ConfigDict, players: players_lib.Players, writer: writers.MetricWriter,
      progress: progress_lib.Progress, health_state: health.HealthState):
    self.health = health_state
    self._config, self._writer, self._progress = config, writer, progress
    self._class_names = semantics.class_set(config.data.class_set).classes
    self._term_gradient_norms = jax.jit(term_gradients.make_term_gradient_norms(config, players))
    self._measured: Metrics = {}

  def before_step(self, step: int, state: Any, batch: Any) -> None:
    """Measures the gradient of each loss term, when sheets are due, on the state and batch that the step is about to take."""
    self._measured = dict(self._term_gradient_norms(state, batch)) if is_due(self._config, step, 'sheet') else {}

  def __call__(self, step: int, state: Any, metrics: Metrics) -> None:
    if not is_due(self._config, step, 'report', 'checkpoint', 'sheet'):
      self._progress.update(step)
      return
    report = writers.scalars(jax.device_get(metrics | self._measured), self._class_names)
    self.health, warnings = health.examine(report, self.health, step=step)
    for warning in warnings:
      self._progress.note(f'warning: {warning}')
    self._writer.write_scalars(step, report)
    shown = {'D': 'global_discriminator/accuracy', 'Ds': 'semantic_discriminator/accuracy', 'G': 'generator/adversarial_global'}
    self._progress.update(step, {label: report[name] for label, name in shown.items() if name in report})

  def examine_geometry(self, step: int, geometry: Mapping[str, Any] | None) -> None:
    """Warns of heads of a wrong shape, by `geometry` of the scores."""
    self.health, warnings = health.examine_geometry(geometry and geometry['verdict'], self.health, step=step)
    for warning in warnings:
      self._progress.note(f'warning: {warning}')


class Draw:
  """Sheets of the average's people, as files and for TensorBoard."""

  def __init__(self, config: ml_collections.ConfigDict, pictures: pictures_lib.Pictures, writer: writers.MetricWriter):
    self._config, self._pictures, self._writer = config, pictures, writer

  def __call__(self, step: int, state: Any, metrics: Metrics) -> None:
    if is_due(self._config, step, 'sheet'):
      self.draw(step, state)

  def draw(self, step: int, state: Any) -> None:
    """Draws now."""
    sheet = self._pictures.draw(jax.device_get(state.ema_params), step)
    self._writer.write_images(step, {'samples': np.asarray(sheet.image)})


class Score:
  """Scores of the average against real portraits, and warnings, through `report`, of heads of a wrong shape.

  Attributes:
    scores: the last ones; none yet at first.
    step: which they are of.
  """

  def __init__(
      self, config: ml_collections.ConfigDict, players: players_lib.Players, data: evaluator_lib.Data, untrained_params: Any | None,
      workdir: Any, writer: writers.MetricWriter, progress: progress_lib.Progress, report: Report):
    self.scores: dict[str, Any] = {}
    self.step: int | None = None
    self._config, self._players, self._data, self._untrained_params = config, players, data, untrained_params
    self._workdir, self._writer, self._progress, self._report = workdir, writer, progress, report
    self._evaluator: evaluator_lib.Evaluator | None = None

  def __call__(self, step: int, state: Any, metrics: Metrics) -> None:
    if not is_due(self._config, step, 'evaluate'):
      return
    if self._evaluator is None:  # made at the first score: it reads real portraits and the oracle
      untrained = self._untrained_params
      if untrained is None:
        untrained = start_lib.untrained_params(self._config, self._players)
      self._evaluator = evaluator_lib.Evaluator(
          self._players.generator, untrained, self._config, self._data, self._progress.note)
    self.scores, self.step = self._evaluator.evaluate(jax.device_get(state.ema_params), step, self._workdir), step
    self._write(step, scores_lib.summary(self.scores))
    self._progress.note(scores_lib.format_table(self.scores))
    self._report.examine_geometry(step, self.scores['geometry'])

  def measure_geometry(self, step: int, state: Any) -> None:
    """Says, now, what shape heads have, and nothing else of them: after the pretraining, where the other scores would take minutes."""
    found = evaluator_lib.measure_geometry(self._players.generator, jax.device_get(state.ema_params), self._config)
    if found is None:
      return
    self._write(step, scores_lib.geometry_summary(found))
    self._progress.note(f'geometry at step {step}: {geometry_lib.describe(found)}')
    self._report.examine_geometry(step, found)

  def _write(self, step: int, summary: Mapping[str, float | None]) -> None:
    self._writer.write_scalars(step, {f'score/{name}': value for name, value in summary.items() if value is not None})

  def at(self, step: int) -> float | None:
    """The image score of a step, lower is better; None if it was not scored."""
    return scores_lib.summary(self.scores)['image_normalised'] if step == self.step else None


class Save:
  """Checkpoints, with the position in the data, the run's health and the score; then the curves."""

  def __init__(
      self, config: ml_collections.ConfigDict, checkpoints: checkpoints_lib.Checkpoints, batches: Any, report: Report,
      score: Score | None, writer: writers.MetricWriter, pictures: pictures_lib.Pictures | None):
    self._config, self._checkpoints, self._batches, self._report, self._score = config, checkpoints, batches, report, score
    self._writer, self._pictures = writer, pictures

  def __call__(self, step: int, state: Any, metrics: Metrics) -> None:
    if not is_due(self._config, step, 'checkpoint'):
      return
    score = self._score.at(step) if self._score is not None else None
    self._checkpoints.save(step, state, self._batches, start_lib.meta(self._report.health, self._config), score=score)
    self._writer.flush()
    if self._pictures is not None:
      self._pictures.draw_curves()
