"""Meshes of portraits: closed, of the right size, in files that open again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnerf_jax import pretrained
from cnerf_jax.meshing import distance_grid
from cnerf_jax.meshing import mesh_files
from cnerf_jax.meshing import portrait_mesh
from cnerf_jax.meshing import triangles
import tiny

trimesh = pytest.importorskip('trimesh')
pytest.importorskip('skimage')


def model():
  """A tiny generator whose residuals are zero: its surface is the base sphere."""
  generator = tiny.make_generator(base='sphere', residual_from_zero=True, mask_fusion='softmax')
  return pretrained.Model(generator, tiny.make_params(generator)), jnp.zeros((generator.num_classes, 2, generator.style_dim))


def test_a_sphere_becomes_a_sphere():
  """Protects grids and marching cubes: the zero set of a distance, found block by block, is the sphere's, closed, with its volume."""
  box = distance_grid.Box((-1.0,) * 3, (1.0,) * 3)
  distance = lambda points: np.linalg.norm(points, axis=-1) - 0.6
  values = distance_grid.sample(distance, box, 64)
  every = distance_grid.sample(distance, box, 64, stride=1)
  np.testing.assert_array_equal(np.sign(values), np.sign(every))
  found = triangles.marching_cubes(values, box)
  np.testing.assert_allclose(np.linalg.norm(found.vertices, axis=-1), 0.6, atol=2e-3)
  one = trimesh.Trimesh(found.vertices, found.faces, process=False)
  assert one.is_watertight and one.volume == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=0.01)


@pytest.mark.parametrize('ending', ['.glb', '.ply', '.obj'])
def test_a_portrait_is_written_and_opened_again(tmp_path, ending):
  """Protects users of files: a closed head of the base sphere's radius, with a colour for each vertex; an existing file is not replaced."""
  generator, styles = model()
  portrait = portrait_mesh.mesh(generator, styles, resolution=32, level=0.0, background=True)
  radius = np.linalg.norm(portrait.whole.triangles.vertices, axis=-1)
  np.testing.assert_allclose(radius, 0.06, atol=1e-3)
  path = tmp_path / f'head{ending}'
  mesh_files.write(path, portrait)
  opened = trimesh.load(path, force='mesh', process=False)
  assert len(opened.faces) == len(portrait.whole.triangles.faces) and opened.is_watertight
  with pytest.raises(FileExistsError, match='is there already'):
    mesh_files.write(path, portrait)


def test_wrong_sizes_and_names_are_one_line():
  """Protects against hours of work for nothing: sizes, classes and styles are checked first, each with its remedy."""
  generator, styles = model()
  with pytest.raises(ValueError, match=r'resolution 4 must be in 8\.\.1024'):
    portrait_mesh.mesh(generator, styles, resolution=4)
  with pytest.raises(ValueError, match="no semantic class 'beard'"):
    portrait_mesh.mesh(generator, styles, parts=['beard'])
  with pytest.raises(ValueError, match='one portrait has'):
    portrait_mesh.mesh(generator, jax.numpy.zeros((2, *styles.shape)))
  with pytest.raises(ValueError, match='nowhere below'):
    portrait_mesh.mesh(generator, styles, resolution=16, level=-1.0)
