"""What the studio's command writes, refuses and fetches; no browser needed."""

import hashlib
import io
import json
import os
import re
import stat
import tarfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import latents
from cnerf_jax import pretrained
from cnerf_jax.studio import description
from cnerf_jax.studio import directions
from cnerf_jax.studio import runtime

pytest.importorskip('onnx', reason="no onnx; pip install '.[test]'")

from cnerf_jax.studio import __main__ as command_line  # noqa: E402
from cnerf_jax.studio import build  # noqa: E402


pytestmark = pytest.mark.usefixtures('quick_compilation')


@pytest.fixture
def tarball(tmp_path, monkeypatch):
  """A package with the names of the real one."""
  path = tmp_path / 'package.tgz'
  with tarfile.open(path, 'w:gz') as archive:
    for name in (*runtime._BINARIES.values(), *(source for scripts in runtime._SCRIPTS.values() for source in scripts.values())):
      entry = tarfile.TarInfo(f'package/dist/{name}')
      entry.size = len(name)
      archive.addfile(entry, io.BytesIO(name.encode()))
  monkeypatch.setattr(runtime, 'SHA256', hashlib.sha256(path.read_bytes()).hexdigest())
  return path


def test_principal_directions_are_those_that_people_were_drawn_from():
  """Protects sliders: each class and part gets its own axes, the widest first, one standard deviation long, the same signs each time."""
  key = jax.random.key(0)
  widths = jnp.array([[[3.0, 1.0, 0.1], [0.1, 2.0, 0.5]], [[1.0, 0.2, 4.0], [1.0, 3.0, 2.0]]])
  people = 5 + jax.random.normal(key, (20000, 2, 2, 3)) * widths
  found = directions.principal(people, 2)
  for k in range(2):
    for part in range(2):
      order = np.argsort(-np.asarray(widths[k, part]))[:2]
      np.testing.assert_allclose(found[k, part], np.eye(3)[order] * np.asarray(widths[k, part])[order, None], atol=0.08)


def test_names_are_what_a_direction_does(tiny_model, monkeypatch):
  """Protects names: a direction that lightens is called so and turned to lighten; a second one is told apart; a weak one is a detail."""
  def measure(rendering):
    return rendering  # styles as they come: measures [classes, 8]

  class Model:
    generator, image_size = tiny_model.generator, 4
    draw_styles = staticmethod(lambda key, count: jax.random.normal(key, (count, 1, 2, 8)) * jnp.arange(8, 0, -1.0))

    @staticmethod
    def render(styles, camera, image_size):
      lightness = -styles[0, latents.TEXTURE, 0] - 0.5 * styles[0, latents.TEXTURE, 1]
      return jnp.zeros((1, 8)).at[0, 5].set(lightness).at[0, 6].set(0.01 * styles[0, latents.TEXTURE, 2])

  monkeypatch.setattr(directions, '_measure', measure)
  found = directions.named(Model, jax.random.key(0), count=2)
  assert found.names == [[['detail', 'detail 2'], ['lightness', 'lightness 2']]]
  assert found.vectors[0, latents.TEXTURE, 0, 0] < -7 and found.vectors[0, latents.TEXTURE, 1, 1] < -6


def test_measures_of_a_drawn_region(tiny_model):
  """Protects the measures: a region of known place and colour; a class that is not there measures nothing."""
  mask = np.zeros((9, 9, 2), np.float32)
  mask[1:4, 2:7, 1] = 1  # above the middle, wider than high
  rgb = np.zeros((9, 9, 3), np.float32) + np.float32([0.5, 0.1, -0.3])

  class Rendering:
    depth, semantic_mask = np.full((9, 9), 0.9, np.float32), mask
  Rendering.rgb = rgb
  nothing, found = np.asarray(directions._measure(Rendering))
  assert not nothing.any()
  size, width, height, lift, depth, lightness, warmth, colourfulness = found
  np.testing.assert_allclose(
      [size, lift, depth, lightness, warmth, colourfulness], [15 / 81, 0.5, 1.0, 0.1, 0.8, 0.8], atol=1e-5)
  assert width > height > 0


def test_the_page_knows_its_model(tiny_model, tarball, tmp_path):
  """Protects the page's data: numbers read back exactly, graphs and sources are there, a second build replaces the first."""
  folder = tmp_path / 'page'
  for _ in range(2):
    size = build.build(folder, tiny_model, tarball=tarball, num_directions=2)
  said = json.loads((folder / 'model.json').read_text())
  generator = tiny_model.generator
  assert said['seedsAreKeys'] and said['latentDim'] == generator.latent_dim and len(said['palette']) == generator.num_classes
  assert np.shape([[[one['vector'] for one in part] for part in parts] for parts in said['directions']]) == (3, 2, 2, 8)
  assert len(said['meanStyles']) == 3 * 2 * 8
  assert (folder / 'index.html').exists() and (folder / 'models' / 'march_wasm_4.onnx.gz').exists()
  assert size == sum(file.stat().st_size for file in folder.rglob('*') if file.is_file())
  numbers = np.random.default_rng(0).standard_normal(100).astype(np.float32)
  np.testing.assert_array_equal(np.float32(json.loads(json.dumps(description._numbers(numbers)))), numbers)


