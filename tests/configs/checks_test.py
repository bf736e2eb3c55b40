import dataclasses
import importlib
import types

import pytest

import tiny

from cnerf_jax import camera
from cnerf_jax.evaluation import oracle
from cnerf_jax.models import generator as generator_lib
from cnerf_jax.models import global_discriminator
from cnerf_jax.models import semantic_discriminator
from configs import checks
from configs import default
from configs import fields

CONFIGS = (
    'default', 'ffhq12', 'ffhq9', 'ffhq12_published', 'recipe', 'people64', 'photographs32', 'photographs64', 'portraits32', 'portraits32_long',
    'portraits64', 'smoke')

MESH = type('Mesh', (), {'size': 2})()


def test_good_configs_are_accepted():
  """Protects the recipes: nothing is refused that can run."""
  checks.check(tiny.make_config(), MESH)
  checks.check(tiny.make_config(batch_size=16, num_micro_batches=2, eikonal_fraction=1.0), MESH)


@pytest.mark.parametrize('changes, message', [
    (dict(batch_size=7), 'batch_size 7 does not divide over 2 devices; use a multiple of 2'),
    (dict(num_micro_batches=3), 'batch_size 4 does not divide into 3 micro-batches'),
    (dict(class_draw='rare'), "class_draw 'rare' must be one of present, uniform, own"),
    (dict(eikonal_of='base'), "eikonal_of 'base' must be one of whole, residual"),
    (dict(semantic_discriminator__kind='ours'), "semantic_discriminator.kind 'ours' must be one of recommended, published"),
    (dict(discriminator_dtype='float16'), "discriminator_dtype 'float16' must be one of float32, bfloat16"),
    (dict(data__class_set='ffhq7'), "data.class_set 'ffhq7' must be one of ffhq12, ffhq9"),
    (dict(loss_weights__generator__backdrop=0.5, generator__mask_fusion='raw'), 'backdrop 0.5 needs masks that sum to one'),
    (dict(num_steps=0), 'num_steps 0 must be a whole number of at least 1'),
    (dict(report_every=0), 'report_every 0 must be a whole number of at least 1'),
    (dict(coarse_to_fine=((5, 3),), num_chunks=0), 'coarse_to_fine renders at 3, which must divide image_size 4'),
    (dict(eikonal_fraction=0.0), 'eikonal_fraction 0.0 must be a finite number, above 0 and at most 1'),
    (dict(r1_fraction=1.5), 'r1_fraction 1.5 must be a finite number, above 0 and at most 1'),
    (dict(r1_fraction=0.7), 'r1_fraction 0.7 must be one over a whole number'),
    (dict(batch_size=16, num_micro_batches=4, r1_fraction=0.5), 'r1_fraction'),
    (dict(vae_pretraining__num_steps=5, vae_pretraining__rays_per_portrait=8, generator__mask_fusion='raw'), 'needs masks that sum to one'),
    (dict(camera__azimuth_std=-3.0), 'camera.azimuth_std -3.0 must be a finite number, at least 0 and below 1.6'),
    (dict(num_samples=1), 'num_samples 1 must be a whole number of at least 2'),
    (dict(generator__width=0), 'generator.width 0 must be a whole number of at least 1'),
    (dict(optimizer__generator=float('nan')), 'optimizer.generator nan must be a finite number, at least 0'),
    (dict(seed=-1), 'seed -1 must be a whole number in 0..2147483647'),
    (dict(augmentation__target=1.0), 'augmentation.target 1.0 must be a finite number, at least 0 and below 1'),
    (dict(augmentation__adjust_every=0), 'augmentation.adjust_every 0 must be a whole number of at least 1'),
    (dict(coarse_to_fine=((9, 2), (5, 4))), 'coarse_to_fine'),
    (dict(num_chunks=3), 'num_chunks 3 must divide the 16 rays'),
    (dict(image_size=10, num_chunks=0), 'image_size 10 must come down to 4x4 pixels'),
    (dict(coarse_to_fine=((True, 2),)), 'coarse_to_fine'),
    (dict(semantic_discriminator__channels=(8, 8)), r'semantic_discriminator.channels \(8, 8\) must be 1 widths for image_size 4'),
    (dict(vae_pretraining__num_steps=3, vae_pretraining__batches_per_step=0), 'vae_pretraining.batches_per_step 0'),
    (dict(vae_pretraining__refit_steps=-1), 'vae_pretraining.refit_steps -1 must be a whole number of at least 0'),
    (dict(vae_pretraining__thin_surfaces=0.0), 'vae_pretraining.thin_surfaces 0.0 must be a finite number, above 0'),
    (dict(loss_weights__generator__reconstruction=0.5),
     'loss_weights.generator.reconstruction 0.5 needs the encoder of pretraining; set vae_pretraining.num_steps, or 0'),
    (dict(loss_weights__generator__reconstruction=0.5, vae_pretraining__num_steps=10, vae_pretraining__rays_per_portrait=16),
     'loss_weights.generator.reconstruction 0.5 needs latents of regions; set generator.region_dim, or 0'),
    (dict(loss_weights__generator__reconstruction=0.5, vae_pretraining__num_steps=10, vae_pretraining__rays_per_portrait=16,
          generator__region_dim=4, vae_pretraining__viewpoints='refined'),
     'loss_weights.generator.reconstruction 0.5 needs cameras that are known; use vae_pretraining.viewpoints known instead of refined, or 0'),
    (dict(vae_pretraining__sharpen_masks=0.0), 'vae_pretraining.sharpen_masks 0.0 must be a finite number, above 0'),
    (dict(loss_weights__generator__semantic_class=0.0,
          **{f'loss_weights__semantic_discriminator__{term}': 0.0 for term in ('adversarial', 'semantic_class', 'r1_image', 'r1_mask')}),
     'loss_weights.generator.adversarial_semantic 1.0 needs a semantic discriminator that learns'),
    (dict(evaluation__num_edited_people=1), 'evaluation.num_edited_people 1 leaves nobody to swap with; use at least 2, or 0'),
    (dict(evaluation__num_edited_people=65), 'evaluation.num_edited_people 65 must be a whole number in 0..64'),
    (dict(vae_pretraining__num_steps=3, vae_pretraining__rays_per_portrait=17), 'rays_per_portrait 17 must be in 1..16'),
    (dict(vae_pretraining__num_steps=3, vae_pretraining__rays_per_portrait=8, vae_pretraining__num_encoded=8),
     'num_encoded 8 must be more than generator.style_dim 8'),
    (dict(vae_pretraining__num_steps=3, vae_pretraining__rays_per_portrait=8, vae_pretraining__viewpoints='refined', camera__elevation_std=0.0),
     'vae_pretraining.viewpoints refined are read in units of camera.azimuth_std 0.3 and camera.elevation_std 0.0, which must be above 0'),
], ids=lambda value: ','.join(value) if isinstance(value, dict) else '')
def test_impossible_configs_are_refused(changes, message):
  """Protects hours of training: what can't run, or would not be what it says, is refused at once in one line."""
  with pytest.raises(ValueError, match=message) as error:
    checks.check(tiny.make_config(**changes), MESH)
  assert '\n' not in str(error.value)


