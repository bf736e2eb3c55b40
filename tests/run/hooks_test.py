"""What happens between steps: when, of which parameters, in which order."""

import pathlib
import sys
import types

import chex
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'evaluation'))
import heads  # noqa: E402

from cnerf_jax import semantics
from cnerf_jax.evaluation import scores as scores_lib
from cnerf_jax.reporting import health
from cnerf_jax.run import evaluator as evaluator_lib
from cnerf_jax.run import hooks
from cnerf_jax.run import loop
from cnerf_jax.run import start as start_lib
from cnerf_jax.training import term_gradients



@chex.dataclass(frozen=True)
class State:
  """What hooks and the loop read of a training state."""

  step: int
  generator_params: dict
  ema_params: dict


STATE = State(step=0, generator_params={'w': jnp.zeros(2)}, ema_params={'w': jnp.ones(2)})
METRICS = {
    'global_discriminator/accuracy': jnp.float32(0.7), 'semantic_discriminator/accuracy': jnp.float32(0.6),
    'generator/adversarial_global': jnp.float32(1.2)}


class Recorder:
  """Stands for whatever a hook acts on: notes (method, arguments) of every call, in one list for all that share it."""

  def __init__(self, calls=None):
    self.calls = [] if calls is None else calls

  def __getattr__(self, name):
    if name.startswith('_'):
      raise AttributeError(name)
    return lambda *arguments, **named: self.calls.append((name, *arguments, *named.values()))

  def of(self, name):
    """Arguments of every call of a method."""
    return [call[1:] for call in self.calls if call[0] == name]


def make_config(**changes):
  return tiny.make_config(**dict(num_steps=10, report_every=100, sheet_every=100, evaluate_every=100, checkpoint_every=100) | changes)


def make_report(monkeypatch, config, writer):
  monkeypatch.setattr(
      term_gradients, 'make_term_gradient_norms', lambda config, players: lambda state, batch: {'generator_gradient_norm/eikonal': batch})
  return hooks.Report(config, None, writer, Recorder(), health.HealthState())


def make_score(monkeypatch, config, writer, geometry=None, report=None):
  """(the hook, (params, step) of each score): scores are ten times the step."""
  scored = []

  class Evaluator:
    def __init__(self, *arguments):
      del arguments

    def evaluate(self, params, step, workdir):
      del workdir
      scored.append((params, step))
      return {'image_normalised': 10.0 * step, 'unknown': None, 'geometry': geometry}

  monkeypatch.setattr(evaluator_lib, 'Evaluator', Evaluator)
  monkeypatch.setattr(scores_lib, 'summary', lambda scores: {name: scores[name] for name in ('image_normalised', 'unknown')})
  monkeypatch.setattr(scores_lib, 'format_table', str)
  players = types.SimpleNamespace(generator=None)
  return hooks.Score(config, players, None, {'w': jnp.zeros(2)}, None, writer, Recorder(), report or Recorder()), scored


def test_hooks_are_due_at_their_steps_and_at_the_last():
  """Protects long runs from endless sheets and lost ends: every so many steps, any of several names, and whatever else at the last."""
  config = make_config(report_every=2, sheet_every=3)
  due = lambda *names: [step for step in range(1, 11) if hooks.is_due(config, step, *names)]
  assert due('report') == [2, 4, 6, 8, 10]
  assert due('sheet') == [3, 6, 9, 10]
  assert due('report', 'sheet') == [2, 3, 4, 6, 8, 9, 10]
  assert due('checkpoint') == [10]


def test_scores_are_of_the_average(monkeypatch):
  """Protects what a run is judged by: the average is scored, when scores are due, and what was not measured is not written."""
  writer = Recorder()
  score, scored = make_score(monkeypatch, make_config(evaluate_every=4), writer)
  for step in range(1, 11):
    score(step, STATE, METRICS)
  assert [step for _, step in scored] == [4, 8, 10]
  for params, _ in scored:
    chex.assert_trees_all_equal(params, STATE.ema_params)
  assert writer.of('write_scalars')[0] == (4, {'score/image_normalised': 40.0})


def test_scores_warn_of_the_shape_of_heads(monkeypatch):
  """Protects from hollow heads behind right pictures: a verdict of the scores is a warning of the run, once, kept by its checkpoints."""
  config = make_config(evaluate_every=4)
  report = make_report(monkeypatch, config, Recorder())
  score, _ = make_score(monkeypatch, config, Recorder(), geometry={'verdict': 'hollow'}, report=report)
  for step in range(1, 11):
    score(step, STATE, METRICS)
  (note,), = report._progress.of('note')
  assert note.startswith('warning: heads are hollow') and note.endswith('step 4')
  assert report.health.warned == ('geometry/hollow',)


