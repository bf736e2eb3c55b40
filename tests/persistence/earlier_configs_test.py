"""Runs of earlier versions stay usable: their configs are read under present names, and say what the run did."""

import copy
import dataclasses

import pytest

from cnerf_jax.evaluation import oracle
from cnerf_jax.persistence import earlier_configs
from cnerf_jax.persistence import workdir
from configs import default
from configs import fields
from configs import portraits32

# what a run of the first version wrote, where it differs from today
FIRST = dict(
    coarse_size=16, coarse_steps=0, share_fakes=True, r1_share=0.5, eikonal_share=1 / 16,
    reconstruction=dict(num_steps=1300, batches_per_step=4), global_discriminator=dict(channels=[8, 8]),
    data=dict(name='portraits'), evaluation=dict(num_images=512, oracle=dict(steps=400)))


def test_names_and_values_are_carried_over():
  """Protects what a run was: every earlier field has its value under its present name, none of the earlier names is left."""
  earlier = copy.deepcopy(FIRST)
  config = earlier_configs.bring_up_to_date(earlier)
  assert earlier == FIRST, 'the argument must stay as it is'
  assert not {*earlier_configs.RENAMES, 'coarse_size', 'coarse_steps'} & {*config}
  assert (config['reuse_fakes'], config['r1_fraction'], config['eikonal_fraction']) == (True, 0.5, 1 / 16)
  assert config['vae_pretraining'] == FIRST['reconstruction'] | dict(
      viewpoints='known', viewpoint_weight=10.0, spread_weight=1.0, mirror_latents='guessed', rare_weight_power=0.0, warmup_steps=0,
      rays_of_classes=0.0, free_nats=0.0, refit_steps=0, sharpen_masks=1.0, thin_surfaces=1.0)
  assert config['loss_weights'] == {'generator': {'backdrop': 0.0, 'reconstruction': 0.0}}
  assert config['coarse_to_fine'] == []
  assert config['evaluation']['oracle'] == dataclasses.asdict(oracle.OracleSettings()) | {'steps': 400, 'channels': [32, 64, 128]}
  assert config['data'] == {'name': 'portraits', 'flip': False}
  coarse = earlier_configs.bring_up_to_date(FIRST | dict(coarse_steps=600))
  assert coarse['coarse_to_fine'] == [[600, 16]]


def test_present_configs_stay_as_they_are():
  """Protects runs of today."""
  config = portraits32.get_config().to_dict()
  assert earlier_configs.bring_up_to_date(config) == config


def earlier_form(config):
  """A config of today as the first version would have written it."""
  config = copy.deepcopy(config)
  config.pop('coarse_to_fine')
  config |= dict(coarse_size=16, coarse_steps=0)
  for earlier, present in earlier_configs.RENAMES.items():
    if present in config:
      config[earlier] = config.pop(present)
  return config


def test_a_run_of_an_earlier_version_is_taken_up_again(tmp_path):
  """Protects long runs from an update: the first version's folder and today's config are the same run."""
  today = portraits32.get_config()
  workdir.claim(tmp_path, earlier_form(today.to_dict()))
  workdir.release(tmp_path)
  assert 'r1_share' in (tmp_path / 'config.json').read_text()
  workdir.claim(tmp_path, today)
  workdir.release(tmp_path)
  assert workdir.load_config(tmp_path).to_dict() == today.to_dict()


@pytest.mark.parametrize('earlier, present', [
    ('r1_share', 'r1_fraction'), ('share_fakes', 'reuse_fakes'), ('reconstruction.num_steps', 'vae_pretraining.num_steps'),
    ('coarse_size', 'coarse_to_fine'), ('r1_fraction', None), ('reconstructions', None)])
def test_new_names_are_told(earlier, present):
  """Protects the command line: an earlier key is answered with its present name, and that is a field."""
  assert earlier_configs.new_name(earlier) == present
  known = fields.flat(default.FIELDS)
  assert present is None or present in known