def test_all_faults_are_told_at_once():
  """Protects from mending one field a time: three faults, three lines, each with its field."""
  with pytest.raises(ValueError) as error:
    checks.check(tiny.make_config(num_samples=1, r1_fraction=0.7, seed=-1), MESH)
  lines = str(error.value).splitlines()
  assert lines[0] == '3 faults:' and len(lines) == 4
  for name in ('num_samples 1', 'seed -1', 'r1_fraction 0.7'):
    assert any(line.startswith(f'  {name} must be') for line in lines), name


def test_fields_that_are_missing_or_not_known_are_named():
  """Protects configs of one's own: what `default.py` does not have, or has and the config lacks, is told by its dotted name."""
  config = tiny.make_config().unlock()
  config.generator.depth = 3
  del config.camera.azimuth_std
  with pytest.raises(ValueError, match='generator.depth is not known') as error:
    checks.check(config, MESH)
  assert 'camera.azimuth_std is missing' in str(error.value)


@pytest.mark.parametrize('name', CONFIGS)
def test_every_config_is_sound(name):
  """Protects the configs themselves, on one device."""
  checks.check(importlib.import_module(f'configs.{name}').get_config(), type('Mesh', (), {'size': 1})())


@pytest.mark.parametrize('name, field', fields.flat(default.FIELDS).items(), ids=lambda value: value if isinstance(value, str) else '')
def test_every_field_has_a_type_and_a_range(name, field):
  """Protects every field: its own value is allowed, one of another type is not; numbers have a bound or must be finite."""
  assert field.allows(field.value)
  assert not field.allows(None) and not field.allows({}) and field.rule
  if isinstance(field.value, (int, float)) and not isinstance(field.value, bool):
    assert not field.allows('1') and not field.allows(float('nan')) and not field.allows(-1)
  elif isinstance(field.value, str):
    assert not field.allows('') and not field.allows(3)