def test_geometry_after_pretraining_is_said_and_written(monkeypatch):
  """Protects the first moment at which a hollow head can be seen: one line, the numbers at that step, and a warning."""
  config, writer = make_config(), Recorder()
  report = make_report(monkeypatch, config, writer)
  score, _ = make_score(monkeypatch, config, writer, report=report)
  drawn = []
  monkeypatch.setattr(evaluator_lib, 'make_depth_sampler', lambda *a: lambda params, key, batch, viewpoint: drawn.append(
      (params, viewpoint)) or heads.sampler(-0.1, 0.004)(key, batch, viewpoint))
  score.measure_geometry(0, STATE)
  for params, viewpoint in drawn:
    chex.assert_trees_all_equal(params, STATE.ema_params)
    assert not viewpoint.any()
  (step, written), = writer.of('write_scalars')
  assert step == 0 and set(written) == {'score/geometry_relief', 'score/geometry_in_order', 'score/geometry_fog'}
  assert written['score/geometry_relief'] < -0.04 and written['score/geometry_in_order'] == 0
  (line,), = score._progress.of('note')
  assert 'relief -0.0' in line and 'hollow' in line and '\n' not in line
  assert report.health.warned == ('geometry/hollow',) and score.at(0) is None


def test_sheets_are_of_the_average():
  """Protects what a run is seen by: the average is drawn, when sheets are due, and the picture goes to TensorBoard."""
  drawn, writer = [], Recorder()

  class Pictures:
    def draw(self, params, step):
      drawn.append((params, step))
      return types.SimpleNamespace(image=np.zeros((2, 2, 3), np.uint8))

  draw = hooks.Draw(make_config(sheet_every=5), Pictures(), writer)
  for step in range(1, 11):
    draw(step, STATE, METRICS)
  assert [step for _, step in drawn] == [5, 10]
  for params, _ in drawn:
    chex.assert_trees_all_equal(params, STATE.ema_params)
  assert [step for step, _ in writer.of('write_images')] == [5, 10]


def test_report_writes_term_gradients_where_sheets_are_due(monkeypatch):
  """Protects the curve of who teaches the generator: measured on the step's own batch where sheets are due, never repeated later."""
  writer = Recorder()
  report = make_report(monkeypatch, make_config(report_every=2, sheet_every=4), writer)
  for step in range(1, 7):
    report.before_step(step, STATE, jnp.float32(step))
    report(step, STATE, METRICS)
  written = dict(writer.of('write_scalars'))
  assert sorted(written) == [2, 4, 6]
  assert {step: line.get('generator_gradient_norm/eikonal') for step, line in written.items()} == {2: None, 4: 4.0, 6: None}
  assert written[2]['global_discriminator/accuracy'] == pytest.approx(0.7)


def test_report_names_the_classes(monkeypatch):
  """Protects curves by class: one number for each class of the config's set, by its name."""
  writer = Recorder()
  report = make_report(monkeypatch, make_config(report_every=1), writer)
  names = semantics.class_set('ffhq12').classes
  report(1, STATE, METRICS | {'mask_area/real': jnp.arange(len(names)) / 100})
  (_, written), = writer.of('write_scalars')
  assert written['mask_area/real/hair'] == pytest.approx(names.index('hair') / 100)


def test_save_hands_on_the_score_of_its_own_step(monkeypatch):
  """Protects the best checkpoints: a checkpoint carries a score only if it was scored itself, else none, not an earlier one."""
  checkpoints, config = Recorder(), make_config(num_steps=100, evaluate_every=4, checkpoint_every=2)
  score, _ = make_score(monkeypatch, config, Recorder())
  report = make_report(monkeypatch, config, Recorder())
  save = hooks.Save(config, checkpoints, 'batches', report, score, Recorder(), None)
  for step in range(1, 9):
    score(step, STATE, METRICS)
    save(step, STATE, METRICS)
  assert [(call[0], call[-1]) for call in checkpoints.of('save')] == [(2, None), (4, 40.0), (6, None), (8, 80.0)]
  assert all(call[1] is STATE and call[2] == 'batches' for call in checkpoints.of('save'))


