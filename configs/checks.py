"""Refuses a config that can't run, before any work starts; all its faults at once, each with value, rule and remedy.

Each field is checked against its entry in `default.py`; then rules between fields, for which those fields must be sound themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flax import traverse_util
import jax
import ml_collections

from cnerf_jax.evaluation import real_sets
from cnerf_jax.training import accumulation
from cnerf_jax.training import sharding
from configs import default
from configs import fields


def check(config: ml_collections.ConfigDict, mesh) -> None:
  """ValueError that lists every fault of a config, for these devices; one line each."""
  found = field_faults(config)
  faulty = tuple(found)
  lines = list(found.values())
  for names, rule in _RULES:
    if not any(is_within(field, name) for field in faulty for name in names):
      lines += rule(config, mesh)
  _raise(lines)


def check_fields(config: ml_collections.ConfigDict) -> None:
  """ValueError that lists every fault of single fields, whatever the devices."""
  _raise(list(field_faults(config).values()))


def check_data(config: ml_collections.ConfigDict, data: Any) -> None:
  """ValueError if a config asks more of a data set than it has.

  Args:
    config: of the run.
    data: with num_train, num_validation and has_viewpoints (`data_pipeline.loader.DataSet`).
  """
  lines = []
  if not data.has_viewpoints:
    pretraining, weight = config.vae_pretraining, config.loss_weights.global_discriminator.viewpoint_real
    uses = {}  # what would need them: the remedy
    if weight:
      uses[f'loss_weights.global_discriminator.viewpoint_real {weight}'] = 'loss_weights.global_discriminator.viewpoint_real=0'
    if pretraining.num_steps and pretraining.viewpoints != 'guessed':
      uses[f'vae_pretraining.num_steps {pretraining.num_steps} with viewpoints {pretraining.viewpoints}'] = 'vae_pretraining.viewpoints=guessed'
    if uses:
      lines.append(f'the records have no viewpoints, which {", ".join(uses)} would need; '
                   f'set {" ".join(f"--config.{remedy}" for remedy in uses.values())}, or prepare them again with cameras (--viewpoints)')
  split, num_samples = real_sets.choose_split(
      config.evaluation.num_images, num_train=data.num_train, num_validation=data.num_validation)
  if split == 'train' and data.num_train < 2 * num_samples:
    lines.append(f'{data.num_train} training examples are too few for evaluation.num_images {config.evaluation.num_images}; '
                 + (f'set --config.evaluation.num_images={data.num_train // 2}' if data.num_train >= 4 else 'add portraits'))
  if data.record_size % config.image_size:
    lines.append(f'data.record_size {data.record_size} must be a multiple of image_size {config.image_size}, so that blocks of whole pixels '
                 'are averaged; use another image_size, or other records')
  _raise(lines)


def field_faults(config: ml_collections.ConfigDict) -> dict[str, str]:
  """What is wrong with single fields, by dotted name: missing, unknown, of the wrong type or out of range."""
  known = fields.flat(default.FIELDS)
  given = traverse_util.flatten_dict(config.to_dict(), sep='.')
  faults = {name: f'config field {name} is missing; start from configs/default.py' for name in known if name not in given}
  for name, value in given.items():
    if name not in known:
      faults[name] = f'config field {name} is not known; see configs/default.py for those that are'
    elif not known[name].allows(value):
      faults[name] = f'{name} {value!r} must be {known[name].rule}'
  return faults


def is_within(name: str, section: str) -> bool:
  """Whether a dotted name is the other or in it."""
  return name == section or name.startswith(f'{section}.')


def _raise(lines: list[str]) -> None:
  if len(lines) > 1:
    raise ValueError(f'{len(lines)} faults:\n' + '\n'.join(f'  {line}' for line in lines))
  if lines:
    raise ValueError(lines[0])


def _batch(config, mesh) -> Iterator[str]:
  yield from _said(sharding.check_batch, config.batch_size, mesh)
  count = jax.process_count()
  if config.batch_size % count:
    yield f'batch_size {config.batch_size} does not divide over {count} processes; use a multiple of {count}'


def _micro_batches(config, mesh) -> Iterator[str]:
  del mesh
  if config.num_micro_batches:  # 0 chooses one that fits
    yield from _said(accumulation.check, config.batch_size, config.num_micro_batches, config.r1_fraction)


def _sizes(config, mesh) -> Iterator[str]:
  del mesh
  size = config.image_size
  if size >> (size.bit_length() - 3) != 4:
    yield f'image_size {size} must come down to 4x4 pixels when the discriminators halve it, as 32, 64, 128 or 72 do'
    return
  for _, coarse in config.coarse_to_fine:
    if size % coarse:
      yield f'coarse_to_fine renders at {coarse}, which must divide image_size {size}'
  for rendered in {size, *(coarse for _, coarse in config.coarse_to_fine)}:
    if config.num_chunks and rendered**2 % config.num_chunks:
      yield f'num_chunks {config.num_chunks} must divide the {rendered**2} rays of an image; 0 chooses'
  halvings = size.bit_length() - 1
  for player, needed in (('global_discriminator', halvings), ('semantic_discriminator', halvings - 1)):
    channels = config[player].channels
    if len(channels) != needed:
      yield f'{player}.channels {tuple(channels)} must be {needed} widths for image_size {size}: one for each size from {size} pixels down'


def _r1_fraction(config, mesh) -> Iterator[str]:
  del mesh
  if abs(1 / config.r1_fraction - round(1 / config.r1_fraction)) > 1e-6:
    yield f'r1_fraction {config.r1_fraction} must be one over a whole number, such as 1, 0.5 or 0.25'


def _vae_pretraining(config, mesh) -> Iterator[str]:
  del mesh
  settings = config.vae_pretraining
  if not settings.num_steps:
    return
  if config.generator.mask_fusion != 'softmax':
    yield (f'vae_pretraining.num_steps {settings.num_steps} needs masks that sum to one; use generator.mask_fusion softmax, or 0 steps')
  if not config.generator.region_dim and settings.num_encoded <= config.generator.style_dim:
    yield (f'vae_pretraining.num_encoded {settings.num_encoded} must be more than generator.style_dim {config.generator.style_dim}, '
           'better many times as many')
  if settings.viewpoints != 'known' and not (config.camera.azimuth_std and config.camera.elevation_std):
    yield (f'vae_pretraining.viewpoints {settings.viewpoints} are read in units of camera.azimuth_std {config.camera.azimuth_std} and '
           f'camera.elevation_std {config.camera.elevation_std}, which must be above 0; use known, or cameras that spread')
  if settings.rays_per_portrait > config.image_size**2:
    yield (f'vae_pretraining.rays_per_portrait {settings.rays_per_portrait} must be in 1..{config.image_size**2}, '
           'the pixels of an image')


def _semantic_discriminator(config, mesh) -> Iterator[str]:
  del mesh
  weights = config.loss_weights
  if any(weights.semantic_discriminator.values()):
    return
  for name in ('adversarial_semantic', 'semantic_class'):
    if weights.generator[name]:
      yield (f'loss_weights.generator.{name} {weights.generator[name]} needs a semantic discriminator that learns, and all its '
             'loss_weights.semantic_discriminator are 0; use 0, or give it its losses')


def _reconstruction(config, mesh) -> Iterator[str]:
  del mesh
  weight = config.loss_weights.generator.reconstruction
  if weight and not config.vae_pretraining.num_steps:
    yield f'loss_weights.generator.reconstruction {weight} needs the encoder of pretraining; set vae_pretraining.num_steps, or 0'
  elif weight and config.vae_pretraining.viewpoints != 'known':
    yield (f'loss_weights.generator.reconstruction {weight} needs cameras that are known; use vae_pretraining.viewpoints known instead of '
           f'{config.vae_pretraining.viewpoints}, or 0')
  elif weight and not config.generator.region_dim:
    yield f'loss_weights.generator.reconstruction {weight} needs latents of regions; set generator.region_dim, or 0'


def _backdrop(config, mesh) -> Iterator[str]:
  del mesh
  weight = config.loss_weights.generator.backdrop
  if weight and config.generator.mask_fusion != 'softmax':
    yield f'loss_weights.generator.backdrop {weight} needs masks that sum to one; use generator.mask_fusion softmax, or 0'


def _edited_people(config, mesh) -> Iterator[str]:
  del mesh
  if config.evaluation.num_edited_people == 1:
    yield 'evaluation.num_edited_people 1 leaves nobody to swap with; use at least 2, or 0 to leave edits out'


def _said(check_one: Callable, *arguments) -> Iterator[str]:
  """What a check of another module says."""
  try:
    check_one(*arguments)
  except ValueError as error:
    yield str(error)


# (fields that a rule reads, the rule)
_RULES = (
    (('batch_size',), _batch),
    (('batch_size', 'num_micro_batches', 'r1_fraction'), _micro_batches),
    (('image_size', 'coarse_to_fine', 'num_chunks', 'global_discriminator', 'semantic_discriminator'), _sizes),
    (('r1_fraction',), _r1_fraction),
    (('vae_pretraining', 'generator', 'image_size', 'camera'), _vae_pretraining),
    (('loss_weights',), _semantic_discriminator),
    (('loss_weights', 'generator'), _backdrop),
    (('loss_weights', 'generator', 'vae_pretraining'), _reconstruction),
    (('evaluation',), _edited_people),
)
