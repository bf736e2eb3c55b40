import dataclasses
import hashlib
import json
import os
import pathlib

from flax import traverse_util
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

import cnerf_jax
from cnerf_jax import camera
from cnerf_jax import latents
from cnerf_jax import pretrained
from cnerf_jax import sampler
from cnerf_jax import semantics
from cnerf_jax.models import generator as generator_lib
from cnerf_jax.models import mapping_network
from cnerf_jax.models import portrait_encoder
from cnerf_jax.models import regional_encoder
from cnerf_jax.models import regional_mapping

ROOT = pathlib.Path(__file__).parents[1]
SHIPPED = ROOT / 'pretrained' / 'portraits32.npz'
# of names and bytes of the parameters when they were trained; a file may be written again, but not changed
SHIPPED_DIGEST = '8527e5d364d1d33bfb277ea933314410693bdc048fa7e46a6fd2d5f0ee03461b'
TRAINING = dict(
    image_size=16, num_samples=4, azimuth_std=0.25, elevation_std=0.1, elevation_mean=0.05,
    provenance=dict(config='tiny', step=7, seed=3, data='portraits', averaged=True, version=cnerf_jax.__version__))


@pytest.fixture
def saved(tmp_path):
  generator = tiny.make_generator(mask_fusion='softmax', color_gain=3.0)
  model = pretrained.Model(generator, tiny.make_params(generator), **TRAINING)
  pretrained.save(tmp_path / 'people.npz', model)
  return tmp_path / 'people.npz', model


def assert_same_params(actual, expected):
  assert jax.tree.structure(actual) == jax.tree.structure(expected)
  for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected)):
    np.testing.assert_array_equal(a, b)


def rewrite(path, **changes):
  """The file with some of its entries replaced, or left out where they are None."""
  with np.load(path) as file:
    entries = dict(file) | changes
  np.savez(path, **{name: value for name, value in entries.items() if value is not None})


def test_one_file_gives_back_the_model(saved):
  """Protects people who share weights: every setting of the generator and every array, bit for bit, and all that drawing needs."""
  path, model = saved
  loaded = pretrained.load(path)
  assert loaded.generator == model.generator
  assert_same_params(loaded.params, model.params)
  assert {name: getattr(loaded, name) for name in TRAINING} == TRAINING and loaded.class_set is None
  expected = sampler.mean_style(model.generator, model.params, jax.random.key(0))
  np.testing.assert_allclose(loaded.w_mean, expected, rtol=1e-5, atol=1e-6)
  moved = dataclasses.replace(loaded, w_mean=loaded.w_mean + 1)
  pretrained.save(path, moved)
  np.testing.assert_array_equal(pretrained.load(path).w_mean, moved.w_mean)  # handed on, not computed again


def test_file_of_the_first_version_still_loads(saved):
  """Protects files that people have: parameters alone load, the mean w is computed, a rendering asks for what is not known."""
  path, model = saved
  rewrite(path, training=None, w_mean=None)
  loaded = pretrained.load(path)
  assert_same_params(loaded.params, model.params)
  assert all(getattr(loaded, name) is None for name in ('class_set', *TRAINING))
  assert loaded.w_mean.shape == (8,)
  styles = loaded.map_latents(jnp.ones(8))
  for known, asked in (({}, 'image_size'), (dict(image_size=4), 'num_samples')):
    with pytest.raises(ValueError, match=f'these weights do not say their {asked}; give that of their training') as error:
      loaded.render(styles, camera.orbit(0.0, 0.0), **known)
    assert '\n' not in str(error.value)
  assert loaded.render(styles, camera.orbit(0.0, 0.0), image_size=4, num_samples=4).rgb.shape == (4, 4, 3)


def test_model_draws_at_its_sizes(saved):
  """Protects from a wrong number of samples: sizes and options go to the sampler, those of training unless given."""
  model = pretrained.load(saved[0])
  z = jax.random.normal(jax.random.key(1), (8,))
  styles = model.map_latents(z)
  np.testing.assert_array_equal(styles, sampler.map_latents(model.generator, model.params, z))
  view = camera.orbit(0.1, 0.0)
  for given, meant in (({}, dict(image_size=16, num_samples=4)), (dict(image_size=4, num_samples=6, classes=[1]), {})):
    drawn = model.render(styles, view, **given)
    expected = sampler.render(model.generator, model.params, styles, view, **given | meant)
    np.testing.assert_array_equal(drawn.rgb, expected.rgb)
  with pytest.raises(ValueError, match='image_size 0 must be at least 1'):
    model.render(styles, view, image_size=0)