@pytest.mark.parametrize('data, message', [
    (dict(num_train=10_000, num_validation=0, has_viewpoints=False), 'no viewpoints, which vae_pretraining.num_steps 5 with viewpoints '
     'known would need; set --config.vae_pretraining.viewpoints=guessed'),
    (dict(num_train=3, num_validation=0, has_viewpoints=True), '3 training examples are too few for evaluation.num_images 2048; add portraits'),
    (dict(num_train=100, num_validation=63, has_viewpoints=True), '100 training examples are too few for evaluation.num_images 2048; '
     'set --config.evaluation.num_images=50')])
def test_data_that_do_not_suffice_are_refused(data, message):
  """Protects from hours that end in a traceback: cameras that are not there, too few examples to compare."""
  config = tiny.make_config(vae_pretraining__num_steps=5)
  with pytest.raises(ValueError, match=message):
    checks.check_data(config, types.SimpleNamespace(**{'record_size': 64} | data))
  checks.check_data(config, types.SimpleNamespace(record_size=64, num_train=10_000, num_validation=0, has_viewpoints=True))
  checks.check_data(config, types.SimpleNamespace(record_size=64, num_train=3_000, num_validation=64, has_viewpoints=True))



def test_cameras_that_are_not_there_may_be_guessed():
  """Protects photographs without cameras: guessed viewpoints need none, the discriminator's loss of real ones does; each with its remedy."""
  data = types.SimpleNamespace(record_size=64, num_train=10_000, num_validation=0, has_viewpoints=False)
  config = lambda **changes: tiny.make_config(vae_pretraining__num_steps=5, **changes)
  checks.check_data(config(vae_pretraining__viewpoints='guessed'), data)
  checks.check_data(tiny.make_config(vae_pretraining__viewpoints='refined'), data)  # no pretraining at all
  weight = dict(loss_weights__global_discriminator__viewpoint_real=15.0)
  with pytest.raises(ValueError, match='viewpoint_real 15.0 would need; set --config.loss_weights.global_discriminator.viewpoint_real=0, or'):
    checks.check_data(config(vae_pretraining__viewpoints='guessed', **weight), data)
  with pytest.raises(ValueError, match='viewpoint_real=0 --config.vae_pretraining.viewpoints=guessed, or prepare them again with cameras'):
    checks.check_data(config(vae_pretraining__viewpoints='refined', **weight), data)


@pytest.mark.parametrize('module, section', [
    (generator_lib.Generator, 'generator'), (global_discriminator.GlobalDiscriminator, 'global_discriminator'),
    (semantic_discriminator.SemanticDiscriminator, 'semantic_discriminator')], ids=['generator', 'global', 'semantic'])
def test_modules_do_not_contradict_the_config(module, section):
  """Protects those who build a module by hand: its defaults are the recommended values."""
  recommended = default.get_config()[section].to_dict()
  fields_of_module = {field.name: field.default for field in dataclasses.fields(module) if field.name in recommended}
  assert fields_of_module == recommended
  assert camera.AZIMUTH_STD_RADIANS == default.get_config().camera.azimuth_std
  assert camera.ELEVATION_STD_RADIANS == default.get_config().camera.elevation_std


def test_records_of_another_size_are_refused():
  """Protects from blocks of fractional pixels, by the size of the records that are there, whatever the config thinks of it."""
  data = types.SimpleNamespace(record_size=66, num_train=10_000, num_validation=0, has_viewpoints=True)
  with pytest.raises(ValueError, match='data.record_size 66 must be a multiple of image_size 4'):
    checks.check_data(tiny.make_config(), data)


def test_oracle_settings_are_those_of_the_table():
  """Protects every setting of the oracle: a field of the config, with the module's own default."""
  assert default.get_config().evaluation.oracle.to_dict() == dataclasses.asdict(oracle.OracleSettings())


def test_sizes_that_are_no_powers_of_two_may_do():
  """Protects what the discriminators can do: 72 pixels come down to 4 by halves."""
  checks.check(tiny.make_config(
      image_size=72, num_chunks=0, global_discriminator__channels=(8,) * 6, semantic_discriminator__channels=(8,) * 5), MESH)