def test_save_needs_no_score(monkeypatch):
  """Protects processes other than the first, which score and draw nothing: they save all the same, then flush what was written."""
  config, calls = make_config(checkpoint_every=3), []
  report = make_report(monkeypatch, config, Recorder())
  save = hooks.Save(config, Recorder(calls), None, report, None, Recorder(calls), None)
  for step in range(1, 4):
    save(step, STATE, METRICS)
  assert [call[0] for call in calls] == ['save', 'flush']
  assert calls[0][1] == 3 and calls[0][-1] is None


class Hook:
  """Stands for `Draw` and `Score`."""

  scores = {'of': 'the last'}

  def __init__(self, name, calls):
    self._name, self._calls = name, calls

  def __call__(self, step, state, metrics):
    self.draw(step, state)

  def draw(self, step, state):
    self._calls.append((self._name, step))

  def at(self, step):
    return None

  def measure_geometry(self, step, state):
    self._calls.append(('geometry', step))


class Run:
  """`loop.run` with everything that it acts on replaced by one list of calls; `metrics_of(step)` are its steps' metrics."""

  def __init__(self, monkeypatch, config, metrics_of):
    self.calls = []
    recorder = Recorder(self.calls)
    context = type('Context', (Recorder,), {'__enter__': lambda self: self, '__exit__': lambda self, *error: None})

    class Batches(Recorder):
      def __next__(self):
        return jnp.zeros(())

    def step(state, batch):
      del batch
      self.calls.append(('step', state.step + 1))
      return state.replace(step=state.step + 1), metrics_of(state.step + 1)

    monkeypatch.setattr(loop.checkpoints_lib, 'Checkpoints', lambda *a, **k: context(self.calls))
    monkeypatch.setattr(loop.progress_lib, 'Progress', lambda *a, **k: context())
    monkeypatch.setattr(loop.writers, 'create_writer', lambda *a, **k: recorder)
    monkeypatch.setattr(loop.device_batches, 'DeviceBatches', lambda *a: Batches())
    monkeypatch.setattr(loop.start_lib, 'restore_or_create', lambda *a: start_lib.Start(config, STATE, health.HealthState(), {}))
    monkeypatch.setattr(loop, '_compiled_steps', lambda *a: {config.image_size: step})
    monkeypatch.setattr(loop.pictures_lib, 'Pictures', lambda *a: None)
    for name in ('Draw', 'Score'):
      monkeypatch.setattr(hooks, name, lambda *a, name=name: Hook(name, self.calls))
    monkeypatch.setattr(term_gradients, 'make_term_gradient_norms', lambda *a: lambda state, batch: {})
    self._run = lambda: loop.run(config, None, None, None, None)

  def __call__(self):
    return self._run()

  def of(self, *names):
    """(name, step) of the calls of these names."""
    return [call[:2] for call in self.calls if call[0] in names]


def test_run_reports_draws_scores_and_saves_in_this_order(monkeypatch):
  """Protects the order: a step is judged before it is saved, and scored before, so that its checkpoint has the score; the first sheet
  is drawn before any step."""
  run = Run(monkeypatch, make_config(num_steps=2, report_every=1, checkpoint_every=1), lambda step: METRICS)
  assert run() == {'of': 'the last'}
  names = ('step', 'write_scalars', 'Draw', 'Score', 'save')
  assert run.of(*names) == [('Draw', 0)] + [(name, step) for step in (1, 2) for name in names]


def test_run_ends_before_it_saves_what_is_not_a_number(monkeypatch):
  """Protects the last good checkpoint: NaN in a metric ends the run where a checkpoint is due, reports or not, before it is saved."""
  nan_from = lambda step: METRICS | {'generator/eikonal': jnp.float32(np.nan if step >= 3 else 0.1)}
  run = Run(monkeypatch, make_config(checkpoint_every=2), nan_from)
  with pytest.raises(health.NonFiniteMetric, match='step 4: generator/eikonal is nan'):
    run()
  assert run.of('save') == [('save', 2)]
  assert run.of('step')[-1] == ('step', 4) and run.of('Draw', 'Score')[-1] == ('Score', 3)


@pytest.mark.parametrize('num_steps, measured', [(0, []), (5, [('geometry', 0)])], ids=['none', 'pretrained'])
def test_run_measures_geometry_after_pretraining(monkeypatch, num_steps, measured):
  """Protects the first look at what pretraining made, and a run without pretraining from a verdict on the sphere that it starts as."""
  run = Run(monkeypatch, make_config(num_steps=1, vae_pretraining__num_steps=num_steps), lambda step: METRICS)
  run()
  assert run.of('geometry') == measured