@pytest.mark.parametrize('field, message', [
    (dict(class_set='ffhq12'), 'class_set ffhq12 has 12 classes, the generator 3; use the set of its training'),
    (dict(class_set='ffhq7'), "unknown class set 'ffhq7'; use one of ffhq12, ffhq9"),
    (dict(image_size=0), 'image_size 0 must be a whole number of at least 1'),
    (dict(num_samples=1), 'num_samples 1 must be a whole number of at least 2'),
    (dict(num_samples='8'), "num_samples '8' must be a whole number of at least 2"),
    (dict(azimuth_std=-0.3), 'azimuth_std -0.3 must be a number of radians of at least 0'),
    (dict(w_mean=np.zeros(3)), r'w_mean has shape \(3,\), this generator needs \(8,\); see sampler.mean_style'),
], ids=lambda value: next(iter(value)) if isinstance(value, dict) else '')
def test_fields_that_do_not_fit_are_refused(saved, field, message):
  """Protects from a file that says something false of its weights: when it is made, and when it is read."""
  path, model = saved
  with pytest.raises(ValueError, match=message):
    dataclasses.replace(model, **field)
  changes = dict(w_mean=field['w_mean']) if 'w_mean' in field else dict(training=np.array(json.dumps(TRAINING | field)))
  rewrite(path, **changes)
  with pytest.raises(ValueError, match=f'people.npz holds no generator .{message}') as error:
    pretrained.load(path)
  assert '\n' not in str(error.value)


def test_every_setting_is_saved():
  """Protects files against settings that come later: what the generator's class declares is what is written."""
  assert set(generator_lib.SETTINGS) == set(generator_lib.Generator.__annotations__) - {'parent', 'name'}


