import dataclasses
import os
import pathlib

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

from cnerf_jax import pretrained
from cnerf_jax.models import mapping_network
from cnerf_jax.models import portrait_encoder
from cnerf_jax.models import regional_encoder
from cnerf_jax.models import regional_mapping

PRETRAINED = pathlib.Path(__file__).parents[1] / 'pretrained'
IMAGE, MASK = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32), np.full((2, 8, 8, 12), 1 / 12, np.float32)


def make_encoder(**changes):
  settings = dict(style_dim=8, channels=(4, 4), hidden=8, viewpoint_std=(0.3, 0.15), elevation_mean=0.1) | changes
  module = portrait_encoder.PortraitEncoder(**settings)
  shapes = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 8, 8, 3)), jnp.zeros((1, 8, 8, 12)))
  factor = np.tril(np.random.default_rng(1).normal(0, 0.2, (8, 8)), -1) + np.diag(np.linspace(0.5, 3, 8))
  return pretrained.Encoder(
      module, tiny.fill(shapes), latent_mean=np.linspace(-1, 1, 8).astype(np.float32),
      latent_covariance=(factor @ factor.T).astype(np.float32), class_set='ffhq12', image_size=8)


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
    pretrained.load_encoder(PRETRAINED / 'portraits32.npz')
  (tmp_path / 'cut.npz').write_bytes((PRETRAINED / 'portraits32.npz').read_bytes()[:1000])
  with pytest.raises(ValueError, match='holds no encoder'):
    pretrained.load_encoder(tmp_path / 'cut.npz')
  with pytest.raises(ValueError, match=r'image has shape \(2, 4, 4, 3\), this encoder needs \(batch, 8, 8, 3\)'):
    make_encoder()(IMAGE[:, :4, :4], MASK)


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
    chex.assert_trees_all_equal(pretrained.load(tmp_path / f'{name}.npz').params, one.params)
    found = pretrained.load_encoder(tmp_path / f'{name}.npz')
    chex.assert_trees_all_equal(found.params, its.params)
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
  path = PRETRAINED / 'people64.npz'
  assert pretrained.has_encoder(path) and os.path.getsize(path) < 3_000_000
  pretrained._check_same_run(pretrained.load(path), pretrained.load_encoder(path))
