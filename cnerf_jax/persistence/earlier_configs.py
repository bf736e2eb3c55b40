"""Configs of earlier versions: what their fields are called now, and what fields they lack did then.

A run's `config.json` is read through `bring_up_to_date`, so that runs of version 0.1 are scored, sampled and resumed as they were. The
command line takes the present names alone, and says them (`new_name`).
"""

from __future__ import annotations

from typing import Any

# earlier dotted name → present one; a section carries its fields along
RENAMES = {
    'reconstruction': 'vae_pretraining',
    'share_fakes': 'reuse_fakes',
    'r1_share': 'r1_fraction',
    'eikonal_share': 'eikonal_fraction',
}
# earlier names whose values changed form too
_REPLACED = {'coarse_size': 'coarse_to_fine', 'coarse_steps': 'coarse_to_fine'}

# fields that are younger than some runs, at what those runs did without them
_YOUNGER = {
    'discriminator_dtype': 'float32',
    'data': {'flip': False},
    'camera': {'elevation_mean': 0.0, 'from_data': False},
    'vae_pretraining': {'viewpoints': 'known', 'viewpoint_weight': 10.0, 'spread_weight': 1.0, 'mirror_latents': 'guessed',
                        'rare_weight_power': 0.0, 'warmup_steps': 0, 'rays_of_classes': 0.0, 'free_nats': 0.0, 'refit_steps': 0,
                        'sharpen_masks': 1.0, 'thin_surfaces': 1.0},
    'generator': {'view_dependence': 'all', 'region_dim': 0, 'residual_fusion': 'sum'},
    'semantic_discriminator': {'kind': 'recommended'},
    'loss_weights': {'generator': {'backdrop': 0.0, 'reconstruction': 0.0}},
    'augmentation': {'target': 0.0, 'adjust_every': 4, 'images_to_full': 500_000},
    'evaluation': {'num_edited_people': 8, 'oracle': {
        'steps': 600, 'batch_size': 32, 'channels': [32, 64, 128], 'learning_rate': 3e-3, 'viewpoint_weight': 0.3, 'tint': 0.1, 'noise': 0.03,
        'seed': 0}},
}


def new_name(name: str) -> str | None:
  """The present dotted name of an earlier field; None if the name is not an earlier one."""
  for earlier, present in (RENAMES | _REPLACED).items():
    if name == earlier or name.startswith(f'{earlier}.'):
      return present + name[len(earlier):]
  return None


def bring_up_to_date(config: dict[str, Any]) -> dict[str, Any]:
  """A run's config, nested dicts of plain values, with present names and all present fields; others than of a training run as they are."""
  if 'global_discriminator' not in config:
    return config
  config = dict(config)
  if 'coarse_steps' in config:
    steps, size = config.pop('coarse_steps'), config.pop('coarse_size')
    config['coarse_to_fine'] = [[steps, size]] if steps else []
  for earlier, present in RENAMES.items():
    if earlier in config:
      config[present] = config.pop(earlier)
  return _merged(_YOUNGER, config)


def _merged(defaults: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
  """The config, with the defaults where it has nothing."""
  merged = dict(config)
  for name, value in defaults.items():
    if isinstance(value, dict):
      merged[name] = _merged(value, config.get(name, {}))
    else:
      merged.setdefault(name, value)
  return merged