@pytest.mark.parametrize('damage', [
    lambda data: data[:len(data) // 2], lambda data: b'no zip at all', lambda data: b''], ids=['half', 'other', 'empty'])
def test_damaged_file_is_refused_in_one_line(saved, damage):
  """Protects from a traceback: a file that holds no generator is named, with what to give instead."""
  path, _ = saved
  path.write_bytes(damage(path.read_bytes()))
  with pytest.raises(ValueError, match='people.npz holds no generator .*pretrained.save wrote') as error:
    pretrained.load(path)
  assert '\n' not in str(error.value)


def test_every_byte_counts(saved):
  """Protects from wrong pictures: wherever a byte of the arrays is damaged, the file is refused, whatever unpacking makes of it."""
  path, _ = saved
  data = path.read_bytes()
  for place in np.random.default_rng(0).integers(200, len(data) // 2, 30):
    path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1:])
    try:
      loaded = pretrained.load(path)
    except ValueError as error:
      assert 'holds no generator' in str(error) and '\n' not in str(error)
    else:  # a byte of a name or a date that zip does not use
      path.write_bytes(data)
      assert_same_params(loaded.params, pretrained.load(path).params)


def test_arrays_must_fit_the_settings(saved):
  """Protects from errors deep inside a rendering: what a file lacks is told when it is read."""
  path, _ = saved
  rewrite(path, **{'params/field/density_beta': None})
  with pytest.raises(ValueError, match='density_beta is nothing, its settings ask for'):
    pretrained.load(path)


@pytest.mark.parametrize('options', [dict(step=5), dict(ema=False)], ids=lambda o: next(iter(o)))
def test_a_file_has_no_steps(saved, options):
  """Protects from an option that is silently ignored."""
  with pytest.raises(ValueError, match='leave step and ema out'):
    pretrained.load(saved[0], **options)


def test_missing_file_is_told(tmp_path):
  """Protects from a misleading search for a run in a mistyped file."""
  with pytest.raises(FileNotFoundError, match='no file .*peple.npz'):
    pretrained.load(tmp_path / 'peple.npz')


def test_home_folder(saved, monkeypatch):
  """Protects paths with ~, which no shell has expanded."""
  monkeypatch.setenv('HOME', str(saved[0].parent))
  assert pretrained.load('~/people.npz').generator == saved[1].generator


def test_arrays_without_settings_are_refused(tmp_path):
  """Protects from arrays of something else."""
  np.savez(tmp_path / 'other.npz', x=np.zeros(3))
  with pytest.raises(ValueError, match='other.npz holds no generator'):
    pretrained.load(tmp_path / 'other.npz')


def test_shipped_people_are_drawn():
  """Protects the first thing that a newcomer tries: the weights in the repository draw people, background around and skin within."""
  model = pretrained.load(SHIPPED)
  styles = model.map_latents(jax.random.normal(jax.random.key(0), (2, model.generator.style_dim)))
  portrait = model.render(styles, camera.orbit(0.0, 0.0), image_size=8)
  likeliest = np.argmax(portrait.semantic_mask, axis=-1)
  assert (likeliest[:, 0, 0] == semantics.SemanticClass.BACKGROUND).all() and (likeliest[:, 3:5, 3:5] != 0).all()
  assert np.isfinite(portrait.rgb).all() and np.std(portrait.rgb) > 0.1


def test_shipped_parameters_are_those_that_were_trained():
  """Protects the pictures in the documents: whatever is written beside them, the parameters stay the same to the last bit; and small."""
  digest = hashlib.sha256()
  for name, leaf in sorted(traverse_util.flatten_dict(pretrained.load(SHIPPED).params, sep='/').items()):
    digest.update(name.encode())
    digest.update(np.asarray(leaf).tobytes())
  assert digest.hexdigest() == SHIPPED_DIGEST
  assert os.path.getsize(SHIPPED) < 3_000_000


def test_shipped_file_says_what_made_it():
  """Protects newcomers from guessing: class set, sizes, cameras, mean w and origin are in the file, and the mean is that of its parameters."""
  model = pretrained.load(SHIPPED)
  assert (model.class_set, model.image_size, model.num_samples) == ('ffhq12', 32, 8)
  assert (model.azimuth_std, model.elevation_std) == (camera.AZIMUTH_STD_RADIANS, camera.ELEVATION_STD_RADIANS)
  assert model.provenance | {'version': ''} == dict(
      config='portraits32_long', step=1_000, seed=0, data='portraits', averaged=True, version='')
  expected = sampler.mean_style(model.generator, model.params, jax.random.key(1), num_latents=4096)
  np.testing.assert_allclose(model.w_mean, expected, atol=0.1)
  w = model.map_latents(jnp.ones(model.generator.style_dim))[0, 0]
  np.testing.assert_allclose(latents.truncate(w, model.w_mean, 0.0), model.w_mean)


def test_random_people_of_a_model():
  """Protects `draw_styles`: it maps N(0, I), truncation shrinks towards the mean, and weights without a mean say so."""
  model = pretrained.load(SHIPPED)
  z = jax.random.normal(jax.random.key(3), (2, model.generator.latent_dim))
  styles = model.draw_styles(jax.random.key(3), 2)
  np.testing.assert_array_equal(styles, model.map_latents(z))
  np.testing.assert_allclose(
      model.draw_styles(jax.random.key(3), 2, truncation=0.5), (styles + model.w_mean) / 2, atol=1e-6)
  with pytest.raises(ValueError, match='no w_mean'):
    dataclasses.replace(model, w_mean=None).draw_styles(jax.random.key(3), 2, truncation=0.5)


def test_encoder_of_regions_is_given_back(tmp_path):
  """Protects inversions of regional runs: the encoder's kind and thresholds outlive the file, and its z are as wide as the generator's."""
  num_classes, region_dim = 12, 2
  width = regional_mapping.latent_dim(num_classes, region_dim)
  module = regional_encoder.RegionalEncoder(region_dim, channels=(4, 4), mask_channels=(2, 2), hidden=4)
  shapes = jax.eval_shape(module.init, jax.random.key(0), IMAGE, MASK)
  encoder = pretrained.Encoder(
      module, tiny.fill(shapes), latent_mean=np.zeros(width, np.float32), latent_covariance=np.eye(width, dtype=np.float32),
      class_set='ffhq12', image_size=8, presence_threshold=np.linspace(-1, 1, num_classes).astype(np.float32))
  pretrained.save_encoder(tmp_path / 'encoder.npz', encoder)
  loaded = pretrained.load_encoder(tmp_path)
  assert loaded.module == module
  z, viewpoint = loaded(IMAGE, MASK)
  np.testing.assert_array_equal(z.mean, encoder(IMAGE, MASK)[0].mean)
  assert z.mean.shape == (len(IMAGE), width) and viewpoint is None


def make_encoder(**changes):
  settings = dict(style_dim=8, channels=(4, 4), hidden=8, viewpoint_std=(0.3, 0.15), elevation_mean=0.1) | changes
  module = portrait_encoder.PortraitEncoder(**settings)
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)), jnp.zeros((1, 8, 8, 12)))
  factor = np.tril(np.random.default_rng(1).normal(0, 0.2, (8, 8)), -1) + np.diag(np.linspace(0.5, 3, 8))
  return pretrained.Encoder(
      module, tiny.fill(shapes), latent_mean=np.linspace(-1, 1, 8).astype(np.float32),
      latent_covariance=(factor @ factor.T).astype(np.float32), class_set='ffhq12', image_size=8)


