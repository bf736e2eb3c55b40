"""Generators as StableHLO draw, and have the gradients, that they have here; in a process that has jax alone."""

import pathlib
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import quick
import tiny

from cnerf_jax import camera
from cnerf_jax import pretrained
from cnerf_jax.export import stablehlo

pytestmark = pytest.mark.usefixtures('quick_compilation')
KINDS = {
    'one latent': {}, 'regional latents': dict(base='sphere', mask_fusion='softmax', residual_from_zero=False, view_dependence='colour',
                                               region_dim=4, residual_fusion='masked')}
SEEDS, VIEWPOINTS, PSI = np.uint32([1, 5, 2]), np.float32([[0.3, 0.1], [0, 0], [-0.2, 0.05]]), np.float32(0.7)

# what a user of the exported files runs, in a folder with nothing else
CONSUMER = """
import sys
import jax
import numpy as np
from jax import export

load = lambda name: export.deserialize(bytearray(open(f'{name}.stablehlo', 'rb').read())).call
people, mapping, camera, rendering = map(load, ('people', 'mapping', 'camera', 'rendering'))
params, given = dict(np.load('params.npz')), np.load('given.npz')
styles = people(params, given['seeds'], given['psi'])


def error(styles, viewpoints):
  return ((rendering(params, styles, camera(viewpoints))['rgb'] - given['target'])**2).mean()


of_styles, of_viewpoints = jax.jit(jax.grad(error, argnums=(0, 1)))(styles, given['viewpoints'])
np.savez('found.npz', styles=styles, mapped=mapping(params, given['z'], np.float32(1)), of_styles=of_styles, of_viewpoints=of_viewpoints,
         **jax.jit(rendering)(params, styles, camera(given['viewpoints'])))
print(sorted({'cnerf_jax', 'flax', 'jaxtyping'} & set(sys.modules)))
"""


@pytest.fixture(name='model', scope='module', params=KINDS)
def _model(request):
  """A tiny model whose styles matter."""
  generator = tiny.make_generator(color_gain=60.0, **KINDS[request.param])
  params = tiny.make_params(generator)
  shape = (3, 2, 8) if generator.region_dim else (8,)
  mean = 0.1 * jnp.arange(np.prod(shape)).reshape(shape)
  return pretrained.Model(generator=generator, params=params, image_size=4, num_samples=4, w_mean=mean)


@pytest.fixture(name='files', scope='module')
def _files(model):
  return stablehlo.files(model)


def error(model, styles, viewpoints, target):
  return jnp.mean((model.render(styles, camera.orbit(*viewpoints.T)).rgb - target)**2)


def test_a_process_with_jax_alone_draws_and_differentiates(model, files, tmp_path):
  """Protects use without our code: the same people, pictures, and gradients with respect to styles and cameras, in a fresh process."""
  for name, contents in files.items():
    (tmp_path / name).write_bytes(contents)
  z, target = np.ones((2, model.generator.latent_dim), np.float32), np.full((3, 4, 4, 3), 0.2, np.float32)
  np.savez(tmp_path / 'given.npz', seeds=SEEDS, viewpoints=VIEWPOINTS, psi=PSI, z=z, target=target)
  (tmp_path / 'consumer.py').write_text(CONSUMER)
  done = subprocess.run(
      [sys.executable, '-I', 'consumer.py'], cwd=tmp_path, capture_output=True, text=True, env=quick.environment())
  assert done.returncode == 0, done.stderr[-2000:]
  assert done.stdout.strip() == '[]', 'only jax may be needed'
  found = np.load(tmp_path / 'found.npz')
  styles = jnp.concatenate([model.draw_styles(jax.random.key(seed), 1, truncation=PSI) for seed in SEEDS])
  np.testing.assert_allclose(found['styles'], styles, atol=1e-5)
  np.testing.assert_allclose(found['mapped'], model.map_latents(z), atol=1e-5)
  expected = model.render(styles, camera.orbit(*VIEWPOINTS.T))
  assert np.ptp(expected.rgb) > 0.1, 'nothing to compare'
  for name, wanted in (('rgb', expected.rgb), ('semantic_mask', expected.semantic_mask), ('depth', expected.depth),
                       ('opacity', 1 - expected.last_weight)):
    np.testing.assert_allclose(found[name], wanted, atol=1e-4, err_msg=name)
  of_styles, of_viewpoints = jax.grad(error, argnums=(1, 2))(model, styles, jnp.asarray(VIEWPOINTS), target)
  tiny.assert_close(found['of_styles'], of_styles, rtol=1e-3, what='styles')
  tiny.assert_close(found['of_viewpoints'], of_viewpoints, rtol=1e-3, what='viewpoints')


def test_programs_are_of_the_model_alone(model, files):
  """Protects that an export repeats: the same bytes whoever asks, and no path of this machine in them."""
  def from_another_place():
    return stablehlo.files(model)

  again = from_another_place()
  assert files == again
  for name, contents in files.items():
    assert str(pathlib.Path(__file__).parents[2]).encode() not in contents and b'stablehlo.py' not in contents, name


def test_every_platform_is_in_a_program(model):
  """Protects GPUs and TPUs from files that only a CPU can run."""
  programs = stablehlo.export(model)
  assert {program.platforms for program in programs.values()} == {stablehlo.PLATFORMS}
  assert stablehlo.export(model, platforms=['cpu'])['camera'].platforms == ('cpu',)
  assert programs['rendering'].out_tree.unflatten(programs['rendering'].out_avals)['rgb'].shape[1:] == (4, 4, 3)


def test_other_sizes_in_chunks(model):
  """Protects large images: their rays are drawn in parts, the same picture; params stay what they were."""
  rendering = stablehlo.export(model, image_size=6, num_samples=5, num_chunks=4)['rendering']
  styles = model.draw_styles(jax.random.key(0), 2)
  drawn = rendering.call(stablehlo.flat_params(model), styles, stablehlo.camera_of(jnp.zeros((2, 2))))
  expected = model.render(styles, camera.orbit(jnp.zeros(2), jnp.zeros(2)), image_size=6, num_samples=5)
  np.testing.assert_allclose(drawn['rgb'], expected.rgb, atol=1e-4)


@pytest.mark.parametrize('options, message', [
    (dict(image_size=0), 'image_size 0 must be a number of at least 1'), (dict(num_samples=1), 'num_samples 1 must be a number of at least 2'),
    (dict(platforms=['cpu', 'rocket']), 'platforms cpu, rocket: use some of cpu, cuda, tpu'), (dict(platforms=[]), r'platforms \(none\)')])
def test_refusals(model, options, message):
  """Protects from riddles: what can't be exported is said in one line."""
  with pytest.raises(ValueError, match=message):
    stablehlo.export(model, **options)
