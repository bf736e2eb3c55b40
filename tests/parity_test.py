"""Parity with the published PyTorch code, in its own numbers (tests/golden/README.md)."""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tiny

from cnerf_jax import camera as camera_lib
from cnerf_jax import published
from cnerf_jax import rays as rays_lib
from cnerf_jax import sampler
from cnerf_jax.losses import eikonal
from cnerf_jax.losses import minimal_surface
from cnerf_jax.models import base_sdf
from cnerf_jax.models import discriminator_blocks
from cnerf_jax.rendering import volume_rendering

pytestmark = pytest.mark.usefixtures('quick_compilation')

RTOL = 1e-4
IMAGE_SIZE, NUM_SAMPLES = 8, 6


@pytest.fixture(scope='module')
def golden():
  with np.load(pathlib.Path(__file__).parent / 'golden' / 'published_tiny.npz') as arrays:
    return dict(arrays)


def weights_of(golden, part):
  prefix = f'weights/{part}/'
  return {name.removeprefix(prefix): value for name, value in golden.items() if name.startswith(prefix)}


@pytest.fixture(scope='module')
def ours(golden, quick_compilation):
  """Everything the golden file names, computed by this package from its weights and inputs."""
  generator, params = published.generator_from(weights_of(golden, 'generator'))

  @jax.jit
  def compute(params, z, styles, azimuth_elevation, points):
    camera = camera_lib.orbit(azimuth_elevation[:, 0], azimuth_elevation[:, 1])
    rays = rays_lib.cast_rays(camera, image_size=IMAGE_SIZE)
    distances = rays_lib.offset_distances(camera.near, camera.far, jnp.zeros(rays.origins.shape[:-1]), num_samples=NUM_SAMPLES)
    rendering = sampler.render(
        generator, params, styles, camera, image_size=IMAGE_SIZE, num_samples=NUM_SAMPLES, num_chunks=4)
    field = sampler.radiance_field(generator, params, styles)
    middles = rays_lib.stratified_distances(camera.near, camera.far, jnp.full_like(distances, 0.5))
    stratified = volume_rendering.sample_points(rays, middles)
    to_image = lambda x: x.reshape(x.shape[:1] + (IMAGE_SIZE, IMAGE_SIZE) + x.shape[2:])
    return {
        'w': generator.apply(params, z, method='map_latents').reshape(styles.shape),
        'cam_to_world': camera.cam_to_world,
        'focal': IMAGE_SIZE * camera.focal,
        'near': camera.near,
        'far': camera.far,
        'points': to_image(volume_rendering.sample_points(rays, distances)),
        'view_directions': to_image(rays.viewdirs),
        'rgb': rendering.rgb,
        'semantic_mask': rendering.semantic_mask,
        'surface_point': rendering.surface_point,
        'last_weight': rendering.last_weight,
        'sdf': rendering.sdf,
        'sdf_gradient': eikonal.sdf_gradient(field.sdf, points),
        'residual_sdf_gradient': eikonal.sdf_gradient(field.residual_sdf, points),
        'eikonal_loss_whole': eikonal.eikonal_loss(field.sdf, points),
        'eikonal_loss_residual': eikonal.eikonal_loss(field.residual_sdf, points),
        'minimal_surface_loss': minimal_surface.minimal_surface_loss(rendering.sdf),
        'base_sdf_stratified_mid': to_image(field.base_sdf(stratified)),
        'sphere_target_stratified_mid': to_image(base_sdf.sphere_sdf(stratified)),
    }

  return compute(params, golden['z'], golden['w'], golden['azimuth_elevation'], golden['points'])


@pytest.mark.parametrize('name', [
    'w', 'cam_to_world', 'focal', 'near', 'far', 'points', 'view_directions', 'rgb', 'semantic_mask', 'surface_point',
    'last_weight', 'sdf', 'sdf_gradient', 'residual_sdf_gradient', 'eikonal_loss_whole', 'eikonal_loss_residual',
    'minimal_surface_loss', 'base_sdf_stratified_mid', 'sphere_target_stratified_mid'])
def test_generator_equals_the_published_code(ours, golden, name):
  """Protects the meaning of published weights: every output of the generator is the published one."""
  tiny.assert_close(ours[name], golden[name], rtol=RTOL, what=name)


def test_residual_block_equals_the_published_code(golden):
  """Protects both discriminators: coordinates, activations, pooling, skip and scale of a block are the published ones."""
  weights = weights_of(golden, 'block')
  convolution = lambda kernel, bias: {'conv': {'kernel': weights[kernel].transpose(2, 3, 1, 0), 'bias': weights[bias]}}
  params = {
      'conv_0': {'convolution': convolution('conv1.conv.conv.weight', 'conv1.activation.bias')},
      'conv_1': {'convolution': convolution('conv2.conv.conv.weight', 'conv2.activation.bias')},
      'skip': convolution('skip.conv.weight', 'skip.conv.bias'),
  }
  block = discriminator_blocks.ResidualBlock(golden['block_out'].shape[-1])
  tiny.assert_close(block.apply({'params': params}, golden['block_in']), golden['block_out'], rtol=RTOL)


def test_minibatch_stddev_equals_the_published_code(golden):
  """Protects the strided layout of the groups: sample i with i + 2, i + 4, i + 6 in a batch of eight."""
  actual = discriminator_blocks.minibatch_stddev(jnp.asarray(golden['stddev_in']))
  tiny.assert_close(actual, golden['stddev_out'], rtol=RTOL)
