import dataclasses
from unittest import mock

import jax
import numpy as np
import pytest

import tiny

from cnerf_jax.models import players
from cnerf_jax.run import compiled_steps
from cnerf_jax.run import plan
from cnerf_jax.run import pretraining_plan
from cnerf_jax.training import sharding
from cnerf_jax.training import vae_pretraining
from configs import checks

pytestmark = pytest.mark.usefixtures('quick_compilation')


@pytest.fixture(name='mesh')
def _mesh():
  return sharding.make_mesh(jax.devices()[:1])


@pytest.fixture(name='memory_of')
def _held(monkeypatch):
  """A step that holds 10 bytes and one for each image of a micro-batch."""
  def step_memory(config, mesh):
    del mesh
    return compiled_steps.StepMemory(
        micro_batch=config.batch_size // config.num_micro_batches, state_bytes=10,
        temporary_bytes=config.batch_size // config.num_micro_batches)
  monkeypatch.setattr(plan, 'step_memory', step_memory)


@pytest.mark.parametrize(('batch_size', 'limit', 'r1_fraction', 'expected'), [
    (8, 20, 1.0, 1), (16, 20, 1.0, 2), (16, 26, 1.0, 1), (24, 14, 1.0, 6), (24, 18, 0.5, 3), (16, 18, 0.5, 2)])
def test_as_few_micro_batches_as_fit(memory_of, mesh, batch_size, limit, r1_fraction, expected):
  """Protects speed and memory at once: the fewest equal micro-batches of whole groups that fit, also of the reals that R1 is taken of."""
  config = tiny.make_config(batch_size=batch_size, r1_fraction=r1_fraction)
  assert plan.choose_num_micro_batches(config, mesh, limit) == expected


def test_what_fits_nowhere_is_refused_with_its_size(memory_of, mesh):
  """Protects from a crash hours later: the smallest micro-batch, what it needs and may use, and what to do."""
  config = tiny.make_config(batch_size=16, r1_fraction=0.5)
  with pytest.raises(ValueError, match='batch_size 16 fits in no number of micro-batches: 8 images need .* may be used; use smaller'):
    plan.choose_num_micro_batches(config, mesh, 17)


def test_memory_is_shown_up_to_the_first_that_does_not_fit(memory_of, mesh):
  """Protects the answer to "how large a batch?": 4, 16, 64 ... images until the device is full."""
  rows = plan.growing_memory(tiny.make_config(), mesh, 30)
  assert [row.micro_batch for row in rows] == [4, 16, 64]
  assert [row.total_bytes <= 30 for row in rows] == [True, True, False]


def test_plan_of_a_tiny_run(monkeypatch, mesh):
  """Protects every line of the plan: parameters, memory that holds the state, the same FLOPs in micro-batches, a step's seconds."""
  monkeypatch.setattr(players, 'make_players', tiny.make_players)
  monkeypatch.setattr(plan, '_LARGEST_TRIED', 16)
  config = tiny.make_config(batch_size=16, num_micro_batches=plan.AUTO, r1_fraction=1.0)
  made = plan.make(config, mesh)
  _, _, state = tiny.make_run(config)
  sizes = {name: sum(x.size for x in jax.tree.leaves(getattr(state, f'{name}_params'))) for name in made.parameters}
  assert made.parameters == sizes
  # two moments for each player, and one average
  least = 4 * (3 * sum(sizes.values()) + sizes['generator'])
  assert all(least < row.state_bytes < 1.5 * least + 2**16 for row in made.memory)
  assert made.memory[1].temporary_bytes > made.memory[0].temporary_bytes > 0
  assert made.num_micro_batches == 1 and made.seconds_per_step > 0
  in_two = tiny.make_config(batch_size=16, num_micro_batches=2, r1_fraction=1.0)
  assert plan.count_flops_per_image(in_two) == made.flops_per_image > 0
  table = plan.format_plan(made, config, mesh)
  for words in ('parameters', 'FLOPs an image', '16 images at once', '1 for batch_size 16', 'images/s', 'hours'):
    assert words in table
  assert made.pretraining is None and 'portraits' not in table and table.endswith('for 100 steps, pretraining apart')


def pretrained_config(**changes):
  """Of a tiny run that begins with six steps of pretraining, on two batches of four portraits each."""
  settings = dict(vae_pretraining__num_steps=6, vae_pretraining__batches_per_step=2, vae_pretraining__rays_per_portrait=8)
  return tiny.make_config(**settings | changes)


def test_plan_of_a_tiny_pretraining(monkeypatch, mesh):
  """Protects the hours of a run that pretrains: the encoder counted, memory that holds what is trained, now and later, the step that `fit`
  takes, and hours of both phases together."""
  monkeypatch.setattr(players, 'make_players', tiny.make_players)
  monkeypatch.setattr(plan, '_LARGEST_TRIED', 4)
  timed = []
  seconds_of_second_call = compiled_steps.seconds_of_second_call

  def noted(step, state, batch):
    timed.append(seconds_of_second_call(step, state, batch))
    return timed[-1]

  monkeypatch.setattr(compiled_steps, 'seconds_of_second_call', noted)
  config = pretrained_config()
  made = plan.make(config, mesh)
  pretraining = made.pretraining
  modules, _, state = tiny.make_run(config)
  image, masks = (np.zeros((1, 4, 4, channels), np.float32) for channels in (3, tiny.NUM_CLASSES))
  encoder = jax.eval_shape(vae_pretraining.make_encoder(modules, config).init, jax.random.key(0), image, masks)
  assert pretraining.encoder_parameters == sum(leaf.size for leaf in jax.tree.leaves(encoder))
  least = 4 * 3 * (pretraining.encoder_parameters + made.parameters['generator'])  # with two moments each
  assert least < pretraining.memory.state_bytes < 1.5 * least + 2**16 and pretraining.memory.micro_batch == 8
  assert pretraining.waiting_bytes == sum(
      leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(jax.eval_shape(lambda: state)))
  assert [made.seconds_per_step, pretraining.seconds_per_step] == timed and pretraining.seconds == 6 * timed[1] > 0
  table = plan.format_plan(dataclasses.replace(
      made, seconds_per_step=90.0, pretraining=dataclasses.replace(pretraining, seconds_per_step=300.0)), config, mesh)
  for words in (f'encoder {pretraining.encoder_parameters:,}', 'for 8 portraits at once: state', '300.00: 0.03 portraits/s', '30.0 for 6 steps',
                '3.00 in all: 0.50 of pretraining, 2.50 for 100 steps'):
    assert words in table
  table = plan.format_plan(dataclasses.replace(
      made, pretraining=dataclasses.replace(pretraining, seconds_per_step=300.0, num_refit_steps=3)), config, mesh)
  assert '45.0 for 6 steps and, at the end, 3 of the encoder alone, at most' in table


def test_pretraining_that_does_not_fit_is_said(monkeypatch, mesh):
  """Protects from a crash in the first minute: what a step needs beside the state that waits, which alone may be too much; nothing is run."""
  monkeypatch.setattr(players, 'make_players', tiny.make_players)
  compiled = mock.Mock()
  monkeypatch.setattr(sharding, 'jit_step', lambda step, mesh: compiled)
  monkeypatch.setattr(compiled_steps, 'memory_of', lambda step, count: compiled_steps.StepMemory(count, state_bytes=100, temporary_bytes=50))
  run = []
  monkeypatch.setattr(compiled_steps, 'seconds_of_second_call', lambda *arguments: run.append(arguments) or 1.0)
  config = pretrained_config()
  plan_of = lambda limit, waiting: pretraining_plan.make(config, mesh, limit_bytes=limit, waiting_bytes=waiting)
  needed = 150
  too_large = plan_of(needed + 6, 7)
  assert not run and too_large.seconds is None and too_large.total_bytes == needed + 7
  assert plan_of(needed + 7, 7).seconds == 6.0 and len(run) == 1
  made = plan.Plan(
      parameters={}, flops_per_image=1.0, limit_bytes=needed, memory=[], num_micro_batches=1, seconds_per_step=1.0, pretraining=too_large)
  table = plan.format_plan(made, config, mesh)
  assert 'for what is trained later; does not fit' in table and 'minutes' not in table
  assert table.endswith('0.0 for 100 steps, pretraining apart')


def test_automatic_micro_batches_are_resolved_before_the_run(memory_of, mesh, monkeypatch):
  """Protects `num_micro_batches` 0: it passes the checks and becomes the number that fits; a number that is given stays."""
  monkeypatch.setattr(plan, 'device_memory_limit', lambda: 14.0)
  config = tiny.make_config(batch_size=8, num_micro_batches=plan.AUTO, r1_fraction=1.0)
  checks.check(config, mesh)
  assert plan.resolve(config, mesh).num_micro_batches == 2
  fixed = tiny.make_config(batch_size=8, num_micro_batches=1)
  assert plan.resolve(fixed, mesh) is fixed


def test_negative_micro_batches_are_refused(mesh):
  """Protects the one line of error: value, rule, remedy."""
  with pytest.raises(ValueError, match='num_micro_batches -1 must be a whole number of at least 0'):
    checks.check(tiny.make_config(num_micro_batches=-1), mesh)
