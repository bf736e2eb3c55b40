import dataclasses
import json
import math

import pytest

from cnerf_jax.reporting import health

WELL = {
    'generator/adversarial_global': 0.7,
    'global_discriminator/accuracy': 0.8,
    'semantic_discriminator/accuracy': 0.75,
    'semantic_discriminator/class_accuracy': 1.0,
    'generator_gradient_norm/adversarial_global': 0.1,
    'generator_gradient_norm/minimal_surface': 0.0,
    'mask_area/fake/hair': 0.2,
    'mask_area/real/hair': 0.25,
}


def reports(change, steps):
  """Warnings of a run whose metrics are WELL but for `change`."""
  state, told = health.HealthState(), []
  for step in steps:
    state, warnings = health.examine({**WELL, **change}, state, step=step)
    told += [(step, warning) for warning in warnings]
  return told


def test_healthy_run_is_left_alone():
  """Protects from false alarms, also where a term's gradient may well be zero or a classifier is right."""
  assert reports({}, range(0, 2000, 20)) == []


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf], ids=['nan', 'inf', '-inf'])
def test_non_finite_stops(value):
  """Protects the last sound checkpoint: one line that names metric, step and remedy."""
  with pytest.raises(health.NonFiniteMetric) as error:
    health.examine({**WELL, 'global_discriminator/r1_mask': value}, health.HealthState(), step=120)
  message = str(error.value)
  assert f'step 120: global_discriminator/r1_mask is {value}' in message and 'checkpoint is kept' in message
  assert 'learning rate' in message and '\n' not in message
  assert isinstance(error.value, ValueError)


def test_many_non_finite_are_still_one_line():
  """Protects the message from listing all metrics of a broken run."""
  with pytest.raises(health.NonFiniteMetric, match='and 5 more'):
    health.examine({name: math.nan for name in WELL}, health.HealthState(), step=1)


@pytest.mark.parametrize('change, words, first_told', [
    ({'global_discriminator/accuracy': 0.99}, 'the global discriminator tells real from fake', 300),
    ({'semantic_discriminator/accuracy': 0.98}, 'the semantic discriminator tells real from fake', 300),
    ({'generator_gradient_norm/adversarial_global': 0.0}, 'adversarial_global loss gives the generator a gradient', 40),
    ({'mask_area/fake/hair': 1e-5}, 'class hair covers 1e-05 of the image: it is gone', 300),
    ({'mask_area/fake/hair': 0.004}, 'class hair covers 0.004 of the image: it is gone', 300),
    ({'mask_area/fake/hair': -0.13}, 'class hair covers -0.13 of the image, which no mask', 0),
    ({'mask_area/fake/hair': 1.2}, 'class hair covers 1.2 of the image, which no mask', 0),
], ids=['global won', 'semantic won', 'no gradient', 'class gone', 'class gone beside real', 'negative', 'above one'])
def test_signs_of_failure(change, words, first_told):
  """Protects from the failure that plots could not explain: each sign is told once, in words, when it has lasted."""
  ((step, warning),) = reports(change, range(0, 2000, 20))
  assert step == first_told and words in warning and '\n' not in warning


@pytest.mark.parametrize('verdict, words', [
    ('hollow', ('noses lie behind ears', '--viewpoints')), ('flat', ('painted board', 'view direction')),
    ('fog', ('fog', 'density_beta', 'num_samples')), ('painted', ('hair', 'backdrop', 'loss_weights.generator.backdrop'))])
def test_heads_of_a_wrong_shape_are_told_once(verdict, words):
  """Protects from right pictures of wrong heads: what is wrong and what to do, in one line, once, restarts included."""
  state, (warning,) = health.examine_geometry(verdict, health.HealthState(), step=100)
  assert all(word in warning for word in (*words, 'step 100')) and '\n' not in warning
  state, _ = health.examine(WELL, state, step=110)
  state = health.HealthState(**json.loads(json.dumps(dataclasses.asdict(state))))
  assert health.examine_geometry(verdict, state, step=200) == (state, [])


@pytest.mark.parametrize('verdict', ['sound', None])
def test_sound_heads_are_left_alone(verdict):
  """Protects from false alarms: nothing is said of sound heads, nor of what could not be judged."""
  assert health.examine_geometry(verdict, health.HealthState(), step=1) == (health.HealthState(), [])


def test_sign_must_last():
  """Protects from warnings about a passing moment."""
  state, told = health.HealthState(), []
  for step in range(0, 3000, 100):
    accuracy = 0.8 if step % 300 == 0 else 0.99
    state, warnings = health.examine({**WELL, 'global_discriminator/accuracy': accuracy}, state, step=step)
    told += warnings
  assert told == []


def test_metric_reported_now_and_then():
  """Protects signs in numbers that only some reports carry: a report without them is not a break."""
  state, told = health.HealthState(), []
  for step in range(0, 500, 20):
    report = {'generator_gradient_norm/adversarial_global': 0.0} if step % 100 == 0 else {'generator/eikonal': 1.0}
    state, warnings = health.examine(report, state, step=step)
    told += warnings
  assert len(told) == 1


def test_state_survives_a_restart():
  """Protects from telling all again after a resume: the state goes through a checkpoint's JSON."""
  change = {'global_discriminator/accuracy': 0.99}
  state, _ = health.examine({**WELL, **change}, health.HealthState(), step=0)
  state, warnings = health.examine({**WELL, **change}, state, step=300)
  assert len(warnings) == 1
  restored = health.HealthState(**json.loads(json.dumps(dataclasses.asdict(state))))
  assert health.examine({**WELL, **change}, restored, step=320)[1] == []