def test_the_page_asks_for_nothing_from_elsewhere():
  """Protects offline use: no source names an address but those of standards."""
  for name, source in description.sources().items():
    assert set(re.findall(r'https?://[^\s\'"]+', source.decode())) <= {'http://www.w3.org/2000/svg'}, name


def test_refusals(tiny_model, tmp_path, capsys):
  """Protects other people's folders, and from half-known models: said before any work, in one line."""
  (tmp_path / 'full').mkdir()
  (tmp_path / 'full' / 'thesis.txt').write_text('mine')
  with pytest.raises(ValueError, match='holds other files'):
    build.check(tmp_path / 'full', tiny_model)
  with pytest.raises(ValueError, match='is a file'):
    build.check(tmp_path / 'full' / 'thesis.txt', tiny_model)
  with pytest.raises(ValueError, match='do not say their image_size'):
    build.check(tmp_path / 'new', pretrained.Model(generator=tiny_model.generator, params=tiny_model.params))
  with pytest.raises(ValueError, match='0 directions of styles of 8 numbers'):
    directions.named(tiny_model, jax.random.key(0), count=0)
  assert command_line.main(['build', str(tmp_path / 'new'), '--model', str(tmp_path / 'none.npz')]) == 1
  assert command_line._path('people64').name == 'people64.npz', 'shipped models go by name'
  assert capsys.readouterr().err.startswith('error: no model ')


def test_the_runtime_is_checked(tmp_path, monkeypatch):
  """Protects from another package than the one that was tested: by its hash, wherever it comes from."""
  monkeypatch.setattr(runtime, 'CACHE', str(tmp_path / 'cache'))
  (tmp_path / 'other.tgz').write_bytes(b'other')
  with pytest.raises(ValueError, match='is damaged or not onnxruntime-web@'):
    runtime.find(str(tmp_path / 'other.tgz'))
  monkeypatch.setenv(runtime.ENVIRONMENT, str(tmp_path / 'none.tgz'))
  with pytest.raises(FileNotFoundError, match=f'from {runtime.ENVIRONMENT}; correct or unset it'):
    runtime.find()
  assert not (tmp_path / 'cache').exists()


@pytest.mark.parametrize('script, message', [
    (f'printf wanted > {runtime.TARBALL}', None), ('echo "npm error code E503" >&2; exit 1', 'npm error code E503')])
def test_the_runtime_is_fetched_by_npm(tmp_path, monkeypatch, script, message):
  """Protects the first build: npm is asked for the pinned version, once; when it fails, its words and the way out are told."""
  npm = tmp_path / 'npm'
  npm.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n{script}\n')
  npm.chmod(npm.stat().st_mode | stat.S_IEXEC)
  monkeypatch.setenv('PATH', f'{tmp_path}{os.pathsep}{os.environ["PATH"]}')
  monkeypatch.setattr(runtime, 'CACHE', str(tmp_path / 'cache'))
  monkeypatch.setattr(runtime, 'SHA256', hashlib.sha256(b'wanted').hexdigest())
  if message:
    with pytest.raises(FileNotFoundError, match=f'{message}.*npm pack {runtime.REQUIREMENT}'):
      runtime.find()
    return
  assert runtime.find() == runtime.find() == tmp_path / 'cache' / runtime.TARBALL
  assert (tmp_path / 'asked').read_text().splitlines() == [f'pack --ignore-scripts --silent {runtime.REQUIREMENT}']


class Sixes:
  """An encoder of pictures of six pixels."""

  image_size = 6


def test_a_reader_of_other_sizes_is_refused():
  """Protects from pictures that are cut wrongly: sides that are no multiple are told, with the way out, before any work."""
  from cnerf_jax.studio import photograph_graph  # pylint: disable=g-import-not-at-top
  with pytest.raises(ValueError, match='6 pixels a side, photographs have 256, which is no multiple; build the page without'):
    photograph_graph.check(Sixes, photograph_graph.Reader(256, None))


@pytest.mark.parametrize('arguments, words', [
    ([], 'the page takes no photographs: the model has no encoder'), (['--no-photographs'], None)])
def test_a_page_without_photographs_is_told(tiny_model, tarball, tmp_path, capsys, arguments, words):
  """Protects from a surprise: a model without an encoder gives a page, and why it takes no photographs; no reason where none are wanted."""
  pretrained.save(tmp_path / 'model.npz', tiny_model)
  wanted = ['build', str(tmp_path / 'page'), '--model', str(tmp_path / 'model.npz'), '--runtime', str(tarball), '--directions', '1']
  assert command_line.main([*wanted, *arguments]) == 0
  said = capsys.readouterr().err
  assert words in said if words else not said
  assert not (tmp_path / 'page' / 'models' / 'photograph.onnx.gz').exists()
  assert 'photographSide' not in json.loads((tmp_path / 'page' / 'model.json').read_text())
