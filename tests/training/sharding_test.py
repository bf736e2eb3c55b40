"""One device or eight: the same step. Eight CPU devices are simulated, which must be asked for before JAX starts."""

import os
import pathlib
import subprocess
import sys

import jax
import pytest

import quick

from cnerf_jax.training import sharding

TESTS = pathlib.Path(__file__).parents[1]
COMPARE = '''
import jax
import tiny
from cnerf_jax import camera, sampler
from benchmarks import collectives
from cnerf_jax.training import sharding, train_step
assert jax.device_count() == 8
config = tiny.make_config(
    batch_size=8, generator__residual_from_zero=False, generator__residual_scale=0.1, generator__region_dim=2, vae_pretraining__num_steps=2,
    vae_pretraining__rays_per_portrait=8, vae_pretraining__rays_of_classes=0.5, loss_weights__generator__reconstruction=0.5)
players, optimizers, state = tiny.make_run(config)
results = []
for devices in (jax.devices()[:1], jax.devices()):
  mesh = sharding.make_mesh(devices)
  step = sharding.jit_step(train_step.make_train_step(config, players, optimizers), mesh)
  start = jax.device_put(jax.tree.map(lambda x: x.copy(), state), sharding.replicated(mesh))
  batch = sharding.put_batch(tiny.make_batch(config), mesh)
  exchanged = collectives.count_traffic(step.lower(start, batch).compile().as_text())
  after, metrics = step(start, batch)
  leaf = jax.tree.leaves(after.generator_params)[0]
  assert len(leaf.sharding.device_set) == len(devices) and leaf.is_fully_replicated
  results.append(tiny.flat(after) | tiny.flat(metrics))
one, eight = results
assert one.keys() == eight.keys()
for name in one:
  tiny.assert_close(eight[name], one[name], rtol=1e-3 if '/nu/' in name else 3e-4, what=name)
gradients = 4 * sum(leaf.size for leaf in jax.tree.leaves((
    state.generator_params, state.global_discriminator_params, state.semantic_discriminator_params)))
assert 'all-gather' not in exchanged and 'all-to-all' not in exchanged, exchanged
assert gradients <= exchanged['all-reduce'].payload_bytes <= 4 * gradients, (gradients, exchanged)

generator, params = players.generator, state.generator_params
styles = sampler.map_latents(generator, params, jax.random.normal(jax.random.key(0), (2, generator.latent_dim)))
draw = lambda mesh: sampler.render(generator, params, styles, camera.orbit(0.2, 0.1), image_size=8, num_samples=4, mesh=mesh)
alone, together = draw(None), draw(sharding.make_mesh())
assert len(together.rgb.sharding.device_set) == 8
jax.tree.map(lambda x, y: tiny.assert_close(y, x, rtol=1e-4, what='rendering'), alone, together)
print('equal', len(one))
'''


def test_eight_devices_equal_one():
  """Protects training on many devices: parameters, gradients (Adam's moments) and metrics are those of one; only gradients are exchanged."""
  path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
  done = subprocess.run(
      [sys.executable, '-c', COMPARE], capture_output=True, text=True, timeout=600, check=False, cwd=TESTS.parent,
      env=os.environ | quick.environment(num_devices=8) | {'PYTHONPATH': path})
  assert done.returncode == 0, done.stderr[-2000:]
  assert done.stdout.startswith('equal')


def test_batch_must_divide_over_devices():
  """Protects the start of a run: the values and the remedy in one line; multiples pass."""
  mesh = type('Mesh', (), {'size': 4})()
  with pytest.raises(ValueError, match='batch_size 30 does not divide over 4 devices; use a multiple of 4'):
    sharding.check_batch(30, mesh)
  sharding.check_batch(32, mesh)


def test_mesh_is_one_axis_over_all_devices():
  """Protects minibatch stddev, whose reshape raises under explicit axes."""
  mesh = sharding.make_mesh()
  assert mesh.axis_names == ('batch',) and mesh.size == jax.device_count()
  assert all(kind == jax.sharding.AxisType.Auto for kind in mesh.axis_types)