IMAGE, MASK = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32), np.full((2, 8, 8, 12), 1 / 12, np.float32)


@pytest.mark.parametrize('changes', [{}, dict(viewpoint_std=None), dict(mirror_latents=True)], ids=str)
def test_encoder_of_a_run_is_given_back(tmp_path, changes):
  """Protects the start of an inversion: latents and viewpoint of a run's encoder, from its folder or its file, are those that were saved."""
  encoder = make_encoder(**changes)
  pretrained.save_encoder(tmp_path / pretrained.ENCODER_FILE, encoder)
  z, viewpoint = encoder(IMAGE, MASK)
  for path in (tmp_path, tmp_path / pretrained.ENCODER_FILE):
    loaded = pretrained.load_encoder(path)
    assert loaded.module == encoder.module and (loaded.class_set, loaded.image_size) == ('ffhq12', 8)
    again, viewpoint_again = loaded(IMAGE, MASK)
    np.testing.assert_array_equal(again.mean, z.mean)
    np.testing.assert_array_equal(again.log_variance, z.log_variance)
    assert (viewpoint is None) == (viewpoint_again is None) == ('viewpoint_std' in changes)
    if viewpoint is not None:
      np.testing.assert_array_equal(viewpoint_again, viewpoint)


def test_encoded_latents_are_those_of_the_generator_that_a_run_has(tmp_path):
  """Protects inversions (trap: the Gaussian that was folded into the mapping network): what the encoder says of a portrait, mapped by the
  pretrained generator, is what it was in the pretraining."""
  encoder, generator = make_encoder(), tiny.make_generator()
  mapping = tiny.make_params(generator)['params']['mapping']
  folded = mapping_network.fold_gaussian(mapping, encoder.latent_mean, encoder.latent_covariance)
  own = encoder.module.apply(encoder.params, IMAGE, MASK).z.mean
  network = mapping_network.MappingNetwork(generator.style_dim, generator.mapping_layers)
  to_w = lambda params, z: network.apply({'params': params}, z)
  np.testing.assert_allclose(to_w(folded, encoder(IMAGE, MASK)[0].mean), to_w(mapping, own), rtol=1e-3, atol=1e-4)


def test_what_is_no_encoder_is_one_line(tmp_path):
  """Protects from tracebacks: a run without pretraining, another file, or pictures of another size are named, with the remedy."""
  with pytest.raises(FileNotFoundError, match='no encoder .*encoder.npz; give the --workdir of a run that began with VAE pretraining') as error:
    pretrained.load_encoder(tmp_path)
  assert '\n' not in str(error.value)
  with pytest.raises(ValueError, match='holds no encoder'):
    pretrained.load_encoder(SHIPPED)
  (tmp_path / 'cut.npz').write_bytes(SHIPPED.read_bytes()[:1000])
  with pytest.raises(ValueError, match='holds no encoder'):
    pretrained.load_encoder(tmp_path / 'cut.npz')
  with pytest.raises(ValueError, match=r'image has shape \(2, 4, 4, 3\), this encoder needs \(batch, 8, 8, 3\)'):
    make_encoder()(IMAGE[:, :4, :4], MASK)


def make_regional(seed=0):
  """A generator with regional latents and the encoder of the same run, whose kernels are large enough to be compacted."""
  generator = tiny.make_generator(
      num_classes=12, region_dim=4, style_dim=16, width=16, mask_fusion='softmax', base='sphere', residual_fusion='masked',
      view_dependence='none')
  params = tiny.make_params(generator, seed)
  draw = np.random.default_rng(seed)
  width = regional_mapping.latent_dim(12, 4)
  factor = np.tril(draw.normal(0, 0.1, (width, width)), -1) + np.eye(width)
  gaussian = [draw.normal(0, 0.3, width), factor @ factor.T, np.linspace(-1, 1, 12)]
  gaussian = [array.astype(np.float32) for array in gaussian]
  mapping = regional_mapping.with_prior(params['params']['mapping'], *gaussian)
  params['params']['mapping'] = jax.tree.map(jnp.asarray, mapping)
  module = regional_encoder.RegionalEncoder(4, channels=(4, 4), mask_channels=(2, 2), hidden=32)
  shapes = jax.eval_shape(module.init, jax.random.key(0), IMAGE, MASK)
  encoder = pretrained.Encoder(
      module, tiny.fill(shapes, seed), *gaussian[:2], class_set='ffhq12', image_size=8, presence_threshold=gaussian[2])
  return pretrained.Model(generator, params, class_set='ffhq12', image_size=8, num_samples=4), encoder


