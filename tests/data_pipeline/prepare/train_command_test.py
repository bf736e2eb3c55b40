"""The command that a preparation ends with: it must be one that trains."""

import pytest

from cnerf_jax.draw import command_line
from cnerf_jax.evaluation import real_sets
from configs import photographs32
from data_pipeline.prepare import __main__ as prepare
from data_pipeline.prepare import label_orders


@pytest.mark.parametrize('size, train, validation, options', [
    (64, 900, 0, ''), (32, 900, 0, ' --config.data.record_size=32'), (64, 855, 45, ''), (64, 100, 64, ''),
    (64, 55, 3, ' --config.evaluation.num_images=27'), (128, 55, 0, ' --config.data.record_size=128 --config.evaluation.num_images=27'),
    (16, 900, 0, None), (48, 900, 0, None), (64, 3, 0, None), (64, 1, 0, None)])
def test_the_command_trains(size, train, validation, options):
  """Protects newcomers: what is printed is not refused for want of portraits or by their size, and where nothing trains nothing is printed."""
  assert prepare._train_options(size, {'train': train, 'validation': validation}) == options


def test_its_numbers_are_those_of_the_config():
  """Protects the command from a config that has changed."""
  config = photographs32.get_config()
  assert (prepare._IMAGE_SIZE, prepare._NUM_COMPARED) == (config.image_size, config.evaluation.num_images)
  assert prepare._ENOUGH_VALIDATION == real_sets.SMALLEST_VALIDATION


def test_label_orders_may_be_spelt_as_python_names():
  """Protects a habit: `draw invert` takes either spelling too."""
  assert label_orders.label_order('celebamask_hq') is label_orders.CELEBAMASK_HQ is label_orders.label_order('celebamask-hq')
  given = command_line.make_parser().parse_args(['invert', '--photo', 'me.png', '--label-order', 'celebamask-hq'])
  assert given.label_order == 'celebamask_hq'