def test_generator_and_encoder_in_one_compact_file(tmp_path):
  """Protects the shipped file: both are there, in less than half the bytes, near what they were; sine kernels stay as they are, since their
  phases reach tens of radians; the latents are those of this generator's Gaussian."""
  model, encoder = make_regional()
  pretrained.save(tmp_path / 'model.npz', model)
  pretrained.save_encoder(tmp_path / 'encoder.npz', encoder)
  pretrained.save(tmp_path / 'both.npz', model, encoder=encoder, compact=True)
  size = lambda name: (tmp_path / f'{name}.npz').stat().st_size
  assert size('both') < 0.7 * (size('model') + size('encoder'))
  loaded = pretrained.load(tmp_path / 'both.npz')
  for (path, kept), (_, was) in zip(*(jax.tree_util.tree_flatten_with_path(one.params)[0] for one in (loaded, model))):
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    assert kept.dtype == was.dtype == jnp.float32
    np.testing.assert_allclose(kept, was, rtol=0 if pretrained._SINE_KERNEL.search(name) else 1e-3, atol=1e-7, err_msg=name)
  same, again = (find(IMAGE, MASK)[0].mean for find in (encoder, pretrained.load_encoder(tmp_path / 'both.npz')))
  assert 0 < np.abs(again - same).max() < 0.1 * np.abs(same).max()
  own, _ = pretrained.load_encoder(tmp_path / 'both.npz').latents(IMAGE, MASK)
  np.testing.assert_allclose(loaded.map_latents(again), loaded.generator.apply(
      loaded.params, own.mean, method='styles_of_draw'), atol=1e-3)


def test_both_in_one_file_without_loss(tmp_path):
  """Protects files that are not compact: generator and encoder, regional or not, are given back; has_encoder tells files apart."""
  model, encoder = make_regional()
  generator = tiny.make_generator(num_classes=12)
  one_latent = pretrained.Model(generator, tiny.make_params(generator), class_set='ffhq12', image_size=8)
  for name, one, its in (('regions', model, encoder), ('one', one_latent, make_encoder())):
    pretrained.save(tmp_path / f'{name}.npz', one, encoder=its)
    pretrained.save(tmp_path / f'{name}_alone.npz', one)
    assert_same_params(pretrained.load(tmp_path / f'{name}.npz').params, one.params)
    found = pretrained.load_encoder(tmp_path / f'{name}.npz')
    assert_same_params(found.params, its.params)
    np.testing.assert_allclose(found(IMAGE, MASK)[0].mean, its(IMAGE, MASK)[0].mean, rtol=1e-3, atol=1e-3)
    assert pretrained.has_encoder(tmp_path / f'{name}.npz') and not pretrained.has_encoder(tmp_path / f'{name}_alone.npz')
  assert not pretrained.has_encoder(tmp_path) and not pretrained.has_encoder(tmp_path / 'none.npz')


@pytest.mark.parametrize('which, message', [('size', 'image_size 8, the model 16'), ('run', 'know other people')])
def test_the_encoder_of_another_run_is_refused(tmp_path, which, message):
  """Protects from latents of other people: before anything is written, in one line."""
  model, encoder = make_regional()
  if which == 'size':
    model = dataclasses.replace(model, image_size=16)
  else:
    encoder = dataclasses.replace(encoder, latent_covariance=2 * encoder.latent_covariance)
  with pytest.raises(ValueError, match=message):
    pretrained.save(tmp_path / 'both.npz', model, encoder=encoder)
  assert not list(tmp_path.iterdir())


def test_the_shipped_people_have_their_encoder():
  """Protects inversions by the shipped file: it holds generator and encoder, of the same people, below 3 MB."""
  path = SHIPPED.with_name('people64.npz')
  assert pretrained.has_encoder(path) and os.path.getsize(path) < 3_000_000
  pretrained._check_same_run(pretrained.load(path), pretrained.load_encoder(path))
